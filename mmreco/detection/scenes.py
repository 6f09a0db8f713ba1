"""Photos made up of a shop's products: cut out, turned, lit and pasted on grounds of many kinds, with what lies about.

Source: Dwibedi, Misra, Hebert, "Cut, paste and learn: surprisingly easy synthesis for instance detection", 2017.
Deviates: grounds are drawn, where no pictures of real ones are given, and parts of the products, much enlarged, serve
as cloth and wood.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from mmreco.arrays import F32
from mmreco.data.boxes import overlap

__all__ = ["Scene", "Scenes"]

_COUNT = (0.04, 0.62, 0.22, 0.12)  # how often a scene shows 0, 1, 2, 3 products
_SIZE = (0.25, 0.9)  # of the scene's side: a product's longer side
_TURN = 20  # degrees
_COVERED = 0.1  # of two products: how much they may overlap
_CLUTTER = 7  # things lying about, at most
_TRIES = 12


@dataclass(frozen=True, eq=False)
class Scene:
    """A made-up photo and where its products are.

    Parameters
    ----------
    picture : RGB, square
    boxes : shape `(m, 4)`, pixels
    """

    picture: Image.Image
    boxes: F32


@dataclass(frozen=True, eq=False)
class Scenes:
    """What scenes are made of.

    Parameters
    ----------
    products : RGBA, one or more
        Cut out by `cut_out`.
    grounds : RGB
        Pictures of where photos are taken; where there are none, all grounds are drawn.
    side : pixels
    """

    products: Sequence[Image.Image]
    grounds: Sequence[Image.Image]
    side: int

    def draw(self, rng: np.random.Generator) -> Scene:
        """One scene."""
        canvas = self._ground(rng)
        for _ in range(int(rng.integers(_CLUTTER + 1))):
            self._thing(canvas, rng)
        boxes: list[tuple[int, int, int, int]] = []
        for _ in range(int(rng.choice(len(_COUNT), p=_COUNT))):
            box = self._paste(canvas, boxes, rng)
            if box is not None:
                boxes.append(box)
        return Scene(_lit(canvas, rng), np.array(boxes, dtype=np.float32).reshape(-1, 4))

    def _paste(
        self, canvas: Image.Image, others: list[tuple[int, int, int, int]], rng: np.random.Generator
    ) -> tuple[int, int, int, int] | None:
        """Paste a product where it covers none of the others; its box, None where there is no room."""
        product = self.products[int(rng.integers(len(self.products)))]
        if rng.random() < 0.5:
            product = product.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        most = _SIZE[1] if not others else 0.5
        longer = self.side * math.exp(rng.uniform(math.log(_SIZE[0]), math.log(most)))
        scale = longer / max(product.size)
        stretch = math.exp(rng.uniform(-0.12, 0.12))
        size = max(4, round(product.width * scale * stretch)), max(4, round(product.height * scale))
        product = product.resize(size, Image.Resampling.BILINEAR)
        product = product.rotate(rng.uniform(-_TURN, _TURN), Image.Resampling.BILINEAR, expand=True)
        seen = product.getchannel("A").point(lambda value: 255 * (value > 100)).getbbox()
        if seen is None:
            return None
        product = product.crop(seen)
        width, height = product.size
        if width > self.side or height > self.side:
            product.thumbnail((self.side, self.side))
            width, height = product.size
        for _ in range(_TRIES):
            x, y = int(rng.integers(self.side - width + 1)), int(rng.integers(self.side - height + 1))
            box = (x, y, x + width, y + height)
            if not others or overlap(_array([box]), _array(others)).max() <= _COVERED:
                _shadow(canvas, product, x, y, rng)
                canvas.paste(product, (x, y), product)
                return box
        return None

    def _ground(self, rng: np.random.Generator) -> Image.Image:
        """A given ground, or a drawn one: plain, uneven, of boards, or of a much enlarged part of a product."""
        side, kind = self.side, rng.random()
        if self.grounds and kind < 0.6:
            return _window(self.grounds[int(rng.integers(len(self.grounds)))], rng.uniform(0.5, 1), side, rng)
        if kind < 0.75:
            cells = int(rng.integers(2, 7))
            pixels = _colour(rng) + rng.uniform(0, 60) * rng.standard_normal((cells, cells, 1 if kind < 0.7 else 3))
            rough = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            return rough.resize((side, side), Image.Resampling.BICUBIC)
        if kind < 0.88:
            canvas = Image.new("RGB", (side, side), _ink(_colour(rng)))
            _boards(canvas, rng)
            return canvas
        product = self.products[int(rng.integers(len(self.products)))]
        cloth = _window(product.convert("RGB"), rng.uniform(0.1, 0.3), side, rng)
        return cloth.filter(ImageFilter.GaussianBlur(rng.uniform(1, 4)))

    def _thing(self, canvas: Image.Image, rng: np.random.Generator) -> None:
        """Something plain that is no product: a block, a disc, a line or a scrap, of one colour or of a ground."""
        side = self.side
        mask = Image.new("L", (side, side))
        pen = ImageDraw.Draw(mask)
        x, y = rng.uniform(0, side, 2).tolist()
        w, h = (side * np.exp(rng.uniform(math.log(0.03), math.log(0.5), 2))).tolist()
        kind = int(rng.integers(4))
        if kind == 0:
            pen.rectangle((x - w / 2, y - h / 2, x + w / 2, y + h / 2), fill=255)
        elif kind == 1:
            pen.ellipse((x - w / 2, y - h / 2, x + w / 2, y + h / 2), fill=255)
        elif kind == 2:
            x1, y1 = rng.uniform(0, side, 2).tolist()
            pen.line((x, y, x1, y1), fill=255, width=int(rng.integers(1, 6)))
        else:
            corners = rng.uniform(-0.5, 0.5, (int(rng.integers(3, 7)), 2)) * (w, h) + (x, y)
            pen.polygon([tuple(corner) for corner in corners.tolist()], fill=255)
        if kind != 2 and rng.random() < 0.5:
            mask = mask.rotate(rng.uniform(0, 180), center=(x, y))
        mask = mask.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 2)))
        paint = self._ground(rng) if rng.random() < 0.3 else Image.new("RGB", (side, side), _ink(_colour(rng)))
        canvas.paste(paint, (0, 0), mask)


def _array(boxes: Sequence[tuple[int, int, int, int]]) -> F32:
    return np.array(boxes, dtype=np.float32)


def _colour(rng: np.random.Generator) -> F32:
    """Any colour, greys and browns more often than others."""
    grey, strength = rng.uniform(20, 250), rng.beta(1, 3)
    return np.asarray(np.clip(grey + strength * rng.uniform(-160, 160, 3), 0, 255), dtype=np.float32)


def _ink(colour: F32) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in colour)
    return red, green, blue


def _window(picture: Image.Image, share: float, side: int, rng: np.random.Generator) -> Image.Image:
    """A square part of a picture, `share` of its shorter side wide."""
    width = max(1.0, share * min(picture.size))
    x, y = rng.uniform(0, picture.width - width), rng.uniform(0, picture.height - width)
    return picture.resize((side, side), Image.Resampling.BILINEAR, box=(x, y, x + width, y + width))


def _boards(canvas: Image.Image, rng: np.random.Generator) -> None:
    """Parallel lines at one distance, or crossing ones."""
    pen, side = ImageDraw.Draw(canvas), canvas.width
    turn, gap = rng.uniform(0, math.pi), rng.uniform(0.06, 0.4) * side
    ink, width = _ink(_colour(rng)), int(rng.integers(1, 4))
    for angle in (turn, turn + math.pi / 2)[: int(rng.integers(1, 3))]:
        along, across = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
        for offset in np.arange(-side, side, gap):
            middle = side / 2 + offset * across
            pen.line([tuple(middle - side * along), tuple(middle + side * along)], fill=ink, width=width)


def _shadow(canvas: Image.Image, product: Image.Image, x: int, y: int, rng: np.random.Generator) -> None:
    """What the product keeps the light from, half of the time."""
    if rng.random() < 0.5:
        return
    mask = Image.new("L", canvas.size)
    dx, dy = rng.integers(-4, 5, 2).tolist()
    mask.paste(product.getchannel("A"), (x + dx, y + dy))
    strength = rng.uniform(0.2, 0.6)
    mask = mask.filter(ImageFilter.GaussianBlur(rng.uniform(1, 4))).point(lambda value: int(value * strength))
    canvas.paste(ImageChops.multiply(canvas, Image.new("RGB", canvas.size, (40, 40, 40))), (0, 0), mask)


def _lit(canvas: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The scene in some light, sharp or not, with a sensor's noise."""
    if rng.random() < 0.4:
        canvas = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.3)))
    pixels = np.asarray(canvas, dtype=np.float32) / 255
    pixels = pixels ** np.float32(math.exp(rng.uniform(-0.4, 0.4)))
    across = np.linspace(-1, 1, canvas.width, dtype=np.float32)
    slope = rng.uniform(-0.25, 0.25, 2).astype(np.float32)
    light = 1 + slope[0] * across[None, :, None] + slope[1] * across[:, None, None]
    pixels = pixels * light * rng.uniform(0.85, 1.1, 3).astype(np.float32)
    pixels = pixels + rng.uniform(0, 0.03) * rng.standard_normal(pixels.shape, dtype=np.float32)
    return Image.fromarray((255 * np.clip(pixels, 0, 1)).astype(np.uint8))
