"""Boxes: where in a picture things are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmreco.arrays import F32, frozen, require_finite
from mmreco.errors import DataError

__all__ = ["Box", "Boxes", "inside", "overlap"]

Box = tuple[float, float, float, float]
"""`(x0, y0, x1, y1)` in pixels of the upright picture: left, top, right, bottom; the last two are where it ends."""

_SLACK = 1.0  # pixels a box may leave its picture by, as those that were scaled do


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes found in one picture, best first.

    Parameters
    ----------
    corners : shape `(m, 4)`
        `x0, y0, x1, y1` in pixels of the upright picture.
    scores : shape `(m,)`
        How sure each is, never increasing.

    Raises
    ------
    DataError
        The shapes do not fit, a number is not finite, a box is empty, or scores increase.

    Examples
    --------
    >>> Boxes([[10, 20, 110, 220]], [0.9]).best()
    (10.0, 20.0, 110.0, 220.0)
    """

    corners: F32
    scores: F32

    def __post_init__(self) -> None:
        corners, scores = frozen(self.corners, np.float32), frozen(self.scores, np.float32)
        if not corners.size:
            corners = frozen(corners.reshape(0, 4), np.float32)
        if corners.ndim != 2 or corners.shape[1] != 4 or scores.shape != (len(corners),):
            raise DataError(f"Boxes: corners {corners.shape}, scores {scores.shape}; expected (m, 4) and (m,)")
        require_finite(corners, "Boxes: corners")
        require_finite(scores[:, None], "Boxes: scores")
        empty = (corners[:, 2:] <= corners[:, :2]).any(axis=1)
        if empty.any():
            raise DataError(
                f"Boxes: {int(empty.sum())} empty, first {corners[empty][0].tolist()}; expected x0 < x1, y0 < y1"
            )
        if (np.diff(scores) > 0).any():
            raise DataError("Boxes: scores increase; expected the best first")
        object.__setattr__(self, "corners", corners)
        object.__setattr__(self, "scores", scores)

    def __len__(self) -> int:
        """The number of boxes."""
        return len(self.corners)

    def best(self) -> Box | None:
        """The first box; None where nothing was found."""
        if not len(self):
            return None
        x0, y0, x1, y1 = (float(value) for value in self.corners[0])
        return x0, y0, x1, y1


def inside(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """The box in whole pixels of a picture of this size, each pixel that it touches.

    Parameters
    ----------
    box : (x0, y0, x1, y1) in pixels
    width, height : of the picture, in pixels

    Raises
    ------
    DataError
        It is not four finite numbers, is empty, or leaves the picture by more than a pixel.
    """
    try:
        values: npt.NDArray[Any] = np.asarray(box, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if isinstance(box, (str, bytes)) or values.shape != (4,) or not np.isfinite(values).all():
        raise DataError(f"box {box!r:.60}: expected four finite numbers x0, y0, x1, y1 in pixels")
    x0, y0, x1, y1 = values.tolist()
    if x1 <= x0 or y1 <= y0:
        raise DataError(f"box {_shown(values)}: is empty; expected x0 < x1 and y0 < y1")
    whole = min(x0, y0) >= -_SLACK and x1 <= width + _SLACK and y1 <= height + _SLACK
    if not whole or x0 >= width or y0 >= height or min(x1, y1) <= 0:
        raise DataError(
            f"box {_shown(values)}: leaves the picture of {width} x {height} pixels; expected it inside, in pixels of "
            "the picture turned upright, as EXIF says"
        )
    left, top = max(0, int(np.floor(x0))), max(0, int(np.floor(y0)))
    return left, top, min(width, int(np.ceil(x1))), min(height, int(np.ceil(y1)))


def overlap(first: F32, second: F32) -> F32:
    """What each box of `first` has in common with each of `second`: intersection over union, shape `(m, n)`.

    Parameters
    ----------
    first : shape `(m, 4)`
    second : shape `(n, 4)`
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)  # (m, n)
    areas = [(b[:, 2:] - b[:, :2]).prod(axis=1) for b in (first, second)]
    union = areas[0][:, None] + areas[1][None] - common
    shares: F32 = np.divide(common, union, out=np.zeros_like(common), where=union > 0).astype(np.float32)
    return shares


def _shown(values: npt.NDArray[Any]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"
