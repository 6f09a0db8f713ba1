"""Splits: nothing leaks, the same seed gives the same split."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError
from mmreco.splitting import (
    Holdout,
    by_time,
    by_user,
    cold_items,
    cold_users,
    leave_last_out,
    missing_modality,
    random_events,
)

ITEMS = IdMap.of([f"i{i}" for i in range(8)])


def made(histories: list[list[int]], times: list[list[int]] | None = None) -> Interactions:
    users = np.repeat(np.arange(len(histories)), [len(h) for h in histories])
    return Interactions.from_events(
        IdMap.of([f"u{u}" for u in range(len(histories))]),
        ITEMS,
        users,
        np.array([i for h in histories for i in h], dtype=np.int64),
        times=None if times is None else np.array([t for h in times for t in h], dtype=np.int64),
    )


def lists(events: Interactions) -> dict[str, list[int]]:
    return {u: events.history(r).tolist() for r, u in enumerate(events.users.array.to_pylist())}


def bag(*parts: Interactions) -> list[tuple[str, int, int]]:
    """Every event of the parts as (user, item, time), sorted."""
    found = []
    for part in parts:
        users = part.users.ids(part.users_flat)
        times = np.zeros(part.n_events) if part.times is None else part.times
        found += list(zip(users, part.items_flat.tolist(), times.tolist(), strict=True))
    return sorted(found)


logs = st.lists(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 30)), max_size=6), min_size=1, max_size=8).map(
    lambda log: made([[i for i, _ in h] for h in log], [[t for _, t in h] for h in log])
)
SHARES = st.floats(0.05, 0.95)


class TestLeaveLastOut:
    def test_the_last_event_is_the_target_and_short_histories_stay_in_training(self) -> None:
        train, test = leave_last_out(made([[1, 2, 3], [4], [], [5, 5]]))
        assert lists(train) == {"u0": [1, 2], "u1": [4], "u3": [5]}
        assert lists(test.histories) == {"u0": [1, 2], "u3": [5]}
        assert lists(test.targets) == {"u0": [3], "u3": [5]}

    def test_nested_it_gives_validation(self) -> None:
        train, test = leave_last_out(made([[1, 2, 3], [4, 5]]))
        train, validation = leave_last_out(train)
        assert lists(train) == {"u0": [1], "u1": [4]}
        assert lists(validation.targets) == {"u0": [2]}
        assert lists(test.histories) == {"u0": [1, 2], "u1": [4]}

    def test_last_is_by_time_not_by_place(self) -> None:
        _, test = leave_last_out(made([[1, 2, 3]], [[30, 10, 20]]))
        assert lists(test.targets) == {"u0": [1]}

    @given(logs, st.integers(1, 3))
    def test_every_event_is_in_training_or_a_target_and_none_in_both(self, events: Interactions, n: int) -> None:
        train, test = leave_last_out(events, n=n)
        assert bag(train, test.targets) == bag(events)
        assert (test.targets.lengths == n).all()
        assert (test.histories.lengths > 0).all()
        mine = train.take(train.users.rows(test.histories.users.array))
        assert lists(mine) == lists(test.histories)

    def test_no_target_is_refused(self) -> None:
        with pytest.raises(DataError, match="n=0"):
            leave_last_out(made([[1, 2]]), n=0)


class TestByTime:
    @given(logs, st.integers(1, 30))
    def test_training_is_before_and_targets_from_the_moment_on(self, events: Interactions, at: int) -> None:
        assert events.times is not None
        if not (events.times < at).any() or not (events.times >= at).any():
            with pytest.raises(DataError, match="leaves"):
                by_time(events, at)
            return
        train, test = by_time(events, at)
        assert train.times is not None
        assert test.targets.times is not None
        assert train.times.max() < at <= test.targets.times.min(initial=at)
        assert bag(train) == [e for e in bag(events) if e[2] < at]
        assert set(test.histories.users.array.to_pylist()) <= set(train.users.array.to_pylist())
        assert (train.lengths > 0).all()

    def test_the_moment_may_be_a_datetime_milliseconds_or_a_share(self) -> None:
        hours = [datetime(2026, 1, 1, h, tzinfo=UTC) for h in range(4)]
        events = made([[0, 1, 2, 3]], [[int(h.timestamp() * 1000) for h in hours]])
        east = hours[3].astimezone(timezone(timedelta(hours=8)))
        for at in (hours[3], hours[3].replace(tzinfo=None), east, int(hours[3].timestamp()) * 1000, 0.75):
            train, test = by_time(events, at)
            assert lists(train) == {"u0": [0, 1, 2]}, at
            assert lists(test.targets) == {"u0": [3]}, at

    def test_events_of_one_moment_stay_together(self) -> None:
        train, test = by_time(made([[0, 1, 2, 3]], [[1, 2, 2, 2]]), 0.5)
        assert (lists(train), lists(test.targets)) == ({"u0": [0]}, {"u0": [1, 2, 3]})

    @pytest.mark.parametrize("at", [1.5, 0.0, 1.0, True, "2026", None])
    def test_no_moment_is_refused(self, at: Any) -> None:
        with pytest.raises(DataError, match="expected a datetime, whole milliseconds, or a share"):
            by_time(made([[0, 1]], [[1, 2]]), at)

    def test_events_without_times_are_refused(self) -> None:
        with pytest.raises(DataError, match="no times"):
            by_time(made([[0, 1]]), 0.5)


class TestByUser:
    @given(logs, SHARES, st.integers(0, 5))
    def test_strangers_are_not_in_training(self, events: Interactions, share: float, seed: int) -> None:
        able = int((events.lengths > 1).sum())
        if able < 2:
            with pytest.raises(DataError, match="users with 2 events"):
                by_user(events, share=share, seed=seed)
            return
        train, test = by_user(events, share=share, seed=seed)
        strangers = set(test.histories.users.array.to_pylist())
        assert not strangers & set(train.users.array.to_pylist())
        assert len(strangers) == min(max(1, round(share * able)), able - 1)
        assert bag(train, test.histories, test.targets) == bag(events)
        assert (test.targets.lengths == 1).all()
        assert bag(by_user(events, share=share, seed=seed)[0]) == bag(train)

    def test_another_seed_draws_others(self) -> None:
        events = made([[1, 2]] * 50)
        drawn = [by_user(events, seed=s)[1].histories.users.checksum for s in range(3)]
        assert len(set(drawn)) == 3


class TestColdItems:
    @given(logs, SHARES, st.integers(0, 5))
    def test_the_last_cold_item_is_asked_for_given_what_came_before(
        self, events: Interactions, share: float, seed: int
    ) -> None:
        seen = int((events.counts() > 0).sum())
        if seen < 2:
            with pytest.raises(DataError, match="items with events"):
                cold_items(events, share=share, seed=seed)
            return
        train, test, cold = cold_items(events, share=share, seed=seed)
        assert cold.shape == (len(ITEMS),)
        assert cold.sum() == min(max(1, round(share * seen)), seen - 1)
        assert train.items == events.items
        assert (cold_items(events, share=share, seed=seed)[2] == cold).all()
        trained, histories, targets = lists(train), lists(test.histories), lists(test.targets)
        for user, history in lists(events).items():
            places = [place for place, item in enumerate(history) if cold[item]]
            before = [item for item in history[: places[-1]] if not cold[item]] if places else []
            assert histories.get(user, []) == before
            assert targets.get(user, []) == ([history[places[-1]]] if before else [])
            assert trained.get(user, []) == (before or [item for item in history if not cold[item]])

    def test_never_clicked_items_are_not_drawn(self) -> None:
        _, _, cold = cold_items(made([[0, 1, 2], [2, 1]]), share=0.5)
        assert cold.sum() == 2
        assert not cold[3:].any()

    def test_the_mask_is_read_only(self) -> None:
        _, _, cold = cold_items(made([[0, 1, 2]]))
        with pytest.raises(ValueError, match="read-only"):
            cold[0] = True


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_shares_outside_0_to_1_are_refused(share: float) -> None:
    for split in (by_user, cold_items):
        with pytest.raises(DataError, match="share"):
            split(made([[0, 1], [2, 3]]), share=share)


class TestHoldout:
    def test_other_users_or_items_are_refused(self) -> None:
        events = made([[0, 1], [2, 3]])
        with pytest.raises(IncompatibleError, match="users differ"):
            Holdout(events, events.take([1, 0]))
        other = Interactions.from_histories([["x"], []], items=IdMap.of(["x"]), users=["u0", "u1"])
        with pytest.raises(IncompatibleError, match="the same items"):
            Holdout(events, other)

    def test_take_takes_both_sides(self) -> None:
        _, test = leave_last_out(made([[0, 1], [2, 3], [4, 5]]))
        some = test.take([2, 0])
        assert lists(some.histories) == {"u2": [4], "u0": [0]}
        assert lists(some.targets) == {"u2": [5], "u0": [1]}
        assert len(some) == 2


class TestRandomEvents:
    @given(logs, SHARES, st.integers(0, 3))
    def test_every_user_gives_his_share_and_nothing_is_lost(self, log: Interactions, share: float, seed: int) -> None:
        train, test = random_events(log, share=share, seed=seed)
        given, kept, held = lists(log), lists(train), lists(test.targets)
        assert bag(train, test.targets) == bag(log)
        for user, history in given.items():
            if len(history) > 1:
                assert len(held[user]) == min(max(1, round(share * len(history))), len(history) - 1)
                assert lists(test.histories)[user] == kept[user]
            else:
                assert user not in held
        assert bag(random_events(log, share=share, seed=seed)[0]) == bag(train)

    def test_it_is_drawn_from_anywhere(self) -> None:
        log = made([list(range(8))] * 200)
        places = np.bincount(random_events(log, share=0.125)[1].targets.items_flat, minlength=8)
        assert places.min() > 10
        assert bag(random_events(log, seed=1)[0]) != bag(random_events(log, seed=2)[0])

    def test_a_wrong_share(self) -> None:
        with pytest.raises(DataError, match=r"random_events: share=1\.5"):
            random_events(made([[1, 2]]), share=1.5)


class TestColdUsers:
    def test_strangers_are_asked_about_when_they_have_just_come(self) -> None:
        log = made([[1, 2, 3], [4, 5, 6], [7], [1, 3, 5, 7]])
        train, test = cold_users(log, share=0.4, shown=2, seed=0)
        assert len(test) == 1
        strangers = set(test.targets.users.array.to_pylist())
        assert strangers.isdisjoint(train.users.array.to_pylist())
        for user in strangers:
            assert lists(test.histories)[user] == lists(log)[user][:2]
            assert lists(test.targets)[user] == lists(log)[user][2:3]
        assert bag(cold_users(log, share=0.4, shown=2, seed=0)[0]) == bag(train)

    def test_with_nothing_shown_histories_are_empty(self) -> None:
        log = made([[1, 2], [3], [4, 5]])
        test = cold_users(log, share=0.5)[1]
        assert test.histories.n_events == 0
        assert all(lists(test.targets)[user] == lists(log)[user][:1] for user in lists(test.targets))

    def test_what_cannot_be_drawn(self) -> None:
        with pytest.raises(DataError, match="shown=-1"):
            cold_users(made([[1]]), shown=-1)
        with pytest.raises(DataError, match="1 users with more than 2 events; expected 2 or more"):
            cold_users(made([[1, 2, 3], [1]]), shown=2)


class TestMissingModality:
    def test_a_share_is_gone_and_the_rest_is_as_it_was(self) -> None:
        whole = Embeddings(IdMap.of([f"p{r}" for r in range(10)]), np.eye(10, dtype=np.float32), "an encoder")
        left = missing_modality(whole, share=0.3, seed=4)
        assert len(left) == 7
        assert left.fingerprint == "an encoder"
        np.testing.assert_array_equal(left.vectors, whole.vectors[whole.ids.rows(left.ids.array)])
        same, other = missing_modality(whole, share=0.3, seed=4), missing_modality(whole, share=0.3, seed=5)
        assert same.ids == left.ids
        assert other.ids != left.ids

    def test_nothing_to_take_away(self) -> None:
        with pytest.raises(DataError, match="missing_modality: 1 vectors"):
            missing_modality(Embeddings(IdMap.of(["a"]), np.ones((1, 2))))
