from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.datasets.synthetic.shop import SyntheticShop
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.evaluation import evaluate
from mmreco.models.itemknn import ItemKNN
from mmreco.models.logistic import LogisticProfile, _split, calibration_error
from mmreco.splitting import Split


@pytest.fixture(scope="module")
def fitted(held_out: Split) -> LogisticProfile:
    return LogisticProfile().fit(held_out.train)


def test_scores_are_the_weighted_facts(fitted: LogisticProfile, held_out: Split) -> None:
    asked = held_out.test.histories.take(np.arange(5))
    expected = fitted.offset_ + sum(
        fitted.weights()[name] * np.broadcast_to(fact, (5, 300))
        for name, fact in zip(fitted.facts_.names, fitted.facts_.between(asked), strict=True)
    )
    np.testing.assert_allclose(fitted.score(asked), expected, rtol=1e-5)


def test_it_learns_from_the_last_event_of_the_kind_and_what_came_before() -> None:
    items = IdMap.of(["a", "b", "c"])
    users = IdMap.of(["u", "v", "w"])
    log = Interactions.from_events(
        users,
        items,
        np.array([0, 0, 0, 1, 1, 2]),
        np.array([0, 1, 2, 2, 0, 1]),
        event_types=np.array([0, 1, 0, 0, 0, 1]),
        event_names=("view", "purchase"),
    )
    histories, targets = _split(log, None)
    assert (histories.users.ids([0, 1]), targets.tolist()) == (["u", "v"], [2, 0])
    assert [histories.history(row).tolist() for row in range(2)] == [[0, 1], [2]]
    histories, targets = _split(log, "purchase")  # the first event of "w" has nothing before it
    assert (histories.users.ids([0]), targets.tolist()) == (["u"], [1])
    assert histories.history(0).tolist() == [0]


def test_taste_speaks_for_an_item_and_having_it_against(fitted: LogisticProfile) -> None:
    weights = fitted.weights()
    assert weights["popular"] + weights["lately"] > 0
    assert weights["category"] + weights["category_lately"] > 0
    assert weights["had"] + weights["had_lately"] < 0  # a shopper of the planted shop has an item once


def test_probabilities_are_calibrated(fitted: LogisticProfile, held_out: Split) -> None:
    """Over the whole catalogue they add up to one, and on users it did not see they come true."""
    test = held_out.test
    every = np.tile(np.arange(300), (len(test), 1))
    said = fitted.probabilities(test.histories, every)
    assert said.sum(axis=1).mean() == pytest.approx(1, rel=0.15)
    came = np.zeros(said.shape)
    came[test.targets.users_flat, test.targets.items_flat] = 1
    assert fitted.ece_ < 0.02
    assert calibration_error(said.ravel(), came.ravel()) < 0.25 / 300


def test_it_beats_popular_on_the_planted_shop(fitted: LogisticProfile, over_popular: Callable[..., float]) -> None:
    assert over_popular(fitted, fitted=True) > 1.1


def test_reranking_keeps_the_items_and_orders_them(fitted: LogisticProfile, held_out: Split) -> None:
    asked = held_out.test.histories.take(np.arange(20))
    found = ItemKNN().fit(held_out.train).recommend(histories=asked, k=30)
    again = fitted.rerank(asked, found)
    assert [set(line) for line in again.rows.tolist()] == [set(line) for line in found.rows.tolist()]
    np.testing.assert_array_equal(again.scores, fitted.probabilities(asked, again.rows))
    few = np.arange(300) < 3
    assert (fitted.rerank(asked, fitted.recommend(histories=asked, k=5, candidates=few)).rows[:, 3:] == -1).all()


def test_sentiment_counts_where_it_is_told(shop: SyntheticShop, held_out: Split) -> None:
    train, loved = held_out.train, np.log1p(shop.interactions.counts())  # as if these were well spoken of
    spoken_of = Catalogue(train.items, train.catalogue.table.append_column("sentiment", pa.array(loved)))
    model = LogisticProfile(seed=1).fit(replace(train, catalogue=spoken_of))
    assert "sentiment" in model.weights()
    assert evaluate(model, held_out)["ndcg@10"] > 0


def test_what_the_catalogue_taught_is_saved(fitted: LogisticProfile, held_out: Split, tmp_path: Path) -> None:
    fitted.save(tmp_path / "profile")
    again = LogisticProfile.load(tmp_path / "profile")
    assert (again.weights(), again.ece_) == (fitted.weights(), fitted.ece_)
    asked = held_out.test.histories
    np.testing.assert_array_equal(again.score(asked), fitted.score(asked))


def test_bad_questions_are_refused(fitted: LogisticProfile, held_out: Split) -> None:
    asked = held_out.test.histories.take([0, 1])
    with pytest.raises(DataError, match=r"rows of shape \(1, 2\) for 2 histories"):
        fitted.probabilities(asked, np.zeros((1, 2), dtype=np.int64))
    with pytest.raises(DataError, match=r"rows 0\.\.300: expected item rows 0\.\.299"):
        fitted.probabilities(asked, np.array([[0], [300]]))
    other = Interactions.from_histories([["a"]], items=IdMap.of(["a"]))
    with pytest.raises(IncompatibleError, match="histories over 1 items, fitted on 300"):
        fitted.probabilities(other, np.zeros((1, 1), dtype=np.int64))


def test_logs_that_teach_nothing_are_refused(untimed: Interactions) -> None:
    with pytest.raises(DataError, match="target='purchase': expected one of event"):
        LogisticProfile(target="purchase").fit(Dataset.from_interactions(untimed))
    with pytest.raises(DataError, match="no user has an event with another before it"):
        LogisticProfile().fit(Dataset.from_interactions(untimed.last(1)))


@pytest.mark.parametrize(
    ("options", "said"),
    [({"negatives": 0}, "negatives=0"), ({"half_life_days": 0}, "half_life_days=0"), ({"l2": 0}, "l2=0")],
)
def test_parameters_are_checked_on_construction(options: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        LogisticProfile(**options)  # type: ignore[arg-type]


def test_unfitted_is_said(untimed: Interactions) -> None:
    for ask in (
        lambda: LogisticProfile().score(untimed),
        lambda: LogisticProfile().weights(),
        lambda: LogisticProfile().probabilities(untimed, np.zeros((3, 1), dtype=np.int64)),
    ):
        with pytest.raises(NotFittedError, match="LogisticProfile is not fitted"):
            ask()


# ---- the yardstick


def test_calibration_error_equals_the_slow_twin() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(1_000)
    came = rng.random(1_000) < said**2
    groups = np.array_split(np.argsort(said), 10)
    slow = sum(abs(np.mean([said[i] - came[i] for i in group])) * len(group) / 1_000 for group in groups)
    assert calibration_error(said, came) == pytest.approx(slow, rel=1e-6)
    assert calibration_error(said, rng.random(1_000) < said) < 0.5 * slow


@pytest.mark.parametrize(
    ("said", "came", "bins", "message"),
    [
        ([0.5], [True, False], 10, r"probabilities \(1,\) and outcomes \(2,\)"),
        ([], [], 10, "n of 1 or more"),
        ([1.5], [True], 10, "from 0 to 1"),
        ([np.nan], [True], 10, "from 0 to 1"),
        ([0.5], [True], 0, "bins=0"),
    ],
)
def test_calibration_error_checks_what_it_is_given(
    said: list[float], came: list[bool], bins: int, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        calibration_error(said, came, bins=bins)


def test_a_catalogue_of_one_item_teaches_nothing() -> None:
    log = Interactions.from_histories([["a", "a"]] * 9, items=IdMap.of(["a"]))
    with pytest.raises(DataError, match="expected a catalogue of two items or more"):
        LogisticProfile().fit(Dataset.from_interactions(log))
