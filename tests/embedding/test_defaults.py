"""The encoders a shop gets when it names none."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from mmreco.data.catalogue import Catalogue
from mmreco.embedding.defaults import encode_shop
from mmreco.encoders.image.decoding import open_picture
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmreco.encoders.image.training._LOOKS", 8)


def shop(folder: Path, good: int, bad: int = 0, addresses: int = 0, titles: bool = True) -> Catalogue:
    rng = np.random.default_rng(0)
    paths = []
    for number in range(good):
        paths.append(str(folder / f"{number}.png"))
        Image.fromarray(rng.integers(0, 255, (20, 16, 3), dtype=np.uint8)).save(paths[-1])
    for number in range(bad):
        paths.append(str(folder / f"bad{number}.png"))
        Path(paths[-1]).write_bytes(b"no picture")
    paths += [f"https://shop.example/{number}.jpg" for number in range(addresses)]
    names = [f"i{number}" for number in range(len(paths))]
    words = [f"red dress {name}" if titles else None for name in names]
    table = pa.table({"title": pa.array(words, pa.large_string()), "image": pa.array(paths, pa.large_string())})
    return Catalogue(Catalogue.from_frame(pa.table({"item_id": names})).items, table)


def test_unreadable_pictures_are_listed_and_the_others_learnt_from(tmp_path: Path) -> None:
    catalogue = shop(tmp_path, good=3, bad=2, addresses=2)
    encoders, content, refused = encode_shop(catalogue)
    assert isinstance(encoders["text"], LexicalEncoder)
    assert isinstance(encoders["image"], ImageEncoder)
    assert content["image"].ids.array.to_pylist() == ["i0", "i1", "i2"]
    assert refused["id"].to_pylist() == ["i3", "i4", "i5", "i6"]


def test_fewer_than_two_pictures_are_no_encoder_and_no_failure(tmp_path: Path) -> None:
    for good, bad, addresses in ((0, 2, 1), (1, 2, 0), (0, 0, 3), (1, 0, 0)):
        catalogue = shop(tmp_path, good, bad, addresses)
        encoders, content, refused = encode_shop(catalogue)
        assert set(encoders) == set(content) == {"text"}
        assert refused["id"].to_pylist() == [f"i{number}" for number in range(good, good + bad + addresses)]


def test_pictures_alone_and_nothing_at_all(tmp_path: Path) -> None:
    assert set(encode_shop(shop(tmp_path, good=2, titles=False)).encoders) == {"image"}
    assert encode_shop(shop(tmp_path, good=1, titles=False)).encoders == {}
    wordless = Catalogue.from_frame(pa.table({"item_id": ["a"], "title": ["!!!"]}))
    assert encode_shop(wordless)[:2] == ({}, {})


def test_each_picture_is_decoded_once_and_its_vector_is_the_encoder_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue, opened = shop(tmp_path, good=4, bad=1, addresses=1), []

    def counted(content: object, **options: Any) -> Any:
        opened.append(content)
        return open_picture(content, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("mmreco.encoders.image.pictures.open_picture", counted)
    monkeypatch.setattr("mmreco.encoders.image.preprocessing.open_picture", counted)
    encoders, content, refused = encode_shop(catalogue)
    assert sorted(map(str, opened)) == sorted(str(path) for path in catalogue.images())
    assert content["image"].ids.array.to_pylist() == ["i0", "i1", "i2", "i3"]
    assert content["image"].fingerprint == encoders["image"].fingerprint
    assert refused["id"].to_pylist() == ["i4", "i5"]
    right = encoders["image"].encode(catalogue.images()[:4])
    np.testing.assert_allclose(content["image"].vectors, right, atol=1e-6)


def test_pictures_beyond_memory_are_encoded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmreco.encoders.image.pictures._MEMORY", 3 * (80**2 + 64**2) * 3)
    encoders, content, refused = encode_shop(shop(tmp_path, good=5, bad=1))
    assert sorted(content["image"].ids.array.to_pylist()) == ["i0", "i1", "i2", "i3", "i4"]
    assert refused["id"].to_pylist() == ["i5"]
    assert set(encoders) == {"text", "image"}


def test_encoders_given_are_used(tmp_path: Path) -> None:
    catalogue = shop(tmp_path, good=2)
    given = LexicalEncoder(dim=3).fit(["red dress"])
    encoders, content, _ = encode_shop(catalogue, text=[given], image=[])
    assert encoders == {"text": given}
    assert content["text"].dim == 3
    with pytest.raises(DataError, match=r"text: .* does not encode"):
        encode_shop(catalogue, text=["red"], image=[])  # type: ignore[list-item]
