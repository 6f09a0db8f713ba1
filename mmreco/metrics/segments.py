"""Who is asked and what is wanted, in parts: new, light and heavy users; head, tail and cold items."""

import numpy as np

from mmreco.arrays import Bool
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError

__all__ = ["item_segments", "user_segments"]


def user_segments(histories: Interactions, *, new: int = 5) -> dict[str, Bool]:
    """Which users are "new", "light" and "heavy", shape `(n,)` each; every user is one of the three.

    Parameters
    ----------
    histories : `n` users
    new : 1 or more
        Users with fewer events are new. Of the others, those with at most their median number are light, and those
        with more are heavy.

    Raises
    ------
    DataError
        `new` is below 1.
    """
    if new < 1:
        raise DataError(f"new={new}: expected 1 or more events, below which a user is new")
    lengths = histories.lengths
    fresh = lengths < new
    rest = lengths[~fresh]
    middle = float(np.median(rest)) if len(rest) else 0.0
    return {"new": fresh, "light": ~fresh & (lengths <= middle), "heavy": ~fresh & (lengths > middle)}


def item_segments(train: Interactions) -> dict[str, Bool]:
    """Which items of `train` are "head", "tail" and "cold", shape `(n_items,)` each; every item is one of the three.

    The head is the fewest items that have half of all events together, the tail the other items that have any, and
    cold are those that have none.
    """
    counts = train.counts()
    order = np.lexsort((np.arange(len(counts)), -counts))
    before = np.cumsum(counts[order]) - counts[order]
    head = np.zeros(len(counts), dtype=np.bool_)
    head[order[before < counts.sum() / 2]] = True
    return {"head": head & (counts > 0), "tail": ~head & (counts > 0), "cold": counts == 0}
