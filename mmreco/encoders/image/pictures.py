"""A catalogue's pictures in memory, each decoded once: for training, and for the encoder that was trained."""

import logging
import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmreco.arguments import require_kind
from mmreco.arrays import I64
from mmreco.data.catalogue import Catalogue
from mmreco.encoders.image.decoding import open_picture
from mmreco.encoders.image.preprocessing import Preprocessing
from mmreco.errors import DataError
from mmreco.prefetch import prefetch
from mmreco.progress import progress

__all__ = ["Pictures", "read_pictures"]

_logger = logging.getLogger(__name__)

_MEMORY = 2 << 30  # bytes of pictures
_AHEAD = 256  # pictures


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of `m` items.

    Parameters
    ----------
    larger : shape `(m, 3, h, h)`, uint8
        A quarter larger than the network sees them, so that a view of a part stays sharp.
    whole : shape `(m, 3, size, size)`, uint8
        As the network sees them; of no picture where they were not asked for.
    rows : shape `(m,)`
        Their items' rows.
    refused : rows of the items whose picture cannot be read, and why
    """

    larger: Tensor
    whole: Tensor
    rows: I64
    refused: dict[int, str]


def read_pictures(
    catalogue: Catalogue, preprocessing: Preprocessing, *, seed: int, whole: bool = False, shown: bool = False
) -> Pictures:
    """The pictures of a catalogue that can be read; of more than fit in 2 GiB a random part.

    Parameters
    ----------
    catalogue : with pictures in `image`
    preprocessing : of the network
    seed : of the random part
    whole : whether to keep them as the network sees them as well, optional
    shown : whether to show a bar, optional
    """
    require_kind("pictures", catalogue, Catalogue)
    larger = preprocessing.larger()
    sides = (larger.size, preprocessing.size) if whole else (larger.size,)
    paths = [(row, path) for row, path in enumerate(catalogue.images()) if path is not None]
    fitting = _MEMORY // sum(3 * side**2 for side in sides)
    if len(paths) > fitting:
        _logger.info("%d pictures; %d of them, drawn at random, are held in memory", len(paths), fitting)
        places = np.sort(np.random.default_rng(seed).permutation(len(paths))[:fitting])
        paths = [paths[place] for place in places]
    held = [torch.empty(len(paths), 3, side, side, dtype=torch.uint8) for side in sides]
    rows: list[int] = []
    refused: dict[int, str] = {}

    def squares(path: object) -> list[Tensor] | DataError:
        try:
            picture = open_picture(path, size=larger.size)  # type: ignore[arg-type]
            return [kind.squared(picture) for kind in ((larger, preprocessing) if whole else (larger,))]
        except DataError as error:
            return error

    read = prefetch(squares, [path for _, path in paths], os.cpu_count() or 1, window=_AHEAD)
    for (row, _), made in zip(
        paths, progress(read, total=len(paths), description="reading pictures", shown=shown), strict=True
    ):
        if isinstance(made, DataError):
            refused[row] = str(made)
            continue
        for tensor, square in zip(held, made, strict=True):
            tensor[len(rows)] = square
        rows.append(row)
    if refused:
        first = next(iter(refused.values()))
        _logger.warning("%d of %d pictures left out of training, first %s", len(refused), len(paths), first)
    n = len(rows)
    exact = held[1][:n] if whole else torch.empty(0, 3, preprocessing.size, preprocessing.size, dtype=torch.uint8)
    return Pictures(held[0][:n], exact, np.array(rows, dtype=np.int64), refused)
