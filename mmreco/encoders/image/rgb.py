"""Pictures of any mode turned upright and made RGB of 8 bits, strip by strip, to spare memory."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["to_rgb", "upright"]

Picture = Image.Image

_WHITE: Final = (255, 255, 255)
_STRIP: Final = 1 << 20  # pixels converted at a time
_TURNS: Final = {  # by the value of EXIF's tag of orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(picture: Picture, orientation: int) -> Picture:
    """The picture turned as EXIF's `orientation` (1 to 8) says; its other EXIF tags are neither read nor written."""
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def to_rgb(picture: Picture) -> Picture:
    """The picture in RGB: 16 bits are scaled to 8, numbers beyond are bounded, what is transparent becomes white."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_numbers(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    out = Image.new("RGB", picture.size)
    for top, strip in _strips(picture):
        layer = strip.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (*_WHITE, 255))
        out.paste(Image.alpha_composite(ground, layer).convert("RGB"), (0, top))
    return out


def _from_numbers(picture: Picture) -> Picture:
    """Grey from integers of 16 or 32 bits, or from floats."""
    scale = 1 / 257 if picture.mode.startswith("I;16") else _scale(picture)
    out = Image.new("L", picture.size)
    for top, strip in _strips(picture):
        values = np.clip(np.rint(_finite(strip) * scale), 0, 255).astype(np.uint8)
        out.paste(Image.fromarray(values), (0, top))
    return out.convert("RGB")


def _scale(picture: Picture) -> float:
    """What brings the largest value to at most 255: 32 bits hold 8 or 16 of them, floats 0 to 1 or 0 to 255."""
    largest = max(float(_finite(strip).max()) for _, strip in _strips(picture))
    if picture.mode == "F":
        return 255.0 if largest <= 1 else 1.0
    return 1 / 257 if largest > 255 else 1.0


def _finite(strip: Picture) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = np.asarray(strip).astype(np.float64)
    return np.nan_to_num(values, copy=False, posinf=0, neginf=0)


def _strips(picture: Picture) -> Iterator[tuple[int, Picture]]:
    """Bands of whole rows, with the row each begins at."""
    width, height = picture.size
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        yield top, picture.crop((0, top, width, min(top + rows, height)))
