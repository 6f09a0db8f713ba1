"""People ask to be forgotten, events grow old, items are erased. Every function answers with another state."""

import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa

from mmreco.arrays import I64
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError
from mmreco.live.changes import remove, those_of
from mmreco.live.event_log import EventLog
from mmreco.live.item_space import ItemSpace
from mmreco.live.popularity import Popularity
from mmreco.live.state import State
from mmreco.models.base import Model, VectorModel
from mmreco.protocols import PlacesItems, Recommends

__all__ = ["erase_items", "expire", "forget", "knows", "relearnt"]

_log = logging.getLogger(__name__)


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
    moved = np.flatnonzero(~np.isclose(held[:n], before.model.item_embeddings().vectors, atol=1e-5).all(axis=1))
    for rows, take_in in ((moved, ItemSpace.update), (np.arange(n, len(before)), ItemSpace.add)):
        if len(rows):
            there = state.catalogue.take(rows)
            content = {name: those_of(one.embeddings, there.items) for name, one in state.content.items()}
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


def _emptied(table: pa.Table, rows: I64) -> pa.Table:
    """The table with nulls at these rows."""
    source = np.arange(table.num_rows)
    return table.take(pa.array(source, mask=np.isin(source, rows)))


def _without_writers(reviews: Reviews, users: I64) -> Reviews:
    if reviews.users is None or reviews.users_flat is None or not len(users):
        return reviews
    others = np.setdiff1d(np.arange(len(reviews.users)), users)
    kept = reviews.keep(~np.isin(reviews.users_flat, users))
    place = np.full(len(reviews.users), -1, dtype=np.int64)
    place[others] = np.arange(len(others))
    return replace(kept, users=reviews.users.take(others), users_flat=place[kept.users_flat])
