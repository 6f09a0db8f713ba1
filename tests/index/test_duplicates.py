"""Items that share one vector: at one position of the structure, and found, filtered and removed one by one."""

import logging
from pathlib import Path

import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.index import building, filtering, segments
from mmreco.index.exact.scan import Scan
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.positions import alike
from mmreco.index.vector import VectorIndex

pytest.importorskip("faiss")

N, DIM, SHARED = 12_000, 32, 800
KINDS = ["HNSW16,SQ8", "IVF64,SQ8"]


def drawn(n: int, seed: int = 0) -> F32:
    vectors = np.random.default_rng(seed).standard_normal((n, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def shop(n: int = N, n_shared: int = SHARED, seed: int = 0) -> Embeddings:
    """Of all items `n_shared`, at random rows, have the same picture; others come in pairs."""
    vectors = drawn(n, seed)
    rows = np.random.default_rng(1).permutation(n)
    vectors[rows[:n_shared]] = vectors[rows[0]]
    pairs = rows[n_shared : n_shared + n // 10]
    vectors[pairs[::2]] = vectors[pairs[1::2]]
    return Embeddings(IdMap.of([f"i{seed}-{row}" for row in range(n)]), vectors)


def placeholder(embeddings: Embeddings) -> F32:
    _, first, count = np.unique(embeddings.vectors, axis=0, return_index=True, return_counts=True)
    return embeddings.vectors[first[count.argmax()]][None]


@pytest.fixture(scope="module", params=KINDS)
def index(request: pytest.FixtureRequest) -> VectorIndex:
    return VectorIndex(shop(), quality=request.param, device="cpu").tune(0.99)


def recall(index: VectorIndex, queries: F32, k: int = 10, **options: object) -> float:
    exact = VectorIndex(index.embeddings, device="cpu").search(queries, k, **options).rows  # type: ignore[arg-type]
    rows = index.search(queries, k, **options).rows  # type: ignore[arg-type]
    assert ((rows >= 0) == (exact >= 0)).all()
    return float(np.mean([np.isin(a[a >= 0], b).mean() for a, b in zip(exact, rows, strict=True)]))


def test_every_item_finds_itself_though_many_share_a_picture() -> None:
    index = VectorIndex(shop(), quality="high", device="cpu")
    assert index.report()["kind"] == "graph"
    vectors = index.embeddings.vectors
    assert len(index._state.segments.positions) == len(np.unique(vectors, axis=0))  # type: ignore[union-attr]
    shared = (vectors == placeholder(index.embeddings)).all(axis=1)
    alone = np.flatnonzero(~shared)[:4_000]
    rows = index.search(vectors[alone], 10).rows
    assert (rows == alone[:, None]).any(axis=1).mean() > 0.999
    first = np.flatnonzero(shared)[:10]
    np.testing.assert_array_equal(index.search(vectors[first[:3]], 10).rows, np.tile(first, (3, 1)))  # lower rows first


def test_many_twins_are_answered_in_order(index: VectorIndex) -> None:
    query = placeholder(index.embeddings)
    shared = np.flatnonzero((index.embeddings.vectors == query).all(axis=1))
    for k in (1, 10, 300):
        np.testing.assert_array_equal(index.search(query, k).rows[0], shared[:k])
    assert index.search(query, 900).rows[0, :SHARED].tolist() == shared.tolist()


@pytest.mark.parametrize("share", [0.5, 0.05])
def test_twins_are_filtered_and_excluded_one_by_one(
    index: VectorIndex, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtering, "_GRAPH_WORTH", 0)
    monkeypatch.setattr(filtering, "_LIST_WORTH", 0)
    query, rng = placeholder(index.embeddings), np.random.default_rng(2)
    shared = np.flatnonzero((index.embeddings.vectors == query).all(axis=1))
    where = rng.random(N) < share
    barred = [index.ids.ids(shared[:n]) for n in (0, 7, 300)]
    exclude = Interactions.from_histories(barred, items=index.ids)
    queries = np.repeat(query, 3, axis=0)
    found = index.search(queries, 15, where=where, exclude=exclude).rows
    for line, n in enumerate((0, 7, 300)):
        left = [row for row in shared[n:] if where[row]][:15]
        assert found[line, : len(left)].tolist() == left
    own = np.stack([where, ~where, np.ones(N, dtype=bool)])
    found = index.search(queries, 5, where=own, exclude=exclude).rows
    for line, n in enumerate((0, 7, 300)):
        assert found[line].tolist() == [row for row in shared[n:] if own[line, row]][:5]
    assert recall(index, drawn(60, 5), where=where) > 0.9


def test_twins_come_and_go(index: VectorIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(segments, "_TAIL_MOST", 100)
    monkeypatch.setattr(segments, "_TAIL_SHARE", 0.0)
    query = placeholder(index.embeddings)
    shared = np.flatnonzero((index.embeddings.vectors == query).all(axis=1))
    positions = len(index._state.segments.positions)  # type: ignore[union-attr]
    index = index.remove(index.ids.ids(shared[:40]))  # the first of them with them
    more = Embeddings(IdMap.of([f"n{row}" for row in range(150)]), np.repeat(query, 150, axis=0))
    index = index.add(more)
    assert index.report()["tail"] == 0
    assert len(index._state.segments.positions) == positions  # type: ignore[union-attr]
    other = Embeddings(IdMap.of(["n3", "n4"]), drawn(2, 9))
    index = index.update(other)
    shared = np.flatnonzero((index.embeddings.vectors == query).all(axis=1))
    assert len(shared) == SHARED - 40 + 148
    assert index.search(query, len(shared)).rows[0].tolist() == shared.tolist()
    assert index.search(other.vectors, 1).ids(index.ids) == [["n3"], ["n4"]]
    assert recall(index, drawn(60, 5)) > 0.9
    index.save(tmp_path / "index")
    loaded = VectorIndex.load(tmp_path / "index", device="cpu")
    assert loaded.search(query, len(shared)).rows[0].tolist() == shared.tolist()
    gone = index.remove(index.ids.ids(shared))
    assert not np.isin(gone.search(query, 50).scores, 1.0).any()
    assert recall(gone, query, 20) > 0.9


def test_only_a_few_different_vectors_are_scanned() -> None:
    vectors = np.repeat(drawn(50), 400, axis=0)
    embeddings = Embeddings(IdMap.of([str(row) for row in range(len(vectors))]), vectors)
    for quality in ("high", "fast", "small"):
        index = VectorIndex(embeddings, quality=quality, device="cpu")
        assert index.report()["kind"] == "exact"
        assert index.search(vectors[:1], 3).rows.tolist() == [[0, 1, 2]]


def test_alike_are_those_whose_vectors_are_equal() -> None:
    vectors = np.random.default_rng(0).integers(-1, 2, size=(4_000, 4)).astype(np.float32)
    first = alike(ItemVectors(Scan(vectors)), np.arange(len(vectors)))
    expected: dict[bytes, int] = {}
    assert first.tolist() == [expected.setdefault(vector.tobytes(), row) for row, vector in enumerate(vectors)]


def test_less_recall_than_promised_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    embeddings = Embeddings(IdMap.of([str(row) for row in range(10_000)]), drawn(10_000))
    with caplog.at_level(logging.WARNING, logger="mmreco.index.building"):
        VectorIndex(embeddings, quality="fast", device="cpu")
    assert not caplog.records
    monkeypatch.setattr(building, "tuned", lambda segments, sample, target, least: (segments, 0.5))
    with caplog.at_level(logging.WARNING, logger="mmreco.index.building"):
        VectorIndex(embeddings, quality="fast", device="cpu")
    assert "quality='fast': recall@10 of 0.500 on a sample of the items, where 0.95 is promised" in caplog.text
