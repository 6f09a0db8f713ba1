"""Codes of one byte a number: the best of all, proven, or nothing said."""

import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.index import faiss_import
from mmreco.index.exact import codes as module
from mmreco.index.exact.codes import Codes, worth
from mmreco.index.vector import VectorIndex

faiss = faiss_import.faiss()
pytestmark = pytest.mark.skipif(faiss is None, reason="codes are passed over by FAISS")


def drawn(n: int, dim: int, seed: int = 0) -> F32:
    vectors = np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGE", 1)
    monkeypatch.setattr(module, "_ROWS", 256)
    monkeypatch.setattr(module, "_SHARD", 40_000)
    monkeypatch.setattr(module, "_LEAST", 40)


@pytest.mark.parametrize("dim", [1, 7, 32, 100, 384])
def test_the_best_of_all_are_found_or_nothing_is(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    small_shards(monkeypatch)
    vectors = drawn(3_000, dim) * np.float32(3) + np.float32(0.5)
    coded, proven = Codes(faiss, vectors), 0
    for query in drawn(40, dim, seed=1):
        rows = coded.best(query[None], 10)
        if rows is not None:
            proven += 1
            scores = vectors @ query
            assert rows.shape == (1, 10)
            assert len(set(rows[0].tolist())) == 10
            assert scores[rows[0]].min() >= np.partition(scores, -10)[-10] - 1e-5
    assert proven >= (36 if dim > 1 else 0)


def test_what_is_too_alike_to_tell_apart_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    small_shards(monkeypatch)
    rng = np.random.default_rng(0)
    vectors = np.ones((2_000, 64), dtype=np.float32)
    vectors[:, 0] = rng.standard_normal(2_000)  # whose unit is wide,
    vectors[:, 1] += 1e-6 * rng.standard_normal(2_000).astype(np.float32)  # and what the query asks for is not
    query = np.zeros((1, 64), dtype=np.float32)
    query[0, 0], query[0, 1] = 1e-7, 1.0
    assert Codes(faiss, vectors).best(query, 10) is None
    assert Codes(faiss, np.ones((2_000, 64), dtype=np.float32)).best(query, 10) is None
    assert Codes(faiss, vectors).best(np.zeros((1, 64), dtype=np.float32), 10) is None


@pytest.mark.parametrize("size", [1e-30, 1e18, 3e38])
def test_any_size_of_number(size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    small_shards(monkeypatch)
    vectors = np.clip(drawn(1_000, 24), -0.9, 0.9) * np.float32(size)
    query = drawn(1, 24, seed=1)
    rows = Codes(faiss, vectors).best(query, 5)
    if rows is not None:
        assert set(rows[0].tolist()) == set(np.argsort(-(vectors.astype(np.float64) @ query[0]))[:5].tolist())


def test_the_index_answers_as_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    small_shards(monkeypatch)
    vectors = drawn(2_000, 48)
    vectors[1_000:1_100] = vectors[:100]  # equals come lower row first
    shop = Embeddings(IdMap.of([f"sku-{row}" for row in range(2_000)]), vectors)
    index = VectorIndex(shop)
    plain = VectorIndex(shop, memory=100)
    assert index.report()["bytes"] == plain.report()["bytes"] + 2_000 * 64
    seen = Interactions.from_histories([["sku-3", "sku-700"]], items=shop.ids)
    for query in drawn(30, 48, seed=2):
        for exclude in (None, seen):
            found, expected = (one.search(query[None], 10, exclude=exclude) for one in (index, plain))
            np.testing.assert_array_equal(found.rows, expected.rows)
            np.testing.assert_array_equal(found.scores, expected.scores)
    changed, plainly = (
        one.remove(["sku-5", "sku-9"]).add(Embeddings(IdMap.of(["new"]), drawn(1, 48, seed=3)))
        for one in (index, plain)
    )
    query = drawn(1, 48, seed=3)
    np.testing.assert_array_equal(changed.search(query, 10).rows, plainly.search(query, 10).rows)


def test_codes_are_for_many_numbers_and_within_the_memory_that_is_given() -> None:
    assert not worth(faiss, 10_000, 384, None)
    assert worth(faiss, 1_000_000, 384, None)
    assert worth(faiss, 1_000_000, 384, 384_000_000)
    assert not worth(faiss, 1_000_000, 384, 383_999_999)
    assert not worth(None, 1_000_000, 384, None)
