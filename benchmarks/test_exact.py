"""Exact search, once it is shown to be right: latency, throughput, and what else one could call for the same.

Run: `make bench`, or `pytest --benchmark-only benchmarks/test_exact.py`. Sizes and threads: see `clustered`.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from clustered import DIM, SIZES, THREADS, K, asked, beside, brute_force, built, shop, turns
from pytest_benchmark.fixture import BenchmarkFixture

from mmreco.arrays import F32, I64

BATCHES = [1, 4, 16, 64, 256, 1_024]
CHECKED = 24  # queries compared with brute force
MOST = 1 << 28  # scores that a library which holds all of them is asked for

pytestmark = pytest.mark.benchmark(max_time=0.3, min_rounds=5, warmup=False, disable_gc=True)


@pytest.mark.parametrize("kind", ["filter", "seen"])
@pytest.mark.parametrize("b", [1, 16, 1_024])
@pytest.mark.parametrize("n", SIZES)
def test_constrained(benchmark: BenchmarkFixture, n: int, b: int, kind: str) -> None:
    index, question, lines = built(n, "exact")[0], asked(n, b, kind), min(b, CHECKED)
    options = {"where": question.where, "exclude": question.exclude}
    found = index.search(question.queries, K, **options).rows
    np.testing.assert_array_equal(found[:lines], brute_force(n, b, lines, kind))
    benchmark(index.search, question.queries, K, **options)


@pytest.mark.parametrize("b", BATCHES)
@pytest.mark.parametrize("n", SIZES)
def test_beside_peers(benchmark: BenchmarkFixture, n: int, b: int) -> None:
    index, queries, lines = built(n, "exact")[0], asked(n, b).queries, min(b, CHECKED)
    ways: dict[str, Callable[[], Any]] = {"mmreco": lambda: index.search(queries, K).rows}
    for name, peer in PEERS.items():
        if name != "numpy" or n * b <= MOST:
            ways[name] = partial(peer(n), queries)
    for name, search in ways.items():
        first = 1 if name != "mmreco" else K  # others may order nearly equal items otherwise
        np.testing.assert_array_equal(search()[:lines, :first], brute_force(n, b, lines)[:, :first], err_msg=name)
    medians = turns(ways)
    benchmark.extra_info["times"] = beside(medians, "mmreco")
    benchmark.pedantic(ways["mmreco"], rounds=5)
    benchmark.extra_info["queries_per_second"] = round(b / benchmark.stats.stats.median, 1)


@cache
def by_flat(n: int) -> Callable[[F32], I64]:
    faiss = pytest.importorskip("faiss")
    faiss.omp_set_num_threads(THREADS)
    index = faiss.IndexFlatIP(DIM)
    index.add(shop(n).vectors)
    return lambda queries: np.asarray(index.search(queries, K)[1])


@cache
def by_numpy(n: int) -> Callable[[F32], I64]:
    def search(queries: F32) -> I64:
        scores = queries @ shop(n).vectors.T  # (b, n)
        chosen = np.argpartition(-scores, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1)
        return np.take_along_axis(chosen, order, axis=1)

    return search


@cache
def by_torch(n: int) -> Callable[[F32], I64]:
    import torch

    torch.set_num_threads(THREADS)
    held = torch.tensor(shop(n).vectors)
    return lambda queries: np.asarray((torch.from_numpy(queries) @ held.T).topk(K, dim=1).indices)


@cache
def by_sklearn(n: int) -> Callable[[F32], I64]:
    from sklearn.neighbors import NearestNeighbors

    brute = NearestNeighbors(algorithm="brute", metric="euclidean", n_jobs=THREADS)  # of unit length: the same order
    brute.fit(shop(n).vectors)
    return lambda queries: np.asarray(brute.kneighbors(queries, K, return_distance=False))


PEERS: dict[str, Callable[[int], Callable[[F32], I64]]] = {
    "IndexFlatIP": by_flat,
    "numpy": by_numpy,
    "torch": by_torch,
    "sklearn": by_sklearn,
}
