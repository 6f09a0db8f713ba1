"""From candidates to the answer: one arithmetic and one order for all paths.

Paths round differently (a matrix product, FAISS' loops, a GPU), so equal or nearly equal items could change places with
the size of the batch. Every candidate is therefore scored again in one fixed way, pair by pair, equal scores come lower
row first, and where the last place hangs on rounding, that query alone is checked item by item.
"""

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.query import QueryBatch

__all__ = ["ordered"]

_AT_ONCE = 65_536  # candidates of one query that are scored together
_ROUNDINGS = 2.0  # standard errors of a sum of products that count as possible


def ordered(
    items: ItemVectors, batch: QueryBatch, rows: I64, width: int, precision: float | None, fetched: int = 0
) -> tuple[I64, F32]:
    """The `width` best of the candidate `rows`, shape `(b, w)`, in order, with their scores.

    Parameters
    ----------
    items
        The vectors that scores are of.
    batch
        The queries, and what each excludes.
    rows
        Candidates, -1 padded; allowed and not excluded.
    width
        1 or more.
    precision
        Relative rounding of the path that chose them; None where it was approximate anyway.
    fetched
        How many of the best are among them for sure, but for that rounding; needed with `precision`.
    """
    queries = batch.queries
    scores = items.scored(queries, rows)
    if precision is None:
        return _sorted(rows, scores, width)
    # what was no candidate is no better than the last of so many; of more, as several parts find, it may be
    rows, scores = _sorted(rows, scores, fetched)
    best_rows, best_scores = rows[:, :width].copy(), scores[:, :width].copy()
    lengths = np.sqrt(np.einsum("bd,bd->b", queries, queries))
    doubt = lengths * (items.longest * precision * _ROUNDINGS * np.sqrt(items.dim))
    complete = (rows >= 0).sum(axis=1) >= batch.available
    gap = np.where(complete, np.inf, best_scores[:, -1]) - np.where(complete, 0.0, scores[:, -1])
    unsettled = np.flatnonzero(~(gap > doubt))
    if len(unsettled):
        at_least = best_scores[unsettled, -1] - doubt[unsettled]
        best_rows[unsettled], best_scores[unsettled] = _settled(items, batch.take(unsettled), width, at_least)
    return best_rows, best_scores


def _sorted(rows: I64, scores: F32, width: int) -> tuple[I64, F32]:
    """The first `width` along each line, best first, lower rows among equals; -1 and -inf go together."""
    if len(rows) == 1:  # a third of the calls that many lines need, and calls are what one line costs
        order = np.lexsort((rows, -scores))[:, :width]
        return rows.take(order), scores.take(order)
    first = np.arange(0, rows.size, rows.shape[1])[:, None]  # of each line, counted through all
    order = np.argsort(-scores, axis=1)
    best = scores.take(order + first)
    equal = best[:, 1:] == best[:, :-1]
    if equal.any():  # seldom, but for padding; the sort of two keys takes ten times as long
        tied = equal.any(axis=1)
        order[tied] = np.lexsort((rows[tied], -scores[tied]), axis=1)
    return rows.take((order + first)[:, :width]), best[:, :width].copy()


def _settled(items: ItemVectors, batch: QueryBatch, width: int, at_least: F32) -> tuple[I64, F32]:
    """The answer of each query, from every item whose score is `at_least` so much, shape `(b,)`."""
    rows = np.empty((len(batch), width), dtype=np.int64)
    scores = np.empty((len(batch), width), dtype=np.float32)
    for members in _alike(batch):
        query, mask = batch.queries[members[0]], batch.mask(int(members[0]))
        most = width + int(batch.n_excluded[members].max())
        if query.any():
            possible = items.scores(query) >= at_least[members].min()
            best, exact = _exactly(items, query, np.flatnonzero(possible if mask is None else possible & mask), most)
        else:  # all scores are 0: the first rows
            best = (np.arange(batch.n_items) if mask is None else np.flatnonzero(mask))[:most]
            exact = np.zeros(len(best), dtype=np.float32)
        for member in members:
            excluded = batch.excluded.between(int(member), int(member) + 1).rows
            first = np.flatnonzero(~np.isin(best, excluded))[:width]
            count = len(first)
            rows[member, :count], scores[member, :count] = best[first], exact[first]
            rows[member, count:], scores[member, count:] = -1, -np.inf
    return rows, scores


def _alike(batch: QueryBatch) -> list[I64]:
    """The lines of equal queries, which are scanned once; each line alone where each has a filter of its own."""
    if batch.own_filters:
        return list(np.arange(len(batch))[:, None])
    _, group = np.unique(batch.queries, axis=0, return_inverse=True)
    return [np.flatnonzero(group.ravel() == number) for number in range(int(group.max()) + 1)]


def _exactly(items: ItemVectors, query: F32, rows: I64, most: int) -> tuple[I64, F32]:
    """The `most` best of these rows, in order, and their scores."""
    parts = np.array_split(rows, 1 + len(rows) // _AT_ONCE)
    scores = np.concatenate([items.scored(query[None], part[None])[0] for part in parts])
    order = np.lexsort((rows, -scores))[:most]
    return rows[order], scores[order]
