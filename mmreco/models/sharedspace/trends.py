"""How much each item is wanted now, and how much it was: logarithms of shares of the events, by how fast events fade.

Side by side they tell a season from a lasting favourite: an item that sells more this week than over the year rises.
"""

import numpy as np

from mmreco.arrays import F32
from mmreco.data.interactions import Interactions
from mmreco.data.moment import newest

__all__ = ["HALF_LIVES", "trends"]

HALF_LIVES = (1 / 8, 1 / 2, 2.0, np.inf)
"""Half-lives of events, in horizons."""

_UNSEEN = 0.01  # events that an item has beside those in the log


def trends(log: Interactions, horizon: int | None) -> F32:
    """The logarithm of each item's share of the events, a column a half-life, centred: shape `(n_items, columns)`.

    Without a horizon there is one column, and no event fades.
    """
    n_items = len(log.items)
    weights = np.maximum(log.weights, 0).astype(np.float64)
    columns = []
    for half_life in HALF_LIVES if horizon is not None else (np.inf,):
        counted = weights
        if horizon is not None and np.isfinite(half_life):
            assert log.times is not None
            age = np.maximum(newest(log.times) - log.times, 0)
            counted = weights * 0.5 ** (age / (half_life * horizon))
        counts = np.bincount(log.items_flat, weights=counted, minlength=n_items) + _UNSEEN
        columns.append(np.log(counts / counts.sum()))
    found = np.stack(columns, axis=1)
    return (found - found[log.counts() > 0].mean(axis=0)).astype(np.float32) if log.n_events else found * 0
