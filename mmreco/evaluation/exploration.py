"""Exploration by whole pages: now and then a page in random order, so that a log can tell of policies that never ran.

With probability `rate` the page is `k` of the first candidates, drawn in random order. So an item's chance to stand at
a place is known exactly, whatever stands beside it, which the item-position estimator needs: Li et al., "Offline
evaluation of ranking policies with click models", 2018. It takes a click to depend on the item and its place alone.
"""

from typing import NamedTuple

import numpy as np

from mmreco.arguments import require_width
from mmreco.arrays import F64, I64
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError

__all__ = ["Explored", "explore"]


class Explored(NamedTuple):
    """`n` pages of `k` places.

    Parameters
    ----------
    ranking : the pages; scores are those of the places
    propensities : shape `(n, k)`, float64
        The chance of this item at this place; NaN where nothing stands.
    """

    ranking: Ranking
    propensities: F64


def explore(ranking: Ranking, k: int, *, rate: float, seed: int) -> Explored:
    """Pages of `k` places from the candidates of a ranking: its first, or at the given rate any in random order.

    Parameters
    ----------
    ranking : `n` questions, `m` candidates each, at least `k`
    rate : 0 to 1
    seed : 0 or more
    k : 1 or more
        Places of a page.

    Raises
    ------
    DataError
        `k` is wider than the ranking or below 1, or `rate` is out of range.
    """
    best = ranking.top(require_width(k)).rows
    if not 0 <= rate <= 1:
        raise DataError(f"exploration rate={rate}: expected 0 to 1")
    n, m = ranking.rows.shape
    rng = np.random.default_rng(seed)
    there = ranking.rows >= 0
    order = np.argsort(np.where(there, rng.random((n, m)), 2.0), axis=1)[:, :k]  # what is missing comes last
    shuffled = np.take_along_axis(ranking.rows, order, axis=1)
    drawn = rng.random((n, 1)) < rate
    rows: I64 = np.where(drawn, shuffled, best)
    chance = np.where(rows == best, 1 - rate, 0.0) + rate / np.maximum(there.sum(axis=1, keepdims=True), 1)
    scores = np.where(rows >= 0, np.arange(k, 0, -1, dtype=np.float32), np.float32(-np.inf))
    return Explored(Ranking(rows, scores), np.where(rows >= 0, chance, np.nan))
