import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.encoders.baskets import Baskets
from mmreco.errors import DataError
from mmreco.models.sharedspace.horizon import (
    asks_next,
    dated,
    drawn_later,
    drawn_next,
    horizon_of,
    later_half,
    reach_of,
)
from mmreco.splitting import leave_last_out

DAY = 86_400_000
ITEMS = IdMap.of([str(i) for i in range(10)])


def log(users: list[int], items: list[int], times: list[int], weights: list[float] | None = None) -> Interactions:
    names = IdMap.of([str(u) for u in range(max(users) + 1)])
    given = None if weights is None else np.array(weights, dtype=np.float32)
    return Interactions.from_events(
        names, ITEMS, np.array(users), np.array(items), times=np.array(times) * DAY, weights=given
    )


def many(n: int = 300, days: int = 20) -> Interactions:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(n), days)
    return log(
        users.tolist(), rng.integers(10, size=n * days).tolist(), (rng.random(n * days) * 100).astype(int).tolist()
    )


def test_numbers_counted_from_each_user_s_first_event_are_no_dates() -> None:
    assert dated(log([0, 0, 1, 1, 2], [1, 2, 3, 4, 5], [3, 9, 5, 6, 4]))
    assert not dated(log([0, 0, 1, 1], [1, 2, 3, 4], [0, 1, 0, 1]))
    assert not dated(Interactions.from_histories([["1", "2"]], items=ITEMS))


def test_the_horizon_is_the_latest_tenth_and_parts_what_is_learnt_from_what_is_asked() -> None:
    whole = many()
    ahead = horizon_of(whole, "auto")
    assert ahead is not None
    assert 8 * DAY < ahead < 14 * DAY
    assert horizon_of(whole, "next") is None
    train, asked = later_half(whole)
    assert not asks_next(asked)
    assert asks_next(leave_last_out(Dataset.from_interactions(whole)).test)
    assert train.times is not None
    assert asked.targets.times is not None
    assert train.times.max() < asked.targets.times.min()
    assert asked.at is not None
    assert (asked.at > train.times.max()).all()
    assert (asked.at <= asked.targets.times.min()).all()
    assert len(asked) > 50


def test_a_log_of_few_has_no_horizon() -> None:
    few = many(n=20)
    assert horizon_of(few, "horizon") is None
    with pytest.raises(DataError, match="has no horizon"):
        later_half(few)


def test_the_next_basket_is_taught_and_nothing_that_weighs_nothing() -> None:
    baskets = Baskets.of(log([0, 0, 0, 0, 0], [1, 2, 3, 4, 5], [1, 2, 2, 2, 3], [1, 1, 0, 2, 0]))
    drawn = drawn_next(baskets, np.array([0, 1]), np.random.default_rng(0))
    assert sorted(zip(drawn.steps.tolist(), drawn.items.tolist(), drawn.weights.tolist(), strict=True)) == [
        (0, 2, 1.0),
        (0, 4, 2.0),
    ]


def test_what_comes_within_the_horizon_is_taught_and_no_later() -> None:
    baskets = Baskets.of(log([0, 0, 0, 0, 1], [1, 2, 3, 4, 5], [1, 3, 5, 90, 6]))
    reach = reach_of(baskets, 7 * DAY)
    assert reach.tolist() == [2, 2, 2, 3, 4]
    drawn = [drawn_later(baskets, np.array([0]), reach[:1], np.random.default_rng(seed)).items for seed in range(20)]
    assert set(np.concatenate(drawn).tolist()) == {2, 3}
