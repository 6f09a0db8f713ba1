"""What an approximate index holds as its items change: a structure, the dead in it, and a tail it does not know yet.

A structure of FAISS is never changed. Items that are removed stay in it as positions that lead to no row; items that
are added, or whose vectors change, wait in a tail that is scanned exactly. When the tail grows long its vectors
are added to a copy of the structure, which costs as much as they do; when too much of the structure is dead
it is built anew. Every change makes another `Segments`, so whoever searches the old one is not disturbed.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmreco.arrays import I64, Bool, frozen
from mmreco.index.exact.scan import Scan
from mmreco.index.filtering import find
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.positions import Positions, alike
from mmreco.index.query import QueryBatch
from mmreco.index.structure import Effort, Structure

__all__ = ["Segments"]

_WIDE = 1_024  # candidates up to which a structure is asked
_TAIL_MOST = 4_096  # items in a tail, or
_TAIL_SHARE = 0.02  # share of the items, from which the tail is taken into the structure
_DEAD_SHARE = 0.4  # share of a structure's positions from which it is built anew
_NO_QUERY = frozen([], np.int64)
_NO_ROW = frozen([], np.int64)


@dataclass(frozen=True, eq=False)
class Segments:
    """A structure, which rows its positions stand for, and the rows it does not hold.

    Parameters
    ----------
    structure : over `n` positions
    positions : of these
    tail : shape `(t,)`, ascending
        The item rows that are at no position.
    effort : how hard the structure looks
    """

    structure: Structure
    positions: Positions
    tail: I64
    effort: Effort

    @classmethod
    def build(
        cls, faiss: Any, factory: str, items: ItemVectors, first: I64, effort: Effort, kind: type[Structure] = Structure
    ) -> "Segments":
        """All of the items in a structure of this kind.

        Parameters
        ----------
        faiss : the module
        factory : a factory string of FAISS
        items : `n` vectors
        first : shape `(n,)`
            The first item with the same vector, of each; see `mmreco.index.positions.alike`.
        effort : how much is looked at in a search
        kind : optional
            The class of the structure.
        """
        distinct = first == np.arange(len(first))
        rows = np.flatnonzero(distinct)
        structure = kind.build(faiss, factory, items.whole() if len(rows) == len(items) else items.take(rows))
        twins = np.flatnonzero(~distinct)
        place = np.cumsum(distinct) - 1  # the position of each first
        order = np.argsort(first[twins], kind="stable")
        positions = Positions.of(rows, place[first[twins[order]]], twins[order])
        return cls(structure, positions, _NO_ROW, effort)

    # ---- search

    def best(self, items: ItemVectors, batch: QueryBatch, width: int, fetched: int) -> I64:
        """Candidates for `width` places, shape `(b, fetched or more)`: allowed, not excluded, -1 padded.

        A query of whose candidates too many are excluded is asked again for as many more as it excludes, and one that
        the structure finds too little for is scanned exactly, so `width` places are filled wherever that many items
        are allowed.
        """
        if not batch.own_filters:
            return self._best(items, batch, width, fetched)
        rows = np.full((len(batch), fetched), -1, dtype=np.int64)
        for lines, group in batch.by_filter():
            if group.n_allowed:
                candidates = self._best(items, group, min(width, group.n_allowed), min(fetched, group.n_allowed))
                rows = _widened(rows, candidates.shape[1])
                rows[lines, : candidates.shape[1]] = candidates
        return rows

    def _best(self, items: ItemVectors, batch: QueryBatch, width: int, fetched: int) -> I64:
        needed = math.ceil(width * self.effort.fetch)  # not excluded, so that scoring them exactly finds the best
        fetched = min(batch.n_allowed, fetched - width + needed)
        allowed = self.positions.allowed(batch.where)
        rows, n_found = self._candidates(items, batch, fetched, needed, allowed)
        short = _short(rows[:, :n_found], batch, needed)  # of the structure: what the tail has does not make up for it
        if not len(short):
            return rows
        if len(batch.excluded):
            # in coarse steps: a query's answer must not hang on its neighbours in the batch
            more = 2 ** np.ceil(np.log2(np.maximum(batch.n_excluded[short], 32))).astype(np.int64)
            wide = np.minimum(batch.n_allowed, fetched + more)
            wide[(wide > _WIDE) | (batch.n_excluded[short] == 0)] = 0
            for each in np.unique(wide[wide > 0]).tolist():
                lines = short[wide == each]
                again, _ = self._candidates(items, batch.take(lines), each, needed + each - fetched, allowed)
                rows = _widened(rows, again.shape[1])
                rows[lines, : again.shape[1]] = again
        short = _short(rows, batch, width)
        if len(short):
            exact = items.best(batch.take(short), fetched)
            rows = _widened(rows, exact.shape[1])
            rows[short] = -1
            rows[short, : exact.shape[1]] = exact
        return rows

    def _candidates(
        self, items: ItemVectors, batch: QueryBatch, k: int, wanted: int, allowed: Bool | None
    ) -> tuple[I64, int]:
        """About the `k` best rows of the structure, then those of the tail, none excluded; and how many are the former.

        Shape `(b, k or more)`.
        """
        positions = find(self.structure, batch.queries, k, self.effort, wanted, allowed)
        if positions is None:
            return np.full((len(batch), k), -1, dtype=np.int64), k
        rows = self.positions.candidates(positions, batch, k)
        n_found = rows.shape[1]
        return (np.concatenate([rows, self._of_tail(items, batch, k)], axis=1) if len(self.tail) else rows), n_found

    def _of_tail(self, items: ItemVectors, batch: QueryBatch, k: int) -> I64:
        where = None if batch.where is None else batch.where[self.tail]
        excluded = batch.excluded
        if len(excluded):
            places = np.searchsorted(self.tail, excluded.rows).clip(max=len(self.tail) - 1)
            places = np.where(self.tail[places] == excluded.rows, places, -1)
            excluded = excluded.renumbered(places, len(self.tail))
        scan = Scan(items.take(self.tail))
        places = scan.best(QueryBatch(batch.queries, where, excluded, len(self.tail)), k)
        return np.where(places < 0, -1, self.tail[places])

    # ---- change

    def without(self, stay: Bool) -> "Segments":
        """The same of only the rows that `stay`, shape `(n_items,)`, renumbered."""
        renumbered = np.where(stay, np.cumsum(stay) - 1, -1)
        tail = renumbered[self.tail[stay[self.tail]]]
        return replace(self, positions=self.positions.renumbered(renumbered), tail=frozen(tail, np.int64))

    def with_added(self, n_before: int, n_items: int) -> "Segments":
        """The same where the rows from `n_before` to `n_items` are new."""
        return replace(self, tail=frozen(np.concatenate([self.tail, np.arange(n_before, n_items)]), np.int64))

    def with_updated(self, updated: I64, n_items: int) -> "Segments":
        """The same where the rows `updated` have new vectors."""
        rows = np.arange(n_items)
        rows[updated] = -1
        tail = np.union1d(self.tail, updated)
        return replace(self, positions=self.positions.renumbered(rows), tail=frozen(tail, np.int64))

    def compacted(self, items: ItemVectors) -> "Segments | None":
        """The same items, the tail taken into a larger structure where it is long; None where to build anew pays."""
        if self.positions.n_dead > _DEAD_SHARE * len(self.positions.rows):
            return None
        if len(self.tail) <= max(_TAIL_MOST, _TAIL_SHARE * len(items)):
            return self
        if not self.structure.grows:
            return None
        return self._grown(items)

    def _grown(self, items: ItemVectors) -> "Segments":
        """The tail in a copy of the structure: what shares a vector with an item that is there goes to its position."""
        n, tail = len(self.positions), self.tail
        alive = np.flatnonzero(self.positions.rows >= 0)
        places = np.concatenate([alive, np.full(len(tail), -1)])  # the position of each vector, -1 as yet of the tail's
        first = alike(items, np.concatenate([self.positions.rows[alive], tail]))
        new = np.flatnonzero(first[len(alive) :] == np.arange(len(alive), len(first)))
        places[len(alive) + new] = n + np.arange(len(new))
        twins = np.setdiff1d(np.arange(len(tail)), new)
        more = Positions(tail[new], places[first[len(alive) + twins]], tail[twins])
        structure = self.structure.grown(items.take(tail[new])) if len(new) else self.structure
        return replace(self, structure=structure, positions=self.positions.extended(more, n), tail=_NO_ROW)


def _widened(rows: I64, width: int) -> I64:
    return np.pad(rows, ((0, 0), (0, max(0, width - rows.shape[1]))), constant_values=-1)


def _short(rows: I64, batch: QueryBatch, width: int) -> I64:
    """The queries for which `rows`, -1 padded, hold fewer than `width` items, though more are allowed."""
    there = rows >= 0
    count = np.count_nonzero(there)
    if rows.shape[1] >= width and (count == rows.size or (len(rows) == 1 and count >= width)):
        return _NO_QUERY
    counts = there.sum(axis=1)
    few = np.flatnonzero(counts < width)
    return few[counts[few] < batch.available[few]] if len(few) else few
