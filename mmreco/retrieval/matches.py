"""Matches: the items that share something with a query, and what each is worth, added up term by term."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mmreco.arrays import F32, I64, Bool
from mmreco.data.ranking import Ranking

__all__ = ["Matches", "best", "summed"]

_DENSE = 16  # a sixteenth of all items, from which a number for each of them is quicker than sorting


class Matches(NamedTuple):
    """Item rows, increasing, shape `(m,)`, and their scores."""

    rows: I64
    scores: F32

    def among(self, where: Bool | None) -> "Matches":
        """Those of the items `where`, shape `(n_items,)`."""
        if where is None:
            return self
        chosen = where[self.rows]
        return Matches(self.rows[chosen], self.scores[chosen])

    def at(self, rows: I64) -> F32:
        """The scores of these rows, 0 of those that do not match."""
        if not len(self.rows):
            return np.zeros(rows.shape, dtype=np.float32)
        places = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[places] == rows, self.scores[places], np.float32(0))


def best(matches: Sequence[Matches], k: int, *, where: Bool | None = None) -> Ranking:
    """The `k` best of each query's matches, of those `where`, shape `(n_items,)` or `(n, n_items)`."""
    rows = np.full((len(matches), k), -1, dtype=np.int64)
    scores = np.full((len(matches), k), -np.inf, dtype=np.float32)
    for line, own in enumerate(matches):
        found = own.among(where if where is None or where.ndim == 1 else where[line])
        one = Ranking.from_scores(found.scores[None], k, rows=found.rows[None])
        rows[line], scores[line] = one.rows[0], one.scores[0]
    return Ranking(rows, scores)


def summed(parts: Sequence[tuple[npt.NDArray[Any], F32]], n_items: int) -> tuple[I64, F32]:
    """The rows of any part, increasing, and the sum of the values of each; in a part every row stands once."""
    if sum(len(rows) for rows, _ in parts) * _DENSE > n_items:
        totals = np.zeros(n_items, dtype=np.float32)
        for rows, values in parts:
            totals[rows] += values
        there = np.flatnonzero(totals)
        return there, totals[there]
    flat = np.concatenate([np.asarray(rows, dtype=np.int64) for rows, _ in parts])
    if not len(flat):
        return flat, np.zeros(0, dtype=np.float32)
    order = np.argsort(flat, kind="stable")
    flat = flat[order]
    first = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    return flat[first], np.add.reduceat(np.concatenate([values for _, values in parts])[order], first)
