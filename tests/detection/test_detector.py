"""Detector: boxes in the picture's own pixels, by a model of torchvision's and by one of the shop's own pictures."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from torch import Tensor, nn

from mmreco.data.boxes import overlap
from mmreco.data.catalogue import Catalogue
from mmreco.detection.detector import Detector
from mmreco.errors import DataError, IncompatibleError

KNOWN = "ssdlite320_mobilenet_v3_large"


def studio(number: int) -> Image.Image:
    """A striped disc or box on white."""
    image = Image.new("RGB", (80, 80), "white")
    pen = ImageDraw.Draw(image)
    (pen.ellipse if number % 2 else pen.rectangle)((15, 20, 64, 59), fill="crimson")
    for y in range(24, 56, 8):
        pen.line((24, y, 55, y), fill="gold", width=3)
    return image


@pytest.fixture(scope="module")
def taught() -> Detector:
    with pytest.MonkeyPatch.context() as patch:  # a smaller network, and smaller scenes: seconds
        patch.setattr("mmreco.detection.detector._WIDTH", 8)
        patch.setattr("mmreco.detection.detector._SIDE", 64)
        return Detector.fit([studio(n) for n in range(2)], n_scenes=2_400, device="cpu")


def photo(width: int, height: int, at: tuple[int, int], size: int) -> tuple[Image.Image, np.ndarray]:
    image = Image.new("RGB", (width, height), (70, 90, 110))
    product = studio(0).crop((15, 20, 65, 60)).resize((size, size * 4 // 5))
    image.paste(product, at)
    return image, np.array([[at[0], at[1], at[0] + size, at[1] + size * 4 // 5]], dtype=np.float32)


def test_a_taught_detector_finds_products_in_wide_and_tall_photos(taught: Detector) -> None:
    photos = [photo(400, 300, (200, 60), 150), photo(300, 500, (60, 250), 180), photo(90, 90, (20, 30), 50)]
    for found, (_, right) in zip(taught.detect([image for image, _ in photos]), photos, strict=True):
        best = found.best()
        assert best is not None
        assert overlap(np.array([best], dtype=np.float32), right)[0, 0] > 0.5


def test_boxes_stay_inside_and_differ(taught: Detector) -> None:
    image, _ = photo(333, 250, (150, 40), 120)
    (found,) = taught.detect([image])
    assert (found.corners >= 0).all()
    assert (found.corners <= np.tile(image.size, 2)).all()
    common = overlap(found.corners, found.corners) - np.eye(len(found))
    assert common.max(initial=0) < 0.5


def test_saved_and_loaded(taught: Detector, tmp_path: Path) -> None:
    taught.save(tmp_path / "detector")
    again = Detector.load(tmp_path / "detector", device="cpu")
    assert (again.name, again.fingerprint) == ("mmreco/boxnetwork-8-64", taught.fingerprint)
    image, _ = photo(200, 200, (50, 50), 90)
    np.testing.assert_array_equal(again.detect([image])[0].corners, taught.detect([image])[0].corners)
    with pytest.raises(DataError):
        Detector.load(tmp_path / "nothing")


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{n}.png") for n in range(2)]
    for n, path in enumerate(paths):
        studio(n).save(path)
    shop = Catalogue.from_frame(pa.table({"item_id": ["a", "b", "c"], "image": [*paths, None]}))
    prints = [Detector.fit(shop, n_scenes=16, seed=seed, device="cpu").fingerprint for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]


def test_what_cannot_be_fitted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of 1 pictures"):
        Detector.fit([b"no picture"])
    with pytest.raises(DataError, match="n_scenes=3"):
        Detector.fit([studio(0)], n_scenes=3)


# ---- torchvision's


class Fixed(nn.Module):
    """What a torchvision model answers, without being one."""

    def forward(self, pictures: list[Tensor]) -> list[dict[str, Tensor]]:
        return [
            {
                "boxes": torch.tensor(
                    [[0.0, 0, 50, 50], [10, 10, 90, 40], [12, 10, 90, 40], [5, 5, 8, 9], [0, 0, 9, 9]]
                ),
                "scores": torch.tensor([0.99, 0.8, 0.7, 0.6, 0.01]),
                "labels": torch.tensor([1, 27, 31, 44, 44]),  # the first is a person
            }
            for _ in pictures
        ]


def test_people_doubles_and_doubtful_boxes_are_left_out() -> None:
    detector = Detector(KNOWN, weights="random", device="cpu")
    detector._module = Fixed()
    (found,) = detector.detect([Image.new("RGB", (100, 60))])
    np.testing.assert_allclose(found.corners, [[10, 10, 90, 40], [5, 5, 8, 9]])
    np.testing.assert_allclose(found.scores, [0.8, 0.6])


def test_by_name_with_weights_of_a_file(tmp_path: Path) -> None:
    random = Detector(KNOWN, weights="random", device="cpu")
    weights = {key: value.contiguous() for key, value in random._module.state_dict().items()}
    save_file(weights, tmp_path / "weights.safetensors")
    read = Detector(KNOWN, weights=tmp_path / "weights.safetensors", device="cpu")
    assert read.fingerprint == random.fingerprint
    read.save(tmp_path / "saved")
    assert Detector.load(tmp_path / "saved", device="cpu").fingerprint == random.fingerprint
    weights.pop(next(iter(weights)))
    save_file(weights, tmp_path / "less.safetensors")
    with pytest.raises(IncompatibleError, match="1 tensors missing"):
        Detector(KNOWN, weights=tmp_path / "less.safetensors")


def test_names_and_weights_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no detection model 'yolo'; it has .*fasterrcnn_mobilenet_v3_large_320_fpn"):
        Detector("yolo")
    with pytest.raises(DataError, match="safetensors"):
        Detector(KNOWN, weights=tmp_path / "nothing.safetensors")

    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    with pytest.raises(DataError, match=r"did not come from the hub .*no route.*Detector.fit\(catalogue\)"):
        Detector(KNOWN)


def test_one_picture_is_no_list(taught: Detector) -> None:
    with pytest.raises(DataError, match=r"expected a list of pictures"):
        taught.detect("photo.jpg")
