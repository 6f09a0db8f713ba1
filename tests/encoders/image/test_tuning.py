"""tuned(): a picture network learns what is written, finds products it never saw, and the one given stays as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image, ImageDraw

from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.image.tuning import tuned
from mmreco.errors import DataError

N, KNOWN = 120, 80  # products; of those the first so many are trained on
INKS = ((200, 40, 40), (40, 70, 200), (40, 150, 80), (235, 195, 50))


def product(shape: int, ink: int, rng: np.random.Generator) -> Image.Image:
    """A disc, a box or a bar in a colour, somewhere on a ground of any colour."""
    image = Image.new("RGB", (40, 40), tuple(int(v) for v in rng.integers(60, 250, 3)))
    x, y, r = (*rng.uniform(16, 24, 2), rng.uniform(9, 13))
    pen, flat = ImageDraw.Draw(image), (1.0, 1.0, 0.35)[shape]
    (pen.ellipse if shape == 0 else pen.rectangle)((x - r, y - r * flat, x + r, y + r * flat), fill=INKS[ink])
    return image


class Shop:
    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.shapes, self.inks = rng.integers(0, 3, N), rng.integers(0, 4, N)
        self.paths = [str(folder / f"{row}.png") for row in range(N)]
        for row, path in enumerate(self.paths):
            product(int(self.shapes[row]), int(self.inks[row]), rng).save(path)
        self.ids = [f"p{row}" for row in range(N)]
        said = np.zeros((N, 9), dtype=np.float32)  # shape, ink, and two words that say nothing
        said[np.arange(N), self.shapes] = said[np.arange(N), 3 + self.inks] = 1
        said[:, 7:] = rng.normal(0, 0.3, (N, 2))
        self.said = said
        self.catalogue = Catalogue.from_frame(pa.table({"item_id": self.ids, "image": self.paths}))
        self.known = self.catalogue.take(range(KNOWN))
        self.text = Embeddings(IdMap.of(self.ids[:KNOWN]), said[:KNOWN])

    def precision(self, encoder: ImageEncoder) -> float:
        """The share of the five nearest of the same shape and ink, among products never trained on."""
        vectors: F32 = encoder.encode(self.paths[KNOWN:])
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -np.inf)
        near = np.argsort(-scores, axis=1)[:, :5]
        kind = (self.shapes * 4 + self.inks)[KNOWN:]
        return float((kind[near] == kind[:, None]).mean())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def given() -> ImageEncoder:
    return ImageEncoder("mmreco/picturecnn-32-8", weights="random", size=32, device="cpu")


@pytest.fixture(scope="module")
def better(shop: Shop, given: ImageEncoder) -> ImageEncoder:
    return tuned(given, shop.known, shop.text, epochs=8, batch_size=16, rate=4e-3)


def test_products_never_seen_are_found(shop: Shop, given: ImageEncoder, better: ImageEncoder) -> None:
    before, after = shop.precision(given), shop.precision(better)
    assert after > before + 0.15, (before, after)


def test_the_encoder_given_is_left_as_it_is(shop: Shop) -> None:
    given = ImageEncoder("mmreco/picturecnn-32-8", weights="random", size=32, device="cpu")
    vectors, chance = given.encode(shop.paths[:4]), torch.random.get_rng_state()
    other = tuned(given, shop.known.take(range(8)), shop.text, epochs=1, batch_size=4)
    assert (given.encode(shop.paths[:4]) == vectors).all()
    again = ImageEncoder("mmreco/picturecnn-32-8", weights="random", size=32, device="cpu")
    assert given.fingerprint == again.fingerprint != other.fingerprint
    assert (other.name, other.dim, other.device) == (given.name, given.dim, given.device)
    assert torch.equal(torch.random.get_rng_state(), chance)  # nobody else's chance is touched
    weights = list(other.copied().module.parameters())
    assert not any(weight.requires_grad for weight in weights)


def test_statistics_of_normalising_layers_stand_still(given: ImageEncoder, better: ImageEncoder) -> None:
    before, after = (dict(encoder.copied().module.named_buffers()) for encoder in (given, better))
    assert before
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_the_same_seed_gives_the_same_weights(shop: Shop, given: ImageEncoder) -> None:
    some = shop.known.take(range(24))
    made = [tuned(given, some, shop.text, epochs=1, batch_size=8, seed=seed) for seed in (3, 3, 4)]
    assert made[0].fingerprint == made[1].fingerprint != made[2].fingerprint


@pytest.mark.parametrize("name", ["torchvision/squeezenet1_1", "timm/test_resnet", "timm/test_vit"])
def test_any_network_is_tuned_kept_and_read_back(shop: Shop, name: str, tmp_path: Path) -> None:
    size = 160 if name.endswith("vit") else 64
    encoder = ImageEncoder(name, weights="random", size=size, device="cpu", backend="bfloat16")
    better = tuned(encoder, shop.known.take(range(6)), shop.text, epochs=1, batch_size=3, rate=1e-3)
    better.save(tmp_path / "kept")
    again = ImageEncoder.load(tmp_path / "kept", device="cpu")
    assert again.fingerprint == better.fingerprint != encoder.fingerprint
    assert (again.encode(shop.paths[:3]) == better.encode(shop.paths[:3])).all()
    assert (better.encode(shop.paths[:3]) != encoder.encode(shop.paths[:3])).any()


def test_items_without_text_or_picture_are_left_out(shop: Shop, given: ImageEncoder) -> None:
    some = shop.known.take(range(6))
    said = np.concatenate([shop.said[:6], np.zeros((1, 9), dtype=np.float32), shop.said[:1]])
    text = Embeddings(IdMap.of([*shop.ids[:6], "mute", "bare"]), said)
    table = {"item_id": [*shop.ids[:6], "mute", "bare", "untold"], "image": [*shop.paths[:7], None, shop.paths[7]]}
    more = Catalogue.from_frame(pa.table(table))
    made = [tuned(given, shop_, text, epochs=1, batch_size=3) for shop_ in (some, more)]
    assert made[0].fingerprint == made[1].fingerprint


def test_what_cannot_be_tuned_is_refused(shop: Shop, given: ImageEncoder) -> None:
    options: list[dict[str, Any]] = [{"epochs": 0}, {"batch_size": 1}, {"rate": 0.0}, {"seed": -1}]
    for option in options:
        with pytest.raises(DataError, match=f"{next(iter(option))}="):
            tuned(given, shop.known, shop.text, **option)
    stranger = Embeddings(IdMap.of(["stranger"]), np.ones((1, 3), dtype=np.float32))
    with pytest.raises(DataError, match="vectors of 1 ids, none of them an item"):
        tuned(given, shop.known, stranger)
    with pytest.raises(DataError, match="1 usable pictures"):
        tuned(given, shop.known.take([0]), shop.text)


def test_a_loss_that_is_not_finite_is_an_error(shop: Shop, given: ImageEncoder) -> None:
    with pytest.raises(FloatingPointError, match="the loss of pictures became"):
        tuned(given, shop.known.take(range(12)), shop.text, epochs=3, batch_size=4, rate=1e30)
