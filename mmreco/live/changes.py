"""What happens to the items of a shop while it is served: they come, change and go.

Every function takes a state and answers with another. None trains anything.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from mmreco.arguments import require_kind
from mmreco.arrays import I64, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.reviews import Reviews
from mmreco.embedding.catalogue import encode_content
from mmreco.errors import DataError
from mmreco.filters.comparison import kind_of
from mmreco.live.state import State
from mmreco.protocols import PlacesItems
from mmreco.retrieval.lexical import FIELDS, LexicalIndex

__all__ = ["add", "remove", "those_of", "update"]

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
    content = {name: those_of(own, catalogue.items) for name, own in content.items()}
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
        changed.take(fresh), {name: those_of(own, changed.items.take(fresh)) for name, own in content.items()}
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


def those_of(embeddings: Embeddings, items: IdMap) -> Embeddings:
    """The vectors of these items, those they have."""
    return _rows_of(embeddings, np.flatnonzero(items.rows(embeddings.ids.array, missing="mark") >= 0))


def _rows_of(embeddings: Embeddings, rows: I64) -> Embeddings:
    if len(rows) == len(embeddings):
        return embeddings
    return Embeddings(embeddings.ids.take(rows), embeddings.vectors[rows], embeddings.fingerprint)


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


def _worded(state: State, new: Catalogue, grown: Catalogue) -> LexicalIndex | None:
    """The words of the catalogue, those of the new items included; what of them is written alone where nothing was."""
    if state.lexical is not None:
        return replace(state.lexical.add(new), items=grown.items)
    return LexicalIndex.build(grown) if any(new.has(column) for column in FIELDS) else None


def _refused(ids: IdMap, reason: str) -> pa.Table:
    return pa.table({"id": ids.array, "reason": pa.array([reason] * len(ids), pa.large_string())})


def _reviews(state: State, items: IdMap, more: Reviews | None) -> Reviews | None:
    if state.reviews is None:
        return None if more is None else more.over(items)
    grown = state.reviews.over(items)
    return grown if more is None else grown.add(more.over(items))
