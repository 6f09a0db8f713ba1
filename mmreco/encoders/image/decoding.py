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

from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError, features

from mmreco.encoders.image.rgb import to_rgb, upright
from mmreco.errors import DataError

__all__ = ["FORMATS", "LIMIT", "Picture", "PictureContent", "boxed", "open_picture"]

Picture = Image.Image
PictureContent = str | Path | bytes | Image.Image

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", *(("AVIF",) if features.check("avif") else ()))
LIMIT: Final = 64_000_000  # pixels; decoded to RGB that is 192 MB

_ORIENTATION: Final = 0x0112  # the EXIF tag
_WHITE: Final = (255, 255, 255)
_SCANS: Final = 100  # of a JPEG; encoders make some ten
_SCAN: Final = b"\xff\xda"  # the marker a scan begins with
_STRIPS: Final = 273  # the tags of a TIFF that list its parts
_TILES: Final = 324
_PIECE: Final = 1 << 20  # bytes looked at together

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
        larger than `limit`, or a JPEG of more than 100 scans. The message names the picture and the reason.

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
            _require_few_scans(opened)
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
    return to_rgb(upright(picture, _orientation(picture)))


def _orientation(picture: Picture) -> int:
    """1 (upright) where the tag is missing or the EXIF block is damaged: the pixels are good all the same."""
    try:
        turned = picture.getexif().get(_ORIENTATION, 1)
    except _FAILURES:
        return 1
    return turned if isinstance(turned, int) and 1 <= turned <= 8 else 1


def _require_few_scans(opened: ImageFile.ImageFile) -> None:
    """Refuse a JPEG that draws its pixels again and again, which takes minutes for a file of a few kilobytes."""
    compressed = opened.format in ("JPEG", "MPO") or "jpeg" in str(opened.info.get("compression", ""))
    if not compressed or opened.fp is None:
        return
    place = opened.fp.tell()
    opened.fp.seek(0)
    scans, last = 0, b""
    while piece := opened.fp.read(_PIECE):
        scans += (last + piece).count(_SCAN)
        last = piece[-1:]
    opened.fp.seek(place)
    tags = opened.tag_v2 if isinstance(opened, TiffImagePlugin.TiffImageFile) else {}
    most = _SCANS + len(tags.get(_STRIPS) or tags.get(_TILES) or ())  # each strip of a TIFF is a JPEG
    if scans > most:
        raise DataError(f"a JPEG of {scans:,} scans; at most {most}")


def _named(content: PictureContent) -> str:
    if isinstance(content, bytes):
        return f"a picture of {len(content):,} bytes"
    return str(content) if isinstance(content, (str, Path)) else "a Pillow image"
