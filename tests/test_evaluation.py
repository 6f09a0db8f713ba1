import json

import numpy as np
import pytest

from mmreco.arrays import Bool
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.split import Holdout
from mmreco.errors import DataError
from mmreco.evaluation import evaluate

ITEMS = IdMap.of(["a", "b", "c", "d", "e", "f"])


class Alphabetical:
    """Answers the first items that are allowed and, if so asked, not seen."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def recommend(
        self, histories: Interactions, k: int, *, exclude_seen: bool = True, where: Bool | None = None
    ) -> Ranking:
        self.asked.append(len(histories))
        scores = np.tile(-np.arange(6.0, dtype=np.float32), (len(histories), 1))
        if exclude_seen:
            scores[histories.users_flat, histories.items_flat] = -np.inf
        if where is not None:
            scores[:, ~where] = -np.inf
        return Ranking.from_scores(scores, k)


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


def test_options_reach_the_model() -> None:
    seen = evaluate(Alphabetical(), TEST, k=2, exclude_seen=False)
    assert seen["hit_rate@2"] == pytest.approx(2 / 3)
    assert seen.per_user["mrr@2"].tolist() == [0.5, 1, 0]
    only = evaluate(Alphabetical(), TEST, k=2, where=np.array([False] * 5 + [True]))
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
    for options in ({"k": 0}, {"k": ()}, {"batch_size": 0}):
        with pytest.raises(DataError, match="expected numbers of 1 or more"):
            evaluate(Alphabetical(), TEST, **options)  # type: ignore[arg-type]
