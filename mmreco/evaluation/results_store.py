"""ResultsStore: the results of a comparison in a folder, one artefact a model, so that the same call takes up again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import IncompatibleError
from mmreco.evaluation.comparison import Result
from mmreco.evaluation.report import Report
from mmreco.storage.artefact import erase, open_artefact, publish

__all__ = ["ResultsStore", "mark"]

_KIND = "Compared"
_ROWS = "rows"  # no metric has this name


@dataclass(frozen=True)
class ResultsStore:
    """A folder of finished results.

    Parameters
    ----------
    folder : created at the first save
    comparison : what is compared on what; results of another comparison are refused
    """

    folder: Path
    comparison: str

    def save(self, name: str, model: str, result: Result) -> None:
        """Keep what one model did; `model` says what it was."""
        report = result.report
        about = {
            "comparison": self.comparison,
            "name": name,
            "model": model,
            "type": report.model,
            "figures": dict(report),
            "segments": {segment: dict(part) for segment, part in report.segments.items()},
            "skipped": report.skipped,
            "seconds": report.seconds,
            "fit_seconds": result.fit_seconds,
            "memory_mb": None if np.isnan(result.memory_mb) else result.memory_mb,
        }
        with publish(self._place(name), _KIND, about) as path:
            save_file({**report.per_user, _ROWS: result.rows}, path / "figures.safetensors")

    def load(self, name: str, model: str, users: IdMap) -> Result | None:
        """What the model of this name did; None where it is not kept, or was another model then.

        Raises
        ------
        IncompatibleError
            It belongs to another comparison: other data, other cut-offs, another seed.
        DataError
            It is damaged.
        """
        place = self._place(name)
        if not (place / "CURRENT").exists():
            return None
        artefact = open_artefact(place, _KIND)
        about = artefact.about
        if about["comparison"] != self.comparison:
            raise IncompatibleError(
                f"{place}: from another comparison (other data, k or seed, or content encoded on another machine or "
                "with other threads); choose another folder, or remove it to start anew"
            )
        if about["model"] != model:
            return None
        arrays: dict[str, npt.NDArray[Any]] = load_file(artefact.path / "figures.safetensors")
        rows = arrays.pop(_ROWS)
        memory = float("nan") if about["memory_mb"] is None else float(about["memory_mb"])
        per_user = {metric: arrays[metric] for metric in about["figures"] if metric in arrays}
        figures, segments = about["figures"], about["segments"]
        report = Report(about["type"], figures, per_user, users, about["skipped"], about["seconds"], segments)
        return Result(report, float(about["fit_seconds"]), memory, rows)

    @staticmethod
    def clear(folder: Path) -> None:
        """Remove the results kept in `folder`, as far as mmreco wrote them.

        Raises
        ------
        DataError
            Somebody is writing to one.
        """
        if folder.is_dir() and not folder.is_symlink():
            for place in sorted(folder.glob("model-*")):
                erase(place, _KIND)

    def _place(self, name: str) -> Path:
        return self.folder / f"model-{quote(name, safe='')}"


def mark(parts: Iterable[object]) -> str:
    """SHA-256 (hexadecimal) of what a comparison stands on: interactions by their content, all else by `repr`."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Interactions):
            digest.update(f"{part.users.checksum} {part.items.checksum}".encode())
            for array in (part.starts, part.items_flat, part.event_types, part.weights, part.times):
                digest.update(b"-" if array is None else array.tobytes())
            digest.update(b"" if part.nanoseconds is None else part.nanoseconds.tobytes())
        elif isinstance(part, np.ndarray):
            digest.update(part.tobytes())
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()
