"""What an index keeps beside its embeddings: settings in `index.json`, and the structure it built.

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

from mmreco.errors import DataError
from mmreco.index.segments import Segments
from mmreco.index.structure import Effort, Structure

__all__ = ["Settings", "held", "settings", "write"]


@dataclass(frozen=True)
class Settings:
    """How an index was asked for, and how well its structure does."""

    quality: str
    memory: int | None = None
    recall: float = 1.0


def write(path: Path, about: Settings, held: Segments | None) -> None:
    """Write settings and structure into the folder `path`."""
    said: dict[str, Any] = asdict(about)
    if held is not None:
        said |= {"factory": held.structure.factory, "effort": asdict(held.effort)}
        held.write(path)
    (path / "index.json").write_text(json.dumps(said, indent=1), encoding="utf-8")


def settings(path: Path) -> Settings:
    """The settings in the folder `path`.

    Raises
    ------
    DataError
        `index.json` is damaged.
    """
    said = _said(path)
    try:
        return Settings(str(said["quality"]), said.get("memory"), float(said.get("recall", 1.0)))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path / 'index.json'}: not the settings of an index ({error!r})") from error


def held(faiss: Any, path: Path, shape: tuple[int, int], kind: type[Structure]) -> Segments | None:
    """The structure in the folder `path` over vectors of this shape, None where there is none.

    Raises
    ------
    DataError
        A file is damaged.
    IncompatibleError
        The structure is over vectors of another number or width.
    """
    said = _said(path)
    if "factory" not in said:
        return None
    try:
        effort = Effort(int(said["effort"]["search"]), float(said["effort"]["fetch"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path / 'index.json'}: no effort of a structure ({error!r})") from error
    return Segments.read(faiss, path, str(said["factory"]), effort, shape, kind)


def _said(path: Path) -> dict[str, Any]:
    try:
        said = json.loads((path / "index.json").read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path / 'index.json'}: damaged, not JSON ({error})") from error
    if not isinstance(said, dict):
        raise DataError(f"{path / 'index.json'}: not the settings of an index; expected an object")
    return said
