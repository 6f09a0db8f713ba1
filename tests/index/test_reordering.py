"""The order of a graph: like beside like, the same each time, and nothing of it is seen from outside."""

import faiss
import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.index.reordering import nearby, together
from mmreco.index.vector import VectorIndex


def clustered(n: int, seed: int) -> F32:
    """Forty clusters of 16 numbers, shuffled; unit length."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((40, 16))
    vectors = (centres[rng.integers(40, size=n)] + 0.2 * rng.standard_normal((n, 16))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def steps(vectors: F32) -> float:
    """How far it is from a vector to the next, on the average."""
    return float(np.linalg.norm(np.diff(vectors, axis=0), axis=1).mean())


@pytest.fixture(scope="module")
def graph() -> VectorIndex:
    items = IdMap.of([f"i{row}" for row in range(12_000)])
    return VectorIndex(Embeddings(items, clustered(12_000, seed=1)), quality="high", device="cpu")


def test_neighbours_lie_side_by_side() -> None:
    vectors = clustered(3_000, seed=1)
    order = nearby(faiss, vectors)
    assert (np.sort(order) == np.arange(3_000)).all()
    assert steps(vectors[order]) < 0.4 * steps(vectors)
    assert (nearby(faiss, vectors) == order).all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_handful_is_ordered(n: int) -> None:
    assert np.sort(nearby(faiss, clustered(n, seed=1))).tolist() == list(range(n))


def test_equal_vectors_are_ordered() -> None:
    assert np.sort(nearby(faiss, np.ones((500, 4), dtype=np.float32))).tolist() == list(range(500))


def test_queries_about_the_same_are_asked_together() -> None:
    landmarks, queries = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)[[2, 0, 1, 0, 2]]
    assert together(faiss, queries, landmarks).tolist() == [1, 3, 2, 0, 4]


def test_answers_are_rows_of_the_items_in_their_own_order(graph: VectorIndex) -> None:
    rows = np.arange(0, 12_000, 40)
    assert (graph.search(graph.embeddings.vectors[rows] * 10, 1).rows[:, 0] == rows).mean() > 0.95


def test_a_query_is_answered_alike_alone_and_among_others(graph: VectorIndex) -> None:
    queries = clustered(200, seed=2)
    among = graph.search(queries, 10).rows
    for line in range(0, 200, 20):
        assert (graph.search(queries[line : line + 1], 10).rows[0] == among[line]).all()


def test_filters_and_later_items_hold(graph: VectorIndex) -> None:
    rng = np.random.default_rng(3)
    where, queries = rng.random(12_000) < 0.5, clustered(100, seed=4)
    found = graph.search(queries, 10, where=where).rows
    assert where[found].all()
    right = np.argsort(-np.where(where, queries @ graph.embeddings.vectors.T, -np.inf), axis=1)[:, :10]
    assert np.mean([np.isin(a, b).mean() for a, b in zip(right, found, strict=True)]) > 0.95
    held = graph._state.segments
    assert held is not None
    later = clustered(6_000, seed=5)
    grown = held.structure.grown(later)
    found = grown.best(later[:100], 5, grown.search(5, held.effort, 5))
    assert np.mean([12_000 + line in row for line, row in enumerate(found)]) > 0.95


def test_a_graph_behind_a_transformation_answers_many_queries() -> None:
    items = Embeddings(IdMap.of([f"i{row}" for row in range(12_000)]), clustered(12_000, seed=1))
    index = VectorIndex(items, quality="PCA8,HNSW16", device="cpu")
    assert (index.search(items.vectors[:100], 10).rows == np.arange(100)[:, None]).any(axis=1).mean() > 0.9
