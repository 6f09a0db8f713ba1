"""What happens to a shop while it is served: items come, change and go, people act, people ask to be forgotten.

Every function takes a state and answers with another. None trains anything.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.arguments import require_kind
from mmreco.arrays import I64, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.embedding.catalogue import encode_content
from mmreco.errors import DataError
from mmreco.filters.comparison import kind_of
from mmreco.live.event_log import Event, EventLog
from mmreco.live.item_space import ItemSpace
from mmreco.live.popularity import Popularity
from mmreco.live.state import State
from mmreco.models.base import Model, VectorModel
from mmreco.protocols import PlacesItems, Recommends
from mmreco.retrieval.lexical import FIELDS, LexicalIndex
from mmreco.tables.events import event_columns

__all__ = ["add", "caught_up", "erase_items", "expire", "forget", "knows", "observe", "relearnt", "remove", "update"]

_log = logging.getLogger(__name__)
_FEW = 1_000
_NOTHING_KNOWN = "no text, picture or attribute to place it by"


def add(state: State, catalogue: Catalogue, reviews: Reviews | None) -> State:
    """The state with new items, placed by what is known of them.

    Raises
    ------
    DataError
        An item is known already, or the columns disagree in type with the catalogue's.
    """
    rows = state.items.rows(catalogue.items.array, missing="mark")
    removed = rows >= 0 if state.alive is None else (rows >= 0) & ~state.alive[rows]
    if reviews is not None:
        require_kind("add: reviews", reviews, Reviews)
    if state.alive is not None and removed.any():  # they come back as they are now
        returning, rest = catalogue.take(np.flatnonzero(removed)), np.flatnonzero(~removed)
        revived = _revived(state, rows[removed])
        if reviews is not None:
            revived = revived.changed(reviews=_reviews(revived, state.items, reviews.over(returning.items)))
        back = update(revived, returning)
        return add(back, catalogue.take(rest), reviews) if len(rest) else back
    state.catalogue.add(catalogue)  # refuses what is known, before any work
    encoders = {name: index.encoder for name, index in state.content.items()}
    own_reviews = None if reviews is None else reviews.over(catalogue.items)
    content, refused = encode_content(encoders, catalogue, own_reviews)
    if isinstance(state.model, PlacesItems) and state.space is not None:
        placed = state.model.place(catalogue, content)
        there = catalogue.items.rows(placed.ids.array)
        lost = np.setdiff1d(np.arange(len(catalogue)), there)
        refused = pa.concat_tables([refused, _refused(catalogue.items.take(lost), _NOTHING_KNOWN)])
        catalogue = catalogue.take(np.sort(there))
        more = Embeddings(catalogue.items, placed.aligned(catalogue.items)[0], placed.fingerprint)
    grown = state.catalogue.add(catalogue)
    content = {name: _those_of(own, catalogue.items) for name, own in content.items()}
    space = state.space
    if isinstance(state.model, PlacesItems) and space is not None:
        space = space.add(more)
    return state.changed(
        catalogue=grown,
        content={name: one.add(grown.items, content[name]) for name, one in state.content.items()},
        space=space,
        lexical=_worded(state, catalogue, grown),
        refused=pa.concat_tables([state.refused, refused]),
        alive=None if state.alive is None else np.append(state.alive, np.ones(len(catalogue), dtype=np.bool_)),
        reviews=_reviews(state, grown.items, own_reviews),
    )


def update(state: State, catalogue: Catalogue) -> State:
    """The state with other columns and other content for items that are known.

    Only the columns of `catalogue` change. Items without events are placed anew; those with events keep their place in
    the model until the next fit.

    Raises
    ------
    DataError
        An item is not known, or a column holds another type than before.
    """
    rows = _known_rows(state, catalogue.items.array.to_pylist(), "update")
    table = _replaced(state.catalogue.table, catalogue.table, rows)
    changed = Catalogue(state.items, table)
    now = changed.take(rows)
    encoders = {name: index.encoder for name, index in state.content.items()}
    written = None if state.reviews is None else state.reviews.over(now.items)
    content, refused = encode_content(encoders, now, written)
    indexes = {}
    for name, one in state.content.items():
        lost = np.flatnonzero(content[name].ids.rows(now.items.array, missing="mark") < 0)
        indexes[name] = one.update(content[name]).remove(now.items.ids(lost))
    lexical = state.lexical
    if lexical is not None and FIELDS.keys() & set(catalogue.table.column_names):
        lexical = lexical.update(now)
    refused = pa.concat_tables([state.refused, refused])
    state = state.changed(catalogue=changed, content=indexes, lexical=lexical, refused=refused)
    counts = state.popularity.counts(len(state.items))
    fresh = rows[counts[rows] < 1]
    if not isinstance(state.model, PlacesItems) or state.space is None or not len(fresh):
        return state
    placed = state.model.place(
        changed.take(fresh), {name: _those_of(own, changed.items.take(fresh)) for name, own in content.items()}
    )
    return state.changed(space=state.space.update(placed))


def remove(state: State, ids: list[str]) -> State:
    """The state in which these items are answered no more; their events still say something of users.

    Raises
    ------
    DataError
        An item is not known.
    """
    alive = np.ones(len(state.items), dtype=np.bool_) if state.alive is None else state.alive.copy()
    alive[_known_rows(state, ids, "remove")] = False
    alive.flags.writeable = False
    return state.changed(alive=alive)


def observe(state: State, frame: Any) -> tuple[State, int, int]:
    """The state after these events, with how many of them count, and how many were of unknown items.

    Parameters
    ----------
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


def forget(state: State, users: list[str]) -> State:
    """The state without the events, the facts and the reviews of these users; the model is as it was."""
    whole = state.log.merged(state.items)
    rows = whole.users.rows(users, missing="mark")
    others = np.setdiff1d(np.arange(len(whole)), rows[rows >= 0])
    log = whole.take(others)
    reviews = state.reviews
    if reviews is not None and reviews.users is not None and reviews.users_flat is not None:
        gone = reviews.users.rows(users, missing="mark")
        reviews = _without_writers(reviews, gone[gone >= 0])
    return state.changed(
        log=EventLog(log),
        popularity=Popularity.of(log, least=state.popularity.least),
        users=None if state.users is None else state.users.aligned(log.users),
        reviews=reviews,
    )


def knows(state: State, users: list[str]) -> bool:
    """Whether any of these users did or wrote something."""
    writers = None if state.reviews is None else state.reviews.users
    wrote = writers is not None and bool((writers.rows(users, missing="mark") >= 0).any())
    return wrote or any(state.log.knows(user) for user in users)


def relearnt(state: State) -> tuple[Recommends | None, ItemSpace | None]:
    """The model for what is left, see `Model.relearn`, and its space; no model where nothing is left to learn from."""
    model = state.model
    if not isinstance(model, Model):
        return model, state.space
    try:
        fresh = model.relearn(state.dataset_of_model())
    except DataError as error:
        _log.warning("forget: %s has nothing left to learn from: %s", type(model).__name__, error)
        return None, None
    if fresh is model:
        return model, state.space
    return fresh, _space_of(fresh, state) if isinstance(fresh, VectorModel) else None


def _space_of(fresh: VectorModel, state: State) -> ItemSpace:
    """The space of a model in place of the one there is; what was placed since that was fitted is placed again."""
    space, before = ItemSpace.of(fresh, state.indexing), state.space
    if before is None or not isinstance(fresh, PlacesItems):
        return space
    n, held = len(fresh.items_), before.index.embeddings.vectors
    moved = np.flatnonzero((held[:n] != before.model.item_embeddings().vectors).any(axis=1))
    for rows, take_in in ((moved, ItemSpace.update), (np.arange(n, len(before)), ItemSpace.add)):
        if len(rows):
            there = state.catalogue.take(rows)
            content = {name: _those_of(one.embeddings, there.items) for name, one in state.content.items()}
            placed = fresh.place(there, content)
            space = take_in(space, Embeddings(there.items, placed.aligned(there.items)[0], placed.fingerprint))
    return space


def expire(state: State, before: int) -> tuple[State, int]:
    """The state without the events before a moment, in milliseconds, and how many there were; users with no other go.

    A log without times is left as it is: nobody knows how old its events are.
    """
    whole = state.log.merged(state.items)
    if whole.times is None:
        return state, 0
    young = whole.times >= before
    if young.all():
        return state, 0
    log = whole.keep(young)
    log = log.take(np.flatnonzero(log.lengths))
    popularity = Popularity.of(log, least=state.popularity.least)
    users = None if state.users is None else state.users.aligned(log.users)
    return state.changed(log=EventLog(log), popularity=popularity, users=users), int((~young).sum())


def erase_items(state: State, ids: list[str]) -> State:
    """The state that answers these items no more, and has neither their events nor their content nor their reviews.

    Their ids stay in the map until the next fit, as rows do not change.
    """
    rows = state.items.rows(ids)
    gone = np.zeros(len(state.items), dtype=np.bool_)
    gone[rows] = True
    log = state.log.merged(state.items)
    log = log.keep(~gone[log.items_flat])
    reviews = state.reviews
    emptied = Catalogue(state.items, _emptied(state.catalogue.table, rows))
    return remove(state, ids).changed(
        catalogue=emptied,
        content={name: one.remove(ids) for name, one in state.content.items()},
        lexical=None if state.lexical is None else state.lexical.remove(ids),
        log=EventLog(log),
        popularity=Popularity.of(log, least=state.popularity.least),
        reviews=None if reviews is None else reviews.keep(~gone[reviews.items_flat]),
    )


# ---- parts


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
    keys = list(dict.fromkeys(key for event in events for key in event))  # an event may say more than the first one
    try:
        return (
            pa.table({key: [event.get(key) for event in events] for key in keys})
            if events
            else pa.table({"user_id": [], "item_id": []})
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"observe: a key holds values of several types: {error}; expected one type a key") from error


def _known_rows(state: State, ids: list[str], verb: str) -> I64:
    rows = state.items.rows(ids, missing="mark")
    unknown = rows < 0 if state.alive is None else (rows < 0) | ~state.alive[rows]
    if unknown.any():
        first = ids[int(unknown.argmax())]
        raise DataError(f"{verb}: {int(unknown.sum())} of {len(ids)} items are not in the catalogue, first {first!r}")
    return rows


def _revived(state: State, rows: I64) -> State:
    if state.alive is None:
        return state
    alive: Bool = state.alive.copy()
    alive[rows] = True
    return state.changed(alive=None if alive.all() else alive)


def _replaced(old: pa.Table, new: pa.Table, rows: I64) -> pa.Table:
    """`old` with the values of `new`, shape `(m,)` a column, at these rows; a column of numbers may become wider."""
    source = np.arange(old.num_rows)
    source[rows] = old.num_rows + np.arange(new.num_rows)
    columns = {name: old[name] for name in old.column_names}
    for name in new.column_names:
        before = columns[name] if name in columns else pa.chunked_array([pa.nulls(old.num_rows, new[name].type)])
        try:
            joined = _joined(before, new[name])
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"update: column {name!r} holds {new[name].type}; expected {before.type} as before"
            ) from error
        columns[name] = joined.take(pa.array(source))
    return pa.table(columns)


def _joined(before: pa.ChunkedArray, new: pa.ChunkedArray) -> pa.ChunkedArray:
    """Both columns as one; values are never read as another kind: no number is a time, no truth value a number."""
    kinds = kind_of(before.type), kind_of(new.type)
    if kinds[0] == kinds[1] or "null" in kinds:
        tables = [pa.table({"": one}) for one in (before, new)]
        try:
            return pa.concat_tables(tables, promote_options="permissive").column(0)
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # decimals too narrow, times of two sorts
            same = new.cast(before.type)
            if not same.cast(new.type).equals(new):
                raise
    elif kinds == ("time", "text") or (kinds[0] == "text" and pa.types.is_integer(new.type)):
        same = new.cast(before.type)
    else:
        raise pa.ArrowTypeError(f"{new.type} is not {before.type}")
    return pa.chunked_array([*before.chunks, *same.chunks], type=before.type)


def _emptied(table: pa.Table, rows: I64) -> pa.Table:
    """The table with nulls at these rows."""
    source = np.arange(table.num_rows)
    return table.take(pa.array(source, mask=np.isin(source, rows)))


def _worded(state: State, new: Catalogue, grown: Catalogue) -> LexicalIndex | None:
    """The words of the catalogue, those of the new items included; what of them is written alone where nothing was."""
    if state.lexical is not None:
        return replace(state.lexical.add(new), items=grown.items)
    return LexicalIndex.build(grown) if any(new.has(column) for column in FIELDS) else None


def _those_of(embeddings: Embeddings, items: IdMap) -> Embeddings:
    return _rows_of(embeddings, np.flatnonzero(items.rows(embeddings.ids.array, missing="mark") >= 0))


def _rows_of(embeddings: Embeddings, rows: I64) -> Embeddings:
    if len(rows) == len(embeddings):
        return embeddings
    return Embeddings(embeddings.ids.take(rows), embeddings.vectors[rows], embeddings.fingerprint)


def _refused(ids: IdMap, reason: str) -> pa.Table:
    return pa.table({"id": ids.array, "reason": pa.array([reason] * len(ids), pa.large_string())})


def _reviews(state: State, items: IdMap, more: Reviews | None) -> Reviews | None:
    if state.reviews is None:
        return None if more is None else more.over(items)
    grown = state.reviews.over(items)
    return grown if more is None else grown.add(more.over(items))


def _without_writers(reviews: Reviews, users: I64) -> Reviews:
    if reviews.users is None or reviews.users_flat is None or not len(users):
        return reviews
    others = np.setdiff1d(np.arange(len(reviews.users)), users)
    kept = reviews.keep(~np.isin(reviews.users_flat, users))
    place = np.full(len(reviews.users), -1, dtype=np.int64)
    place[others] = np.arange(len(others))
    return replace(kept, users=reviews.users.take(others), users_flat=place[kept.users_flat])
