"""The product of a studio picture, cut from its ground.

The ground is what the picture's edge shows: a colour that may change evenly from one side to the other. What differs
from it is the product, holes filled; what is only a little darker is its shadow.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from mmreco.arrays import F32, Bool

__all__ = ["cut_out", "foreground"]

_SIDE: Final = 256  # pixels of the longer side in which it is looked for
_EDGE: Final = 0.03  # of the picture's side
_APART: Final = 14.0  # of 255: what differs by less is ground
_UNEVEN: Final = 18.0  # of 255: an edge that varies by more is no studio's
_SHADE: Final = 0.85  # of the ground's light: darker is no shadow
_CAST: Final = 9.0  # of 255: how far a shadow may differ from darkened ground
_SPECK: Final = 0.03  # of the largest part
_GAP: Final = 0.03  # of the longer side: parts of a product that lie nearer are one
_SMALLEST, _LARGEST = 0.01, 0.97  # of the picture


def cut_out(picture: Image.Image) -> Image.Image:
    """The product in RGBA, cut to its box; the whole picture, opaque, where no plain ground is found.

    Parameters
    ----------
    picture : RGB
    """
    small = picture.copy()
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    mask = foreground(np.asarray(small, dtype=np.float32))
    whole = small.convert("RGBA")
    if mask is None:
        return whole
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 0.7)
    whole.putalpha(Image.fromarray((255 * soft).astype(np.uint8)))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return whole.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


def foreground(pixels: F32) -> Bool | None:
    """Which pixels are the product's, shape `(h, w)`; None where the edge is no even ground or nothing stands out.

    Parameters
    ----------
    pixels : shape `(h, w, 3)`, 0 to 255
    """
    height, width = pixels.shape[:2]
    if min(height, width) < 8:
        return None
    edge = np.zeros((height, width), dtype=np.bool_)
    across, down = max(1, round(_EDGE * width)), max(1, round(_EDGE * height))
    edge[:down] = edge[-down:] = edge[:, :across] = edge[:, -across:] = True
    ground, uneven = _ground(pixels, edge)
    if uneven > _UNEVEN:
        return None
    away = np.abs(pixels - ground).max(axis=2)
    light = (pixels * ground).sum(axis=2) / np.maximum((ground * ground).sum(axis=2), 1)
    cast = np.abs(pixels - light[:, :, None] * ground).max(axis=2)
    shadow = (light < 1) & (light > _SHADE) & (cast < _CAST)
    mask = ndimage.binary_fill_holes((away > max(_APART, 3 * uneven)) & ~shadow)
    mask = ndimage.binary_fill_holes(_closed(ndimage.binary_opening(mask, np.ones((2, 2), dtype=np.bool_))))
    parts, n = ndimage.label(mask)
    if not n:
        return None
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    whole: Bool = (sizes >= _SPECK * sizes.max())[parts] & (parts > 0)
    return whole if _SMALLEST <= whole.mean() <= _LARGEST else None


def _closed(mask: Bool) -> Bool:
    """The mask with its gaps bridged: white parts of a product on a white ground."""
    reach = max(1, round(_GAP * max(mask.shape)))
    wide = np.pad(mask, 2 * reach)
    far = ndimage.distance_transform_edt(~wide) <= reach
    closed: Bool = ndimage.distance_transform_edt(far) > reach
    return (closed[2 * reach : -2 * reach, 2 * reach : -2 * reach] | mask).astype(np.bool_)


def _ground(pixels: F32, edge: Bool) -> tuple[F32, float]:
    """The ground's colour at each pixel, even from side to side, and how far the edge typically is from it."""
    height, width = edge.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    places: npt.NDArray[np.float32] = np.stack([np.ones_like(x), x / width, y / height], axis=2)  # (h, w, 3)
    rows, colours = places[edge], pixels[edge]
    kept = np.abs(colours - np.median(colours, axis=0)).max(axis=1) < 3 * _UNEVEN
    if kept.mean() < 0.5:
        return pixels * 0, float("inf")
    for _ in range(2):  # a product that touches the edge is left out the second time
        plane = np.linalg.lstsq(rows[kept], colours[kept], rcond=None)[0]
        off = np.abs(colours - rows @ plane).max(axis=1)
        kept = off <= max(_APART, 3 * float(np.median(off)))
    ground: F32 = (places @ plane).astype(np.float32)
    return ground, float(np.quantile(off, 0.6))
