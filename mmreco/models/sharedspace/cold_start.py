"""How far an item without events leans towards the mean user: it gets six tenths of an average item's places.

Behaviour teaches an id how popular its item is; content alone cannot know, so a new item would stand behind every
known one that is liked, however well it fits, or, where content says nearly all, before every known one that is not.
Leaning mends that: the unit vector of a new item is moved towards the mean user, or away, and brought back to unit
length. How far is measured, not chosen: as far as gives new items, or known ones placed by their content alone, six
tenths of what an average item has of the top lists, a place counting by its discount in NDCG. As new items are held
back in the lists (`mmreco.models.sharedspace.held_back`), that costs what is known about 2 % of its NDCG@10
where a tenth of the items is new (Amazon Beauty). Where nothing has content, new items have three tenths, unheld.
"""

from collections.abc import Callable

import numpy as np

from mmreco.arrays import F32, I64

__all__ = ["COLD_SHARE", "HELD_SHARE", "leaning", "raising", "shift_towards", "some"]

COLD_SHARE = 0.3
"""How much of the lists a new item is given for what an average one has."""

HELD_SHARE = 0.6
"""The same where new items are held back, see `mmreco.models.sharedspace.held_back`."""

_FARTHEST = 2.0
_HALVINGS = 16


def shift_towards(places: F32, mean_user: F32, lean: float) -> F32:
    """`places`, shape `(n, dim)`, moved towards the unit vector `mean_user` by `lean`; unit length."""
    moved = places + np.float32(lean) * mean_user
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    lifted: F32 = np.divide(moved, length, out=places.copy(), where=length > 0)
    return lifted


def leaning(users: F32, lists: F32, alone: F32, mean_user: F32, *, share: float) -> float:
    """The least lean with which an item of `alone` has at least a `share` of a list on average; below 0 is away.

    Parameters
    ----------
    users : shape `(u, dim)`
    lists : shape `(u, k)`
        The scores in each user's list, best first; an item stands before all that score lower.
    alone : shape `(n, dim)`
        Items placed by their content alone.
    mean_user : shape `(dim,)`, unit length
        Where the mean user lies.
    share : a list is worth 1, and of that the places are worth `1 / log2(1 + p)` to each other, `p` from 1
    """
    return _least(
        lambda lean: _had(users @ shift_towards(alone, mean_user, lean).T, lists), share, -_FARTHEST, _FARTHEST
    )


def raising(scores: F32, lists: F32, *, share: float) -> float:
    """The least number that, added to `scores`, `(u, n)`, gives each item at least a `share` of a list on average.

    `lists` and `share` are as `leaning` takes them.
    """
    low, high = float(lists.min() - scores.max()), float(lists.max() - scores.min())
    return _least(lambda more: _had(scores + np.float32(more), lists), share, low, high)


def _had(scores: F32, lists: F32) -> float:
    """What of a list an item has on average, by its scores with each user, `(u, n)`."""
    worth = 1 / np.log2(np.arange(2, lists.shape[1] + 2))
    gained = -np.diff(worth / worth.sum(), append=0)  # (k,): by standing before the item in this place as well
    return float(sum(gain * (scores > bar[:, None]).mean() for gain, bar in zip(gained, lists.T, strict=True)))


def _least(had: Callable[[float], float], share: float, low: float, high: float) -> float:
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if had(middle) >= share else (middle, high)
    return high


def some(rows: I64, most: int, rng: np.random.Generator) -> I64:
    """`rows`, or `most` of them drawn at random, in order."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))
