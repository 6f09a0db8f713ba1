"""Encoders by the name they are stored under.

An artefact names the kind of its encoders. A name is looked up here and nowhere else, so that reading an artefact never
imports what it names. An encoder of your own is stored once it keeps the promise `Storable` and was registered, before
it is saved and again in each process that loads it::

    register_encoder(MyEncoder)
    Recommender.load("artefact/")
"""

from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, TypeVar

from mmreco.errors import DataError, IncompatibleError
from mmreco.protocols import Encoder, Storable

__all__ = ["BUILT_IN", "encoder_class", "encoder_kind", "register_encoder"]

BUILT_IN: Final = MappingProxyType(
    {
        "ImageEncoder": "mmreco.encoders.image.encoder",
        "LexicalEncoder": "mmreco.encoders.text.lexical",
        "StaticEncoder": "mmreco.encoders.text.static",
        "TextEncoder": "mmreco.encoders.text.encoder",
        "WordedImageEncoder": "mmreco.encoders.image.worded",
    }
)
"""mmreco's own kinds and the file each is in."""

_registered: dict[str, type[Any]] = {}

Kind = TypeVar("Kind", bound=type[Any])


def register_encoder(cls: Kind) -> Kind:
    """Allow encoders of this class to be stored, under the class's name; returns the class.

    Registering a class twice does nothing.

    Raises
    ------
    DataError
        It is no class, lacks `save_to` or `load_from`, or its name stands for another class.
    """
    if not isinstance(cls, type) or not issubclass(cls, Storable):
        raise DataError(
            f"register_encoder: {cls!r:.80}; expected a class with save_to(path) and load_from(path) (mmreco.Storable)"
        )
    name = cls.__name__
    if name in BUILT_IN or _registered.setdefault(name, cls) is not cls:
        raise DataError(f"register_encoder: {name!r} stands for another class; give yours another name")
    return cls


def encoder_kind(encoder: Encoder[Any]) -> str:
    """The name the class of `encoder` is stored under.

    Raises
    ------
    DataError
        The class was not registered.
    """
    cls, name = type(encoder), type(encoder).__name__
    if _registered.get(name) is cls or (name in BUILT_IN and cls.__module__ == BUILT_IN[name]):
        return name
    raise DataError(
        f"encoder {name}: cannot be stored; expected one of {_names()}, or call "
        f"mmreco.encoders.registry.register_encoder({name}) first"
    )


def encoder_class(kind: str) -> type[Any]:
    """The class stored under the name `kind`; it keeps the promise `Storable`.

    Raises
    ------
    IncompatibleError
        There is none.
    """
    if kind in _registered:
        return _registered[kind]
    if kind not in BUILT_IN:
        raise IncompatibleError(
            f"encoder {kind[:80]!r}: this version of mmreco reads {_names()}; where it is your own class, call "
            "mmreco.encoders.registry.register_encoder with it before loading"
        )
    cls: type[Any] = getattr(import_module(BUILT_IN[kind]), kind)
    return cls


def _names() -> str:
    return ", ".join([*BUILT_IN, *_registered])
