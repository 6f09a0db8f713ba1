"""What a recommender lacks of an event store: entries are applied once, and none that the artefact holds already."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa

from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.recommender import Recommender
from mmreco.service.events import Entry, EventStore
from mmreco.service.items import is_known, put

__all__ = ["apply", "forget_again", "held_until", "lacking_events", "replay", "replay_entries"]

_log = logging.getLogger(__name__)


def replay(recommender: Recommender, store: EventStore, *, since: int = 0, until: int | None = None) -> int:
    """Bring a recommender that was just loaded up to the store; the number of the newest entry it has then.

    Whoever was forgotten is forgotten again; events the artefact has are passed over.

    Parameters
    ----------
    recommender : that was just loaded
    store : what came in
    since : the entry up to which the artefact has everything, as `held_until` says
    until : the last entry to be taken in; the newest if omitted
    """
    forget_again(recommender, store.forgotten(), store)
    return replay_entries(recommender, store, since=since, until=until)


def replay_entries(recommender: Recommender, store: EventStore, *, since: int = 0, until: int | None = None) -> int:
    """The same for a recommender that has forgotten already whom it had to."""
    held, last = recommender.dataset.interactions, since
    for entries in _pages(store, since, until):
        last = entries[-1].sequence
        lacking = _lacking(held, [entry for entry in entries if entry.kind == "event"])
        _apply_in_order(
            recommender, [e for e in entries if e.kind in ("item", "removed") or (e.kind == "event" and e in lacking)]
        )
    return last


def lacking_events(recommender: Recommender, store: EventStore, *, since: int = 0) -> list[Entry]:
    """The events after entry `since` that the recommender has not, in their order; of users not forgotten."""
    held, found = recommender.dataset.interactions, []
    for entries in _pages(store, since, None):
        events = [entry for entry in entries if entry.kind == "event"]
        lacking = _lacking(held, events)
        found += [event for event in events if event in lacking]
    return found


def held_until(store: EventStore, manifest: str) -> int:
    """The entry up to which the artefact whose manifest has this SHA-256 has everything; 0 where that is not known."""
    for entry in store.refits():
        if entry.columns.get("manifest") == manifest:
            return int(entry.columns["until"])
    return 0


def apply(recommender: Recommender, store: EventStore, entries: Sequence[Entry]) -> None:
    """Have a recommender know of entries that came after all it knows; nothing is trained."""
    forgotten = {str(entry.body) for entry in entries if entry.kind == "forgotten"}
    forget_again(recommender, forgotten, store, relearn=False)
    _apply_in_order(recommender, [entry for entry in entries if entry.kind in ("event", "item", "removed")])


def _pages(store: EventStore, since: int, until: int | None) -> Iterator[list[Entry]]:
    for entries in store.pages(since):
        some = [entry for entry in entries if until is None or entry.sequence <= until]
        if some:
            yield some
        if len(some) < len(entries):
            return


def _apply_in_order(recommender: Recommender, entries: Iterable[Entry]) -> None:
    for kind, run in groupby(entries, key=lambda entry: entry.kind):
        if kind == "event":
            recommender.observe(_table(list(run)))
            continue
        for entry in run:
            item = str(entry.item_id)
            try:
                if kind == "item":
                    put(recommender, item, entry.columns)
                elif is_known(recommender, item):
                    recommender.remove([item])
            except DataError as error:  # a newer artefact may have other columns
                _log.warning("entry %d cannot be applied to this artefact: %s", entry.sequence, error)


def _table(events: Sequence[Entry]) -> pa.Table:
    return pa.table(
        {
            "user_id": pa.array([event.user_id for event in events], pa.large_string()),
            "item_id": pa.array([event.item_id for event in events], pa.large_string()),
            "event": pa.array([event.event for event in events], pa.large_string()),
            "weight": pa.array([event.weight for event in events], pa.float64()),
            "timestamp": pa.array([event.time for event in events], pa.timestamp("ms", "UTC")),
        }
    )


def _lacking(trained: Interactions, events: Sequence[Entry]) -> set[Entry]:
    """The events that are not in the log: no event of the same user, item, kind and time, where times are known."""
    users = list(dict.fromkeys(str(event.user_id) for event in events))
    row_of = dict(zip(users, trained.users.rows(users, missing="mark").tolist(), strict=True)) if users else {}
    there: dict[str, set[tuple[str, str, int | None]]] = {}
    lacking = set()
    for event in events:
        user = str(event.user_id)
        if user not in there:
            there[user] = _held(trained, row_of[user])
        at = None if trained.times is None else event.time
        if (str(event.item_id), str(event.event), at) not in there[user]:
            lacking.add(event)
    return lacking


def _held(log: Interactions, row: int) -> set[tuple[str, str, int | None]]:
    if row < 0:
        return set()
    own = slice(int(log.starts[row]), int(log.starts[row + 1]))
    items = log.items.ids(log.items_flat[own])
    kinds = [log.event_names[kind] for kind in log.event_types[own]]
    times: list[int | None] = [None] * len(items) if log.times is None else log.times[own].tolist()
    return set(zip(items, kinds, times, strict=True))


def forget_again(recommender: Recommender, pseudonyms: set[str], store: EventStore, *, relearn: bool = True) -> int:
    """Have a recommender forget the users of these keyed hashes; how many of them it knew.

    Parameters
    ----------
    recommender : that may know them
    pseudonyms : keyed hashes of ids
    store : whose key the hashes are made with
    relearn : as `Recommender.forget` has it, optional
        False where the artefact's files are written anew at once, and answer then.
    """
    if not pseudonyms:
        return 0
    dataset = recommender.dataset
    users = set(dataset.interactions.users.ids(np.arange(len(dataset.interactions.users))))
    if dataset.reviews is not None and dataset.reviews.users is not None:
        users |= set(dataset.reviews.users.ids(np.arange(len(dataset.reviews.users))))
    if dataset.users is not None:
        users |= set(dataset.users.ids.ids(np.arange(len(dataset.users.ids))))
    gone = [user for user in users if store.pseudonym(user) in pseudonyms]
    if gone:
        recommender.forget(users=gone, relearn=relearn)
    return len(gone)
