"""New items are held back: one that stands before the tenth known item of a list keeps three tenths of its lead.

What content alone says of an item is less sure than what behaviour says. Where a new item stands first in a list it is
right little more often than where it stands last, but it pushes all known ones down. So an item without events that
scores above the tenth known one is brought nearer to it, in a list of fewer than ten above its last one: at the same
loss of NDCG to known items, more new ones have a place. The order among new items stays, and so does that among known
ones. Only what may be answered counts.
"""

import numpy as np

from mmreco.arrays import F32, I64, Bool
from mmreco.data.ranking import Ranking

__all__ = ["bars", "held_back", "stands_before"]

_PLACE = 10
_KEPT = 0.3  # of a new item's lead


def stands_before(best: Ranking, new: Bool) -> I64:
    """The questions, `(q,)`, in whose list a new item stands before the known one it is held back to."""
    rows = best.rows[:, :_PLACE]
    return np.flatnonzero(((rows >= 0) & new[rows]).any(axis=1))


def held_back(best: Ranking, known: Ranking, new: Bool) -> Ranking:
    """The `k` best items of each question, new ones held back.

    Parameters
    ----------
    best : the `k` best of all items
        No other new item comes into the list, as none rises.
    known : the `k` best of the items with events
    new : shape `(n_items,)`
        Which items have no events.
    """
    bar = known.scores[:, min(_PLACE, known.scores.shape[1]) - 1, None]  # (n, 1)
    bar = np.where(np.isfinite(bar), bar, np.inf)  # where fewer are known, none of them is pushed out
    lead = np.maximum(best.scores - bar, 0)
    fresh = (best.rows >= 0) & new[best.rows]
    held = np.where(fresh, best.scores - np.float32(1 - _KEPT) * lead, -np.inf).astype(np.float32)
    rows = np.concatenate([known.rows, np.where(fresh, best.rows, -1)], axis=1)
    scores = np.concatenate([known.scores, held], axis=1)
    first = np.lexsort((rows, -scores), axis=1)[:, : best.rows.shape[1]]
    return Ranking(np.take_along_axis(rows, first, axis=1), np.take_along_axis(scores, first, axis=1))


def bars(lists: F32) -> F32:
    """The scores with which a new item, held back, has each place of these lists of known ones, `(n, k)`, `k` to 10."""
    last = np.where(np.isfinite(lists[:, -1:]), lists[:, -1:], np.inf)  # a list that is not full holds nothing back
    needed: F32 = lists + np.float32(1 / _KEPT - 1) * np.maximum(lists - last, 0)
    return needed
