"""A recommender over indexes in Milvus answers as one over the library's own, and stays up to date."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from milvus_place import NAME, place

from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.index.milvus.index import MilvusIndex
from mmreco.models import SharedSpace, Training
from mmreco.recommender import Recommender

pytest.importorskip("pymilvus")

pytestmark = pytest.mark.filterwarnings("ignore")  # of the client's own libraries


@pytest.fixture(scope="module")
def shop() -> SyntheticShop:
    return synthetic_shop(120, 80, seed=3)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with place(tmp_path_factory.mktemp("milvus")) as address:
        yield address


@pytest.fixture(scope="module")
def both(shop: SyntheticShop, uri: str) -> tuple[Recommender, Recommender, list[str]]:
    """One over Milvus, one over the library's own index, and the names that were indexed."""
    made: list[str] = []

    def index(name: str, vectors: Embeddings) -> MilvusIndex:
        made.append(name)
        return MilvusIndex.build(vectors, uri, f"{NAME}_{name}")

    model = SharedSpace(training=Training(epochs=2))
    own = Recommender.fit(shop.dataset, model=model, image=[])
    theirs = Recommender.fit(shop.dataset, model=SharedSpace(training=Training(epochs=2)), image=[], index=index)
    return theirs, own, made


def test_every_question_is_answered_alike(
    shop: SyntheticShop, both: tuple[Recommender, Recommender, list[str]]
) -> None:
    theirs, own, made = both
    assert made == ["text", "items"]
    users, items = shop.interactions.users.ids([0, 5, 9]), shop.catalogue.items.ids([3, 60])
    cheap = "price < 60"
    for ask in (
        lambda r: r.recommend(users, k=8),
        lambda r: r.recommend(users, k=8, where=cheap),
        lambda r: r.recommend(users, k=8, exclude_seen=False, refuse=items),
        lambda r: r.recommend(history=[items, []], k=5),
        lambda r: r.similar(items, k=6),
        lambda r: r.similar(items, k=6, by="content", where=cheap),
        lambda r: r.search(text=["red dress", "lamp"], k=6),
        lambda r: r.search(text=["red dress", "lamp"], k=6, match="meaning", where=cheap),
        lambda r: r.search(text=["dress"], users=users[:1], k=6),
    ):
        mine, expected = ask(theirs), ask(own)
        assert mine.ids() == expected.ids()
        np.testing.assert_allclose(mine.scores, expected.scores, atol=1e-4)


def test_what_changes_counts_at_once(
    shop: SyntheticShop, both: tuple[Recommender, Recommender, list[str]], uri: str, tmp_path: Path
) -> None:
    theirs, own, made = both
    new = Catalogue.from_frame(pa.table({"item_id": ["new-1", "new-2"], "title": ["red dress", "blue lamp"]}))
    changed = Catalogue.from_frame(pa.table({"item_id": ["new-2"], "title": ["green hat"]}))
    gone = shop.catalogue.items.ids([7])
    before = len(made)
    for one in (theirs, own):
        one.add(new)
        one.update(changed)
        one.remove(gone)
        one.observe([{"user_id": "late", "item_id": "new-1"}])
    assert len(made) == before  # nothing is made anew for so few
    n = len(own.catalogue)
    for ask in (
        lambda r: r.recommend(["late"], k=n),
        lambda r: r.similar(["new-1"], k=n),
        lambda r: r.search(text=["red dress", "green hat"], k=6),
        lambda r: r.search(text=["red dress", "green hat"], k=n, match="meaning"),
    ):
        mine, expected = ask(theirs), ask(own)
        assert gone[0] not in mine.ids()[0]
        np.testing.assert_allclose(mine.scores, expected.scores, atol=1e-4)
        assert mine.ids() == expected.ids()
    assert theirs.search(text=["green hat"], k=1).ids() == [["new-2"]]
    theirs.save(tmp_path / "shop")
    again = Recommender.load(
        tmp_path / "shop", index=lambda name, vectors: MilvusIndex.build(vectors, uri, f"{NAME}_{name}_2")
    )
    assert again.recommend(["late"], k=9).ids() == theirs.recommend(["late"], k=9).ids()
    assert again.search(text=["green hat"], k=3).ids() == theirs.search(text=["green hat"], k=3).ids()
    theirs.forget(items=["new-2"])  # nothing of it stays in Milvus either: the text index is made anew
    assert made[before:] == ["text"]
    assert theirs.search(text=["green hat"], k=3).ids()[0][:1] != ["new-2"]
