"""tuned(): a text model learns which texts belong together, and finds partners of texts it never saw."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from random_bert import save_bert

from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.tuning import bought_together, said_of, tuned
from mmreco.errors import DataError

# Two tongues: word n of the one means word n of the other, which no untrained model can know.
ONE = [f"a{n}" for n in range(12)]
OTHER = [f"b{n}" for n in range(12)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    shape = {"intermediate_size": 32, "hidden_dropout_prob": 0.0, "initializer_range": 0.2}
    path = save_bert(tmp_path_factory.mktemp("models") / "bert", [*ONE, *OTHER], longest=16, layers=1, **shape)
    return TextEncoder(path, device="cpu")


def pairs(n: int, seed: int) -> list[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(12, size=3, replace=False) for _ in range(n)]
    return [(" ".join(ONE[w] for w in words), " ".join(OTHER[w] for w in words)) for words in drawn]


def found(encoder: TextEncoder, asked: list[tuple[str, str]]) -> float:
    """The share of texts whose nearest in the other tongue is their partner."""
    scores = encoder.encode([one for one, _ in asked]) @ encoder.encode([other for _, other in asked]).T
    return float((scores.argmax(axis=1) == np.arange(len(asked))).mean())


def test_partners_of_texts_never_seen_are_found(encoder: TextEncoder, tmp_path: Path) -> None:
    new = [pair for pair in dict.fromkeys(pairs(60, 2)) if pair not in set(pairs(300, 1))]
    before, mark = found(encoder, new), encoder.fingerprint
    better = tuned(encoder, pairs(300, 1), tmp_path / "tuned", epochs=6, batch_size=32, rate=5e-3)
    assert before < 0.2
    assert found(better, new) > before + 0.4
    assert (encoder.fingerprint, found(encoder, new)) == (mark, before)  # the one given is as it was
    assert better.fingerprint != mark
    again = TextEncoder(tmp_path / "tuned", device="cpu")
    np.testing.assert_allclose(again.encode(["a1 a2"]), better.encode(["a1 a2"]), atol=1e-6)


def test_the_same_seed_gives_the_same_model(encoder: TextEncoder, tmp_path: Path) -> None:
    made = [tuned(encoder, pairs(20, 1), tmp_path / name, batch_size=8, seed=3) for name in ("a", "b")]
    assert made[0].fingerprint == made[1].fingerprint


def test_what_cannot_be_tuned(encoder: TextEncoder, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 of 3 pairs are usable"):
        tuned(encoder, [("a1", "b1"), ("a2", " "), ("a3", "a3")], tmp_path / "x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(DataError, match="holds something"):
        tuned(encoder, pairs(4, 1), tmp_path / "full")
    for options in ({"epochs": 0}, {"batch_size": 1}, {"rate": 0.0}, {"seed": -1}):
        with pytest.raises(DataError, match=f"{next(iter(options))}="):
            tuned(encoder, pairs(4, 1), tmp_path / "x", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


def test_pairs_of_a_shop() -> None:
    items = IdMap.of(["p", "q", "r"])
    shop = Catalogue.from_frame(pa.table({"item_id": ["p", "q", "r"], "title": ["red dress", "blue hat", None]}))
    said = ["fits like a glove, so soft", "ok", "whatever it is, I like it", "x" * 30, "面料很舒服", "颜色和照片一样"]
    reviews = Reviews.from_rows(items, [0, 1, 2, 1, 0, 0], said)
    assert said_of(shop, reviews) == [
        ("red dress", said[0]),
        ("red dress", said[5]),  # seven Chinese characters say as much as 21 letters, five do not
        ("blue hat", said[3]),
    ]
    events = Interactions.from_histories([["p", "q", "q", "p"], ["r", "p"], [], ["q"]], items=items)
    assert bought_together(shop, events) == [("red dress", "blue hat"), ("blue hat", "red dress")]
    assert len(bought_together(shop, events, most=1)) == 1
    with pytest.raises(DataError, match="no column 'name'"):
        said_of(shop, reviews, column="name")


def test_tuning_in_threads_is_as_alone_and_leaves_torch_s_generator(encoder: TextEncoder, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import torch

    def learnt(name: str) -> str:
        return tuned(encoder, pairs(20, 1), tmp_path / name, batch_size=8, seed=int(name[-1])).fingerprint

    alone = [learnt("a0"), learnt("a1")]
    assert alone[0] != alone[1]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(learnt, ["b0", "b1"])) == alone
    assert torch.equal(torch.get_rng_state(), before)
