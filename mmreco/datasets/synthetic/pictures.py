"""Draws the planted shop's products: shape by category and style, colour, pattern, and a photographer's small changes.

Every picture is drawn twice as large as it is kept, in one coordinate frame that is turned, scaled and moved
a little, before a soft backdrop with a shadow. The same facts, seed and take give the same bytes.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image, ImageDraw, ImageFilter

from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.datasets.synthetic.facts import CATEGORIES, COLOURS, PATTERNS, Facts
from mmreco.datasets.synthetic.shop import SyntheticShop
from mmreco.datasets.synthetic.silhouettes import SILHOUETTES, Part, outline
from mmreco.errors import DataError
from mmreco.progress import progress as shown_progress
from mmreco.storage.outputs import OutputFolder

__all__ = ["draw", "jpeg", "photograph"]

_SIZE = 128  # pixels
_SHEET = 2 * _SIZE
_RGB = {
    "red": (203, 36, 44),
    "blue": (40, 88, 196),
    "green": (42, 142, 84),
    "yellow": (243, 194, 44),
    "black": (40, 40, 45),
    "white": (248, 246, 241),
    "pink": (244, 146, 182),
    "purple": (122, 64, 172),
}
_SECOND = {"white": (172, 182, 198), "black": (196, 196, 202), "yellow": (255, 247, 214), "pink": (255, 236, 243)}
_BACKDROPS = ((226, 222, 214), (214, 220, 226), (232, 226, 212), (216, 224, 214), (230, 218, 216), (222, 222, 222))
_FIXED = {
    "trim": (244, 241, 233),
    "metal": (206, 170, 92),
    "wood": (150, 104, 66),
    "dark": (58, 54, 58),
    "glow": (255, 232, 158),
}

Canvas = npt.NDArray[np.float32]  # (height, width, 3) or one colour (3,), 0..255
Window = tuple[slice, slice]
Cloth = Callable[[Window], Canvas]  # a pattern's colours where it is seen


def draw(shop: SyntheticShop, folder: str | Path, *, seed: int = 0, progress: bool = False) -> Catalogue:
    """The shop's catalogue with the column `image`, each pictured product drawn into `folder` as a JPEG of 128 pixels.

    Parameters
    ----------
    shop : whose products are drawn
    folder : created when missing
        Pictures are named like the items; those drawn before are replaced.
    seed : 0 or more
        Of how each picture differs from others of its kind.
    progress : optional
        Whether to show a bar.

    Raises
    ------
    DataError
        A file of such a name is there that was not drawn here.
    """
    top = OutputFolder.open(folder)
    ids = shop.catalogue.items.ids(np.arange(len(shop.catalogue)))
    paths: list[str | None] = [None] * len(ids)
    pictured = [int(row) for row in np.flatnonzero(shop.truth.pictured)]
    top.require_free(f"{ids[row]}.jpg" for row in pictured)
    for row in shown_progress(pictured, description="drawing", shown=progress):
        drawn = jpeg(photograph(shop.truth.facts, row, seed=seed))
        paths[row] = str(top.write(f"{ids[row]}.jpg", drawn))
    return Catalogue(shop.catalogue.items, shop.catalogue.table.append_column("image", pa.array(paths, pa.string())))


def jpeg(picture: Image.Image) -> bytes:
    """The picture as the bytes of a JPEG."""
    written = BytesIO()
    picture.save(written, "JPEG", quality=92)
    return written.getvalue()


def photograph(facts: Facts, row: int, *, seed: int = 0, take: int = 0) -> Image.Image:
    """A picture of the product at `row`; another `take` has another angle, size, light and backdrop.

    Raises
    ------
    DataError
        There is no such row.
    """
    if not 0 <= row < len(facts):
        raise DataError(f"row {row}: expected 0..{len(facts) - 1}")
    rng = np.random.default_rng([seed, row, take])
    own = np.random.default_rng([seed, row])  # what belongs to the product and not to the photograph
    colour = COLOURS[facts.colour[row]].name
    base = np.clip(np.array(_RGB[colour]) + own.normal(0, 2 if colour in ("black", "white") else 7, 3), 0, 255).astype(
        np.float32
    )
    parts = SILHOUETTES[CATEGORIES[facts.category[row]].name][facts.style[row]]
    place = _placed(rng)
    canvas = _backdrop(rng)
    masks = [_mask(part, place) for part in parts]
    _shadow(canvas, masks)
    fabric = _fabric(PATTERNS[facts.pattern[row]].name, colour, base, place, own)
    light = _light(place, rng)
    edge = base * np.float32(0.62 if colour != "black" else 1.9)
    for part, mask in zip(parts, masks, strict=True):
        _lay(canvas, mask, fabric if part.paint == "fabric" else _paint(part.paint, colour, base), light)
        if not part.width:
            _contour(canvas, part, place, edge)
    small = (canvas[::2, ::2] + canvas[1::2, ::2] + canvas[::2, 1::2] + canvas[1::2, 1::2]) / 4  # (size, size, 3)
    small += 1.2 * rng.standard_normal((_SIZE, _SIZE, 1), dtype=np.float32)
    return Image.fromarray(np.clip(small, 0, 255).astype(np.uint8))


# ---- where things stand


class _Placed:
    """The frame of one photograph: the sheet's 100 x 100 to pixels and back."""

    def __init__(self, scale: float, turn: float, shift: tuple[float, float], mirrored: bool) -> None:
        cos, sin = np.cos(turn), np.sin(turn)
        flip = np.diag([-1.0 if mirrored else 1.0, 1.0])
        self.matrix = (scale * np.array([[cos, -sin], [sin, cos]]) @ flip * _SHEET / 100).astype(np.float32)
        self.shift = (np.array(shift) * _SHEET + _SHEET / 2).astype(np.float32)
        self.scale = scale * _SHEET / 100
        (a, b), (c, d) = np.linalg.inv(self.matrix)
        x, y = np.arange(_SHEET, dtype=np.float32) - self.shift[:, None]
        self.sheet_x: F32 = a * x[None, :] + b * y[:, None] + np.float32(50)
        self.sheet_y: F32 = c * x[None, :] + d * y[:, None] + np.float32(50)

    def pixels(self, points: F32) -> list[tuple[float, float]]:
        moved = (points - 50.0) @ self.matrix.T + self.shift
        return [(float(x), float(y)) for x, y in moved]


def _placed(rng: np.random.Generator) -> _Placed:
    shift = (float(rng.uniform(-0.03, 0.03)), float(rng.uniform(-0.03, 0.03)))
    return _Placed(rng.uniform(0.76, 0.9), np.deg2rad(rng.normal(0, 4.5)), shift, bool(rng.random() < 0.5))


def _mask(part: Part, place: _Placed) -> Image.Image:
    mask = Image.new("L", (_SHEET, _SHEET))
    points = place.pixels(outline(part.path))
    pen = ImageDraw.Draw(mask)
    if part.width:
        pen.line(points, fill=255, width=max(2, round(part.width * place.scale)), joint="curve")
        radius = part.width * place.scale / 2
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    else:
        pen.polygon(points, fill=255)
    return mask


# ---- paint


def _backdrop(rng: np.random.Generator) -> Canvas:
    base = np.array(_BACKDROPS[int(rng.integers(len(_BACKDROPS)))], dtype=np.float32) + rng.normal(0, 3, 3)
    height = np.linspace(0, 1, _SHEET, dtype=np.float32)[:, None, None]
    floor = rng.uniform(0.62, 0.74)
    falls = 1.04 - 0.05 * height - 0.06 * (height > floor)
    return np.broadcast_to(base.astype(np.float32) * falls, (_SHEET, _SHEET, 3)).astype(np.float32)


def _shadow(canvas: Canvas, masks: list[Image.Image]) -> None:
    whole = Image.new("L", (_SHEET, _SHEET))
    for mask in masks:
        whole.paste(mask, (6, 9), mask)
    soft = whole.reduce(4).filter(ImageFilter.GaussianBlur(2.6)).resize(whole.size, Image.Resampling.BILINEAR)
    canvas *= 1 - np.asarray(soft, dtype=np.float32)[:, :, None] * np.float32(0.34 / 255)


def _light(place: _Placed, rng: np.random.Generator) -> F32:
    """A factor a pixel: lit from one side, rounded at the edges."""
    x, y = (place.sheet_x - 50) / 50, (place.sheet_y - 50) / 50
    side = rng.choice([-1.0, 1.0])
    light = 1.05 - (0.11 * float(side) + 0.10 * x) * x - 0.05 * y
    return np.asarray(light * float(rng.uniform(0.94, 1.04)), dtype=np.float32)


def _lay(canvas: Canvas, mask: Image.Image, paint: Canvas | Cloth, light: F32) -> None:
    inside, cover = _covered(mask)
    colours = paint(inside) if callable(paint) else paint
    canvas[inside] += cover * (colours * light[inside][:, :, None] - canvas[inside])


def _contour(canvas: Canvas, part: Part, place: _Placed, edge: Canvas) -> None:
    """A thin line around a shape keeps white on white apart."""
    line = Image.new("L", (_SHEET, _SHEET))
    points = place.pixels(outline(part.path))
    ImageDraw.Draw(line).line([*points, points[0]], fill=150, width=3, joint="curve")
    inside, cover = _covered(line)
    canvas[inside] += cover * (edge - canvas[inside])


def _covered(mask: Image.Image) -> tuple[Window, Canvas]:
    """Where a mask is, and how much of each pixel there it covers, shape `(height, width, 1)`."""
    left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
    cover = np.asarray(mask.crop((left, top, right, bottom)), dtype=np.float32)[:, :, None] / np.float32(255)
    return (slice(top, bottom), slice(left, right)), cover


def _paint(paint: str, colour: str, base: Canvas) -> Canvas:
    if paint in _FIXED:
        if paint == "trim" and colour == "white":
            return np.array((196, 202, 212), dtype=np.float32)
        if paint == "dark" and colour == "black":
            return np.array((92, 90, 96), dtype=np.float32)
        return np.array(_FIXED[paint], dtype=np.float32)
    if paint == "deep":
        return base * np.float32(0.78) if colour != "black" else base + 34
    if paint == "pale":
        return base + 0.4 * (255 - base) if colour != "white" else base * 0.9
    return base


def _fabric(pattern: str, colour: str, base: Canvas, place: _Placed, rng: np.random.Generator) -> Canvas | Cloth:
    if pattern == "plain":
        return base
    second = np.array(_SECOND.get(colour, tuple(base + 0.78 * (255 - base))), dtype=np.float32)
    angle = {"striped": rng.choice([0.0, 0.0, np.pi / 2, np.pi / 4]), "checked": rng.choice([0.0, np.pi / 4])}.get(
        pattern, rng.uniform(0, np.pi)
    )
    period = rng.uniform(8.5, 12.5)
    cos, sin = np.float32(np.cos(angle) / period), np.float32(np.sin(angle) / period)
    begin, beside = rng.random(2, dtype=np.float32)

    def cloth(inside: Window) -> Canvas:
        x, y = place.sheet_x[inside], place.sheet_y[inside]
        share, heart = _WEAVES[pattern](cos * x + sin * y + begin, cos * y - sin * x + beside)
        seen = base + share[:, :, None] * (second - base)  # (height, width, 3)
        if heart is not None:
            seen[heart] = (238, 176, 52) if colour != "yellow" else (214, 110, 48)
        return np.asarray(seen, dtype=np.float32)

    return cloth


def _stripes(u: F32, v: F32) -> tuple[F32, None]:
    return ((v % 1) < 0.36).astype(np.float32), None


def _checks(u: F32, v: F32) -> tuple[F32, None]:
    return 0.48 * (((u % 1.6) < 0.62).astype(np.float32) + ((v % 1.6) < 0.62)), None


def _dots(u: F32, v: F32) -> tuple[F32, None]:
    row = np.floor(v)
    away = ((u + 0.5 * (row % 2)) % 1 - 0.5) ** 2 + (v - row - 0.5) ** 2
    return (away < 0.27**2).astype(np.float32), None


def _flowers(u: F32, v: F32) -> tuple[F32, npt.NDArray[np.bool_]]:
    u, v = u / np.float32(1.35), v / np.float32(1.35)
    row = np.floor(v)
    u = (u + 0.5 * (row % 2)).astype(np.float32)
    column = np.floor(u)
    dice = np.sin(column * 12.9898 + row * 78.233) * 43758.547  # one number a flower
    dice = dice - np.floor(dice)
    x = u - column - 0.5 - 0.16 * (dice - 0.5)
    y = v - row - 0.5 - 0.16 * ((dice * 7) % 1 - 0.5)
    away, angle = np.hypot(x, y), np.arctan2(y, x)
    petals = away < 0.40 * (0.66 + 0.34 * np.cos(5 * angle + 6.28 * dice))
    return petals.astype(np.float32), away < 0.10


_WEAVES: dict[str, Callable[[F32, F32], tuple[F32, npt.NDArray[np.bool_] | None]]] = {
    "striped": _stripes,
    "checked": _checks,
    "polka-dot": _dots,
    "floral": _flowers,
}
