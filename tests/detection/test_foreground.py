"""A product is cut from its ground: its box is right, its holes are filled, its shadow stays behind."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from mmreco.detection.foreground import cut_out, foreground


def studio(ink: str, *, shade: bool = False, slope: int = 0) -> Image.Image:
    """A box with a hole from (40, 30) to (99, 89), on light grey that darkens by `slope` to the right."""
    ground = np.full((128, 160, 3), 235, dtype=np.uint8) - np.linspace(0, slope, 160).astype(np.uint8)[None, :, None]
    image = Image.fromarray(ground)
    if shade:
        mask = Image.new("L", image.size)
        ImageDraw.Draw(mask).rectangle((46, 36, 109, 99), fill=80)
        image.paste((150, 150, 150), (0, 0), mask.filter(ImageFilter.GaussianBlur(3)))
    pen = ImageDraw.Draw(image)
    pen.rectangle((40, 30, 99, 89), fill=ink)
    pen.rectangle((60, 50, 79, 69), fill=tuple(ground[60, 70].tolist()))
    return image


def box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@pytest.mark.parametrize("ink", ["red", "black", "navy", "white"])
@pytest.mark.parametrize("slope", [0, 40])
def test_the_box_of_a_product(ink: str, slope: int) -> None:
    mask = foreground(np.asarray(studio(ink, slope=slope), dtype=np.float32))
    assert mask is not None
    assert np.abs(np.subtract(box(mask), (40, 30, 100, 90))).max() <= 1
    assert mask[60, 70]  # the hole is part of it


def test_a_soft_shadow_is_no_product() -> None:
    mask = foreground(np.asarray(studio("red", shade=True), dtype=np.float32))
    assert mask is not None
    assert np.abs(np.subtract(box(mask), (40, 30, 100, 90))).max() <= 3


def test_cut_to_its_box_with_soft_edges() -> None:
    product = cut_out(studio("red"))
    assert product.mode == "RGBA"
    assert np.abs(np.subtract(product.size, (60, 60))).max() <= 2
    alpha = np.asarray(product)[:, :, 3]
    assert alpha[30, 5] == 255
    assert alpha[0, 0] < 255


def test_where_there_is_no_plain_ground_the_whole_is_taken() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 60, 3)).astype(np.uint8))
    plain = Image.new("RGB", (60, 90), "white")
    tiny = Image.new("RGB", (5, 5), "white")
    for image in (noise, plain, tiny):
        product = cut_out(image)
        assert product.size == image.size
        assert np.asarray(product)[:, :, 3].min() == 255
    assert max(cut_out(noise.resize((900, 600))).size) == 256
