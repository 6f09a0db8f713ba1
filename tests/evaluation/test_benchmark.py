"""Models side by side: what is measured, what is said, what is kept, and what a failure costs."""

import json
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import pytest
import torch

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.errors import DataError, IncompatibleError
from mmreco.evaluation import Comparison, EvaluationContext, Report, Result, evaluate
from mmreco.evaluation import compare as measured
from mmreco.evaluation.significance import holm, paired
from mmreco.models.base import ScoreModel, State
from mmreco.models.hybrid import Weighted
from mmreco.models.itemknn import ItemKNN
from mmreco.models.popular import Popular
from mmreco.splitting import Holdout, Split, leave_last_out
from mmreco.storage.artefact import open_artefact


@final
@dataclass(kw_only=True, eq=False)
class Lottery(ScoreModel):
    """Any item; counts how often any of them was fitted."""

    seed: int = 0
    fitted = 0

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        type(self).fitted += 1

    def score(self, histories: Interactions) -> F32:
        return np.random.default_rng(self.seed).random((len(histories), len(self.items_)), dtype=np.float32)

    def _state(self) -> State:
        return {}

    def _restore(self, state: State) -> None:
        pass


@final
@dataclass(kw_only=True, eq=False)
class Broken(ScoreModel):
    """Cannot be fitted."""

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        raise FloatingPointError("no\nconvergence")

    def score(self, histories: Interactions) -> F32:
        raise NotImplementedError

    _state = _restore = None  # type: ignore[assignment]


@pytest.fixture(scope="module")
def split() -> Split:
    return leave_last_out(synthetic_shop(n_items=160, n_users=300, seed=3).dataset)


@pytest.fixture(scope="module")
def found(split: Split) -> Comparison:
    models = {
        "Lottery": Lottery,
        "ItemKNN": ItemKNN(),
        "another lottery": Lottery(seed=5),
        "Popular": lambda train: Popular().fit(train),
    }
    return measured(models, split, baseline="Lottery", seed=1)


def test_every_model_has_the_figures_that_evaluate_gives(found: Comparison, split: Split) -> None:
    train, test = split.train, split.test
    assert set(found.names) == {"Lottery", "ItemKNN", "another lottery", "Popular"}
    assert found.names[0] == "ItemKNN"
    alone = evaluate(ItemKNN().fit(train), test, 10)
    assert found.reports["ItemKNN"]["ndcg@10"] == pytest.approx(alone["ndcg@10"])
    assert found.reports["ItemKNN"]["recall@20"] > alone["recall@10"]
    assert {"popularity@10", "serendipity@10"} <= found.reports["ItemKNN"].keys()
    assert found.reports["ItemKNN"].segments
    best = ItemKNN().fit(train).recommend(histories=test.histories.take(found.shown), k=10).rows
    np.testing.assert_array_equal(found.results["ItemKNN"].rows, best)
    assert all(result.users_per_second > 0 and result.fit_seconds >= 0 for result in found.results.values())


def test_a_class_gets_the_seed_and_a_model_is_not_touched(split: Split) -> None:
    given = ItemKNN()

    def noted(train: Dataset) -> Lottery:
        return Lottery(seed=1).fit(train)

    found = measured(
        {"class": Lottery, "model": Lottery(seed=1), "call": noted, "k": given}, split, baseline=None, seed=1
    )
    assert len({found.reports[name]["ndcg@10"] for name in ("class", "model", "call")}) == 1
    assert getattr(given, "items_", None) is None


def test_a_hybrid_is_fitted_with_parts_of_its_own(split: Split) -> None:
    parts = [ItemKNN(), Popular()]
    given = Weighted(parts=parts)
    found = measured({"both": given}, split, baseline=None)
    figures = evaluate(Weighted(parts=[ItemKNN(), Popular()]).fit(split.train), split.test, 10)
    assert found.reports["both"]["ndcg@10"] == figures["ndcg@10"]
    assert not any(hasattr(part, "items_") for part in parts), "the caller's own are not touched"


def test_intervals_and_tests_are_about_each_user_s_figures(found: Comparison) -> None:
    low, high = found.intervals()["ItemKNN"]
    assert low < found.reports["ItemKNN"]["ndcg@10"] < high
    assert found.intervals("recall@5")["ItemKNN"] != (low, high)
    assert found.p_baseline.keys() == set(found.names) - {"Lottery"}
    assert found.p_baseline["ItemKNN"] < 0.01
    assert found.p_baseline["another lottery"] > 0.05
    assert found.p_pairs.shape == (4, 4)
    np.testing.assert_array_equal(found.p_pairs, found.p_pairs.T)
    assert found.p_pairs[0, found.names.index("Lottery")] < 0.01
    with pytest.raises(DataError, match=r"'coverage@10' has no figure a user .*; there are ndcg@1"):
        found.intervals("coverage@10")


def test_the_verdict_says_what_is_noise(found: Comparison) -> None:
    said = "\n".join(found.verdict())
    assert "Cannot be told from Lottery: " in said
    assert "another lottery" in said.partition("Cannot be told from Lottery: ")[2].partition(".")[0]
    assert said.count("ItemKNN has the highest ndcg@10") == 1
    assert "its lead on every other model is real" in said
    lines = found.table().splitlines()
    assert lines[0].split()[:2] == ["model", "ndcg@10"]
    assert lines[1].startswith("ItemKNN")
    assert len(lines) == 5
    assert repr(found).startswith("4 models, 300 users\n")


def test_a_lead_that_is_noise_is_called_so(split: Split) -> None:
    said = measured({"a": Lottery(seed=2), "b": Lottery(seed=3)}, split, baseline=None).verdict()
    assert len(said) == 1
    assert "but its lead on" in said[0]
    assert "is noise" in said[0]


def test_neighbours_in_the_table_are_told_apart(split: Split) -> None:
    test = split.test
    rng = np.random.default_rng(0)
    lines = {"best": rng.random(300) + 1, "good": rng.random(300) + 0.5, "as good": rng.random(300) + 0.49}
    results = {
        name: Result(
            Report(name, {"ndcg@10": values.mean()}, {"ndcg@10": values}, test.targets.users, 0, 1.0),
            0.0,
            float("nan"),
            np.zeros((0, 10), dtype=np.int64),
        )
        for name, values in lines.items()
    }
    found = Comparison(results, {}, test, "ndcg@10", None, 0, np.zeros(0, dtype=np.int64))
    order = found.names
    assert order[0] == "best"
    first, second = found.verdict()
    assert first.startswith(f"best has the highest ndcg@10, {lines['best'].mean():.4f}, and its lead on every other")
    assert first.endswith(" model is real (p = 1e-04 at most).")
    assert second.startswith(f"{order[1]} before {order[2]}, by 0.0")
    assert "is noise (p = " in second
    with_baseline = Comparison(results, {"Broken": "why"}, test, "ndcg@10", "as good", 0, np.zeros(0, dtype=np.int64))
    said = with_baseline.verdict()
    assert said[:2] == ["1 of 2 models are above as good.", "Cannot be told from as good: good."]
    assert said[-1] == "Broken failed: why"
    assert "MiB" not in with_baseline.table()  # nobody could tell


def test_p_values_of_pairs_are_corrected_for_their_number(found: Comparison) -> None:
    lines = np.stack([report.per_user["ndcg@10"] for report in found.reports.values()])
    raw = paired(lines, seed=1)
    upper = np.triu_indices(4, k=1)
    np.testing.assert_allclose(found.p_pairs[upper], holm(raw[upper]))
    own = found.names.index("Lottery")
    others = [n for n in range(4) if n != own]
    np.testing.assert_allclose(list(found.p_baseline.values()), holm(raw[own, others]))


def test_it_is_plain_json(found: Comparison) -> None:
    plain = json.loads(json.dumps(found.to_dict()))
    assert list(plain) == found.names
    one = plain["ItemKNN"]
    assert {"ndcg@10", "interval", "p_random", "fit_seconds", "users_per_second", "memory_mb"} <= one.keys()
    assert one["interval"][0] < one["ndcg@10"] < one["interval"][1]
    assert one["p_random"] < 0.01
    assert plain["Lottery"]["p_random"] is None


def test_a_model_that_fails_is_reported_and_the_others_go_on(split: Split, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = measured({"Broken": Broken, "Popular": Popular}, split, baseline=None)
    assert found.names == ["Popular"]
    assert found.failed == {"Broken": "FloatingPointError: no convergence"}
    assert "Broken failed: FloatingPointError: no convergence" in found.verdict()
    assert "Broken failed" in caplog.text
    with pytest.raises(DataError, match=r"no model is left to compare \(Broken: FloatingPointError"):
        measured({"Broken": Broken}, split, baseline=None)


def test_the_same_call_takes_up_again(split: Split, tmp_path: Path) -> None:
    before = Lottery.fitted
    first = measured({"a/b": Lottery(seed=2)}, split, baseline=None, folder=tmp_path)
    again = measured({"a/b": Lottery(seed=2), "new": Lottery}, split, baseline=None, folder=tmp_path)
    assert Lottery.fitted == before + 2
    assert again.reports["a/b"].to_dict() == first.reports["a/b"].to_dict()
    assert again.results["a/b"].fit_seconds == first.results["a/b"].fit_seconds
    np.testing.assert_array_equal(again.results["a/b"].rows, first.results["a/b"].rows)
    for name, array in first.reports["a/b"].per_user.items():
        np.testing.assert_array_equal(again.reports["a/b"].per_user[name], array)
    assert {open_artefact(path).kind for path in tmp_path.iterdir()} == {"Compared"}
    changed = measured({"a/b": Lottery(seed=9)}, split, baseline=None, folder=tmp_path)  # another model by that name
    assert changed.reports["a/b"]["ndcg@10"] != first.reports["a/b"]["ndcg@10"]
    assert Lottery.fitted == before + 3
    for other in ({"seed": 4}, {"k": 5}):
        with pytest.raises(IncompatibleError, match="from another comparison"):
            measured({"a/b": Lottery(seed=9)}, split, baseline=None, folder=tmp_path, **other)  # type: ignore[arg-type]


def test_failures_are_tried_again(split: Split, tmp_path: Path) -> None:
    tries = []

    def unlucky(train: Dataset) -> Popular:
        tries.append(1)
        if len(tries) == 1:
            raise MemoryError
        return Popular().fit(train)

    models = {"unlucky": unlucky, "Popular": Popular}
    assert measured(models, split, baseline=None, folder=tmp_path).failed == {"unlucky": "MemoryError: "}
    assert set(measured(models, split, baseline=None, folder=tmp_path).names) == {"unlucky", "Popular"}


def test_what_cannot_be_compared_is_refused(split: Split) -> None:
    with pytest.raises(DataError, match="no models"):
        measured({}, split)
    with pytest.raises(DataError, match="baseline 'Nonsense': expected None, one of Popular, or of"):
        measured({"Popular": Popular}, split, baseline="Nonsense")
    with pytest.raises(DataError, match="k=0"):
        measured({"Popular": Popular}, split, k=0)
    with pytest.raises(DataError, match="no user has a target"):
        measured({"Popular": Popular}, replace(split, test=split.test.take([])))
    other = leave_last_out(synthetic_shop(n_items=96, n_users=60).dataset)
    with pytest.raises(IncompatibleError, match="train has 160 items, the test is over 96"):
        replace(split, test=other.test)
    with pytest.raises(IncompatibleError, match="context is of 96 items, test of 160"):
        measured({"Popular": Popular}, split, context=EvaluationContext.of(other.train))


def test_a_baseline_of_the_models_by_name_joins(split: Split) -> None:
    assert set(measured({"ItemKNN": ItemKNN}, split, baseline="Popular").names) == {"ItemKNN", "Popular"}


def test_two_at_a_time_measure_what_one_after_another_does(tmp_path: Path) -> None:
    split = leave_last_out(synthetic_shop(n_items=96, n_users=60).dataset)
    models = {"Popular": Popular, "ItemKNN": lambda train: ItemKNN().fit(train), "Broken": Broken()}
    alone = measured(models, split)  # type: ignore[arg-type]
    beside = measured(models, split, jobs=2, folder=tmp_path)  # type: ignore[arg-type]
    assert beside.names == alone.names
    assert beside.failed == alone.failed == {"Broken": "FloatingPointError: no convergence"}
    for name, report in alone.reports.items():
        assert dict(beside.reports[name]) == dict(report)
    kept = measured(models, split, jobs=2, folder=tmp_path)  # type: ignore[arg-type]
    assert [dict(kept.reports[name]) for name in kept.names] == [dict(alone.reports[name]) for name in alone.names]


def test_a_single_model_gets_the_threads_it_would_have_beside_another(tmp_path: Path) -> None:
    split = leave_last_out(synthetic_shop(n_items=96, n_users=60).dataset)

    def fit(train: Dataset) -> Popular:
        (tmp_path / "threads").write_text(f"{torch.get_num_threads()} {os.getpid()}", encoding="utf-8")
        return Popular().fit(train)

    measured({"Popular": fit}, split, baseline=None, jobs=2)
    threads, process = map(int, (tmp_path / "threads").read_text(encoding="utf-8").split())
    assert process != os.getpid()
    assert threads <= max(1, (os.cpu_count() or 1) // 2)
