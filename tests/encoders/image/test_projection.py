"""projected(): photos find their products, also new ones; words find pictures; what is kept is read again."""

import colorsys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw

from mmreco import Dataset, Interactions, Popular, Recommender
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.image.projection import projected
from mmreco.encoders.image.worded import WordedImageEncoder
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError, IncompatibleError, UnknownIdError

HUES = ("red", "orange", "yellow", "lime", "green", "mint", "cyan", "azure", "blue", "violet", "pink", "rose")
NEW = {1, 5, 9}  # products without a photo


def picture(hue: int, light: float, ground: tuple[int, int, int], rng: np.random.Generator) -> Image.Image:
    """A disc of one hue, somewhere on a ground."""
    image = Image.new("RGB", (32, 32), ground)
    x, y, r = (*rng.uniform(14, 18, 2), rng.uniform(8, 11))
    red, green, blue = colorsys.hsv_to_rgb(hue / len(HUES), 0.85, light)
    ink = int(255 * red), int(255 * green), int(255 * blue)
    ImageDraw.Draw(image).ellipse((x - r, y - r, x + r, y + r), fill=ink)
    return image


class Store:
    """One bright studio picture a product; dim photos before dark grounds of any colour."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.paths = [str(folder / f"{hue}.png") for hue in range(len(HUES))]
        for hue, path in enumerate(self.paths):
            picture(hue, 1.0, (255, 255, 255), rng).save(path)
        self.shop = Catalogue.from_frame(pa.table({"item_id": list(HUES), "image": self.paths}))
        of = np.repeat(np.arange(len(HUES)), 10).tolist()
        photos = [picture(hue, rng.uniform(0.5, 0.8), tuple(rng.integers(0, 90, 3).tolist()), rng) for hue in of]
        self.taught = [(HUES[hue], photo) for hue, photo in zip(of, photos, strict=True) if hue not in NEW][::2]
        self.asked = list(zip(of, photos, strict=True))[1::2]
        self.encoder = ImageEncoder("mmreco/picturecnn-128-16", weights="random", size=32, device="cpu")

    def recall(self, encoder: ImageEncoder, *, new: bool) -> float:
        """The share of photos whose product is among the two first."""
        asked = [(hue, photo) for hue, photo in self.asked if (hue in NEW) == new]
        scores = encoder.encode([photo for _, photo in asked]) @ encoder.encode(self.paths).T
        best = np.argsort(-scores, axis=1)[:, :2]
        return float(np.mean([hue in line for (hue, _), line in zip(asked, best, strict=True)]))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def taught(store: Store) -> ImageEncoder:
    return projected(store.encoder, store.shop, photos=store.taught, dim=32)


def test_photos_find_their_products(store: Store, taught: ImageEncoder) -> None:
    assert store.recall(store.encoder, new=False) < 0.6
    assert store.recall(taught, new=False) > 0.85


def test_new_products_gain_as_well(store: Store, taught: ImageEncoder) -> None:
    assert store.recall(store.encoder, new=True) < 0.7
    assert store.recall(taught, new=True) > 0.85


def test_the_same_seed_gives_the_same_weights_and_the_given_encoder_stays(store: Store, taught: ImageEncoder) -> None:
    before = store.encoder.fingerprint
    assert projected(store.encoder, store.shop, photos=store.taught, dim=32).fingerprint == taught.fingerprint
    assert projected(store.encoder, store.shop, photos=store.taught, dim=32, seed=1).fingerprint != taught.fingerprint
    assert store.encoder.fingerprint == before
    assert (taught.name, taught.dim) == ("mmreco/picturecnn-128-16+linear-128-32", 32)


def test_saved_and_loaded(store: Store, taught: ImageEncoder, tmp_path: Path) -> None:
    taught.save(tmp_path / "encoder")
    again = ImageEncoder.load(tmp_path / "encoder", device="cpu")
    assert again.fingerprint == taught.fingerprint
    pictures = store.paths[:3]
    np.testing.assert_array_equal(again.encode(pictures), taught.encode(pictures))


def test_pictures_come_near_their_texts(store: Store) -> None:
    known = [hue for hue in range(len(HUES)) if hue not in NEW]
    turns = 2 * np.pi * np.arange(len(HUES)) / len(HUES)
    said = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    encoder = projected(store.encoder, store.shop, text=Embeddings(IdMap.of([HUES[hue] for hue in known]), said[known]))
    assert encoder.dim == 2
    cosines = (encoder.encode(store.paths) * said).sum(axis=1)
    assert cosines[known].min() > 0.98
    assert cosines[sorted(NEW)].min() > 0.8  # never described: they lie between their neighbours


def test_what_cannot_be_learnt_from(store: Store, taught: ImageEncoder) -> None:
    text = Embeddings(IdMap.of(["nobody"]), np.ones((1, 4), dtype=np.float32))
    photo = store.taught[0][1]
    for given, said in (
        ({}, "nothing to learn from"),
        ({"photos": store.taught, "dim": 1}, "dim=1"),
        ({"photos": store.taught, "seed": -1}, "seed=-1"),
        ({"photos": store.taught[:3]}, "of 1 products"),
        ({"photos": [(HUES[0], photo), (HUES[1], b"broken")]}, "1 of 2 can be used"),
        ({"text": text}, "0 items with a text"),
    ):
        with pytest.raises(DataError, match=said):
            projected(store.encoder, store.shop, **given)  # type: ignore[arg-type]
    with pytest.raises(UnknownIdError, match="stranger"):
        projected(store.encoder, store.shop, photos=[("stranger", photo), *store.taught])
    with pytest.raises(DataError, match="has such a layer already"):
        projected(taught, store.shop, photos=store.taught)


# ---- words find pictures


@pytest.fixture(scope="module")
def half_written(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Three items of each hue, of the last of which nothing is written."""
    folder, rng = tmp_path_factory.mktemp("half"), np.random.default_rng(1)
    ids = [f"{hue}-{n}" for hue in HUES for n in range(3)]
    for place, item in enumerate(ids):
        picture(place // 3, 1.0, (255, 255, 255), rng).save(folder / f"{item}.png")
    titles = [None if item.endswith("-2") else f"{item[:-2]} disc" for item in ids]
    paths = [str(folder / f"{item}.png") for item in ids]
    return Catalogue.from_frame(pa.table({"item_id": ids, "title": titles, "image": paths}))


@pytest.fixture(scope="module")
def worded(store: Store, half_written: Catalogue) -> WordedImageEncoder:
    text = LexicalEncoder(dim=12).fit([title for title in half_written.texts() if title])
    return WordedImageEncoder.fit(store.encoder, text, half_written)


def test_an_item_without_words_is_found_by_words(
    half_written: Catalogue, worded: WordedImageEncoder, tmp_path: Path
) -> None:
    nobody = Interactions.from_histories([["red-0", "blue-1"]], items=half_written.items)
    rec = Recommender.fit(Dataset(half_written, nobody), model=Popular(), text=[worded.text], image=[worded])
    for loaded in (False, True):
        if loaded:
            rec.save(tmp_path / "shop")
            rec = Recommender.load(tmp_path / "shop")
        for match in ("both", "meaning"):
            found = rec.search(text=list(HUES), k=36, match=match).ids()  # type: ignore[arg-type]
            silent = [next(item for item in ids if item.endswith("-2")) for ids in found]
            assert np.mean([item == f"{hue}-2" for item, hue in zip(silent, HUES, strict=True)]) > 0.8
        assert set(rec.search(text=["red disc"], k=2).ids()[0]) == {"red-0", "red-1"}  # what is written comes first
        assert rec.search(image=[str(half_written.images()[5])], k=1).ids() == [["orange-2"]]


def test_widths_must_agree(store: Store, worded: WordedImageEncoder) -> None:
    with pytest.raises(IncompatibleError, match="width 128, texts of width 12"):
        WordedImageEncoder(store.encoder, worded.text)
    assert worded.fingerprint not in (worded.image.fingerprint, worded.text.fingerprint)
    np.testing.assert_array_equal(worded.words_coverage(["red", "qwrtps"]), [1, 0])
