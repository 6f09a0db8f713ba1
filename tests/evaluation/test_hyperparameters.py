"""Hyper-parameters by search: the best is found, the budget kept, the test never seen."""

import logging
import sys
import time
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.errors import DataError, MissingExtraError
from mmreco.evaluation import Range, evaluate, tune
from mmreco.models import MODELS
from mmreco.models.base import ScoreModel, State
from mmreco.models.gru4rec import GRU4Rec
from mmreco.models.training import Training
from mmreco.splitting import Holdout, Split, leave_last_out

pytest.importorskip("optuna")


@final
@dataclass(kw_only=True, eq=False)
class Mixed(ScoreModel):
    """Popularity spoilt by as much noise as its settings are off the right ones."""

    strength: float = 5.0
    depth: int = 9
    kind: str = "bad"
    seed: int = 0

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        if self.kind == "broken":
            raise FloatingPointError("ran away")
        self.counts_ = np.log1p(dataset.interactions.counts())

    def score(self, histories: Interactions) -> F32:
        off = abs(np.log(self.strength)) + abs(self.depth - 3) + (self.kind == "bad")
        noise = np.random.default_rng(self.seed).normal(size=(len(histories), len(self.items_)))
        return np.asarray(self.counts_ + off * noise, dtype=np.float32)

    def _state(self) -> State:
        return {}

    def _restore(self, state: State) -> None:
        pass


SPACE = {"strength": Range(0.01, 100.0, log=True), "depth": Range(1, 9), "kind": ["bad", "good", "broken"]}


@pytest.fixture(scope="module")
def split() -> Split:
    """Training and validation, the last event of each user being nowhere."""
    return leave_last_out(leave_last_out(synthetic_shop(n_items=96, n_users=400, seed=1).dataset).train)


def test_the_search_comes_near_the_best(split: Split, capfd: pytest.CaptureFixture[str]) -> None:
    found = tune(Mixed, SPACE, split, trials=25, seed=0)
    assert len(found.trials) == 25
    assert found.trials[0][0] == {"strength": 5.0, "depth": 9, "kind": "bad"}  # the defaults come first
    assert found.score == max(score for _, score, _ in found.trials if score == score)
    assert found.score > found.trials[0][1]
    assert isinstance(found.model, Mixed)
    assert (found.model.strength, found.model.depth) == (found.best["strength"], found.best["depth"])
    assert getattr(found.model, "items_", None) is None
    assert {type(chosen["depth"]) for chosen, _, _ in found.trials} == {int}
    broken = [np.isnan(score) for chosen, score, _ in found.trials if chosen["kind"] == "broken"]
    assert broken
    assert all(broken)
    again = tune(Mixed, SPACE, split, trials=5, seed=0)
    assert [chosen for chosen, _, _ in again.trials] == [chosen for chosen, _, _ in found.trials[:5]]
    assert capfd.readouterr() == ("", "")  # optuna announces nothing


def test_the_figure_is_that_of_the_validation(split: Split) -> None:
    found = tune(Mixed, {"depth": [3, 5]}, split, trials=2, k=5, seed=7)
    by_hand = evaluate(Mixed(**found.best, seed=7).fit(split.train), split, 5)["ndcg@5"]
    assert found.score == by_hand


def test_what_training_holds_is_searched_as_well(split: Split) -> None:
    space = {"dim": [4, 8], "learning_rate": Range(0.01, 0.02), "epochs": [1]}
    found = tune(MODELS["GRU4Rec"], space, split, trials=2, seed=3)
    assert isinstance(found.model, GRU4Rec)
    assert found.model.training == Training(epochs=1, learning_rate=found.best["learning_rate"], seed=3)
    assert found.model.dim == found.best["dim"]


def test_time_is_a_budget_too(split: Split) -> None:
    start = time.perf_counter()
    found = tune(Mixed, {"depth": Range(1, 9)}, split, trials=100_000, seconds=0.5)
    assert 1 <= len(found.trials) < 10_000
    assert time.perf_counter() - start < 30


def test_levels_of_logging_are_left_alone(split: Split) -> None:
    import optuna

    before = optuna.logging.get_verbosity(), logging.getLogger().level
    tune(Mixed, {"depth": [3]}, split, trials=1)
    assert (optuna.logging.get_verbosity(), logging.getLogger().level) == before


def test_without_optuna_the_extra_is_named(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"tune needs optuna: pip install 'mmreco\[tune\]'"):
        tune(Mixed, {"depth": [3]}, split)


def test_what_cannot_be_searched_is_refused(split: Split) -> None:
    for space, options, said in [
        ({}, {}, "an empty space; Mixed has strength, depth, kind, seed"),
        ({"width": [1]}, {}, "no parameter 'width'"),
        ({"depth": []}, {}, "depth has no values"),
        ({"depth": [1]}, {"trials": 0}, "trials=0"),
        ({"depth": [1]}, {"seconds": 0}, "seconds=0"),
        ({"kind": ["broken"]}, {"trials": 2}, "none of 2 trials of Mixed came to an end; the last said: Floating"),
    ]:
        with pytest.raises(DataError, match=said):
            tune(Mixed, space, split, **options)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="nobody in the validation"):
        tune(Mixed, {"depth": [1]}, replace(split, test=split.test.take([])))
    with pytest.raises(DataError, match="expected low below high"):
        Range(2, 1)
    with pytest.raises(DataError, match="low above 0"):
        Range(0, 1, log=True)
