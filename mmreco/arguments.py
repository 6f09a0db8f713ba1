"""Checks of what a caller gives: lists of strings, a width. Done once, at the door."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmreco.errors import DataError

__all__ = ["listed", "require_share", "require_whole", "require_width", "strings"]

_WIDEST = 1_000_000


def listed(what: str, given: Sequence[Any]) -> list[Any]:
    """`given` as a list; a single string or path is not one.

    Raises
    ------
    DataError
        `given` is a string or a path.
    """
    if isinstance(given, (str, Path)):
        raise DataError(f"{what}: {str(given)!r} is one; give a list of them, e.g. [{str(given)!r}]")
    return list(given)


def strings(what: str, given: Sequence[str]) -> list[str]:
    """`given` as a list of strings: ids and texts are nothing else.

    Raises
    ------
    DataError
        `given` is a single string, or something in it is no string (the place is named).
    """
    asked = listed(what, given)
    for place, one in enumerate(asked):
        if not isinstance(one, str):
            raise DataError(f"{what}: {one!r} at place {place} is no string; give {str(one)!r}")
    return asked


def require_whole(name: str, given: object, *, least: int = 1) -> int:
    """`given` as a plain whole number.

    Raises
    ------
    DataError
        It is no whole number, or below `least`.
    """
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, np.integer)) or given < least:
        raise DataError(f"{name}={given!r}: expected a whole number of {least} or more")
    return int(given)


def require_share(name: str, given: object) -> float:
    """`given` as a plain number between 0 and 1, both exclusive.

    Raises
    ------
    DataError
        It is no number, or not between 0 and 1.
    """
    number = isinstance(given, (int, float, np.integer, np.floating)) and not isinstance(given, bool)
    if not number or not 0 < given < 1:  # type: ignore[operator]
        raise DataError(f"{name}={given!r}: expected a number between 0 and 1")
    return float(given)  # type: ignore[arg-type]


def require_width(k: object, n_items: int = 0) -> int:
    """`k` as a plain whole number.

    Raises
    ------
    DataError
        `k` is no whole number, below 1, or above a million where there are not even as many items.
    """
    if isinstance(k, (bool, np.bool_)) or not isinstance(k, (int, np.integer)):
        raise DataError(f"k={k!r}: expected a whole number of 1 or more")
    if not 1 <= k <= max(n_items, _WIDEST):
        raise DataError(f"k={k}: expected 1 to {max(n_items, _WIDEST):,}; an answer is exactly k wide")
    return int(k)
