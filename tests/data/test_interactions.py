"""Who did what, in time order."""

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError

ITEMS = IdMap.of(["a", "b", "c", "d"])
USERS = IdMap.of(["u", "v", "w"])

log = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 9), st.integers(0, 1)), max_size=25)


def made(rows: list[tuple[int, int, int, int]]) -> Interactions:
    users, items, times, kinds = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    weights = np.arange(len(rows), dtype=np.float32)
    return Interactions.from_events(
        USERS, ITEMS, users, items, times=times, event_types=kinds, event_names=("x", "y"), weights=weights
    )


def plain(rows: list[tuple[int, int, int, int]]) -> list[list[tuple[int, int, int, float]]]:
    """For each user, (item, time, kind, weight), sorted by time; those of one time by item, kind and weight."""
    numbered = [(*row, float(place)) for place, row in enumerate(rows)]
    return [sorted([r[1:] for r in numbered if r[0] == u], key=lambda r: (r[1], r[0], r[2], r[3])) for u in range(3)]


def told(events: Interactions) -> list[list[tuple[int, int, int, float]]]:
    assert events.times is not None
    columns = [a.tolist() for a in (events.items_flat, events.times, events.event_types, events.weights)]
    flat = list(zip(*columns, strict=True))
    return [flat[events.starts[u] : events.starts[u + 1]] for u in range(len(events))]


@given(log)
def test_a_flat_log_is_sorted_by_user_and_time(rows: list[tuple[int, int, int, int]]) -> None:
    events = made(rows)
    assert told(events) == plain(rows)
    assert events.users_flat.tolist() == [u for u, history in enumerate(plain(rows)) for _ in history]
    assert events.counts().tolist() == [sum(r[1] == i for r in rows) for i in range(4)]
    dense = np.zeros((3, 4))
    for place, row in enumerate(rows):
        dense[row[0], row[1]] += place
    assert events.matrix().toarray().tolist() == dense.tolist()


@given(log, st.permutations(range(3)), st.integers(0, 3), st.integers(0, 3))
def test_take_last_and_keep(rows: list[tuple[int, int, int, int]], order: list[int], some: int, n: int) -> None:
    events, want = made(rows), plain(rows)
    assert told(events.take(order[:some])) == [want[u] for u in order[:some]]
    assert told(events.last(n)) == [history[len(history) - min(n, len(history)) :] for history in want]
    assert told(events.keep(events.event_types == 1)) == [[e for e in history if e[2] == 1] for history in want]
    assert events.take(order).users.ids([0, 1, 2]) == [USERS.ids([u])[0] for u in order]


def test_histories_of_strangers() -> None:
    asked = Interactions.from_histories([["b", "ghost", "a"], [], ["d"]], items=ITEMS)
    assert [asked.history(u).tolist() for u in range(3)] == [[1, 0], [], [3]]
    assert (asked.dropped, asked.times, asked.users.ids([2])) == (1, None, ["2"])
    assert asked.take([0]).dropped == 1
    assert len(Interactions.from_histories([], items=ITEMS)) == 0


@pytest.mark.parametrize(
    ("histories", "users", "said"),
    [
        (["ab"], None, "history 0 is 'ab'; expected a list"),
        ("ab", None, "give a list"),
        ([["a"], None], None, "history 1 is None"),
        ([["a"]], ["u", "v"], "2 users for 1 histories"),
        ([["a"], []], ["u", "u"], "repeats"),
    ],
)
def test_what_is_no_history_is_refused(histories: Any, users: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Interactions.from_histories(histories, items=ITEMS, users=users)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"starts": [0, 1, 2]}, "starts"),
        ({"starts": [0, 2, 1, 2]}, "starts"),
        ({"starts": [1, 1, 1, 2]}, "starts"),
        ({"items_flat": [0, 4]}, "item row 4 at event 1; expected 0..3"),
        ({"items_flat": [-1, 0]}, "item row -1 at event 0"),
        ({"event_types": [0, 1]}, "event 1 at event 1"),
        ({"event_types": [0]}, "event_types has shape"),
        ({"weights": [1, np.nan]}, "weight nan at event 1"),
        ({"weights": [np.nan, 1]}, "weight nan at event 0"),
        ({"weights": [1, np.inf]}, "weight inf"),
        ({"weights": [1, 1e300]}, "weight inf at event 1"),
        ({"times": [2, 1]}, "time goes back at event 1"),
        ({"times": [2]}, "times has shape"),
    ],
)
def test_the_constructor_checks(changes: Any, said: str) -> None:
    right: dict[str, Any] = {
        "users": USERS,
        "items": ITEMS,
        "starts": [0, 2, 2, 2],
        "items_flat": [0, 1],
        "event_types": [0, 0],
        "event_names": ("event",),
        "weights": [1, 1],
        "times": [1, 2],
    }
    assert Interactions(**right).n_events == 2
    with pytest.raises(DataError, match=said):
        Interactions(**{**right, **changes})


def test_a_new_user_may_begin_earlier() -> None:
    events = made([(0, 0, 9, 0), (2, 1, 3, 0)])
    assert events.times is not None
    assert events.times.tolist() == [9, 3]


def test_its_arrays_are_read_only() -> None:
    events = made([(0, 0, 9, 0), (2, 1, 3, 0)])
    for array in (events.starts, events.items_flat, events.weights, events.times, events.lengths, events.users_flat):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_rows_and_lengths_that_do_not_fit_are_refused() -> None:
    events = made([(0, 0, 9, 0)])
    with pytest.raises(DataError, match="of 3; expected"):
        events.take([3])
    with pytest.raises(DataError, match=r"bool of shape \(1,\)"):
        events.keep(np.zeros(2, dtype=bool))
    with pytest.raises(DataError, match="user row 7"):
        Interactions.from_events(USERS, ITEMS, np.array([7]), np.array([0]))
    with pytest.raises(DataError, match="2 times for 1 user rows"):
        Interactions.from_events(USERS, ITEMS, np.array([0]), np.array([0]), times=np.array([1, 2]))


@given(log, st.randoms())
def test_a_table_s_rows_may_stand_in_any_order(rows: list[tuple[int, int, int, int]], luck: random.Random) -> None:
    def read(some: list[tuple[int, int, int, int]]) -> Interactions:
        table = {"user_id": [f"u{u}" for u, *_ in some], "item_id": [f"i{i}" for _, i, *_ in some]}
        times = pa.array([1_700_000_000_000 + t for _, _, t, _ in some], pa.timestamp("ms"))
        return Interactions.from_frame(pa.table({**table, "timestamp": times, "weight": [1.0 + w for *_, w in some]}))

    if rows:
        one, other = read(rows), read(luck.sample(rows, len(rows)))
        assert (one.users, one.items) == (other.users, other.items)
        for name in ("starts", "items_flat", "times", "weights"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()
