"""Hyper-parameters on their way to a manifest and back: plain numbers, and names that earlier versions used."""

import inspect
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from mmreco.errors import IncompatibleError

__all__ = ["from_config", "plain"]

_RENAMED = {"factors": "dim"}


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: numpy scalars as Python's, paths as text."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value


def from_config(model: Any, config: Mapping[str, Any], path: Path) -> Any:
    """A model of this class with the hyper-parameters of a manifest.

    A manifest of mmreco 0.1 has `factors` for `dim`, and what `training` holds one by one; it is read as well.

    Raises
    ------
    IncompatibleError
        The class has no parameter of that name.
    """
    known = inspect.signature(model).parameters
    own = {(_RENAMED.get(name, name) if name not in known else name): value for name, value in config.items()}
    if "training" in known:
        from mmreco.models.training import Training  # heavy

        inside = {field.name for field in fields(Training)}
        loose = {name: own.pop(name) for name in inside & own.keys() - known.keys()}
        own["training"] = Training(**{**loose, **own.get("training", {})})
    unknown = own.keys() - known.keys()
    if unknown:
        raise IncompatibleError(f"{path}: {model.__name__} has no parameter {min(unknown)!r}; refit and save")
    return model(**own)
