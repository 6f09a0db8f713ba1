"""What an index stores beside its embeddings: settings in `index.json`, and the structure it built.

::

    index.json         quality, memory, measured recall; with a structure its factory string and effort
    structure.faiss    positions
    rows.npy           the row of each position, -1 for none
    tail.npy           rows at no position
    twins.npy          rows that share the vector, and the position, of another; where there are any
    twin_positions.npy the position of each
"""

import json
import logging
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmreco.arrays import I64, frozen
from mmreco.errors import DataError
from mmreco.index.positions import Positions
from mmreco.index.quality import require_factory
from mmreco.index.segments import Segments
from mmreco.index.structure import Effort, Structure

__all__ = ["Settings", "packed", "read_segments", "read_settings", "unpacked", "write"]

_log = logging.getLogger(__name__)

_HEADER_BYTES = 128
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00\x76\x00\{'descr': '<i8', 'fortran_order': False, 'shape': \((\d{1,15}),\), \} *\n"
)
_SETTINGS_MOST = 1 << 16  # bytes of settings
_EFFORT_MOST, _FETCH_MOST = 1 << 20, 1_000


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
        if len(segments.positions.twins):
            np.save(path / "twins.npy", segments.positions.twins, allow_pickle=False)
            np.save(path / "twin_positions.npy", segments.positions.twin_positions, allow_pickle=False)
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
        settings = Settings(fields["quality"], fields.get("memory"), float(fields.get("recall", 1.0)))
        if not isinstance(settings.quality, str):
            raise TypeError(f"quality {settings.quality!r:.60}")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path / 'index.json'}: not the settings of an index ({error!r})") from error
    try:
        require_factory(settings.quality)
    except DataError as error:
        raise DataError(f"{path / 'index.json'}: {error}") from error
    if not 0 <= settings.recall <= 1:
        raise DataError(f"{path / 'index.json'}: a recall of {settings.recall}; expected 0 to 1")
    return settings


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
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path / 'index.json'}: no effort of a structure ({error!r})") from error
    if not (1 <= effort.search <= _EFFORT_MOST and 1 <= effort.fetch <= _FETCH_MOST):
        raise DataError(f"{path / 'index.json'}: an effort of {effort}, beyond what any structure takes")
    positions, tail = _positions(path), _row_numbers(path / "tail.npy")
    rows = positions.rows
    there = np.concatenate([rows[rows >= 0], positions.twins, tail])
    if not np.array_equal(np.sort(there), np.arange(shape[0])):
        raise DataError(f"{path}: {len(there)} rows that are not the {shape[0]} items; build the index again")
    structure = kind.read(faiss, path / "structure.faiss", str(fields["factory"]), (len(rows), shape[1]))
    if structure is None:
        _log.info("%s: a structure whose numbers cannot be checked; it is built anew", path)
        return None
    return Segments(structure, positions, frozen(np.sort(tail), np.int64), effort)


def _positions(path: Path) -> Positions:
    rows = _row_numbers(path / "rows.npy")
    if not (path / "twins.npy").exists():
        return Positions(frozen(rows, np.int64))
    twins, places = _row_numbers(path / "twins.npy"), _row_numbers(path / "twin_positions.npy")
    if (
        len(twins) != len(places)
        or (np.diff(places) < 0).any()
        or not 0 <= places[:1].sum() <= places[-1:].sum() < len(rows)
    ):
        raise DataError(f"{path}: positions of twins that are none; build the index again")
    return Positions.of(rows, places, twins)


def _row_numbers(path: Path) -> I64:
    """The int64 array, shape `(n,)`, in a file as `numpy.save` writes it; nothing else is read."""
    with path.open("rb") as file:
        header, size = _HEADER.fullmatch(file.read(_HEADER_BYTES)), os.fstat(file.fileno()).st_size
    if header is None or size != _HEADER_BYTES + 8 * int(header[1]):
        raise DataError(f"{path}: {size} bytes that are no array of rows; build the index again")
    return np.fromfile(path, dtype="<i8", offset=_HEADER_BYTES).astype(np.int64, copy=False)


def packed(segments: Segments) -> dict[str, Any]:
    """The structure as values that can be pickled."""
    return {
        "factory": segments.structure.factory,
        "structure": segments.structure.serialised(),
        "positions": segments.positions,
        "tail": segments.tail,
        "effort": segments.effort,
    }


def unpacked(faiss: Any, state: dict[str, Any], kind: type[Structure]) -> Segments:
    """What `packed` made."""
    structure = kind.restored(faiss, state["structure"], state["factory"])
    return Segments(structure, state["positions"], frozen(state["tail"], np.int64), state["effort"])


def _fields(path: Path) -> dict[str, Any]:
    file = path / "index.json"
    try:
        if file.stat().st_size > _SETTINGS_MOST:
            raise DataError(f"{file}: {file.stat().st_size} bytes, more than the settings of an index can be")
        fields = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise error if isinstance(error, DataError) else DataError(f"{file}: damaged, not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise DataError(f"{file}: not the settings of an index; expected an object")
    return fields
