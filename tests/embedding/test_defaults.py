"""The encoders a shop gets when it names none."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from mmreco.data.catalogue import Catalogue
from mmreco.embedding.catalogue import encode_content
from mmreco.embedding.defaults import chosen_encoders, unreadable_pictures
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.text.lexical import LexicalEncoder


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
    encoders = chosen_encoders(catalogue)
    assert isinstance(encoders["text"], LexicalEncoder)
    assert isinstance(encoders["image"], ImageEncoder)
    content, refused = encode_content(encoders, catalogue)
    assert content["image"].ids.array.to_pylist() == ["i0", "i1", "i2"]
    assert refused["id"].to_pylist() == ["i3", "i4", "i5", "i6"]


def test_fewer_than_two_pictures_are_no_encoder_and_no_failure(tmp_path: Path) -> None:
    for good, bad, addresses in ((0, 2, 1), (1, 2, 0), (0, 0, 3), (1, 0, 0)):
        catalogue = shop(tmp_path, good, bad, addresses)
        assert set(chosen_encoders(catalogue)) == {"text"}
        unreadable = unreadable_pictures(catalogue)
        assert unreadable["id"].to_pylist() == [f"i{number}" for number in range(good, good + bad + addresses)]


def test_pictures_alone_and_nothing_at_all(tmp_path: Path) -> None:
    assert set(chosen_encoders(shop(tmp_path, good=2, titles=False))) == {"image"}
    assert chosen_encoders(shop(tmp_path, good=1, titles=False)) == {}
    wordless = Catalogue.from_frame(pa.table({"item_id": ["a"], "title": ["!!!"]}))
    assert chosen_encoders(wordless) == {}
