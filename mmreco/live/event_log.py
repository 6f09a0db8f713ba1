"""EventLog: who did what, the events that came after training included, at a cost of what is asked alone.

The log that was trained on is never copied. What came later stands beside it, an entry a user, and carries a number; a
log knows the number it goes up to. So one event costs one entry, and who reads an older log sees no newer event.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mmreco.arrays import I64
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions

__all__ = ["Event", "EventLog"]


class Event(NamedTuple):
    """One event of a user: its number, the item's row, what it was, how much it counts, and when, in milliseconds.

    `below` is what its time has below the millisecond, in nanoseconds; -1 where nothing is known of it.
    """

    number: int
    item: int
    name: str
    weight: float
    time: int
    below: int = -1


@dataclass(frozen=True, eq=False)
class EventLog:
    """The trained log and what came after it.

    Parameters
    ----------
    base : what was trained on
    until : the number of the newest event that belongs to this log
    """

    base: Interactions
    until: int = 0
    _recent: dict[str, tuple[Event, ...]] = field(default_factory=dict)  # shared by all logs of one base

    def append(self, users: Sequence[str], events: Sequence[Event]) -> "EventLog":
        """The log with one event more for each of `users`; one writer at a time.

        The events' numbers are given here, whatever they say.
        """
        number = self.until
        for user, event in zip(users, events, strict=True):
            number += 1
            self._recent[user] = (*self._recent.get(user, ()), event._replace(number=number))
        return replace(self, until=number)

    def recent(self, user: str) -> list[Event]:
        """What came after training, of one user, in the order of its arrival."""
        return [event for event in self._recent.get(user, ()) if event.number <= self.until]

    def since(self, earlier: "EventLog") -> list[tuple[str, Event]]:
        """What came after an earlier log of the same base, with its users, in the order of its arrival."""
        late = [(user, event) for user in list(self._recent) for event in self.recent(user)]
        return sorted((pair for pair in late if pair[1].number > earlier.until), key=lambda pair: pair[1].number)

    def knows(self, user: str) -> bool:
        """Whether anything is known of the user."""
        return self.base.users.rows([user], missing="mark")[0] >= 0 or bool(self.recent(user))

    def has(self, user: str, item: int) -> bool:
        """Whether the user has an event with the item at this row."""
        if any(event.item == item for event in self.recent(user)):
            return True
        row = int(self.base.users.rows([user], missing="mark")[0])
        return row >= 0 and bool((self.base.history(row) == item).any())

    def histories(self, users: Sequence[str], items: IdMap) -> Interactions:
        """The histories of these users, none twice, over a catalogue that begins with that of the base.

        A user of whom nothing is known has an empty one.
        """
        rows = self.base.users.rows(list(users), missing="mark")
        recent = [self.recent(user) for user in users]
        if (rows >= 0).all() and not any(recent):
            return _over(self.base.take(rows), items)
        names = tuple(dict.fromkeys([*self.base.event_names, *(event.name for own in recent for event in own)]))
        code = {name: number for number, name in enumerate(names)}
        known = np.flatnonzero(rows >= 0)
        trained = self.base.take(rows[known])
        came = [(line, event) for line, own in enumerate(recent) for event in own]
        return Interactions.from_events(
            IdMap.of(list(users)),
            items,
            np.concatenate([known[trained.users_flat], np.array([line for line, _ in came], dtype=np.int64)]),
            np.concatenate([trained.items_flat, np.array([event.item for _, event in came], dtype=np.int64)]),
            times=_times(trained, [event for _, event in came]),
            event_types=np.concatenate(
                [trained.event_types, np.array([code[event.name] for _, event in came], dtype=np.int64)]
            ),
            event_names=names,
            weights=np.concatenate([trained.weights, np.array([event.weight for _, event in came], dtype=np.float32)]),
        )

    def merged(self, items: IdMap) -> Interactions:
        """All that belongs to this log, as one; its cost is that of the whole log."""
        newcomers = [user for user in list(self._recent) if self.recent(user)]
        if not newcomers:
            return _over(self.base, items)
        strangers = [
            user
            for user, row in zip(newcomers, self.base.users.rows(newcomers, missing="mark"), strict=True)
            if row < 0
        ]
        users = IdMap(pa.concat_arrays([self.base.users.array, pa.array(strangers, pa.large_string())]))
        came = [(user, event) for user in newcomers for event in self.recent(user)]
        names = tuple(dict.fromkeys([*self.base.event_names, *(event.name for _, event in came)]))
        code = {name: number for number, name in enumerate(names)}
        base = self.base
        late: I64 = users.rows([user for user, _ in came])
        return Interactions.from_events(
            users,
            items,
            np.concatenate([base.users_flat, late]),
            np.concatenate([base.items_flat, [event.item for _, event in came]]).astype(np.int64),
            times=_times(base, [event for _, event in came]),
            event_types=np.concatenate([base.event_types, [code[event.name] for _, event in came]]).astype(np.int64),
            event_names=names,
            weights=np.concatenate([base.weights, [event.weight for _, event in came]]).astype(np.float32),
        )


def _times(log: Interactions, later: Sequence[Event]) -> I64 | tuple[I64, I64] | None:
    """The times of a log, and those of what came later: at the end of its millisecond where it is not known finer."""
    if log.times is None:
        return None
    times = np.concatenate([log.times, np.array([event.time for event in later], dtype=np.int64)])
    below = np.array([event.below for event in later], dtype=np.int64)
    if log.nanoseconds is None and (below < 0).all():
        return times
    base = np.zeros(log.n_events, dtype=np.int64) if log.nanoseconds is None else log.nanoseconds
    return times, np.concatenate([base, np.where(below < 0, 999_999, below)])


def _over(log: Interactions, items: IdMap) -> Interactions:
    return log if log.items is items else replace(log, items=items)
