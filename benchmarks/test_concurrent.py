"""Many threads that ask one query each, of an exact index itself and through `BatchingIndex`.

Run: `make bench`; `pytest --benchmark-only benchmarks/test_concurrent.py`.
"""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np
import pytest
from clustered import SIZES, K, drawn, shop
from pytest_benchmark.fixture import BenchmarkFixture

from mmreco.data.ranking import Ranking
from mmreco.index.batching import BatchingIndex
from mmreco.index.vector import VectorIndex
from mmreco.protocols import Searches

THREADS, ASKED = 32, 256

pytestmark = pytest.mark.benchmark(max_time=0.3, min_rounds=5, warmup=False, disable_gc=True)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("through", ["alone", "batched"])
def test_threads(benchmark: BenchmarkFixture, n: int, through: str) -> None:
    index = VectorIndex(shop(n), device="cpu")
    asked: Searches = BatchingIndex(index) if through == "batched" else index
    queries = drawn(ASKED, seed=4)
    taken: list[float] = []

    def one(line: int) -> Ranking:
        start = perf_counter()
        found = asked.search(queries[line : line + 1], K)
        taken.append(perf_counter() - start)
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        rows = benchmark(lambda: np.concatenate([found.rows for found in pool.map(one, range(ASKED))]))
    np.testing.assert_array_equal(rows, index.search(queries, K).rows)
    benchmark.extra_info["queries_per_second"] = round(ASKED / benchmark.stats.stats.median, 1)
    benchmark.extra_info["p50_ms"], benchmark.extra_info["p99_ms"] = (
        round(1e3 * float(np.quantile(taken, share)), 1) for share in (0.5, 0.99)
    )
