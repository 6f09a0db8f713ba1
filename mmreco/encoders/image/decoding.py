"""Opening picture files that nobody vouches for: Pillow, a short list of formats, and every failure a `DataError`.

A shop's picture folder holds damaged files, pictures of another format than their name says, and, once
strangers may upload, files of fifty bytes that declare four billion pixels. So the formats are limited to
those whose decoders are well kept, the declared size is judged before anything is decoded, and everything
Pillow is known to raise (`DecompressionBombError`, for one, is no `OSError`) becomes one exception with a reason.
"""

import io
import stat
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from mmreco.errors import DataError

__all__ = ["FORMATS", "LIMIT", "Picture", "PictureContent", "boxed", "open_picture"]

Picture = Image.Image
PictureContent = str | Path | bytes | Image.Image

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
LIMIT: Final = 64_000_000  # pixels; decoded to RGB that is 192 MB

_ORIENTATION: Final = 0x0112  # the EXIF tag
_WHITE: Final = (255, 255, 255)

# What Pillow's readers were seen to raise on damaged files. `Warning` is here for those who turn warnings into errors.
_FAILURES: Final = (
    Image.DecompressionBombError,
    OSError,  # with UnidentifiedImageError, and every error of the file system
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Warning,
)


def open_picture(content: PictureContent, *, size: int | None = None, limit: int = LIMIT) -> Picture:
    """The picture, upright and in RGB.

    EXIF orientation is applied, what is transparent becomes white, 16-bit values are scaled to 8 bits, and of
    an animation the first frame is taken. Colour profiles are not applied.

    Parameters
    ----------
    content : a path, the bytes of a file, or a Pillow image
        Text is a path. A Pillow image is not written to.
    size : pixels, optional
        What will be needed of the longer side: a JPEG is then decoded at 1/2, 1/4 or 1/8 when that suffices.
    limit : pixels, optional
        Pictures that declare more are refused from their header, before they are decoded.

    Raises
    ------
    DataError
        The file is missing, no ordinary file, of a format not in `FORMATS`, damaged, cut short, without pixels,
        or larger than `limit`. The message names the picture and the reason.

    Examples
    --------
    >>> open_picture(Image.new("LA", (4, 3), (0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    if not isinstance(content, (str, Path, bytes, Image.Image)):
        raise DataError(f"{content!r:.40}: a {type(content).__name__}; expected a path, bytes or a Pillow image")
    try:
        if isinstance(content, Image.Image):
            return _upright(_measured(content, limit))
        source = io.BytesIO(content) if isinstance(content, bytes) else _ordinary(Path(content))
        with Image.open(source, formats=FORMATS) as opened:
            _measured(opened, limit)
            if size is not None:
                opened.draft(None, _within(opened.size, size))
            opened.load()
            return _upright(_measured(opened, limit))
    except DataError as error:
        raise DataError(f"{_named(content)}: {error}") from error
    except _FAILURES as error:
        reason = str(error).strip() if not isinstance(error, UnidentifiedImageError) else ""
        reason = reason or f"no picture of a known format ({', '.join(FORMATS)})"
        raise DataError(f"{_named(content)}: unreadable picture, {type(error).__name__}: {reason[:200]}") from error


def boxed(picture: Picture, size: int, *, resample: str = "bilinear") -> Picture:
    """The whole picture inside a white square of `size` pixels, its aspect ratio kept.

    Nothing is cut off and nothing is squashed: a centre crop takes the collar and the hem off a dress and the
    ends off a shoe, since most products are far from square, and shops photograph them on white.

    Parameters
    ----------
    picture : RGB
    size : pixels
        Of the square's side.
    resample : "bilinear" or "bicubic", optional
        Both look at every pixel when shrinking.
    """
    width, height = _within(picture.size, size)
    method = Image.Resampling.BICUBIC if resample == "bicubic" else Image.Resampling.BILINEAR
    if (width, height) != picture.size:
        picture = picture.resize((width, height), method)
    if width == height:
        return picture
    square = Image.new("RGB", (size, size), _WHITE)
    square.paste(picture, ((size - width) // 2, (size - height) // 2))
    return square


def _within(sides: tuple[int, int], size: int) -> tuple[int, int]:
    width, height = sides
    scale = size / max(sides)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _ordinary(path: Path) -> Path:
    mode = path.stat().st_mode  # a pipe or a device would hang whoever reads it
    if not stat.S_ISREG(mode):
        raise DataError(f"is a {'folder' if stat.S_ISDIR(mode) else 'special file'}; expected a picture file")
    return path


def _measured(picture: Picture, limit: int) -> Picture:
    width, height = picture.size
    if width < 1 or height < 1:
        raise DataError(f"a picture of {width} x {height} pixels; expected at least one")
    if width * height > limit:
        raise DataError(f"{width} x {height} pixels, {width * height / 1e6:,.0f} million; at most {limit / 1e6:,.0f}")
    return picture


def _upright(picture: Picture) -> Picture:
    return _rgb(picture if _orientation(picture) == 1 else ImageOps.exif_transpose(picture))


def _orientation(picture: Picture) -> int:
    """1 (upright) where the tag is missing or the EXIF block is damaged: the pixels are good all the same."""
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except _FAILURES:
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _rgb(picture: Picture) -> Picture:
    if picture.mode.startswith("I;16"):
        return _grey(np.asarray(picture).astype(np.float64) / 257)
    if picture.mode == "I":  # 32 bits, yet what is stored are 8 or 16
        values = np.asarray(picture).astype(np.float64)
        return _grey(values / 257 if values.max() > 255 else values)
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture).astype(np.float64), posinf=0, neginf=0)
        return _grey(values * 255 if values.max() <= 1 else values)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (*_WHITE, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return picture.convert("RGB")


def _grey(values: npt.NDArray[np.float64]) -> Picture:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB")


def _named(content: PictureContent) -> str:
    if isinstance(content, bytes):
        return f"a picture of {len(content):,} bytes"
    return str(content) if isinstance(content, (str, Path)) else "a Pillow image"
