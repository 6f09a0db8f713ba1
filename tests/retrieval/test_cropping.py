"""Pictures are cut to their boxes, upright, and what does not fit is said by its place."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmreco.data.boxes import Boxes
from mmreco.errors import DataError
from mmreco.retrieval.cropping import cropped


def numbered(width: int, height: int) -> Image.Image:
    """Each pixel's red is its column, its green its row."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([columns, rows, 0 * rows], axis=2).astype(np.uint8))


def test_the_part_inside_the_box() -> None:
    parts, used = cropped([numbered(20, 10), numbered(8, 8)], [(3, 2, 9.5, 7), None])
    pixels = np.asarray(parts[0])
    assert pixels.shape == (5, 7, 3)
    assert pixels[0, 0].tolist() == [3, 2, 0]
    assert pixels[-1, -1].tolist() == [9, 6, 0]
    assert parts[1].size == (8, 8)
    assert used == ((3, 2, 10, 7), None)


def test_pixels_are_those_of_the_upright_picture() -> None:
    tags = Image.Exif()
    tags[0x0112] = 6  # to be turned by a quarter to the right: 20 x 10 becomes 10 x 20
    file = io.BytesIO()
    numbered(20, 10).save(file, "PNG", exif=tags)
    parts, used = cropped([file.getvalue()], [(0, 15, 10, 20)])
    assert parts[0].size == (10, 5)
    assert np.asarray(parts[0])[0, 0].tolist() == [15, 9, 0]
    assert used == ((0, 15, 10, 20),)


class Finder:
    """Finds one half in wide pictures, nothing in others."""

    def detect(self, pictures: Sequence[Any]) -> list[Boxes]:
        wide = [picture.size[0] > picture.size[1] for picture in pictures]
        return [Boxes([[0, 0, 4, 8], [4, 0, 8, 8]][: 2 * w], [0.9, 0.8][: 2 * w]) for w in wide]  # type: ignore[arg-type]


def test_a_detector_chooses_the_best_box_or_the_whole() -> None:
    parts, used = cropped([numbered(16, 8), numbered(8, 8)], Finder())
    assert used == ((0, 0, 4, 8), None)
    assert [part.size for part in parts] == [(4, 8), (8, 8)]


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        ([(0, 0, 4, 4)], "boxes: 1 for 2 pictures"),
        ([None, (0, 0, 12, 4)], "picture 1: box .*leaves the picture of 8 x 8 pixels"),
        ([(4, 4, 4, 8), None], "picture 0: box .*is empty"),
        ("whole", "is a single value; give a list"),
    ],
)
def test_boxes_that_do_not_fit(boxes: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        cropped([numbered(8, 8), numbered(8, 8)], boxes)
