"""What an index stores beside its embeddings: settings in `index.json`, and the structure it built.

::

    index.json         quality, memory, measured recall; with a structure its factory string and effort
    structure.faiss    positions
    rows.npy           the row of each position, -1 for none
    tail.npy           rows at no position
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmreco.arrays import frozen
from mmreco.errors import DataError
from mmreco.index.segments import Positions, Segments
from mmreco.index.structure import Effort, Structure

__all__ = ["Settings", "packed", "read_segments", "read_settings", "unpacked", "write"]


@dataclass(frozen=True)
class Settings:
    """How an index was asked for, and how well its structure does."""

    quality: str
    memory: int | None = None
    recall: float = 1.0


def write(path: Path, settings: Settings, segments: Segments | None) -> None:
    """Write settings and structure into the folder `path`."""
    fields: dict[str, Any] = asdict(settings)
    if segments is not None:
        fields |= {"factory": segments.structure.factory, "effort": asdict(segments.effort)}
        segments.structure.write(path / "structure.faiss")
        np.save(path / "rows.npy", segments.positions.rows, allow_pickle=False)
        np.save(path / "tail.npy", segments.tail, allow_pickle=False)
    (path / "index.json").write_text(json.dumps(fields, indent=1), encoding="utf-8")


def read_settings(path: Path) -> Settings:
    """The settings in the folder `path`.

    Raises
    ------
    DataError
        `index.json` is damaged.
    """
    fields = _fields(path)
    try:
        return Settings(str(fields["quality"]), fields.get("memory"), float(fields.get("recall", 1.0)))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path / 'index.json'}: not the settings of an index ({error!r})") from error


def read_segments(faiss: Any, path: Path, shape: tuple[int, int], kind: type[Structure]) -> Segments | None:
    """The structure in the folder `path` over vectors of this shape, None where there is none.

    Raises
    ------
    DataError
        A file is damaged, or rows and tail do not make up the items.
    IncompatibleError
        The structure is over vectors of another number or width.
    """
    fields = _fields(path)
    if "factory" not in fields:
        return None
    try:
        effort = Effort(int(fields["effort"]["search"]), float(fields["effort"]["fetch"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path / 'index.json'}: no effort of a structure ({error!r})") from error
    try:
        rows = np.load(path / "rows.npy", allow_pickle=False)
        tail = np.load(path / "tail.npy", allow_pickle=False)
    except ValueError as error:
        raise DataError(f"{path}: rows or tail are no arrays ({error}); build the index again") from error
    there = np.concatenate([rows[rows >= 0], tail])
    if rows.dtype != np.int64 or tail.dtype != np.int64 or not np.array_equal(np.sort(there), np.arange(shape[0])):
        raise DataError(f"{path}: {len(there)} rows that are not the {shape[0]} items; build the index again")
    structure = kind.read(faiss, path / "structure.faiss", str(fields["factory"]), (len(rows), shape[1]))
    return Segments(structure, Positions(frozen(rows, np.int64)), frozen(tail, np.int64), effort)


def packed(segments: Segments) -> dict[str, Any]:
    """The structure as values that can be pickled."""
    return {
        "factory": segments.structure.factory,
        "structure": segments.structure.serialised(),
        "rows": segments.positions.rows,
        "tail": segments.tail,
        "effort": segments.effort,
    }


def unpacked(faiss: Any, state: dict[str, Any], kind: type[Structure]) -> Segments:
    """What `packed` made."""
    structure = kind.restored(faiss, state["structure"], state["factory"])
    return Segments(
        structure, Positions(frozen(state["rows"], np.int64)), frozen(state["tail"], np.int64), state["effort"]
    )


def _fields(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads((path / "index.json").read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path / 'index.json'}: damaged, not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise DataError(f"{path / 'index.json'}: not the settings of an index; expected an object")
    return fields
