"""How fast the metrics are, once they are shown to be right. Run: `pytest --benchmark-only benchmarks/`.

5,000 users, 20,000 items, three targets a user, ten answers; torchmetrics beside it where it is installed.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sklearn.metrics import ndcg_score

from mmreco import metrics
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking

USERS, ITEMS, K, WANTED = 5_000, 20_000, 10, 3
CHECKED = 50  # users compared with an independent implementation

pytestmark = pytest.mark.benchmark(max_time=0.3, min_rounds=5, warmup=False, disable_gc=True)


@cache
def asked() -> tuple[Ranking, Interactions]:
    """Answers of which about every third user has one right, and what was wanted."""
    rng = np.random.default_rng(0)
    rows = rng.integers(ITEMS, size=(USERS, K)) // K * K + np.arange(K)  # none twice
    wanted = rng.integers(ITEMS, size=(USERS, WANTED))
    lucky = np.flatnonzero(rng.random(USERS) < 0.3)
    wanted[lucky, 0] = rows[lucky, rng.integers(K, size=len(lucky))]
    scores = np.broadcast_to(-np.arange(K, dtype=np.float32), rows.shape)
    users = IdMap.of([f"u{row}" for row in range(USERS)])
    items = IdMap.of([f"i{row}" for row in range(ITEMS)])
    lines = np.repeat(np.arange(USERS), WANTED)
    return Ranking(rows, scores), Interactions.from_events(users, items, lines, wanted.ravel())


def relevance(line: int) -> tuple[np.ndarray, np.ndarray]:
    """One user's right items and scores over the whole catalogue."""
    ranking, targets = asked()
    right, scores = np.zeros((1, ITEMS)), np.full((1, ITEMS), -float(K))
    right[0, targets.history(line)] = 1
    scores[0, ranking.rows[line]] = ranking.scores[line]
    return right, scores


def check(found: np.ndarray) -> None:
    for line in range(CHECKED):
        np.testing.assert_allclose(found[line], ndcg_score(*relevance(line), k=K, ignore_ties=True), atol=1e-9)


def test_ndcg(benchmark: BenchmarkFixture) -> None:
    check(metrics.ndcg(*asked()))
    benchmark(metrics.ndcg, *asked())


def test_every_accuracy(benchmark: BenchmarkFixture) -> None:
    check(metrics.per_user(*asked())["ndcg"])
    benchmark(metrics.per_user, *asked())


def test_diversity(benchmark: BenchmarkFixture) -> None:
    vectors = np.random.default_rng(1).standard_normal((ITEMS, 64)).astype(np.float32)
    ranking = asked()[0]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = unit[ranking.rows[0]] @ unit[ranking.rows[0]].T
    mean = 1 - (alike.sum() - K) / (K * (K - 1))
    np.testing.assert_allclose(metrics.diversity(ranking, vectors)[0], mean, atol=1e-5)
    benchmark(metrics.diversity, ranking, vectors)


def test_ndcg_by_torchmetrics(benchmark: BenchmarkFixture) -> None:
    retrieval: Any = pytest.importorskip("torchmetrics.retrieval")
    import torch

    ranking, targets = asked()
    found = metrics.ndcg(ranking, targets)
    # its input is a score and a relevance a pair; wanted items that were not answered come last
    keys = set((targets.users_flat * ITEMS + targets.items_flat).tolist())
    triples: list[tuple[int, float, bool]] = []
    for line, rows in enumerate(ranking.rows):
        triples += [(line, float(K - p), line * ITEMS + int(row) in keys) for p, row in enumerate(rows)]
        missed = set(targets.history(line).tolist()) - set(rows.tolist())
        triples += [(line, -1.0 - p, True) for p in range(len(missed))]
    users, scores, right = (torch.tensor(column) for column in zip(*triples, strict=True))

    def theirs() -> float:
        metric = retrieval.RetrievalNormalizedDCG(top_k=K)
        return float(metric(scores, right, indexes=users))

    assert theirs() == pytest.approx(float(found.mean()), abs=1e-4)
    benchmark.pedantic(theirs, rounds=2)
