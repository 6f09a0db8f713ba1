"""Whether a shop's customers buy again: what its log shows."""

import numpy as np

from mmreco.data.interactions import Interactions

__all__ = ["REPEATING", "repeat_share"]

REPEATING = 0.1
"""From this share of repeats on, what a shopper had is recommended again unless the caller says otherwise."""


def repeat_share(log: Interactions) -> float:
    """The share of the events that are of an item the same user had at an earlier moment; from 0 to 1.

    Events of one moment are one visit: the second of them is no repeat.
    """
    if not log.n_events:
        return 0.0
    moments = np.arange(log.n_events) if log.times is None else log.times
    order = np.lexsort((moments, log.items_flat, log.users_flat))
    users, items, times = log.users_flat[order], log.items_flat[order], moments[order]
    again = (users[1:] == users[:-1]) & (items[1:] == items[:-1]) & (times[1:] > times[:-1])
    return float(again.sum() / log.n_events)
