"""Which items the positions of a structure stand for: several where they share one vector.

A vector that many items share (the picture "no picture yet", say) stands at one position. Were each of them at its own,
they would be each other's neighbours in a graph and nobody else's, and ways to other items would be lost.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mmreco.arrays import I64, Bool, frozen
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.query import QueryBatch

__all__ = ["Positions", "alike"]

_BLOCK = 1 << 14  # vectors processed together
_NONE = frozen([], np.int64)


@dataclass(frozen=True, eq=False)
class Positions:
    """The items of each position.

    Parameters
    ----------
    rows : shape `(n,)`
        The item row of each position, -1 where there is none any more.
    twin_positions : shape `(t,)`, ascending
        The position of each further item.
    twins : shape `(t,)`, ascending for each position
        The rows of these items.
    """

    rows: I64
    twin_positions: I64 = field(default_factory=lambda: _NONE)
    twins: I64 = field(default_factory=lambda: _NONE)

    @classmethod
    def of(cls, rows: I64, twin_positions: I64, twins: I64) -> "Positions":
        """The same of what is left: twins of -1 go, and one takes the place of a row that is gone."""
        there = twins >= 0
        twin_positions, twins = twin_positions[there], twins[there]
        orphans = np.flatnonzero(rows[twin_positions] < 0)
        if len(orphans):
            heirs = orphans[np.unique(twin_positions[orphans], return_index=True)[1]]
            rows = np.array(rows)
            rows[twin_positions[heirs]] = twins[heirs]
            twin_positions, twins = np.delete(twin_positions, heirs), np.delete(twins, heirs)
        return cls(frozen(rows, np.int64), frozen(twin_positions, np.int64), frozen(twins, np.int64))

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def n_dead(self) -> int:
        """How many positions stand for no row."""
        return len(self.rows) - int(np.count_nonzero(self.rows >= 0))

    @cached_property
    def _alive(self) -> Bool | None:
        return self.rows >= 0 if self.n_dead else None

    @cached_property
    def _identical(self) -> bool:
        """Whether each position is its row."""
        return bool((self.rows == np.arange(len(self.rows))).all())

    def allowed(self, where: Bool | None) -> Bool | None:
        """The positions of the items that `where` allows, None for all."""
        if where is None:
            return self._alive
        allowed = where[: len(self.rows)] if self._identical else (self.rows >= 0) & where[self.rows]
        if len(self.twins):
            allowed = np.array(allowed)
            allowed[self.twin_positions[where[self.twins]]] = True
        return allowed

    def candidates(self, positions: I64, batch: QueryBatch, k: int) -> I64:
        """The items at these positions, shape `(b, w)`, that a query may be answered with; -1 for those it may not.

        Of the items that share a position the first `k` that are not excluded.
        """
        rows = positions if self._identical else np.where(positions < 0, -1, self.rows[positions])
        if len(self.twins):
            if batch.where is not None:
                rows = np.where((rows >= 0) & batch.where[rows], rows, -1)
            rows = np.concatenate([rows, self._twins_at(positions, batch, k)], axis=1)
        batch.excluded.strike(rows)
        return rows

    def _twins_at(self, positions: I64, batch: QueryBatch, k: int) -> I64:
        twin_positions, twins = self.twin_positions, self.twins
        if batch.where is not None:
            allowed = batch.where[twins]
            twin_positions, twins = twin_positions[allowed], twins[allowed]
        first = np.searchsorted(twin_positions, positions, side="left")
        count = np.searchsorted(twin_positions, positions, side="right") - first  # (b, w)
        count = np.minimum(count, (k + batch.n_excluded)[:, None])
        totals = count.sum(axis=1)
        rows = np.full((len(positions), int(totals.max(initial=0))), -1, dtype=np.int64)
        flat = count.ravel()
        place = np.arange(flat.sum()) - np.repeat(np.cumsum(flat) - flat, flat)
        line = np.repeat(np.arange(len(positions)), totals)
        column = np.arange(flat.sum()) - np.repeat(np.cumsum(totals) - totals, totals)
        rows[line, column] = twins[np.repeat(first.ravel(), flat) + place]
        return rows

    def renumbered(self, rows: I64) -> "Positions":
        """The same where item `r` is item `rows[r]` now, -1 for gone."""
        own = np.where(self.rows < 0, -1, rows[self.rows])
        return Positions.of(own, self.twin_positions, rows[self.twins])

    def extended(self, more: "Positions", n_before: int) -> "Positions":
        """With the positions of `more`, whose twins may stand at any; the first `n_before` are these."""
        twin_positions = np.concatenate([self.twin_positions, more.twin_positions])
        twins = np.concatenate([self.twins, more.twins])
        order = np.lexsort((twins, twin_positions))
        rows = np.concatenate([self.rows[:n_before], more.rows])
        return Positions.of(rows, twin_positions[order], twins[order])


def alike(items: ItemVectors, rows: I64) -> I64:
    """For each of these rows the place in `rows` of the first that has the same vector, shape `(len(rows),)`."""
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 1 << 64, size=items.dim, dtype=np.uint64) | np.uint64(1)
    marks = np.empty(len(rows), dtype=np.uint64)
    for start in range(0, len(rows), _BLOCK):
        bits = items.take(rows[start : start + _BLOCK]).view(np.uint32)
        marks[start : start + _BLOCK] = (bits * factors).sum(axis=1, dtype=np.uint64)
    # vectors with one mark that differ after all would only be found together: their scores are their own
    _, first, group = np.unique(marks, return_index=True, return_inverse=True)
    return np.asarray(first[group.ravel()], dtype=np.int64)
