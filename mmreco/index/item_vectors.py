"""The vectors of an index's items, as they change: a base that stays as it is, and a tail that grows.

Vectors stand in numbered slots, which only become more: those of the base, then the tail's. A new item takes the next
slot, and so does an item whose vector changes; an item that is removed leaves its slot empty. So a change costs what it
changes, a million vectors are not copied for one more, and a GPU keeps the base it has. Values that come from one
another share both parts, and each reads the tail up to its own end. When the tail has become long, or many slots are
empty, all is copied into a new base.
"""

import os
from threading import Lock

import numpy as np

from mmreco.arrays import F32, I64, Bool, frozen
from mmreco.index.exact.pairs import scored
from mmreco.index.exact.scan import Scan
from mmreco.index.query import QueryBatch

__all__ = ["ItemVectors"]

_APPENDING = Lock()
if hasattr(os, "register_at_fork"):  # a child must not be born while another thread holds it
    os.register_at_fork(
        before=_APPENDING.acquire, after_in_parent=_APPENDING.release, after_in_child=_APPENDING.release
    )
_TAIL_MOST = 65_536  # vectors in a tail, or
_TAIL_SHARE = 0.25  # of the base's, from which a new base is made
_EMPTY_SHARE = 0.4  # of all slots, from which a new base is made
_EMPTY_FEW = 64  # empty slots that are searched with the others and left out of the answer


class ItemVectors:
    """One vector a row; never changed, its methods answer with another.

    Parameters
    ----------
    scan : over the base

    Attributes
    ----------
    dim : the width of a vector
    """

    def __init__(self, scan: Scan) -> None:
        self._set(scan, _Tail(scan.vectors.shape[1]), 0, None, 0.0)

    def _set(self, scan: Scan, tail: "_Tail", n_tail: int, slots: I64 | None, longest: float) -> None:
        self._scan = scan
        self._tail = tail
        self._tail_scan = Scan(tail.first(n_tail))
        self._slots = slots  # of each row; None where row r is slot r
        self._longest = longest  # of the tail
        self._row_of_slot: I64 | None = None
        self._n_base = len(scan)
        self._n_slots = self._n_base + n_tail
        self._n = self._n_slots if slots is None else len(slots)
        self._changed = bool(n_tail) or slots is not None
        self.dim = int(scan.vectors.shape[1])

    def __len__(self) -> int:
        return self._n

    @property
    def nbytes(self) -> int:
        """Bytes of the base, with its codes where it has some, and of the tail."""
        return self._scan.nbytes + self._tail_scan.nbytes

    @property
    def longest(self) -> float:
        """The greatest length of a vector, of those in empty slots too."""
        longest = self._scan.longest
        return longest if longest > self._longest else self._longest

    @property
    def precision(self) -> float:
        """The relative rounding of one product."""
        return self._scan.precision

    @property
    def slack(self) -> int:
        """Candidates worth fetching beyond those asked for, so that few answers hang on rounding."""
        return self._scan.slack

    # ---- search

    def best(self, batch: QueryBatch, k: int) -> I64:
        """Rows, shape `(b, w)`, among them the `k` best of each query, in no order; -1 where there are fewer."""
        if not self._changed:
            return self._scan.best(batch, k)
        n = self._n_base
        parts = ((self._scan, 0, n), (self._tail_scan, n, self._n_slots))
        return np.concatenate([self._best_of(scan, lo, hi, batch, k) for scan, lo, hi in parts if lo < hi], axis=1)

    def _best_of(self, scan: Scan, start: int, stop: int, batch: QueryBatch, k: int) -> I64:
        """The same of the slots `start` to `stop`, which `scan` is over."""
        where, excluded = batch.where, batch.excluded
        if self._slots is None:
            where = None if where is None else where[..., start:stop]
            slots = excluded.rows
        else:
            rows = self._rows_of_slots[start:stop]
            taken = rows >= 0
            n_empty = len(rows) - int(np.count_nonzero(taken))
            if where is not None:
                where = where[..., rows] & taken
            elif n_empty > _EMPTY_FEW:
                where = taken
            else:
                k += n_empty
            slots = self._slots[excluded.rows]
        inside = np.where((slots >= start) & (slots < stop), slots - start, -1)
        part = QueryBatch(batch.queries, where, excluded.renumbered(inside, stop - start), stop - start)
        slots = scan.best(part, k)
        return np.where(slots < 0, -1, slots + start if self._slots is None else rows[slots])

    @property
    def _rows_of_slots(self) -> I64:
        """The row of each slot, -1 of an empty one; where not every row is its own slot."""
        if self._row_of_slot is None:
            rows = np.full(self._n_slots, -1, dtype=np.int64)
            rows[self._slots] = np.arange(len(self))
            self._row_of_slot = rows
        return self._row_of_slot

    def scores(self, query: F32) -> F32:
        """The score of every item for one query, shape `(n,)`."""
        scores = self._scan.scores(query)
        if len(self._tail_scan):
            scores = np.concatenate([scores, self._tail_scan.scores(query)])
        return scores if self._slots is None else scores[self._slots]

    def scored(self, queries: F32, rows: I64) -> F32:
        """The score of each candidate, shape `(b, w)`; -inf where `rows` is -1. The same in any batch."""
        if not self._changed:
            return scored(self._scan.vectors, queries, rows)
        slots = rows if self._slots is None else np.where(rows < 0, -1, self._slots[rows])
        n = self._n_base
        of_tail = slots >= n
        if not of_tail.any():
            return scored(self._scan.vectors, queries, slots)
        scores = scored(self._tail_scan.vectors, queries, np.where(of_tail, slots - n, -1))
        return np.where(of_tail, scores, scored(self._scan.vectors, queries, np.where(of_tail, -1, slots)))

    # ---- vectors

    def take(self, rows: I64) -> F32:
        """The vectors of these rows, shape `(m, dim)`, C-contiguous; a view where they are the end of the tail."""
        slots = rows if self._slots is None else self._slots[rows]
        n = self._n_base
        first = int(slots[0]) if len(slots) else 0
        if first >= n and len(slots) == self._n_slots - first and (np.diff(slots) == 1).all():
            return self._tail_scan.vectors[first - n :]
        vectors = np.empty((len(slots), self.dim), dtype=np.float32)
        of_tail = slots >= n
        vectors[~of_tail] = self._scan.vectors[slots[~of_tail]]
        vectors[of_tail] = self._tail_scan.vectors[slots[of_tail] - n]
        return vectors

    def whole(self) -> F32:
        """All vectors, shape `(n, dim)`, in the order of their rows; the base itself where that is all."""
        if not self._changed:
            return self._scan.vectors
        if self._slots is None:
            return np.concatenate([self._scan.vectors, self._tail_scan.vectors])
        return self.take(np.arange(len(self)))

    # ---- change

    def added(self, vectors: F32) -> "ItemVectors":
        """The same with these as well, in rows after those there are."""
        slots = self._slots
        if slots is not None:
            slots = frozen(np.concatenate([slots, np.arange(len(vectors)) + self._n_slots]), np.int64)
        return self._appended(vectors, slots)

    def updated(self, rows: I64, vectors: F32) -> "ItemVectors":
        """The same with these vectors at these rows."""
        slots = np.arange(len(self)) if self._slots is None else np.array(self._slots)
        slots[rows] = np.arange(len(vectors)) + self._n_slots
        return self._appended(vectors, frozen(slots, np.int64))

    def without(self, stay: Bool) -> "ItemVectors":
        """Only the rows that `stay`, shape `(n,)`, renumbered."""
        slots = np.flatnonzero(stay) if self._slots is None else self._slots[stay]
        return self._like(self._tail, len(self._tail_scan), frozen(slots, np.int64), self._longest)

    def outgrown(self) -> bool:
        """Whether a copy of all into a new base pays."""
        if len(self._tail_scan) > max(_TAIL_MOST, _TAIL_SHARE * len(self._scan)):
            return True
        return self._n_slots - len(self) > max(_EMPTY_FEW, _EMPTY_SHARE * self._n_slots)

    def _appended(self, vectors: F32, slots: I64 | None) -> "ItemVectors":
        n = len(self._tail_scan)
        longest = max(self._longest, Scan(vectors).longest)
        return self._like(self._tail.appended(n, vectors), n + len(vectors), slots, longest)

    def _like(self, tail: "_Tail", n_tail: int, slots: I64 | None, longest: float) -> "ItemVectors":
        other = object.__new__(ItemVectors)
        other._set(self._scan, tail, n_tail, slots, longest)
        return other


class _Tail:
    """Memory to which vectors are appended, and which values share as long as they have its beginning in common."""

    def __init__(self, dim: int) -> None:
        self._memory = np.empty((0, dim), dtype=np.float32)
        self._n = 0

    def first(self, n: int) -> F32:
        """The first `n` vectors, read-only."""
        view = self._memory[:n]
        view.flags.writeable = False
        return view

    def appended(self, n: int, vectors: F32) -> "_Tail":
        """What has these vectors after its first `n`: this one, or a copy where another value has those places."""
        with _APPENDING:
            tail = self
            if self._n != n:
                tail = _Tail(self._memory.shape[1])
                tail._extend(self._memory[:n])
            tail._extend(vectors)
            return tail

    def _extend(self, vectors: F32) -> None:
        n, stop = self._n, self._n + len(vectors)
        if stop > len(self._memory):
            memory = np.empty((max(64, 2 * stop), self._memory.shape[1]), dtype=np.float32)
            memory[:n] = self._memory[:n]
            self._memory = memory
        self._memory[n:stop] = vectors
        self._n = stop
