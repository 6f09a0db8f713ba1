"""New items are held back: one that stands before the tenth known item of a list keeps three tenths of its lead.

What content alone says of an item is less sure than what behaviour says. Where a new item stands first in a list it is
right little more often than where it stands last, but it pushes all known ones down. So an item without events that
scores above the tenth known one is brought nearer to it, in a list of fewer than ten above its last one: at the same
loss of NDCG to known items, more new ones have a place. The order among new items stays, and so does that among known
ones. Only what may be answered counts.
"""

import numpy as np

from mmreco.arrays import F32, I64, Bool
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.protocols import Searches

__all__ = ["are_new", "bars", "held_back", "search_held_back", "stands_before"]

_PLACE = 10
_KEPT = 0.3  # of a new item's lead


def search_held_back(
    index: Searches,
    queries: F32,
    k: int,
    *,
    new: Bool,
    n_items: int,
    where: Bool | None = None,
    exclude: Interactions | None = None,
) -> Ranking:
    """The `k` best items of each query, new ones held back.

    Parameters
    ----------
    index, queries, k, where, exclude : as `Searches.search`
    new : shape `(m,)`
        Which of the first `m` items have no events; what came later is new.
    n_items : in the index
    """
    queries = np.asarray(queries)
    best = index.search(queries, k, where=where, exclude=exclude)
    fresh = are_new(best.rows, new)
    asked = stands_before(fresh)
    if not len(asked):
        return best
    allowed = np.zeros(n_items, dtype=np.bool_)
    allowed[: len(new)] = ~new
    if where is not None:
        allowed = allowed & (where if where.ndim == 1 else where[asked])
    own = None if exclude is None else exclude.take(asked)
    known = index.search(queries[asked], k, where=allowed, exclude=own)
    held = held_back(Ranking(best.rows[asked], best.scores[asked]), known, fresh[asked])
    rows, scores = best.rows.copy(), best.scores.copy()
    rows[asked], scores[asked] = held.rows, held.scores
    return Ranking(rows, scores)


def are_new(rows: I64, new: Bool) -> Bool:
    """Which of `rows`, -1 for none, are new items: those of the mask `new`, `(n_items,)`, and what came later."""
    among: Bool = (rows >= len(new)) | ((rows >= 0) & new[np.minimum(rows, len(new) - 1)])
    return among


def stands_before(fresh: Bool) -> I64:
    """The questions, `(q,)`, where a new item of those that `fresh`, `(n, k)`, marks may stand before its known one."""
    return np.flatnonzero(fresh[:, :_PLACE].any(axis=1))


def held_back(best: Ranking, known: Ranking, fresh: Bool) -> Ranking:
    """The `k` best items of each question, new ones held back.

    Parameters
    ----------
    best : the `k` best of all items
        No other new item comes into the list, as none rises.
    known : the `k` best of the items with events
    fresh : shape `(n, k)`
        Which of `best` are new items.
    """
    bar = known.scores[:, min(_PLACE, known.scores.shape[1]) - 1, None]  # (n, 1)
    bar = np.where(np.isfinite(bar), bar, np.inf)  # where fewer are known, none of them is pushed out
    lead = np.maximum(best.scores - bar, 0)
    held = np.where(fresh, best.scores - np.float32(1 - _KEPT) * lead, -np.inf).astype(np.float32)
    rows = np.concatenate([known.rows, np.where(fresh, best.rows, -1)], axis=1)
    scores = np.concatenate([known.scores, held], axis=1)
    first = np.lexsort((rows, -scores), axis=1)[:, : best.rows.shape[1]]
    return Ranking(np.take_along_axis(rows, first, axis=1), np.take_along_axis(scores, first, axis=1))


def bars(lists: F32) -> F32:
    """The scores with which a new item, held back, has each place of these lists of known ones, `(n, k)`, `k` to 10."""
    last = lists[:, -1:]  # a list that is not full holds nothing back
    lead = np.zeros_like(lists)
    np.subtract(lists, last, out=lead, where=np.isfinite(last))
    needed: F32 = lists + np.float32(1 / _KEPT - 1) * lead
    return needed
