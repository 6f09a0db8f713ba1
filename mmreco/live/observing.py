"""People act, and the next answer reads it. Every function takes a state and answers with another."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.live.event_log import Event
from mmreco.live.state import State
from mmreco.tables.events import event_columns

__all__ = ["caught_up", "observe"]

_log = logging.getLogger(__name__)
_FEW = 1_000


def observe(state: State, frame: Any) -> tuple[State, int, int]:
    """The state after these events, with how many of them count, and how many were of unknown items.

    Parameters
    ----------
    state : the one before
    frame : a dataframe as `Interactions.from_frame` takes it, or `Interactions`, or a list of mappings, one an event
    """
    users, events, dropped = _events(state, frame)
    if dropped:
        _log.warning("observe: %d events of unknown items were dropped", dropped)
    return _with_events(state, users, events), len(events), dropped


def caught_up(fresh: State, before: State, now: State) -> State:
    """`fresh`, which was made of `before`, with the events that came between that and `now`."""
    late = now.log.since(before.log)
    rows = fresh.items.rows(now.items.ids(np.array([event.item for _, event in late], dtype=np.int64)), missing="mark")
    there = [(user, event._replace(item=int(row))) for (user, event), row in zip(late, rows, strict=True) if row >= 0]
    return _with_events(fresh, [user for user, _ in there], [event for _, event in there])


def _with_events(state: State, users: list[str], events: list[Event]) -> State:
    log, popularity = state.log, state.popularity
    number = log.until
    counted: set[tuple[str, int]] = set()  # a person counts once an item
    for user, event in zip(users, events, strict=True):
        number += 1
        pair = user, event.item
        if event.weight > 0 and pair not in counted and not log.has(*pair):
            counted.add(pair)
            popularity.add(event.item, number)
    log = log.append(users, events)
    return state.changed(log=log, popularity=popularity.up_to(log.until))


def _events(state: State, frame: Any) -> tuple[list[str], list[Event], int]:
    if isinstance(frame, Interactions):
        names = frame.event_names
        rows = state.items.rows(frame.items.array, missing="mark")[frame.items_flat]
        ids = frame.users.ids(frame.users_flat)
        kinds, weights = [names[k] for k in frame.event_types], frame.weights.tolist()
        times, below = frame.times, frame.nanoseconds
    else:
        if isinstance(frame, Mapping):
            raise DataError("observe: one mapping; expected a table, or a list of mappings, one an event")
        if isinstance(frame, (list, tuple)):
            frame = _table(list(frame))
        columns = event_columns(frame)
        few = len(columns.item_ids) <= _FEW  # a look-up an id, in place of a pass over the catalogue
        rows = state.items.rows(columns.item_ids.to_pylist() if few else columns.item_ids, missing="mark")
        ids = columns.user_ids.to_pylist()
        n, types = len(ids), columns.event_types
        kinds = [columns.event_names[0]] * n if types is None else [columns.event_names[k] for k in types]
        weights = [1.0] * n if columns.weights is None else columns.weights.tolist()
        times, below = columns.times, columns.below
    if times is None:  # now, in the order given
        times, below = np.divmod(time.time_ns() + np.arange(len(ids)), 1_000_000)
    fine = [-1] * len(ids) if below is None else below.tolist()
    parts = zip(ids, rows.tolist(), kinds, weights, times.tolist(), fine, strict=True)
    chosen = [(user, Event(0, *event)) for user, *event in parts if event[0] >= 0]
    return [user for user, _ in chosen], [event for _, event in chosen], len(ids) - len(chosen)


def _table(events: list[Any]) -> pa.Table:
    for place, event in enumerate(events):
        if not isinstance(event, Mapping):
            raise DataError(f"observe: {event!r:.80} at place {place}; expected a mapping with user_id and item_id")
    if not events:
        return pa.table({"user_id": [], "item_id": []})
    keys = dict.fromkeys(key for event in events for key in event)  # an event may say more than the first one
    try:
        return pa.table({key: [event.get(key) for event in events] for key in keys})
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"observe: a key holds values of several types: {error}; expected one type a key") from error
