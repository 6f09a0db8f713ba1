"""Boxes: what they hold, what is refused, and how much two have in common."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.data.boxes import Boxes, inside, overlap
from mmreco.errors import DataError


def test_the_best_is_the_first() -> None:
    boxes = Boxes([[1, 2, 3, 4], [0, 0, 9, 9]], [0.9, 0.1])  # type: ignore[arg-type]
    assert boxes.best() == (1, 2, 3, 4)
    assert len(boxes) == 2
    assert Boxes(np.empty((0, 4)), np.empty(0)).best() is None
    with pytest.raises(ValueError, match="read-only"):
        boxes.corners[0, 0] = 5


@pytest.mark.parametrize(
    ("corners", "scores", "said"),
    [
        ([[1, 2, 3]], [1.0], r"corners \(1, 3\)"),
        ([[1, 2, 3, 4]], [1.0, 0.5], r"scores \(2,\)"),
        ([[1, 2, 3, np.nan]], [1.0], "NaN"),
        ([[3, 2, 3, 4]], [1.0], "1 empty"),
        ([[0, 0, 1, 1], [0, 0, 2, 2]], [0.1, 0.2], "increase"),
    ],
)
def test_what_is_no_list_of_boxes(corners: Any, scores: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Boxes(corners, scores)


def test_a_box_is_rounded_to_the_pixels_it_touches() -> None:
    assert inside((1.5, 2, 7.2, 9), 10, 10) == (1, 2, 8, 9)
    assert inside((-0.6, 0, 10.4, 10), 10, 10) == (0, 0, 10, 10)
    assert inside(np.array([4.2, 4.2, 4.3, 4.3]), 10, 10) == (4, 4, 5, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((0, 0, 0, 5), "is empty"),
        ((5, 5, 2, 8), "is empty"),
        ((0, 0, 20, 5), r"box \(0, 0, 20, 5\): leaves the picture of 10 x 8 pixels"),
        ((-3, 0, 5, 5), "leaves"),
        ((10, 0, 10.5, 5), "leaves"),
        ((0, 0, 5), "four finite numbers"),
        ((0, 0, np.inf, 5), "four finite numbers"),
        ("abcd", "four finite numbers"),
        (7, "four finite numbers"),
    ],
)
def test_boxes_that_are_refused(box: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        inside(box, 10, 8)


def test_overlap_by_hand() -> None:
    square = np.array([[0, 0, 2, 2]], dtype=np.float32)
    others = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6], [0, 0, 1, 1]], dtype=np.float32)
    np.testing.assert_allclose(overlap(square, others), [[1, 1 / 3, 0, 1 / 4]], rtol=1e-6)


@given(st.lists(st.tuples(*[st.integers(0, 12)] * 4), min_size=2, max_size=2))
def test_overlap_equals_counting_pixels(corners: list[tuple[int, ...]]) -> None:
    boxes = np.array([(min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1) for a, b, c, d in corners], dtype=np.float32)
    maps = [np.zeros((13, 13), dtype=bool) for _ in boxes]
    for x0, y0, x1, y1 in boxes.astype(int):
        maps[0 if not maps[0].any() else 1][y0:y1, x0:x1] = True
    expected = (maps[0] & maps[1]).sum() / (maps[0] | maps[1]).sum()
    assert overlap(boxes[:1], boxes[1:])[0, 0] == pytest.approx(expected)
