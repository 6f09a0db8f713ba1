"""Splits: nothing leaks, the same seed gives the same split."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.data.users import Users
from mmreco.errors import DataError, IncompatibleError
from mmreco.splitting import (
    Holdout,
    Split,
    by_time,
    by_user,
    cold_items,
    cold_users,
    leave_last_out,
    missing_modality,
    random_events,
    rolling,
)

ITEMS = IdMap.of([f"i{i}" for i in range(8)])


def made(histories: list[list[int]], times: list[list[int]] | None = None) -> Dataset:
    users = np.repeat(np.arange(len(histories)), [len(h) for h in histories])
    log = Interactions.from_events(
        IdMap.of([f"u{u}" for u in range(len(histories))]),
        ITEMS,
        users,
        np.array([i for h in histories for i in h], dtype=np.int64),
        times=None if times is None else np.array([t for h in times for t in h], dtype=np.int64),
    )
    return Dataset.from_interactions(log)


def bare() -> Catalogue:
    return Catalogue(ITEMS, pa.table({"title": [""] * 8}))


def parts(split: Split) -> tuple[Interactions, Holdout]:
    return split.train.interactions, split.test


def events_of(part: Dataset | Interactions) -> Interactions:
    return part.interactions if isinstance(part, Dataset) else part


def lists(part: Dataset | Interactions) -> dict[str, list[int]]:
    events = events_of(part)
    return {u: events.history(r).tolist() for r, u in enumerate(events.users.array.to_pylist())}


def times_of(events: Interactions) -> dict[str, list[int]]:
    assert events.times is not None
    lines = zip(events.starts[:-1], events.starts[1:], strict=True)
    return {
        user: events.times[start:stop].tolist()
        for user, (start, stop) in zip(events.users.array.to_pylist(), lines, strict=True)
    }


def bag(*parts: Dataset | Interactions) -> list[tuple[str, int, int]]:
    """Every event of the parts as (user, item, time), sorted."""
    found = []
    for part in map(events_of, parts):
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
        train, test = parts(leave_last_out(made([[1, 2, 3], [4], [], [5, 5]])))
        assert lists(train) == {"u0": [1, 2], "u1": [4], "u3": [5]}
        assert lists(test.histories) == {"u0": [1, 2], "u3": [5]}
        assert lists(test.targets) == {"u0": [3], "u3": [5]}

    def test_nested_it_gives_validation(self) -> None:
        train, test = parts(leave_last_out(made([[1, 2, 3], [4, 5]])))
        train, validation = parts(leave_last_out(Dataset.from_interactions(train)))
        assert lists(train) == {"u0": [1], "u1": [4]}
        assert lists(validation.targets) == {"u0": [2]}
        assert lists(test.histories) == {"u0": [1, 2], "u1": [4]}

    def test_last_is_by_time_not_by_place(self) -> None:
        test = leave_last_out(made([[1, 2, 3]], [[30, 10, 20]])).test
        assert lists(test.targets) == {"u0": [1]}

    @given(logs, st.integers(1, 3))
    def test_every_event_is_in_training_or_a_target_and_none_in_both(self, dataset: Dataset, n: int) -> None:
        events = dataset.interactions
        train, test = parts(leave_last_out(dataset, n=n))
        assert bag(train, test.targets) == bag(events)
        assert (test.histories.lengths > 0).all()
        assert all(len(set(times)) == n for times in times_of(test.targets).values())
        last = times_of(test.histories)
        assert all(max(last[user]) < min(times) for user, times in times_of(test.targets).items())
        mine = train.take(train.users.rows(test.histories.users.array))
        assert lists(mine) == lists(test.histories)

    def test_the_last_basket_is_held_out_as_a_whole(self) -> None:
        train, test = parts(leave_last_out(made([[1, 2, 3, 4], [5, 6]], [[10, 20, 30, 30], [10, 10]])))
        assert lists(test.targets) == {"u0": [3, 4]}
        assert lists(train) == {"u0": [1, 2], "u1": [5, 6]}

    def test_no_target_is_refused(self) -> None:
        with pytest.raises(DataError, match="n=0"):
            leave_last_out(made([[1, 2]]), n=0)


class TestByTime:
    @given(logs, st.integers(1, 30))
    def test_training_is_before_and_targets_from_the_moment_on(self, dataset: Dataset, at: int) -> None:
        events = dataset.interactions
        assert events.times is not None
        if not (events.times < at).any() or not (events.times >= at).any():
            with pytest.raises(DataError, match="leaves"):
                by_time(dataset, at)
            return
        train, test = parts(by_time(dataset, at))
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
            train, test = parts(by_time(events, at))
            assert lists(train) == {"u0": [0, 1, 2]}, at
            assert lists(test.targets) == {"u0": [3]}, at

    @given(st.integers(-(10**12), 4 * 10**12), st.integers(0, 999))
    def test_a_moment_is_exact_to_the_millisecond(self, ms: int, micros: int) -> None:
        events = made([[0, 1, 2]], [[ms - 1, ms, ms + 1]])
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
        later = moment + timedelta(microseconds=micros)
        west = later.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
        for at in (later, later.replace(tzinfo=None), west, later.isoformat(), west.isoformat()):
            assert lists(parts(by_time(events, at))[0]) == {"u0": [0, 1] if micros else [0]}, at
        assert lists(parts(by_time(events, ms))[0]) == {"u0": [0]}
        assert lists(parts(by_time(events, np.int64(ms)))[0]) == {"u0": [0]}

    def test_events_of_one_moment_stay_together(self) -> None:
        train, test = parts(by_time(made([[0, 1, 2, 3]], [[1, 2, 2, 2]]), 0.5))
        assert (lists(train), lists(test.targets)) == ({"u0": [0]}, {"u0": [1, 2, 3]})

    @pytest.mark.parametrize("at", [1.5, 0.0, 1.0, True, "2026", None])
    def test_no_moment_is_refused(self, at: Any) -> None:
        with pytest.raises(DataError, match="at="):
            by_time(made([[0, 1]], [[1, 2]]), at)

    def test_events_without_times_are_refused(self) -> None:
        with pytest.raises(DataError, match="no times"):
            by_time(made([[0, 1]]), 0.5)


class TestByUser:
    @given(logs, SHARES, st.integers(0, 5))
    def test_strangers_are_not_in_training(self, dataset: Dataset, share: float, seed: int) -> None:
        events = dataset.interactions
        able = int((events.lengths > 1).sum())
        if able < 2:
            with pytest.raises(DataError, match="users with 2 events"):
                by_user(dataset, share=share, seed=seed)
            return
        train, test = parts(by_user(dataset, share=share, seed=seed))
        strangers = set(test.histories.users.array.to_pylist())
        assert not strangers & set(train.users.array.to_pylist())
        assert len(strangers) == min(max(1, round(share * able)), able - 1)
        assert bag(train, test.histories, test.targets) == bag(events)
        assert (test.targets.lengths == 1).all()
        assert bag(by_user(dataset, share=share, seed=seed).train) == bag(train)

    def test_another_seed_draws_others(self) -> None:
        events = made([[1, 2]] * 50)
        drawn = [by_user(events, seed=s).test.histories.users.checksum for s in range(3)]
        assert len(set(drawn)) == 3


class TestColdItems:
    @given(logs, SHARES, st.integers(0, 5))
    def test_the_last_cold_item_is_asked_for_given_what_came_before(
        self, dataset: Dataset, share: float, seed: int
    ) -> None:
        events = dataset.interactions
        seen = int((events.counts() > 0).sum())
        if seen < 2:
            with pytest.raises(DataError, match="items with events"):
                cold_items(dataset, share=share, seed=seed)
            return
        split = cold_items(dataset, share=share, seed=seed)
        train, test, cold = split.train, split.test, split.candidates
        assert cold is not None
        assert cold.shape == (len(ITEMS),)
        assert cold.sum() == min(max(1, round(share * seen)), seen - 1)
        assert train.items == events.items
        assert (cold_items(dataset, share=share, seed=seed).candidates == cold).all()
        trained, histories, targets = lists(train), lists(test.histories), lists(test.targets)
        for user, history in lists(events).items():
            places = [place for place, item in enumerate(history) if cold[item]]
            before = [item for item in history[: places[-1]] if not cold[item]] if places else []
            assert histories.get(user, []) == before
            assert targets.get(user, []) == ([history[places[-1]]] if before else [])
            assert trained.get(user, []) == (before or [item for item in history if not cold[item]])

    def test_never_clicked_items_are_not_drawn(self) -> None:
        cold = cold_items(made([[0, 1, 2], [2, 1]]), share=0.5).candidates
        assert cold is not None
        assert cold.sum() == 2
        assert not cold[3:].any()

    def test_the_mask_is_read_only(self) -> None:
        cold = cold_items(made([[0, 1, 2]])).candidates
        assert cold is not None
        with pytest.raises(ValueError, match="read-only"):
            cold[0] = True


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_shares_outside_0_to_1_are_refused(share: float) -> None:
    for split in (by_user, cold_items):
        with pytest.raises(DataError, match="share"):
            split(made([[0, 1], [2, 3]]), share=share)


class TestHoldout:
    def test_other_users_or_items_are_refused(self) -> None:
        events = made([[0, 1], [2, 3]]).interactions
        with pytest.raises(IncompatibleError, match="users differ"):
            Holdout(events, events.take([1, 0]))
        other = Interactions.from_histories([["x"], []], items=IdMap.of(["x"]), users=["u0", "u1"])
        with pytest.raises(IncompatibleError, match="the same items"):
            Holdout(events, other)

    def test_there_is_one_time_of_asking_for_each(self) -> None:
        events = made([[0, 1], [2]]).interactions
        assert Holdout(events, events, np.array([5, 6])).take([1]).at == [6]
        for wrong in (np.array([5]), np.array([5.0, 6.0])):
            with pytest.raises(DataError, match="expected whole milliseconds"):
                Holdout(events, events, wrong)  # type: ignore[arg-type]
        with pytest.raises(DataError, match="of 2; expected"):
            Holdout(events, events, np.array([5, 6])).take([7])

    def test_take_takes_both_sides(self) -> None:
        test = leave_last_out(made([[0, 1], [2, 3], [4, 5]])).test
        some = test.take([2, 0])
        assert lists(some.histories) == {"u2": [4], "u0": [0]}
        assert lists(some.targets) == {"u2": [5], "u0": [1]}
        assert len(some) == 2
        for wrong in ([True, False, True], [0.0, 2.0], np.array([0], dtype="datetime64[ms]")):
            with pytest.raises(DataError, match="expected whole numbers"):
                test.take(wrong)  # type: ignore[arg-type]


class TestRandomEvents:
    @given(logs, SHARES, st.integers(0, 3))
    def test_every_user_gives_his_share_and_nothing_is_lost(self, log: Dataset, share: float, seed: int) -> None:
        train, test = parts(random_events(log, share=share, seed=seed))
        given, kept, held = lists(log), lists(train), lists(test.targets)
        assert bag(train, test.targets) == bag(log)
        for user, history in given.items():
            if len(history) > 1:
                assert len(held[user]) == min(max(1, round(share * len(history))), len(history) - 1)
                assert lists(test.histories)[user] == kept[user]
            else:
                assert user not in held
        assert bag(random_events(log, share=share, seed=seed).train) == bag(train)

    def test_it_is_drawn_from_anywhere(self) -> None:
        log = made([list(range(8))] * 200)
        places = np.bincount(random_events(log, share=0.125).test.targets.items_flat, minlength=8)
        assert places.min() > 10
        assert bag(random_events(log, seed=1).train) != bag(random_events(log, seed=2).train)

    def test_a_wrong_share(self) -> None:
        with pytest.raises(DataError, match=r"random_events: share=1\.5"):
            random_events(made([[1, 2]]), share=1.5)


class TestColdUsers:
    def test_strangers_are_asked_about_when_they_have_just_come(self) -> None:
        log = made([[1, 2, 3], [4, 5, 6], [7], [1, 3, 5, 7]])
        train, test = parts(cold_users(log, share=0.4, shown=2, seed=0))
        assert len(test) == 1
        strangers = set(test.targets.users.array.to_pylist())
        assert strangers.isdisjoint(train.users.array.to_pylist())
        for user in strangers:
            assert lists(test.histories)[user] == lists(log)[user][:2]
            assert lists(test.targets)[user] == lists(log)[user][2:3]
        assert bag(cold_users(log, share=0.4, shown=2, seed=0).train) == bag(train)

    def test_with_nothing_shown_histories_are_empty(self) -> None:
        log = made([[1, 2], [3], [4, 5]])
        test = cold_users(log, share=0.5).test
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


class TestRolling:
    @given(logs, st.integers(1, 4), st.floats(0.05, 0.2))
    def test_training_grows_and_no_fold_sees_a_later_one(self, dataset: Dataset, folds: int, share: float) -> None:
        times = dataset.interactions.times
        assert times is not None
        try:
            splits = list(rolling(dataset, folds=folds, share=share))
        except DataError:  # too few events, or too many of one moment, for so many folds
            return
        assert len(splits) == folds
        ends = [split.test.targets.times.max() for split in splits if len(split.test)]  # type: ignore[union-attr]
        assert ends == sorted(ends)
        for split, later in zip(splits, [*splits[1:], None], strict=True):
            train, test = parts(split)
            assert train.times is not None
            assert test.targets.times is not None
            assert train.times.max() < test.targets.times.min(initial=times.max() + 1)
            if later is not None:
                rest = later.train.interactions
                assert rest.n_events > train.n_events
                assert bag(train) == [event for event in bag(rest) if event[2] <= train.times.max()]

    def test_each_fold_is_asked_about_its_own_share(self) -> None:
        dataset = made([list(range(8)) * 5, list(range(8)) * 5], [list(range(0, 80, 2)), list(range(1, 80, 2))])
        targets = [split.test.targets.times.tolist() for split in rolling(dataset, folds=3, share=0.1)]  # type: ignore[union-attr]
        assert [sorted(moments) for moments in targets] == [list(range(a, a + 8)) for a in (56, 64, 72)]

    def test_what_cannot_be_rolled_is_refused(self) -> None:
        timed = made([[0, 1]], [[1, 2]])
        for options in ({"folds": 0}, {"folds": 5, "share": 0.2}, {"share": 0.0}):
            with pytest.raises(DataError, match=r"folds=|share="):
                list(rolling(timed, **options))  # type: ignore[arg-type]
        with pytest.raises(DataError, match="rolling: these events carry no times"):
            list(rolling(made([[0, 1]])))


class TestWhatElseIsKnown:
    """The reviews, the users' facts and the content of a dataset, on their way into training."""

    @pytest.fixture
    def known(self) -> Dataset:
        log = made([[0, 1, 2], [3, 4], [5]], [[10, 20, 30], [10, 20], [5]]).interactions
        reviews = Reviews.from_rows(
            ITEMS,
            [1, 2, 4, 5, 2],
            ["of i1", "of the target", "of the target", "of i5", "somebody else's"],
            times=[20, 31, 21, 6, 40],
            users=(IdMap.of(["u0", "u1", "u2", "x"]), [0, 0, 1, 2, 3]),
        )
        users = Users(log.users, pa.table({"tier": ["gold", "silver", "new"]}))
        content = {"text": Embeddings(ITEMS, np.eye(8, dtype=np.float32))}
        return Dataset(bare(), log, reviews, users, content)

    def told(self, split: Split) -> list[str]:
        assert split.train.reviews is not None
        return sorted(split.train.reviews.texts)

    def test_what_was_written_about_a_target_is_not_trained_on(self, known: Dataset) -> None:
        assert self.told(leave_last_out(known)) == ["of i1", "of i5", "somebody else's"]

    def test_by_time_what_was_written_later_is_not_trained_on(self, known: Dataset) -> None:
        assert self.told(by_time(known, 20)) == ["of i5"]
        assert self.told(by_time(known, 30)) == ["of i1", "of i5", "of the target"]

    def test_strangers_reviews_go_with_their_events(self, known: Dataset) -> None:
        split = by_user(known, share=0.5)
        stranger = split.test.targets.users.ids([0])[0]
        gone = {"u0": ["of i1", "of the target"], "u1": ["of the target"]}[stranger]
        assert len(self.told(split)) == 5 - len(gone)

    def test_reviews_of_nobody_knows_whom_are_not_trained_on(self, known: Dataset) -> None:
        unsigned = replace(known, reviews=Reviews.from_rows(ITEMS, [1, 2], ["a", "b"]))
        assert self.told(leave_last_out(unsigned)) == []
        assert self.told(by_time(unsigned, 20)) == []

    def test_users_facts_and_content_follow(self, known: Dataset) -> None:
        split = by_time(known, 10)  # nobody but u2 has done anything yet
        assert split.train.users is not None
        assert split.train.users.table.to_pydict() == {"tier": ["new"]}
        assert split.train.content == known.content
        assert split.train.catalogue is known.catalogue


class TestMisuse:
    @pytest.mark.parametrize("given", [[["i1"]], None, made([[0, 1]]).interactions, made([[0, 1]]).catalogue, "shop"])
    @pytest.mark.parametrize(
        "splitter", [leave_last_out, by_user, cold_items, random_events, cold_users, lambda d: by_time(d, 0.5)]
    )
    def test_what_is_no_dataset_is_refused(self, splitter: Any, given: Any) -> None:
        with pytest.raises(DataError, match=rf"given a {type(given).__name__}; expected a Dataset"):
            splitter(given)

    @pytest.mark.parametrize("share", ["0.1", None, True, [0.1], float("nan"), 2])
    @pytest.mark.parametrize("splitter", [by_user, cold_items, cold_users, random_events])
    def test_no_share_is_refused(self, splitter: Any, share: Any) -> None:
        with pytest.raises(DataError, match="share"):
            splitter(made([[0, 1], [2, 3]]), share=share)

    @pytest.mark.parametrize("n", ["1", None, True, 1.5, 0])
    def test_no_number_is_refused(self, n: Any) -> None:
        with pytest.raises(DataError, match="n="):
            leave_last_out(made([[0, 1]]), n=n)
        with pytest.raises(DataError, match="folds="):
            list(rolling(made([[0, 1]], [[1, 2]]), folds=n))

    def test_numbers_of_numpy_are_numbers(self) -> None:
        dataset = made([[0, 1, 2], [3, 4, 5], [6, 7]], [[1, 2, 3], [4, 5, 6], [7, 8]])
        assert bag(leave_last_out(dataset, n=np.int64(1)).train) == bag(leave_last_out(dataset).train)
        assert bag(by_user(dataset, share=np.float32(0.5), seed=np.int64(0)).train) == bag(
            by_user(dataset, share=0.5).train
        )
        assert bag(cold_users(dataset, share=0.5, shown=np.int32(1)).train) == bag(
            cold_users(dataset, share=0.5, shown=1).train
        )
        assert len(list(rolling(dataset, folds=np.int64(1), share=np.float64(0.3)))) == 1

    @pytest.mark.parametrize("seed", [-1, "0", None, 1.5])
    def test_no_seed_is_refused(self, seed: Any) -> None:
        for splitter in (by_user, cold_items, cold_users, random_events):
            with pytest.raises(DataError, match="seed="):
                splitter(made([[0, 1], [2, 3]]), seed=seed)

    def test_candidates_of_another_shape_are_refused(self) -> None:
        split = leave_last_out(made([[0, 1]]))
        for mask in (np.ones(3, dtype=bool), np.ones(8), [1, 2]):
            with pytest.raises(DataError, match=r"candidates: .* expected bool of shape \(8,\)"):
                replace(split, candidates=mask)

    def test_plain_lists_make_a_holdout(self) -> None:
        test = Holdout.of([["i1", "i2"], []], [["i3"], ["i4"]], items=ITEMS)
        assert lists(test.targets) == {"0": [3], "1": [4]}
        with pytest.raises(DataError, match="1 lists of targets for 2 histories"):
            Holdout.of([["i1"], []], [["i3"]], items=ITEMS)


def test_a_dislike_or_a_return_is_no_target() -> None:
    """Before the target it stays in the history; after it, it is in neither part."""
    items = IdMap.of(["hat", "coat", "scarf", "boots"])
    log = Interactions.from_events(
        IdMap.of(["ann", "bob"]),
        items,
        np.array([0, 0, 0, 0, 1, 1]),
        np.array([0, 1, 2, 3, 0, 1]),
        times=np.array([1, 2, 3, 4, 1, 2]),
        weights=np.array([1, -1, 1, -1, 1, -1], dtype=np.float32),
    )
    split = leave_last_out(Dataset.from_interactions(log))
    assert split.test.targets.users.array.to_pylist() == ["ann"]
    assert split.test.targets.history(0).tolist() == [2]
    assert split.test.histories.history(0).tolist() == [0, 1]
    train = split.train.interactions
    assert train.history(int(train.users.rows(["ann"])[0])).tolist() == [0, 1]
    assert train.history(int(train.users.rows(["bob"])[0])).tolist() == [0, 1]  # one that counts: not tested
    later = by_time(Dataset.from_interactions(log), 3)
    assert later.test.targets.history(0).tolist() == [2]
    assert Holdout(log, log).targets.n_events == 3


def test_without_times_what_comes_after_the_target_is_in_neither_part() -> None:
    items = IdMap.of(["hat", "coat", "scarf"])
    log = Interactions.from_histories([["hat", "coat", "scarf"]], items=items)
    log = replace(log, weights=np.array([1, 1, 0], dtype=np.float32))
    split = leave_last_out(Dataset.from_interactions(log))
    assert (split.test.histories.history(0).tolist(), split.test.targets.history(0).tolist()) == ([0], [1])
    assert split.train.interactions.history(0).tolist() == [0]
