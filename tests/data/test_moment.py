"""Moments as people write them, and the newest of a log where one event can only be an error."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.moment import moment_ms, newest, soon
from mmreco.errors import DataError
from mmreco.models import LogisticProfile, Popular
from mmreco.models.sharedspace.horizon import horizon_of
from mmreco.models.sharedspace.trends import trends
from mmreco.models.time_decay import recent, since_last
from mmreco.profiles import affinities, facets, life_stages, recency_frequency_money
from mmreco.recommender import Recommender

DAY = 86_400_000
START = moment_ms("2026-01-01")
FAR = moment_ms("2099-01-01")


def log(n: int = 40, far: bool = False) -> Interactions:
    """A user a day, with one event of the day before and one of the day; with `far` one more in 2099."""
    days = np.arange(n)
    once = np.zeros(int(far), dtype=np.int64)
    users = np.concatenate([days, days, once]).astype(str)
    times = np.concatenate([START + days * DAY, START + days * DAY + DAY // 2, once + FAR])
    items = np.concatenate([days % 3, (days + 1) % 4, once + 2]).astype(str)
    frame = pd.DataFrame({"user_id": users, "item_id": items, "timestamp": times})
    return Interactions.from_frame(frame)


def test_what_cannot_have_happened_is_not_the_newest() -> None:
    times = log().times
    assert newest(log(far=True).times) == newest(times) == times.max()
    assert newest(np.array([], dtype=np.int64)) == 0
    assert newest(np.array([FAR, FAR + 1])) == FAR + 1  # where there is nothing else
    assert soon() < FAR


@pytest.mark.parametrize("at", [float("nan"), 10**30, -(10**30), pd.NaT, True, 1.5, None])
def test_no_moment_is_refused(at: object) -> None:
    with pytest.raises(DataError, match="expected a datetime"):
        moment_ms(at)  # type: ignore[arg-type]


def test_one_event_in_2099_leaves_a_history_s_own_ages() -> None:
    plain, far = log(), log(far=True)
    ages = since_last(far)
    assert ages.max() == since_last(plain).max() == DAY / 2
    weighed = recent(far, half_life_days=0.5).toarray()[0]
    assert weighed[far.items.rows(["0"])[0]] == pytest.approx(0.5)


def test_one_event_in_2099_leaves_what_is_wanted_now() -> None:
    plain, far = log(), log(far=True)
    assert horizon_of(far, "horizon") == pytest.approx(horizon_of(plain, "horizon"), abs=DAY)
    others = [row for row in range(len(far.items)) if far.items.ids([row]) != ["2"]]  # the item that is had in 2099
    change = (trends(far, 5 * DAY) - trends(plain, 5 * DAY))[others]
    assert np.ptp(change, axis=0) == pytest.approx(0, abs=1e-4)


def test_one_event_in_2099_makes_nobody_lost() -> None:
    plain, far = log(), log(far=True)
    order = [far.users.ids([row])[0] for row in range(len(far))]
    assert dict(zip(order, life_stages(far), strict=True)) == {
        **dict(zip([plain.users.ids([row])[0] for row in range(len(plain))], life_stages(plain), strict=True)),
        "0": life_stages(far)[order.index("0")],
    }
    recency = recency_frequency_money(far)["recency"].to_numpy()
    assert recency.min() == 0
    assert recency.max() < 40


# ---- what speaks against an item

RETURNS = pd.DataFrame(
    {
        "user_id": ["u1", "u1", "u2", "u2", "u3", "u4", "u4"],
        "item_id": ["a", "b", "b", "c", "b", "a", "c"],
        "weight": [1.0, -0.9, -1.0, 1.0, -2.0, 1.0, 1.0],
        "timestamp": pd.date_range("2026-01-01", periods=7),
    }
)
SHOP = Dataset.from_frames(
    items=pa.table({"item_id": ["a", "b", "c"], "category": ["x", "y", "y"], "price": [1.0, 2.0, 3.0]}), events=RETURNS
)


def test_returns_make_nothing_popular() -> None:
    """Three people returned b, and nobody kept it."""
    recommender = Recommender.fit(SHOP, model=Popular(by="users"), text=[], image=[])
    assert recommender.recommend(["stranger"], k=3).ids()[0][-1] == "b"
    assert Popular(by="users").fit(SHOP).popularity_.tolist() == [2, 0, 2]


def test_the_facts_of_a_history_with_returns_are_numbers() -> None:
    model = LogisticProfile().fit(SHOP)
    assert np.isfinite(model.score(SHOP.interactions)).all()


def test_a_return_makes_no_preference_negative() -> None:
    [category] = [facet for name, facet in facets(SHOP.catalogue).items() if name == "category"]
    found = affinities(SHOP.interactions, category, prior=0)
    assert found.share[0].tolist() == [1, 0]  # u1 kept x and sent y back
    assert (found.share >= 0).all()
    assert found.share.sum(axis=1) == pytest.approx(1)
