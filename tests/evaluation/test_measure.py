import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mmreco.data.attributes import Attributes
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.errors import DataError, IncompatibleError
from mmreco.evaluation import EvaluationContext, evaluate
from mmreco.evaluation.sampling import drawn
from mmreco.index.exact.scan import Scan
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.query import QueryBatch
from mmreco.models.base import Model
from mmreco.models.popular import Popular
from mmreco.models.puresvd import PureSVD
from mmreco.splitting import Holdout, leave_last_out

ITEMS = IdMap.of(["a", "b", "c", "d", "e", "f"])


class Alphabetical:
    """Answers the first items that are allowed and, if so asked, not seen."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def recommend(self, request: Request) -> Ranking:
        self.asked.append(len(request))
        scores = np.tile(-np.arange(6.0, dtype=np.float32), (len(request), 1))
        excluded = request.excluded
        if excluded is not None:
            scores[excluded.users_flat, excluded.items_flat] = -np.inf
        if request.candidates is not None:
            scores[~np.broadcast_to(request.candidates, scores.shape)] = -np.inf
        return Ranking.from_scores(scores, request.k)


def holdout(histories: list[list[str]], targets: list[list[str]]) -> Holdout:
    return Holdout(
        Interactions.from_histories(histories, items=ITEMS), Interactions.from_histories(targets, items=ITEMS)
    )


TEST = holdout([["a"], ["b"], ["f"], ["a"]], [["b"], [], ["a", "c"], ["f"]])


def test_figures_are_means_over_the_users_with_targets() -> None:
    report = evaluate(Alphabetical(), TEST, k=2)  # answers b c | (a c) | a b | b c
    assert report.n == 3
    assert report.skipped == 1
    assert report["recall@2"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert report["hit_rate@2"] == pytest.approx(2 / 3)
    assert report["ndcg@2"] == pytest.approx((1 + 1 / (1 + 1 / np.log2(3)) + 0) / 3)
    assert report["coverage@2"] == pytest.approx(3 / 6)
    assert report.per_user["recall@2"].tolist() == [1, 0.5, 0]
    assert report.users.ids([0, 1, 2]) == ["0", "2", "3"]
    assert {name.partition("@")[0] for name in report} == {
        "ndcg", "recall", "precision", "f1", "hit_rate", "mrr", "map", "novelty", "coverage", "gini",
    }  # fmt: skip


def test_the_time_of_asking_reaches_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model, moments = Alphabetical(), []
    answer = Alphabetical.recommend
    monkeypatch.setattr(
        Alphabetical, "recommend", lambda self, request: moments.append(request.at) or answer(self, request)
    )
    evaluate(model, Holdout(TEST.histories, TEST.targets, np.array([1, 2, 3, 4])), k=2, batch_size=2)
    assert [at.tolist() for at in moments] == [[1, 3], [4]]
    moments.clear()
    evaluate(model, TEST, k=2)
    assert moments == [None]


def test_options_reach_the_model() -> None:
    seen = evaluate(Alphabetical(), TEST, k=2, exclude_seen=False)
    assert seen["hit_rate@2"] == pytest.approx(2 / 3)
    assert seen.per_user["mrr@2"].tolist() == [0.5, 1, 0]
    only = evaluate(Alphabetical(), TEST, k=2, candidates=np.array([False] * 5 + [True]))
    assert only.per_user["recall@2"].tolist() == [0, 0, 1]


def test_batches_do_not_change_the_figures() -> None:
    model = Alphabetical()
    by_two, at_once = evaluate(model, TEST, k=3, batch_size=2), evaluate(model, TEST, k=3)
    assert model.asked == [2, 1, 3]
    assert dict(by_two) == dict(at_once)


def test_several_cutoffs_are_asked_once() -> None:
    model = Alphabetical()
    report = evaluate(model, TEST, k=(1, 4))
    assert model.asked == [3]
    assert report["recall@1"] == evaluate(model, TEST, k=1)["recall@1"]
    assert report["ndcg@4"] == evaluate(model, TEST, k=4)["ndcg@4"]


def test_a_report_is_read_only_shown_and_json() -> None:
    report = evaluate(Alphabetical(), TEST, k=(1, 2))
    with pytest.raises(ValueError, match="read-only"):
        report.per_user["recall@1"][0] = 1
    with pytest.raises(TypeError):
        report.figures["recall@1"] = 1  # type: ignore[index]
    lines = repr(report).splitlines()
    assert lines[0].startswith("Alphabetical: 3 users, 1 without targets not counted, ")
    assert lines[1].split() == ["@1", "@2"]
    assert lines[2].split() == ["ndcg", f"{report['ndcg@1']:.4f}", f"{report['ndcg@2']:.4f}"]
    assert len({len(line) for line in lines[1:]}) == 1
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["recall@2"] == report["recall@2"]
    assert (plain["model"], plain["users"], plain["skipped"]) == ("Alphabetical", 3, 1)


def test_nothing_to_measure_is_said() -> None:
    with pytest.raises(DataError, match="none of 2 users has a target"):
        evaluate(Alphabetical(), holdout([["a"], ["b"]], [[], []]))
    for options, said in (({"k": 0}, "k=0"), ({"k": ()}, r"k=\(\): expected"), ({"batch_size": 0}, "batch_size=0")):
        with pytest.raises(DataError, match=said):
            evaluate(Alphabetical(), TEST, **options)  # type: ignore[arg-type]


# ---- beyond accuracy


def known(**more: Any) -> EvaluationContext:
    train = Interactions.from_histories([["a", "b", "c"], ["a", "b"], ["a"], ["a"]], items=ITEMS)
    return EvaluationContext(train, **more)


def test_what_is_known_gives_more_than_accuracy() -> None:
    kinds = Attributes.from_lists(ITEMS, {"a": ["dress"], "b": ["dress"], "c": ["hat"], "d": ["hat"]})
    vectors = Embeddings(IdMap.of(["c", "b"]), np.array([[1, 0], [0, 1]], dtype=np.float32))
    report = evaluate(Alphabetical(), TEST, k=2, context=known(categories=kinds, vectors=vectors))  # b c | a b | b c
    assert list(report)[-8:] == [
        f"{name}@2"
        for name in (
            "popularity", "popularity_lift", "serendipity", "diversity", "category_diversity", "miscalibration",
            "coverage", "gini",
        )
    ]  # fmt: skip
    assert report["popularity@2"] == pytest.approx(np.mean([(0.5 + 0.25) / 2, (1 + 0.5) / 2, (0.5 + 0.25) / 2]))
    assert report.per_user["popularity_lift@2"][[0, 2]].tolist() == [0.375 - 1, 0.375 - 1]
    assert np.isnan(report.per_user["popularity_lift@2"][1])  # nobody in training has f
    assert report["serendipity@2"] == 0  # the alphabet is the order of popularity here
    assert report["diversity@2"] == 1  # b and c stand at a right angle; a has no vector
    assert report["category_diversity@2"] == pytest.approx(2 / 3)
    assert report.per_user["miscalibration@2"][0] == pytest.approx(-np.log(0.99 / 2 + 0.01))
    assert report["novelty@2"] == pytest.approx(np.mean([1.5, 0.5, 1.5]))  # by training, not by the test's histories


def test_segments_are_evaluations_of_their_own() -> None:
    report = evaluate(Alphabetical(), TEST, k=2, context=known())
    assert {name: of["users"] for name, of in report.segments.items()} == {"new": 3, "head": 1, "tail": 2, "cold": 1}
    assert dict(report.segments["new"])["ndcg@2"] == report["ndcg@2"]
    assert report.segments["head"]["recall@2"] == 1  # a, half of all events, is wanted by the second user
    assert report.segments["tail"]["recall@2"] == 0.5  # b by the first, and c by the second, who gets a and b
    assert report.segments["cold"]["recall@2"] == 0
    assert report.to_dict()["segments"]["tail"]["users"] == 2
    with pytest.raises(TypeError):
        report.segments["tail"]["recall@2"] = 1  # type: ignore[index]


def test_a_whole_ranking_gives_auc() -> None:
    for options in ({}, {"exclude_seen": False}, {"batch_size": 1}):
        report = evaluate(Alphabetical(), TEST, k=(2, 6), **options)  # type: ignore[arg-type]
        seen = options.get("exclude_seen", True)
        could = [[r for r in range(6) if not seen or r != own] for own in (0, 5, 0)]
        found = [
            roc_auc_score([r in wanted for r in of], [-r for r in of])
            for of, wanted in zip(could, ([1], [0, 2], [5]), strict=True)
        ]
        np.testing.assert_allclose(report.per_user["auc"], found)
        assert list(report)[-1] == "auc"
        assert "auc" in repr(report)
    assert "auc" not in evaluate(Alphabetical(), TEST, k=2)
    some = evaluate(Alphabetical(), TEST, k=6, candidates=np.array([True] * 4 + [False] * 2))
    np.testing.assert_allclose(some.per_user["auc"], [1, (1 + 1) / 2 - 1 / 4, 0])  # what the last wants is not on sale


def test_sampled_metrics_say_so_and_are_those_of_the_few() -> None:
    report = evaluate(Alphabetical(), TEST, k=(1, 2), sampled=1)
    assert all(name.endswith(" (1 sampled)") for name in report)
    assert len(report) == 14
    assert report["hit_rate@2 (1 sampled)"] == pytest.approx(1)  # at most two others stand before a target of two
    assert "@2 (1 sampled)" in repr(report)
    by_one = evaluate(Alphabetical(), TEST, k=(1, 2), sampled=1, batch_size=1)
    assert dict(by_one) == dict(report)
    full = evaluate(Alphabetical(), TEST, k=2)
    every = evaluate(Alphabetical(), TEST, k=2, sampled=3)  # all that the second user has neither had nor wants
    assert every.per_user["ndcg@2 (3 sampled)"][1] == full.per_user["ndcg@2"][1]


def test_sampled_metrics_of_a_random_model_are_a_lottery_among_the_few() -> None:
    items = IdMap.of([f"i{r}" for r in range(200)])
    histories = Interactions.from_histories([["i0"]] * 400, items=items)
    rng = np.random.default_rng(0)
    users, rows = np.arange(400), rng.integers(1, 200, size=400)
    test = Holdout(histories, Interactions.from_events(histories.users, items, users, rows))

    class Lottery:
        def recommend(self, request: Request) -> Ranking:
            scores = rng.random((len(request), 200), dtype=np.float32)
            if request.candidates is not None:
                scores[~np.broadcast_to(request.candidates, scores.shape)] = -np.inf
            return Ranking.from_scores(scores, request.k)

    assert evaluate(Lottery(), test, sampled=19)["hit_rate@10 (19 sampled)"] == pytest.approx(0.5, abs=0.08)
    assert evaluate(Lottery(), test)["hit_rate@10"] == pytest.approx(0.05, abs=0.04)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="sampled=0"):
        evaluate(Alphabetical(), TEST, sampled=0)
    with pytest.raises(DataError, match="sampled=5: user '2' has 3 items"):
        evaluate(Alphabetical(), TEST, sampled=5)
    other = Interactions.from_histories([["z"]], items=IdMap.of(["z"]))
    with pytest.raises(IncompatibleError, match="context is of 1 items, test of 6"):
        evaluate(Alphabetical(), TEST, context=EvaluationContext(other))
    with pytest.raises(IncompatibleError, match="context: categories of 1 items, train over 6"):
        known(categories=Attributes.from_lists(other.items, {}))


@pytest.mark.parametrize("make", [Popular, lambda: PureSVD(dim=32)], ids=["scores", "vectors"])
def test_sampled_metrics_cost_less_than_those_over_all_items(make: Callable[[], Model]) -> None:
    n_users, n_items = 600, 60_000
    rng = np.random.default_rng(0)
    items, users = IdMap.of([f"i{r}" for r in range(n_items)]), IdMap.of([f"u{r}" for r in range(n_users)])
    log = Interactions.from_events(users, items, np.repeat(np.arange(n_users), 20), rng.integers(n_items, size=12_000))
    split = leave_last_out(Dataset.from_interactions(log))
    model = make().fit(split.train)
    evaluate(model, split, sampled=100)
    peaks, seconds = {}, {}
    for sampled in (None, 100):
        tracemalloc.start()
        evaluate(model, split, sampled=sampled)
        peaks[sampled] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        took = []
        for _ in range(5):
            began = time.process_time()
            evaluate(model, split, sampled=sampled)
            took.append(time.process_time() - began)
        seconds[sampled] = min(took)
    assert peaks[100] < peaks[None]
    assert seconds[100] < seconds[None]


def test_sampled_metrics_of_vectors_score_the_few_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = synthetic_shop(n_items=640, n_users=100, seed=1).dataset
    split = leave_last_out(dataset)
    model = PureSVD(dim=8).fit(split.train)
    scored, multiplied = [], []
    pairs, scan = ItemVectors.scored, Scan.best
    monkeypatch.setattr(ItemVectors, "scored", lambda s, q, rows: scored.append(rows.size) or pairs(s, q, rows))
    monkeypatch.setattr(Scan, "best", lambda s, batch, k: multiplied.append(len(batch)) or scan(s, batch, k))
    few = evaluate(model, split, sampled=20)
    n = len(few.users)
    assert not multiplied
    assert sum(scored) <= n * (20 + int(split.test.targets.lengths.max()))
    monkeypatch.setattr(QueryBatch, "few", lambda self: None)
    assert dict(evaluate(model, split, sampled=20)) == dict(few)
    assert multiplied


@pytest.mark.parametrize("n", [2, 6])
def test_the_items_drawn_are_even_and_neither_had_nor_wanted(n: int) -> None:
    items = IdMap.of([f"i{r}" for r in range(12)])
    histories = Interactions.from_histories([["i0", "i3", "i11"]] * 3_000, items=items)
    targets = Interactions.from_histories([["i5"]] * 3_000, items=items)
    on_sale = np.arange(12) != 7
    chosen = drawn(histories, targets, n, np.random.default_rng(0), where=on_sale)
    assert chosen[:, 5].all()
    assert not chosen[:, [0, 3, 7, 11]].any()
    assert (chosen.sum(axis=1) == n + 1).all()
    shares = chosen[:, [1, 2, 4, 6, 8, 9, 10]].mean(axis=0)
    np.testing.assert_allclose(shares, n / 7, atol=0.04)
