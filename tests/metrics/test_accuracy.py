import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, roc_auc_score

from mmreco import metrics
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError

ITEMS = IdMap.of([f"i{row}" for row in range(12)])


def ranking(lists: list[list[int]], k: int) -> Ranking:
    rows = np.full((len(lists), k), -1)
    scores = np.full((len(lists), k), -np.inf)
    for line, answer in enumerate(lists):
        rows[line, : len(answer)] = answer
        scores[line, : len(answer)] = -np.arange(len(answer))
    return Ranking(rows, scores)


def wanted(lists: list[list[int]]) -> Interactions:
    return Interactions.from_histories([ITEMS.ids(rows) for rows in lists], items=ITEMS)


def slow(answer: list[int], targets: set[int], k: int) -> dict[str, float]:
    """One user, read off the definitions."""
    if not targets:
        return dict.fromkeys(metrics.PER_USER, float("nan"))
    places = [place for place, row in enumerate(answer, start=1) if row in targets]
    precision, recall = len(places) / k, len(places) / len(targets)
    gain = sum(1 / np.log2(1 + place) for place in places)
    best = sum(1 / np.log2(1 + place) for place in range(1, min(k, len(targets)) + 1))
    return {
        "ndcg": gain / best,
        "recall": recall,
        "precision": precision,
        "f1": 2 * precision * recall / (precision + recall) if places else 0.0,
        "hit_rate": 1.0 if places else 0.0,
        "mrr": 1 / places[0] if places else 0.0,
        "map": sum((n + 1) / place for n, place in enumerate(places)) / min(k, len(targets)),
    }


rows_lists = st.lists(st.permutations(range(12)), min_size=1, max_size=5)


@settings(max_examples=80, deadline=None)
@given(st.data(), rows_lists, st.integers(1, 14))
def test_every_metric_equals_its_slow_twin(data: st.DataObject, orders: list[list[int]], k: int) -> None:
    answers = [order[: data.draw(st.integers(0, min(k, 12)))] for order in orders]
    repeated = st.lists(st.integers(0, 11), max_size=6)  # repeats count once
    targets = data.draw(st.lists(repeated, min_size=len(orders), max_size=len(orders)))
    found = metrics.per_user(ranking(answers, k), wanted(targets))
    assert list(found) == list(metrics.PER_USER)
    for line, answer in enumerate(answers):
        for name, value in slow(answer, set(targets[line]), k).items():
            np.testing.assert_allclose(found[name][line], value, rtol=1e-12, err_msg=name)


def test_each_function_is_the_one_by_its_name() -> None:
    answer, targets = ranking([[1, 2, 3], [4, 5, 6]], 3), wanted([[2, 3, 9], [7]])
    together = metrics.per_user(answer, targets)
    alone = {
        "ndcg": metrics.ndcg,
        "recall": metrics.recall,
        "precision": metrics.precision,
        "f1": metrics.f1,
        "hit_rate": metrics.hit_rate,
        "mrr": metrics.reciprocal_rank,
        "map": metrics.average_precision,
    }
    assert alone.keys() == metrics.PER_USER.keys()
    for name, function in alone.items():
        np.testing.assert_array_equal(function(answer, targets), together[name], err_msg=name)
    assert together["recall"].tolist() == [2 / 3, 0.0]
    assert together["mrr"].tolist() == [0.5, 0.0]


def test_ndcg_equals_an_independent_implementation() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((40, 12)).astype(np.float32)
    relevant = rng.random((40, 12)) < 0.3
    relevant[:, 0] = True
    targets = wanted([np.flatnonzero(line).tolist() for line in relevant])
    for k in (1, 5, 12):
        found = metrics.ndcg(Ranking.from_scores(scores, k), targets)
        assert found.mean() == pytest.approx(ndcg_score(relevant, scores, k=k), abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(st.data(), st.lists(st.lists(st.integers(0, 3), min_size=12, max_size=12), min_size=1, max_size=5))
def test_auc_equals_an_independent_implementation(data: st.DataObject, scores: list[list[int]]) -> None:
    """Equal scores, seen items left out, whole rankings and rankings cut short."""
    targets = [sorted(data.draw(st.sets(st.integers(0, 11), max_size=6))) for _ in scores]
    seen = [sorted(data.draw(st.sets(st.integers(0, 11), max_size=4)) - set(t)) for t in targets]
    allowed = np.array(scores, dtype=np.float32)
    for line, rows in enumerate(seen):
        allowed[line, rows] = -np.inf
    candidates = np.array([12 - len(rows) for rows in seen])
    whole = metrics.auc(Ranking.from_scores(allowed, 12), wanted(targets), candidates)
    k = data.draw(st.integers(1, 12))
    answer = Ranking.from_scores(allowed, k)
    cut = metrics.auc(answer, wanted(targets), candidates)
    for line, rows in enumerate(targets):
        asked = [row for row in range(12) if row not in seen[line]]
        relevant = [row in rows for row in asked]
        if all(relevant) or not any(relevant):
            assert np.isnan(whole[line])
            assert np.isnan(cut[line])
            continue
        assert whole[line] == pytest.approx(roc_auc_score(relevant, allowed[line][asked]))
        kept = {int(row): float(s) for row, s in zip(answer.rows[line], answer.scores[line], strict=True) if row >= 0}
        assert cut[line] == pytest.approx(roc_auc_score(relevant, [kept.get(row, -1.0) for row in asked]))


def test_every_metric_equals_torchmetrics() -> None:
    retrieval = pytest.importorskip("torchmetrics.functional.retrieval")
    import torch

    rng = np.random.default_rng(1)
    scores = rng.permuted(np.tile(np.arange(1, 13, dtype=np.float32), (30, 1)), axis=1)  # theirs skip scores of 0
    relevant = rng.random((30, 12)) < 0.3
    relevant[:, 0] = True
    targets = wanted([np.flatnonzero(line).tolist() for line in relevant])
    lines = [(torch.tensor(of), torch.tensor(right)) for of, right in zip(scores, relevant, strict=True)]
    peers = {
        "ndcg": retrieval.retrieval_normalized_dcg,
        "recall": retrieval.retrieval_recall,
        "precision": retrieval.retrieval_precision,
        "hit_rate": retrieval.retrieval_hit_rate,
        "mrr": retrieval.retrieval_reciprocal_rank,
    }
    for k in (1, 5, 12):
        found = metrics.per_user(Ranking.from_scores(scores, k), targets)
        for name, peer in peers.items():
            theirs = [float(peer(*line, top_k=k)) for line in lines]
            np.testing.assert_allclose(found[name], theirs, atol=1e-6, err_msg=f"{name}@{k}")
    theirs = [float(retrieval.retrieval_average_precision(*line)) for line in lines]
    np.testing.assert_allclose(found["map"], theirs, atol=1e-6)  # at 12, where both mean the same


def test_what_does_not_fit_is_refused() -> None:
    answer = ranking([[1], [2]], 1)
    with pytest.raises(DataError, match="targets of 1 users for 2 questions"):
        metrics.recall(answer, wanted([[1]]))
    with pytest.raises(DataError, match=r"metric 'auc': expected one of ndcg, recall"):
        metrics.per_user(answer, wanted([[1], [2]]), ["auc"])
    other = Interactions.from_histories([[], []], items=IdMap.of(["one"]))
    with pytest.raises(IncompatibleError, match="ranking answers row 2, targets are over 1 items"):
        metrics.recall(answer, other)
    with pytest.raises(DataError, match="1 candidates for question 0, which has 1 targets and 1 other answers"):
        metrics.auc(answer, wanted([[5], [2]]), 1)


def test_5000_users_take_milliseconds() -> None:
    rng = np.random.default_rng(0)
    items = IdMap.of([f"i{row}" for row in range(20_000)])
    users = IdMap.of([f"u{row}" for row in range(5_000)])
    lines = np.repeat(np.arange(5_000), 3)
    targets = Interactions.from_events(users, items, lines, rng.integers(20_000, size=15_000))
    answer = Ranking(rng.integers(20_000, size=(5_000, 10)), np.zeros((5_000, 10)))
    took = []
    for _ in range(5):
        began = time.process_time()
        metrics.ndcg(answer, targets)
        took.append(time.process_time() - began)
    assert min(took) < 0.02, f"{min(took) * 1e3:.1f} ms"
