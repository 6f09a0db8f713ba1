"""A change of a few items costs what they do, however many there are."""

import tracemalloc
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pytest

from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.models.base import State, VectorModel
from mmreco.recommender import Recommender
from mmreco.splitting import Holdout

N, DIM = 200_000, 64


def drawn(n: int, seed: int) -> F32:
    vectors = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Placing(VectorModel):
    """Drawn vectors, for the items it is fitted on and for those that come later."""

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        self.embeddings_ = Embeddings(dataset.items, drawn(len(dataset.items), 0))

    def user_vectors(self, histories: Interactions) -> F32:
        return drawn(len(histories), 1)

    def place(self, catalogue: Catalogue, content: Mapping[str, Embeddings]) -> Embeddings:
        return Embeddings(catalogue.items, drawn(len(catalogue), 2))

    def recommend_from(self, index, request, *, items=None):  # type: ignore[no-untyped-def]
        assert items is None or len(items.vectors_of(np.array([0, len(items.ids) - 1]))) == 2
        return index.search(self.user_vectors(request.histories), request.k, where=request.candidates)

    def _state(self) -> State:
        return {}

    def _restore(self, state: State) -> None:
        pass


class Drawn:
    """An encoder that costs nothing."""

    dim, fingerprint = DIM, "drawn"

    def encode(self, contents: list[str], *, batch_size: int = 64) -> F32:
        return drawn(len(contents), len(contents))


@pytest.fixture(scope="module")
def live() -> Recommender:
    items = IdMap(pa.array([f"sku-{row}" for row in range(N)], pa.large_string()))
    catalogue = Catalogue(items, pa.table({"title": pa.array([f"lamp {row % 997}" for row in range(N)])}))
    log = Interactions.from_histories([["sku-1", "sku-2"]], items=items)
    recommender = Recommender.fit(Dataset(catalogue, log), model=Placing(), text=[Drawn()], image=[])
    asked(recommender)
    recommender.add(new("first"))  # what is made once
    recommender.update(new("first"))
    asked(recommender)
    return recommender


def new(name: str) -> Catalogue:
    return Catalogue.from_frame(pa.table({"item_id": [name], "title": ["red lamp"]}))


def asked(recommender: Recommender) -> None:
    """Every kind of question."""
    recommender.recommend(["0"], k=5)
    recommender.similar(["sku-1"], k=5)
    recommender.search(text=["red lamp"], k=5)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.add(new("second")),
        lambda one: one.update(new("sku-7")),
        lambda one: one.observe([{"user_id": "u", "item_id": "sku-3"}]),
        lambda one: one.remove(["sku-9"]),
    ],
    ids=["add", "update", "observe", "remove"],
)
def test_a_change_of_one_item_and_the_questions_after_it_copy_no_vectors(
    live: Recommender, change: Callable[[Recommender], None]
) -> None:
    tracemalloc.start()
    try:
        change(live)
        changed = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        asked(live)
        answered = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    vectors = N * DIM * 4  # bytes of one of the two indexes
    assert changed < vectors / 4, f"{changed / 1e6:.1f} MB"
    assert answered < vectors / 4, f"{answered / 1e6:.1f} MB"
