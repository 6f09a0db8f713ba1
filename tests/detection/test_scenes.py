"""Made-up photos: the boxes are where the products are, and what places are to know is right."""

import numpy as np
import pytest
from PIL import Image

from mmreco.data.boxes import overlap
from mmreco.detection.scenes import Scenes
from mmreco.detection.training import targets

SIDE = 96


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    """One product: a square of a green that nothing else has."""
    return Scenes([Image.new("RGBA", (50, 40), (0, 255, 0, 255))], [], SIDE)


def test_boxes_hold_the_products(scenes: Scenes) -> None:
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(60):
        scene = scenes.draw(rng)
        assert scene.picture.size == (SIDE, SIDE)
        counts.append(len(scene.boxes))
        for box in scene.boxes.astype(int):
            assert box[0] >= 0 and box[1] >= 0 and box[2] <= SIDE and box[3] <= SIDE  # noqa: PT018
            pixels = np.asarray(scene.picture, dtype=int)[box[1] : box[3], box[0] : box[2]]
            middle = pixels[len(pixels) // 2, pixels.shape[1] // 2]
            assert middle[1] > middle[[0, 2]].max()
        common = overlap(scene.boxes, scene.boxes) - np.eye(len(scene.boxes))
        assert common.max(initial=0) <= 0.1 + 1e-6
    assert {1, 2, 3} <= set(counts) <= {0, 1, 2, 3}
    assert np.mean(counts) == pytest.approx(1.4, abs=0.35)


def test_the_same_chance_gives_the_same_scene(scenes: Scenes) -> None:
    first, second = (scenes.draw(np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(np.asarray(first.picture), np.asarray(second.picture))
    np.testing.assert_array_equal(first.boxes, second.boxes)


def test_given_grounds_are_used() -> None:
    magenta = Image.new("RGB", (200, 150), (255, 0, 255))
    scenes = Scenes([Image.new("RGBA", (50, 40), (0, 255, 0, 255))], [magenta], SIDE)
    rng = np.random.default_rng(0)
    corners = [np.asarray(scenes.draw(rng).picture, dtype=int)[0, 0] for _ in range(40)]
    assert np.mean([min(c[0], c[2]) > 2 * c[1] + 20 for c in corners]) > 0.3


def test_what_places_are_to_know() -> None:
    boxes = np.array([[0, 0, 64, 64], [16, 16, 32, 32], [61, 1, 63, 3]], dtype=np.float32)
    wanted, inside = targets(boxes, 8)
    assert wanted[:, 4, 4].tolist() == [0, 0, 64, 64]
    assert wanted[:, 2, 2].tolist() == [16, 16, 32, 32]  # the smaller counts
    assert wanted[:, 0, 7].tolist() == [61, 1, 63, 3]  # too small for any middle, and yet it has a place
    assert not inside[0, 0]  # the rim of a box teaches nothing
    assert inside.sum() == 16 + 1
    assert not targets(np.empty((0, 4), dtype=np.float32), 8)[1].any()
