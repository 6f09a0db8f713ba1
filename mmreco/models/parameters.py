"""Checks of hyper-parameters: numbers are numbers, in their range, and Python's own, so that they can be saved."""

from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from mmreco.errors import DataError

__all__ = ["require", "require_counts", "require_positive", "settle"]

_WORDS = {int: "a whole number", float: "a number", bool: "True or False", str: "a string", NoneType: "None"}


def require(holds: bool, name: str, given: object, expected: str) -> None:
    """Nothing, or an error that names the parameter.

    Raises
    ------
    DataError
        `holds` is not so.
    """
    if not holds:
        raise DataError(f"{name}={given!r}: expected {expected}")


def require_counts(owner: object, *names: str) -> None:
    """Nothing, where each of these parameters is 1 or more.

    Raises
    ------
    DataError
        One is below; the first is named.
    """
    for name in names:
        require(getattr(owner, name) >= 1, name, getattr(owner, name), "1 or more")


def require_positive(owner: object, *names: str) -> None:
    """Nothing, where each of these parameters is a finite number above 0.

    Raises
    ------
    DataError
        One is not; the first is named.
    """
    for name in names:
        require(0 < getattr(owner, name) < np.inf, name, getattr(owner, name), "a number above 0")


def settle(owner: Any) -> None:
    """Take numpy's scalars among the fields of a dataclass for Python's, in place; refuse what is of another type.

    Fields that are not plain numbers, strings or truth values are left to their owner.

    Raises
    ------
    DataError
        A field is of another type than the class says.
    """
    for one in fields(owner):
        kinds = _kinds(one.type)
        if not kinds or not one.init:
            continue
        given = getattr(owner, one.name)
        plain = given.item() if isinstance(given, np.generic) else given
        if not any(_is(plain, kind) for kind in kinds):
            raise DataError(f"{one.name}={given!r}: expected {' or '.join(_WORDS[kind] for kind in kinds)}")
        if plain is not given:
            object.__setattr__(owner, one.name, plain)


def _kinds(annotation: Any) -> tuple[type, ...]:
    """The plain types that an annotation allows; none where it allows anything else too."""
    if annotation in _WORDS:
        return (annotation,)
    if annotation is None:
        return (NoneType,)
    if get_origin(annotation) is Literal:
        return tuple(dict.fromkeys(type(choice) for choice in get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        parts = [_kinds(part) for part in get_args(annotation)]
        return tuple(kind for part in parts for kind in part) if all(parts) else ()
    return ()


def _is(given: object, kind: type) -> bool:
    if isinstance(given, bool):
        return kind is bool
    return isinstance(given, (int, float) if kind is float else kind)
