"""An index of the caller's, kept up to date, answers as an index of the library's own over the same items."""

import numpy as np
import pytest

from mmreco.arrays import F32, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.index import delta
from mmreco.index.delta import DeltaIndex
from mmreco.index.vector import VectorIndex

DIM = 5


class Bare:
    """Searches, and does nothing else."""

    made = 0

    def __init__(self, embeddings: Embeddings) -> None:
        self._index = VectorIndex(embeddings, device="cpu")
        Bare.made += 1

    def search(
        self, queries: F32, k: int, *, where: Bool | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        return self._index.search(queries, k, where=where, exclude=exclude)


def some(first: int, n: int, seed: int = 0) -> Embeddings:
    vectors = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return Embeddings(IdMap.of([f"sku-{row}" for row in range(first, first + n)]), vectors)


def alike(ours: DeltaIndex, truth: VectorIndex, rng: np.random.Generator) -> None:
    n = len(truth)
    assert ours.ids == truth.ids
    queries = rng.normal(size=(4, DIM)).astype(np.float32)
    barred = Interactions.from_events(
        IdMap.of(list("abcd")), ours.ids, rng.integers(4, size=20), rng.integers(n, size=20)
    )
    theirs = Interactions.from_events(barred.users, truth.ids, barred.users_flat, barred.items_flat)
    for where in (None, rng.random(n) < 0.3, rng.random((4, n)) < 0.5):
        for mine, other in ((None, None), (barred, theirs)):
            found = ours.search(queries, 7, where=where, exclude=mine)
            expected = truth.search(queries, 7, where=where, exclude=other)
            np.testing.assert_array_equal(found.rows, expected.rows)
            np.testing.assert_array_equal(found.scores, expected.scores)
    rows = rng.integers(n, size=9)
    np.testing.assert_array_equal(ours.vectors_of(rows), truth.vectors_of(rows))


def test_any_changes_are_answered_as_by_an_index_of_one_s_own() -> None:
    rng = np.random.default_rng(1)
    ours, truth, n = DeltaIndex(Bare, some(0, 60)), VectorIndex(some(0, 60), device="cpu"), 60
    for step in range(25):
        kind = rng.integers(3)
        if kind == 0:
            more = some(n, int(rng.integers(1, 6)), seed=step)
            ours, truth, n = ours.add(more), truth.add(more), n + len(more)
        elif kind == 1:
            rows = rng.permutation(len(truth))[:4]
            vectors = rng.normal(size=(4, DIM)).astype(np.float32)
            moved = Embeddings(truth.ids.take(rows), vectors)
            ours, truth = ours.update(moved), truth.update(moved)
        else:
            gone = truth.ids.ids(rng.permutation(len(truth))[:2])
            ours, truth = ours.remove(gone), truth.remove(gone)
        alike(ours, truth, rng)


def test_the_caller_s_index_is_made_anew_when_much_has_changed_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "_MANY", 10)
    index, before = DeltaIndex(Bare, some(0, 40)), Bare.made
    few = index.add(some(40, 10))
    assert Bare.made == before
    many = few.add(some(50, 1))
    assert Bare.made == before + 1
    assert len(few) == 50
    assert repr(many) == "DeltaIndex(Bare, 51 x 5, 0 changed)"


def test_what_does_not_search_is_refused() -> None:
    with pytest.raises(DataError, match=r"index: made a list; expected something with search\(queries, k, ...\)"):
        DeltaIndex(lambda vectors: [], some(0, 3))  # type: ignore[arg-type,return-value]
    with pytest.raises(DataError, match="expected Embeddings"):
        DeltaIndex(Bare, np.eye(3))  # type: ignore[arg-type]
