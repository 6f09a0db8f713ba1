"""What a picture network makes of random views of pictures: asked once, so that a layer behind it learns in seconds."""

import logging
import os
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmreco.encoders.image.decoding import PictureContent, open_picture
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.errors import DataError
from mmreco.nn.augmentation import Change, view
from mmreco.prefetch import prefetch
from mmreco.progress import progress

__all__ = ["views_of"]

_logger = logging.getLogger(__name__)

_BLOCK = 32  # pictures held and shown to the network together


def views_of(
    encoder: ImageEncoder,
    pictures: Sequence[PictureContent],
    change: Change,
    n_views: int,
    *,
    seed: int,
    what: str,
    shown: bool = False,
) -> tuple[Tensor, list[int]]:
    """The vectors of each picture whole and in random views, shape `(n_views, m, dim)`, and the places of the `m` read.

    Pictures that cannot be read are left out, and counted in a warning of the log.

    Parameters
    ----------
    encoder : ImageEncoder
    pictures : `n` of them
    change : how far a view may go
    n_views : 1 or more; the first is the whole picture
    seed : of the views
    what : the pictures are, for the log
    shown : whether to show a bar, optional
    """
    larger, side = encoder.preprocessing.larger(), encoder.preprocessing.size
    generator = torch.Generator().manual_seed(seed)

    def square(picture: PictureContent) -> Tensor | DataError:
        try:
            return larger.squared(open_picture(picture, size=larger.size))
        except DataError as error:
            return error

    def vectors(block: list[Tensor]) -> Tensor:
        held = torch.stack(block)
        whole = F.interpolate(held.float(), size=(side, side), mode="bilinear", antialias=True)
        seen = [whole, *((view(held, side, change, generator=generator) + 1) * 127.5 for _ in range(n_views - 1))]
        encoded = [encoder.encode_prepared(list(one.round().to(torch.uint8))) for one in seen]
        return torch.stack([torch.from_numpy(one) for one in encoded])  # (n_views, b, dim)

    parts: list[Tensor] = [torch.empty(n_views, 0, encoder.dim)]
    block: list[Tensor] = []
    read: list[int] = []
    refused: list[DataError] = []
    made = prefetch(square, pictures, os.cpu_count() or 1, window=2 * _BLOCK)
    for place, one in enumerate(progress(made, total=len(pictures), description=f"reading {what}", shown=shown)):
        if isinstance(one, DataError):
            refused.append(one)
            continue
        read.append(place)
        block.append(one)
        if len(block) == _BLOCK:
            parts.append(vectors(block))
            block = []
    if block:
        parts.append(vectors(block))
    if refused:
        _logger.warning("%d of %d %s left out, first %s", len(refused), len(pictures), what, refused[0])
    return torch.cat(parts, dim=1), read
