"""What is wanted at which time of the year: how much more often than over the whole year each item is had then.

A shop sells Christmas in November. The log must have seen a year to know, and whether seasons count, and how much, is
found as for all other evidence: by asking the log's own end, told what came before it, so that needs more than a year.
"""

import numpy as np

from mmreco.arrays import F32, F64, I64
from mmreco.data.interactions import Interactions
from mmreco.data.moment import newest

__all__ = ["asked_at", "seasons", "time_of_year"]

_YEAR = int(365.2425 * 86_400_000)  # milliseconds
_PARTS = 12
_PRIOR = 1.0  # events that every item has beside those of a part of the year, had as often as over the year
_POINTS = 24  # moments of what is ahead that are looked at


def seasons(log: Interactions, horizon: int | None) -> F32 | None:
    """How much more often each item is had in what lies ahead of the start of each twelfth of the year.

    The logarithm, shape `(n_items, 12)`; 0 where little is known. None where the log is without dates or shorter than a
    year.

    Parameters
    ----------
    log : of all users
    horizon : milliseconds that lie ahead; the twelfth itself when None
    """
    if log.times is None or not log.n_events or newest(log.times) - int(log.times.min()) < _YEAR:
        return None
    weights = np.maximum(log.weights, 0).astype(np.float64)
    n_items = len(log.items)
    cells = log.items_flat * _PARTS + log.times % _YEAR * _PARTS // _YEAR
    had = np.bincount(cells, weights=weights, minlength=n_items * _PARTS).reshape(n_items, _PARTS)
    by_part = had.sum(axis=0) / max(float(had.sum()), 1e-9)  # (12,)
    ahead = _ahead(_YEAR // _PARTS if horizon is None else horizon)
    then = had @ ahead.T  # (n_items, 12)
    usual = had.sum(axis=1, keepdims=True) * (ahead @ by_part)  # (n_items, 12)
    found: F32 = np.log((then + _PRIOR) / (usual + _PRIOR)).astype(np.float32)
    return found


def time_of_year(at: I64) -> F32:
    """Which starts of twelfths of the year moments lie between, and how near, shape `(n, 12)`; each line sums to 1.

    `at`, shape `(n,)`, is in milliseconds since 1970 UTC.
    """
    begun, since = np.divmod(at % _YEAR * _PARTS, _YEAR)
    near = np.zeros((len(at), _PARTS), dtype=np.float32)
    lines = np.arange(len(at))
    near[lines, begun] = 1 - since / _YEAR
    near[lines, (begun + 1) % _PARTS] = since / _YEAR
    return near


def asked_at(histories: Interactions, at: I64 | None) -> I64 | None:
    """When each question is asked, shape `(n,)`: just after the history's newest event where `at` is None.

    None where nothing is known of it. A history without any event is asked about after the newest of all.
    """
    if at is not None or histories.times is None or not histories.n_events:
        return at
    last = np.full(len(histories), newest(histories.times))
    there = histories.lengths > 0
    last[there] = histories.times[histories.starts[1:][there] - 1]
    return last


def _ahead(horizon: int) -> F64:
    """The share of each twelfth in what lies ahead of the start of each, shape `(12, 12)`."""
    starts = np.arange(_PARTS) * _YEAR // _PARTS
    moments = starts[:, None] + (np.arange(_POINTS) + 0.5) / _POINTS * horizon  # (12, points)
    parts = (moments % _YEAR * _PARTS // _YEAR).astype(np.int64)
    shares = np.zeros((_PARTS, _PARTS))
    np.add.at(shares, (np.arange(_PARTS)[:, None], parts), 1 / _POINTS)
    return shares
