"""How fast the index answers, once it is shown to answer right. Run: `pytest --benchmark-only benchmarks/`.

Vectors are clustered, as those of products are: a thousand centres, uneven in size. `MMRECO_BENCH_ITEMS`
gives other sizes, e.g. `MMRECO_BENCH_ITEMS=10000,100000,1000000`.
"""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mmreco.arrays import F32, I64, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.index.vector import VectorIndex

DIM = 64  # the width of SharedSpace
K = 10
SIZES = [int(size) for size in os.environ.get("MMRECO_BENCH_ITEMS", "10000,100000").split(",")]
BATCHES = [1, 16, 1_024]
CHECKED = 24  # queries compared with brute force
RECALLED = 200  # queries over which recall is measured
SEEN = 50  # items each user has seen

pytestmark = pytest.mark.benchmark(max_time=0.3, min_rounds=5, warmup=False, disable_gc=True)


@dataclass(frozen=True)
class Question:
    """A batch of queries with what may be answered."""

    queries: F32
    where: Bool | None
    exclude: Interactions | None


def drawn(n: int, seed: int) -> F32:
    """Vectors of unit length around a thousand centres, a few of which hold many and most of which hold few."""
    centres = np.random.default_rng(0).standard_normal((1_000, DIM)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, 1_001) ** 0.7
    around = centres[rng.choice(1_000, size=n, p=popularity / popularity.sum())]
    vectors = around + rng.standard_normal((n, DIM), dtype=np.float32) * np.float32(0.5 / np.sqrt(DIM))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@cache
def shop(n: int) -> Embeddings:
    return Embeddings(IdMap.of([f"item-{row}" for row in range(n)]), drawn(n, seed=1))


@cache
def built(n: int, quality: Any) -> VectorIndex:
    return VectorIndex(shop(n), quality=quality, device="cpu")


@cache
def asked(n: int, b: int, kind: str) -> Question:
    """ "all" items, those a "filter" leaves (one in ten), or all but what each user has "seen"."""
    rng = np.random.default_rng(b)
    where = rng.random(n) < 0.1 if kind == "filter" else None
    exclude = None
    if kind == "seen":
        users = IdMap.of([f"user-{line}" for line in range(b)])
        rows = rng.integers(n, size=b * SEEN)
        exclude = Interactions.from_events(users, shop(n).ids, np.repeat(np.arange(b), SEEN), rows)
    return Question(drawn(b, seed=2), where, exclude)


def brute_force(vectors: F32, question: Question, lines: int) -> I64:
    """The slow twin."""
    rows = np.full((lines, K), -1)
    for line in range(lines):
        scores = np.einsum("nd,d->n", vectors, question.queries[line])
        if question.where is not None:
            scores[~question.where] = -np.inf
        if question.exclude is not None:
            scores[question.exclude.history(line)] = -np.inf
        rows[line] = np.argsort(-scores, kind="stable")[:K]
    return rows


@cache
def recall(n: int, kind: str) -> float:
    """Recall@10 of the graph on its own queries."""
    question = asked(n, RECALLED, kind)
    found = built(n, "high").search(question.queries, K, where=question.where, exclude=question.exclude).rows
    expected = brute_force(shop(n).vectors, question, RECALLED)
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(expected, found, strict=True)]))


@pytest.mark.parametrize("kind", ["all", "filter", "seen"])
@pytest.mark.parametrize("b", BATCHES)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("quality", ["exact", "high"])
def test_search(benchmark: BenchmarkFixture, quality: str, n: int, b: int, kind: str) -> None:
    index, question = built(n, quality), asked(n, b, kind)
    options = {"where": question.where, "exclude": question.exclude}
    found = index.search(question.queries, K, **options).rows
    if quality == "exact":
        lines = min(b, CHECKED)
        np.testing.assert_array_equal(found[:lines], brute_force(shop(n).vectors, question, lines))
    else:
        assert recall(n, kind) >= 0.95
        benchmark.extra_info["recall"] = round(recall(n, kind), 4)
    benchmark(index.search, question.queries, K, **options)
    benchmark.extra_info["queries_per_second"] = round(b / benchmark.stats.stats.median, 1)


# ---- what else one could call for the same, unfiltered, exact


def by_faiss(vectors: F32, queries: F32) -> I64:
    import faiss

    return np.asarray(faiss.knn(queries, vectors, K, metric=faiss.METRIC_INNER_PRODUCT)[1])


def by_numpy(vectors: F32, queries: F32) -> I64:
    scores = queries @ vectors.T  # (b, n)
    chosen = np.argpartition(-scores, K, axis=1)[:, :K]
    order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1)
    return np.take_along_axis(chosen, order, axis=1)


def by_torch(vectors: F32, queries: F32) -> I64:
    import torch

    if len(vectors) not in _TENSORS:
        _TENSORS[len(vectors)] = torch.tensor(vectors)
    held = _TENSORS[len(vectors)]
    return np.asarray((torch.from_numpy(queries) @ held.T).topk(K, dim=1).indices)


_TENSORS: dict[int, Any] = {}  # torch's own copy, made outside the clock


@pytest.mark.parametrize("peer", [by_faiss, by_numpy, by_torch], ids=["faiss", "numpy", "torch"])
@pytest.mark.parametrize("b", BATCHES)
@pytest.mark.parametrize("n", SIZES)
def test_peer(benchmark: BenchmarkFixture, peer: Any, n: int, b: int) -> None:
    if peer is by_faiss:
        pytest.importorskip("faiss")
    question = asked(n, b, "all")
    lines = min(b, CHECKED)
    found = peer(shop(n).vectors, question.queries)
    np.testing.assert_array_equal(found[:lines, 0], brute_force(shop(n).vectors, question, lines)[:, 0])
    benchmark.pedantic(peer, (shop(n).vectors, question.queries), rounds=3 if b > 16 else 20)
    benchmark.extra_info["queries_per_second"] = round(b / benchmark.stats.stats.median, 1)
