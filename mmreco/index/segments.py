"""What an approximate index holds as its items change: a structure, the dead in it, and a tail it does not know yet.

A structure of FAISS is never changed. Items that are removed stay in it as positions that lead to no row; items that
are added, or whose vectors change, wait in a tail that is scanned exactly. When the tail grows long its vectors
are added to a copy of the structure, which costs as much as they do; when too much of the structure is dead
it is built anew. Every change makes another `Segments`, so whoever searches the old one is not disturbed.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mmreco.arrays import F32, I64, Bool, frozen
from mmreco.errors import DataError
from mmreco.index.exact.scan import Scan
from mmreco.index.filtering import find
from mmreco.index.query import Question
from mmreco.index.structure import Effort, Structure

__all__ = ["Segments"]

_WIDE = 1_024  # candidates up to which a structure is asked
_TAIL_MOST = 4_096  # items in a tail, or
_TAIL_SHARE = 0.02  # share of the items, from which the tail is taken into the structure
_DEAD_SHARE = 0.4  # share of a structure's positions from which it is built anew
_NO_QUERY = frozen([], np.int64)


@dataclass(frozen=True, eq=False)
class Segments:
    """A structure and which rows its positions stand for.

    Parameters
    ----------
    structure : over `n` positions
    rows : shape `(n,)`
        The item row of each position, -1 where there is none any more.
    tail : shape `(t,)`, ascending
        The item rows that are at no position.
    effort : how hard the structure looks
    """

    structure: Structure
    rows: I64
    tail: I64
    effort: Effort

    @classmethod
    def build(
        cls, faiss: Any, factory: str, vectors: F32, effort: Effort, kind: type[Structure] = Structure
    ) -> "Segments":
        """All of `vectors` in a structure of this kind."""
        structure = kind.build(faiss, factory, vectors)
        return cls(structure, frozen(np.arange(len(vectors)), np.int64), frozen([], np.int64), effort)

    @property
    def n_dead(self) -> int:
        """How many positions stand for no row."""
        return int(np.count_nonzero(self._alive == 0)) if self._alive is not None else 0

    @cached_property
    def _alive(self) -> Bool | None:
        alive: Bool = self.rows >= 0
        return None if alive.all() else alive

    @cached_property
    def _as_they_are(self) -> bool:
        return bool((self.rows == np.arange(len(self.rows))).all())

    # ---- search

    def best(self, scan: Scan, asked: Question, width: int, fetched: int) -> I64:
        """Candidates for `width` places, shape `(b, fetched or more)`: allowed, not excluded, -1 padded.

        A query of whose candidates too many are excluded is asked again for as many more as it excludes, and one that
        the structure finds too little for is scanned exactly, so `width` places are filled wherever that many items
        are allowed.
        """
        needed = math.ceil(width * self.effort.fetch)  # not excluded, so that scoring them exactly finds the best
        fetched = min(asked.n_allowed, fetched - width + needed)
        allowed = self._positions(asked.where)
        rows = self._found(scan, asked, fetched, needed, allowed)
        short = _short(rows[:, :fetched], asked, needed)  # of the structure: what the tail has does not make up for it
        if not len(short):
            return rows
        if len(asked.excluded):
            # in coarse steps: a query's answer must not hang on its neighbours in the batch
            more = 2 ** np.ceil(np.log2(np.maximum(asked.n_excluded[short], 32))).astype(np.int64)
            wide = np.minimum(asked.n_allowed, fetched + more)
            wide[(wide > _WIDE) | (asked.n_excluded[short] == 0)] = 0
            for each in np.unique(wide[wide > 0]).tolist():
                lines = short[wide == each]
                found = self._found(scan, asked.take(lines), each, needed + each - fetched, allowed)
                rows = np.pad(rows, ((0, 0), (0, max(0, found.shape[1] - rows.shape[1]))), constant_values=-1)
                rows[lines, : found.shape[1]] = found
        short = _short(rows, asked, width)
        if len(short):
            rows[short] = -1
            rows[short, :fetched] = scan.best(asked.take(short), fetched)
        return rows

    def _found(self, scan: Scan, asked: Question, k: int, wanted: int, allowed: Bool | None) -> I64:
        """About the `k` best rows of the structure and as many of the tail, shape `(b, k or 2 k)`, none excluded."""
        found = find(self.structure, asked.queries, k, self.effort, wanted, allowed)
        if found is None:
            return np.full((len(asked), 2 * k if len(self.tail) else k), -1, dtype=np.int64)
        rows = found if self._as_they_are else np.where(found < 0, -1, self.rows[found])
        asked.excluded.strike(rows)
        return np.concatenate([rows, self._of_tail(scan, asked, k)], axis=1) if len(self.tail) else rows

    def _positions(self, where: Bool | None) -> Bool | None:
        """Which positions may be answered, None for all."""
        if where is None:
            return self._alive
        if self._as_they_are:
            return where[: len(self.rows)]
        return (self.rows >= 0) & where[self.rows]

    def _of_tail(self, scan: Scan, asked: Question, fetched: int) -> I64:
        where = np.zeros(asked.n_items, dtype=bool)
        where[self.tail] = True if asked.where is None else asked.where[self.tail]
        excluded = asked.excluded.keep(where[asked.excluded.rows])
        return scan.best(Question(asked.queries, where, excluded, asked.n_items), fetched)

    # ---- change

    def without(self, kept: Bool) -> "Segments":
        """The same of only the rows that are `kept`, shape `(n_items,)`, renumbered."""
        renumbered = np.where(kept, np.cumsum(kept) - 1, -1)
        rows = np.where(self.rows < 0, -1, renumbered[self.rows])
        return replace(self, rows=frozen(rows, np.int64), tail=frozen(renumbered[self.tail[kept[self.tail]]], np.int64))

    def with_new(self, changed: I64, n_items: int) -> "Segments":
        """The same where the rows `changed`, and all from the end up to `n_items`, have new vectors."""
        before = int(max(self.rows.max(initial=-1), self.tail.max(initial=-1))) + 1
        stale = np.zeros(n_items, dtype=bool)
        stale[changed] = True
        rows = np.where((self.rows >= 0) & stale[self.rows], -1, self.rows)
        tail = np.unique(np.concatenate([self.tail, changed, np.arange(before, n_items)]))
        return replace(self, rows=frozen(rows, np.int64), tail=frozen(tail, np.int64))

    def compacted(self, vectors: F32) -> "Segments | None":
        """The same items, the tail taken into a larger structure where it is long; None where to build anew pays."""
        if self.n_dead > _DEAD_SHARE * len(self.rows):
            return None
        if len(self.tail) <= max(_TAIL_MOST, _TAIL_SHARE * len(vectors)):
            return self
        if not self.structure.grows:
            return None
        structure = self.structure.grown(np.ascontiguousarray(vectors[self.tail]))
        rows = np.concatenate([self.rows, self.tail])
        return replace(self, structure=structure, rows=frozen(rows, np.int64), tail=frozen([], np.int64))

    # ---- kept

    def write(self, path: Path) -> None:
        """Write three files into the folder `path`."""
        self.structure.write(path / "structure.faiss")
        np.save(path / "rows.npy", self.rows, allow_pickle=False)
        np.save(path / "tail.npy", self.tail, allow_pickle=False)

    @classmethod
    def read(
        cls,
        faiss: Any,
        path: Path,
        factory: str,
        effort: Effort,
        shape: tuple[int, int],
        kind: type[Structure] = Structure,
    ) -> "Segments":
        """What `write` wrote, over items of this shape.

        Raises
        ------
        DataError
            A file is damaged, or rows and tail do not make up the items.
        IncompatibleError
            The structure is over vectors of another number or width.
        """
        try:
            rows = np.load(path / "rows.npy", allow_pickle=False)
            tail = np.load(path / "tail.npy", allow_pickle=False)
        except ValueError as error:
            raise DataError(f"{path}: rows or tail are no arrays ({error}); build the index again") from error
        there = np.concatenate([rows[rows >= 0], tail])
        if rows.dtype != np.int64 or tail.dtype != np.int64 or not np.array_equal(np.sort(there), np.arange(shape[0])):
            raise DataError(f"{path}: {len(there)} rows that are not the {shape[0]} items; build the index again")
        structure = kind.read(faiss, path / "structure.faiss", factory, (len(rows), shape[1]))
        return cls(structure, frozen(rows, np.int64), frozen(tail, np.int64), effort)


def _short(rows: I64, asked: Question, width: int) -> I64:
    """The queries for which `rows`, -1 padded, hold fewer than `width` items, though more are allowed."""
    there = rows >= 0
    found = np.count_nonzero(there)
    if rows.shape[1] >= width and (found == rows.size or (len(rows) == 1 and found >= width)):
        return _NO_QUERY
    counts = there.sum(axis=1)
    few = np.flatnonzero(counts < width)
    return few[counts[few] < asked.available[few]] if len(few) else few
