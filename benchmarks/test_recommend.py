"""From a history to an answer over many items: one shopper at a time, and a thousand at once.

Run: `make bench`; `MMRECO_BENCH_ITEMS=1000000 pytest --benchmark-only benchmarks/test_recommend.py`.
"""

from functools import cache

import numpy as np
import pytest
from clustered import SIZES, K, built, drawn, shop
from pytest_benchmark.fixture import BenchmarkFixture

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.index.vector import VectorIndex
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.training import Training

USERS, EVENTS = 2_000, 10
ASKED = 200  # shoppers one after the other

pytestmark = pytest.mark.benchmark(max_time=0.3, min_rounds=5, warmup=False, disable_gc=True)


@cache
def trained(n: int) -> tuple[SharedSpace, VectorIndex, Interactions]:
    """A space over `n` items with clustered content, its index, and shoppers who turned to ten like items each."""
    rng = np.random.default_rng(0)
    near = built(n, "fast")[0].search(drawn(USERS, seed=3), 5 * EVENTS).rows  # what each shopper might like
    rows = rng.permuted(near, axis=1)[:, :EVENTS].ravel()
    users = IdMap.of([f"user-{u}" for u in range(USERS)])
    events = Interactions.from_events(users, shop(n).ids, np.repeat(np.arange(USERS), EVENTS), rows)
    space = SharedSpace(training=Training(epochs=20, patience=None))
    space.fit(Dataset.from_interactions(events).with_content({"text": shop(n)}))
    return space, VectorIndex(space.item_embeddings(), quality="fast", device="cpu"), events


def answered(n: int, lines: np.ndarray) -> list[list[str]]:
    """The ids recommended to these shoppers, without what they have."""
    space, index, events = trained(n)
    histories = events.take(lines)
    return index.search(space.user_vectors(histories), K, exclude=histories).ids(events.items)


@pytest.mark.parametrize("n", SIZES)
def test_one_shopper(benchmark: BenchmarkFixture, n: int) -> None:
    trained(n)
    answered(n, np.array([0]))
    lines = iter(range(ASKED))
    benchmark.pedantic(answered, setup=lambda: ((n, np.array([next(lines)])), {}), rounds=ASKED)
    taken = np.sort(benchmark.stats.stats.data)
    benchmark.extra_info["p50_ms"] = round(float(np.quantile(taken, 0.5)) * 1e3, 2)
    benchmark.extra_info["p99_ms"] = round(float(np.quantile(taken, 0.99)) * 1e3, 2)


@pytest.mark.parametrize("n", SIZES)
def test_a_thousand_shoppers(benchmark: BenchmarkFixture, n: int) -> None:
    space, index, events = trained(n)
    lines = np.arange(1_000)
    found = answered(n, lines)
    assert all(len(set(answer)) == K for answer in found)
    histories = events.take(lines)
    true = index.search(space.user_vectors(histories), K, exclude=histories).rows
    assert not any(np.isin(true[line], histories.history(line)).any() for line in lines)
    benchmark(answered, n, lines)
    benchmark.extra_info["users_per_second"] = round(len(lines) / benchmark.stats.stats.median, 1)
