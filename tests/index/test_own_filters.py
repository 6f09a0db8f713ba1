"""A filter for each query: as if each had been asked alone with its own."""

from dataclasses import replace

import numpy as np
import pytest

from mmreco.arrays import F32, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.index.batching import BatchingIndex
from mmreco.index.device import Place, TorchScan
from mmreco.index.exact.scan import Scan
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.vector import VectorIndex

N, DIM, B = 3_000, 16, 24


def clustered(n: int, *, seed: int = 0) -> F32:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((30, DIM))
    vectors = centres[rng.integers(30, size=n)] + 0.4 * rng.standard_normal((n, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def shop(n: int = N) -> Embeddings:
    vectors = clustered(n)
    vectors[50:90] = vectors[49]  # equals
    return Embeddings(IdMap.of([f"i{row}" for row in range(n)]), vectors)


def without_faiss() -> VectorIndex:
    index = VectorIndex(shop(), device="cpu")
    index._state = replace(index._state, items=ItemVectors(Scan(index.embeddings.vectors)))
    return index


def by_torch() -> VectorIndex:
    index = VectorIndex(shop(), device="cpu")
    index._state = replace(index._state, items=ItemVectors(TorchScan(index.embeddings.vectors, Place(("cpu", "cpu")))))
    return index


def changed(quality: str = "exact") -> VectorIndex:
    """Grown out of an index with fewer, more and other items."""
    whole = shop()
    first = Embeddings(
        IdMap.of(["x", *whole.ids.ids(range(2_800))]), np.concatenate([[np.ones(DIM)], clustered(2_800)])
    )
    rest = Embeddings(whole.ids.take(np.arange(2_800, N)), whole.vectors[2_800:])
    right = Embeddings(whole.ids.take(np.arange(2_800)), whole.vectors[:2_800])
    return VectorIndex(first, device="cpu", quality=quality).remove(["x"]).add(rest).update(right)


EXACT = {
    "faiss": lambda: VectorIndex(shop(), device="cpu"),
    "matrix": without_faiss,
    "torch": by_torch,
    "changed": changed,
}
APPROXIMATE = {
    "graph": lambda: VectorIndex(shop(), device="cpu", quality="HNSW16,Flat"),
    "lists": lambda: VectorIndex(shop(), device="cpu", quality="IVF32,SQ8"),
    "changed": lambda: changed("IVF32,SQ8"),
}


def masks(kind: str) -> Bool:
    rng = np.random.default_rng(3)
    shares = {"half": 0.5, "few": 0.01, "mixed": rng.choice([0.0, 0.0005, 0.01, 0.5, 1.0], size=(B, 1))}[kind]
    where: Bool = rng.random((B, N)) < shares
    where[1] = where[0]
    return where


def queries() -> F32:
    drawn = clustered(B, seed=5)
    drawn[3] = clustered(N)[49]
    drawn[4] = drawn[5]
    drawn[6] = 0
    return drawn


def histories(where: Bool, ids: IdMap) -> Interactions:
    rng = np.random.default_rng(4)
    rows = [rng.choice(N, size=[0, 20, 400][line % 3], replace=False) for line in range(len(where))]
    return Interactions.from_histories([ids.ids(line) for line in rows], items=ids)


@pytest.mark.parametrize("kind", ["half", "few", "mixed"])
@pytest.mark.parametrize("path", EXACT)
def test_exact_answers_are_those_of_each_alone(path: str, kind: str) -> None:
    index, where = EXACT[path](), masks(kind)
    vectors = shop().vectors
    for exclude in (None, histories(where, index.ids)):
        found = index.search(queries(), 12, where=where, exclude=exclude)
        for line, query in enumerate(queries()):
            allowed = where[line].copy()
            if exclude is not None:
                allowed[exclude.history(line)] = False
            scores = np.vecdot(vectors, query)
            best = [row for row in np.argsort(-scores, kind="stable") if allowed[row]][:12]
            own = None if exclude is None else exclude.take([line])
            alone = index.search(query[None], 12, where=where[line], exclude=own)
            assert found.rows[line].tolist() == alone.rows[0].tolist()
            np.testing.assert_array_equal(found.scores[line], alone.scores[0])
            count = (found.rows[line] >= 0).sum()
            assert count == min(12, allowed.sum())
            np.testing.assert_allclose(found.scores[line, :count], scores[best], atol=1e-5)
            assert allowed[found.rows[line, :count]].all()


@pytest.mark.parametrize("kind", ["half", "few", "mixed"])
@pytest.mark.parametrize("path", APPROXIMATE)
def test_approximate_answers_are_allowed_full_and_good(path: str, kind: str) -> None:
    index, where = APPROXIMATE[path](), masks(kind)
    exclude = histories(where, index.ids)
    found = index.search(queries(), 12, where=where, exclude=exclude)
    exact = VectorIndex(shop(), device="cpu").search(queries(), 12, where=where, exclude=exclude)
    assert ((found.rows >= 0) == (exact.rows >= 0)).all()
    for line in range(B):
        rows = found.rows[line][found.rows[line] >= 0]
        assert where[line][rows].all()
        assert not np.isin(rows, exclude.history(line)).any()
    there = exact.scores > -np.inf
    assert np.mean(found.scores[there] >= exact.scores[there] - 1e-5) > 0.95


def test_one_query_with_a_line_of_its_own() -> None:
    index, where = VectorIndex(shop(), device="cpu"), masks("half")
    one = index.search(queries()[:1], 5, where=where[:1])
    assert one.rows.tolist() == index.search(queries()[:1], 5, where=where[0]).rows.tolist()


def test_waiting_calls_with_filters_of_their_own_are_searched_together() -> None:
    index, where = VectorIndex(shop(), device="cpu"), masks("half")
    batching = BatchingIndex(index)
    found = batching.search(queries(), 5, where=where)
    np.testing.assert_array_equal(found.rows, index.search(queries(), 5, where=where).rows)


@pytest.mark.parametrize("quality", ["exact", "IVF16,SQ8"])
@pytest.mark.parametrize("make", [None, changed], ids=["whole", "changed"])
def test_a_few_items_for_each_query_are_scored_alone_and_answered_as_by_sorting(quality: str, make) -> None:
    index = changed(quality) if make else VectorIndex(shop(), device="cpu", quality=quality)
    rng = np.random.default_rng(3)
    queries, where = clustered(B, seed=4), np.zeros((B, N), dtype=np.bool_)
    for line in range(1, B):  # the first may be answered with nothing
        where[line, rng.choice(N, int(rng.integers(1, 100)), replace=False)] = True
    where[5, 40:95] = True  # equals
    queries[5] = index.embeddings.vectors[60]
    histories = [[f"i{row}" for row in np.flatnonzero(where[line])[:3]] for line in range(B)]
    exclude = Interactions.from_histories(histories, items=index.ids)
    ranking = index.search(queries, 12, where=where, exclude=exclude)
    for line in range(B):
        rows = np.flatnonzero(where[line])[3:]
        scores = index.embeddings.vectors[rows] @ queries[line]
        best = rows[np.lexsort((rows, -scores.round(5)))][:12]
        assert ranking.rows[line, : len(best)].tolist() == best.tolist()
        assert (ranking.rows[line, len(best) :] == -1).all()
