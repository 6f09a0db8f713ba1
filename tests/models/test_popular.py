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
from mmreco.errors import DataError, NotFittedError
from mmreco.models import Popular
from mmreco.models.popular import share_of_users

ITEMS = IdMap.of(["a", "b", "c", "d"])
DAY = 86_400_000


def test_items_come_by_summed_weight() -> None:
    users = IdMap.of(["u", "v"])
    weights = np.array([1, 1, 5, 0.5], dtype=np.float32)
    train = Interactions.from_events(users, ITEMS, np.array([0, 1, 1, 0]), np.array([0, 0, 2, 3]), weights=weights)
    model = Popular().fit(Dataset.from_interactions(train))
    slow = [
        sum(float(w) for w, i in zip(train.weights, train.items_flat, strict=True) if i == item) for item in range(4)
    ]
    asked = Interactions.from_histories([[], ["c"]], items=ITEMS)
    np.testing.assert_allclose(model.score(asked), [slow, slow])
    assert model.recommend(histories=asked, k=4).ids(ITEMS) == [["c", "a", "d", "b"], ["a", "d", "b"]]


def test_old_events_count_less(log: Interactions) -> None:
    slow = np.zeros(25)
    for item, weight, time in zip(log.items_flat, log.weights, log.times, strict=True):
        slow[item] += weight * 0.5 ** ((log.times.max() - time) / (30 * DAY))
    np.testing.assert_allclose(
        Popular(half_life_days=30).fit(Dataset.from_interactions(log)).popularity_, slow, rtol=1e-5
    )


def test_decay_without_times_is_refused(untimed: Interactions) -> None:
    with pytest.raises(DataError, match="half_life_days=3: these events carry no times"):
        Popular(half_life_days=3).fit(Dataset.from_interactions(untimed))
    with pytest.raises(DataError, match="half_life_days=0"):
        Popular(half_life_days=0)


def with_kinds(log: Interactions) -> Dataset:
    """Items of three kinds in turn; the last has none."""
    kinds = [*(f"kind-{row % 3}" for row in range(len(log.items) - 1)), None]
    return Dataset(Catalogue(log.items, pa.table({"category": kinds})), log)


def test_by_category_is_a_draw_of_a_category_and_then_of_an_item(log: Interactions, asked: Interactions) -> None:
    model = Popular(within="category").fit(with_kinds(log))
    total = np.bincount(log.items_flat, weights=log.weights, minlength=25)
    kind = np.arange(25) % 3
    for user, scores in enumerate(model.score(asked)):
        mine = asked.history(user)
        weight = asked.weights[asked.starts[user] : asked.starts[user + 1]]
        for item in range(24):
            share = weight[kind[mine] == kind[item]].sum() / max(1, weight.sum())
            within = total[item] / total[:24][kind[:24] == kind[item]].sum()
            expected = share * within
            assert scores[item] == pytest.approx(expected if expected > 0 else total[item] / (total.max() + 1) - 1)


def test_by_category_is_saved(log: Interactions, asked: Interactions, tmp_path: Path) -> None:
    model = Popular(within="category").fit(with_kinds(log))
    model.save(tmp_path / "popular")
    np.testing.assert_array_equal(Popular.load(tmp_path / "popular").score(asked), model.score(asked))


def test_by_category_beats_popular_on_the_planted_shop(over_popular: Callable[..., float]) -> None:
    assert over_popular(Popular(within="category")) > 1.1


def test_share_of_users_counts_each_user_once(log: Interactions) -> None:
    slow = [len(set(log.users_flat[log.items_flat == item].tolist())) / 61 for item in range(25)]
    np.testing.assert_allclose(share_of_users(log), slow, rtol=1e-6)


def test_unfitted_has_no_scores() -> None:
    with pytest.raises(NotFittedError, match="Popular is not fitted"):
        Popular().score(Interactions.from_histories([[]], items=ITEMS))


def test_by_users_one_that_never_stops_clicking_decides_nothing() -> None:
    log = Interactions.from_histories([["a"] * 50, ["b"], ["b", "c"]], items=ITEMS)
    dataset = Dataset.from_interactions(log)
    asked = Interactions.from_histories([[]], items=ITEMS)
    assert Popular().fit(dataset).recommend(histories=asked, k=2).ids(ITEMS) == [["a", "b"]]
    people = Popular(by="users").fit(dataset)
    assert people.popularity_.tolist() == [1, 2, 1, 0]
    with pytest.raises(DataError, match="by='lines': expected 'weight' or 'users'"):
        Popular(by="lines")  # type: ignore[arg-type]


def test_by_users_the_last_time_is_what_counts(log: Interactions) -> None:
    slow: dict[tuple[int, int], float] = {}
    for user, item, moment in zip(log.users_flat, log.items_flat, log.times, strict=True):
        age = (log.times.max() - moment) / DAY
        slow[user, item] = max(slow.get((user, item), 0.0), 0.5 ** (age / 30))
    totals = np.zeros(25)
    for (_, item), counts in slow.items():
        totals[item] += counts
    model = Popular(half_life_days=30, by="users").fit(Dataset.from_interactions(log))
    np.testing.assert_allclose(model.popularity_, totals, rtol=1e-5)


@pytest.mark.parametrize("year", [2040, 2099])
def test_one_event_of_the_future_does_not_cancel_the_decay(log: Interactions, year: int) -> None:
    late = int((np.datetime64(f"{year}-01-01") - np.datetime64("1970-01-01")).astype("timedelta64[ms]").astype(int))
    wrong = Interactions.from_events(
        log.users,
        log.items,
        np.append(log.users_flat, 0),
        np.append(log.items_flat, 24),
        times=np.append(log.times, late),
        weights=np.append(log.weights, np.float32(1)),
    )
    right, spoilt = (Popular(half_life_days=7).fit(Dataset.from_interactions(one)).popularity_ for one in (log, wrong))
    np.testing.assert_allclose(spoilt[:24], right[:24], rtol=1e-5)
    old = replace(log, times=log.times - 20 * 365 * DAY)  # so it is when the error is not in the future
    erring = replace(wrong, times=np.where(wrong.times == late, log.times.max(), wrong.times - 20 * 365 * DAY))
    right, spoilt = (Popular(half_life_days=7).fit(Dataset.from_interactions(one)).popularity_ for one in (old, erring))
    np.testing.assert_allclose(spoilt[:24], right[:24], rtol=1e-5)
