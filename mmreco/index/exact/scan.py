"""Exact search on the CPU: blocks of inner products, of which only what may still win is looked at.

A block of items is multiplied with all queries at once, into memory that is used again. Of the scores only the best
of every 32 is looked for at first, one pass at the speed of memory: the k-th of those is a threshold that k
items reach, and only groups whose best reaches it are opened. So the cost is little more than the matrix product
itself, memory is bounded for all sizes, and filters and exclusions cost next to nothing.
"""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mmreco.arrays import F32, I64, Bool
from mmreco.index.exact import faiss_flat
from mmreco.index.exact.codes import Codes
from mmreco.index.exact.products import products
from mmreco.index.query import QueryBatch

__all__ = ["Scan"]

_BLOCK = 1 << 19  # scores of a block: 2 MB, about what stays in a core's own cache
_GROUP = 32  # scores of which only the best is looked at first
_ROWS = 1 << 16  # vectors processed together
_QUERIES = 1_024  # queries multiplied together
_SPARSE = 0.25  # share of allowed items below which their vectors are gathered before a small batch


class Scan:
    """Exact inner-product search over `vectors`, shape `(n, dim)`.

    Parameters
    ----------
    vectors : shape `(n, dim)`, float32
    faiss : the module, optional
        Its own scan answers the batches for which it is faster; without it all are answered here.
    codes : of the vectors, optional
        One query is answered through them where that can be proven right.
    """

    def __init__(self, vectors: F32, faiss: Any = None, codes: Codes | None = None) -> None:
        self.vectors = vectors
        self._faiss = faiss
        self._codes = codes

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def longest(self) -> float:
        """The greatest length of a vector."""
        squared = [
            np.einsum("nd,nd->n", part, part, dtype=np.float64).max()
            for start in range(0, len(self.vectors), _ROWS)
            for part in [self.vectors[start : start + _ROWS]]
        ]
        return float(np.sqrt(max(squared, default=0.0)))

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors and of their codes."""
        return int(self.vectors.nbytes) + (0 if self._codes is None else self._codes.nbytes)

    @property
    def precision(self) -> float:
        """The relative rounding of one product."""
        return 2.0**-23

    @property
    def slack(self) -> int:
        """Candidates worth fetching beyond those asked for, so that few answers hang on rounding."""
        return 8

    def best(self, batch: QueryBatch, k: int) -> I64:
        """Rows, shape `(b, w)`, among them the `k` best of each query, in no order; -1 where there are fewer."""
        if not batch.n_allowed or not len(batch):
            return np.full((len(batch), k), -1, dtype=np.int64)
        if self._faiss is not None and batch.where is None:
            more = k + int(batch.n_excluded.max())  # FAISS knows of no exclusions
            if faiss_flat.worth(self._faiss, batch.queries, more):
                rows = None
                if self._codes is not None and len(batch) == 1 and more < len(self):
                    rows = self._codes.best(batch.queries, more)
                if rows is None:
                    rows = faiss_flat.best(self._faiss, self.vectors, batch.queries, more)
                batch.excluded.strike(rows)
                return rows
        allowed = None
        if batch.where is not None:
            allowed = np.flatnonzero(batch.where.any(axis=0) if batch.own_filters else batch.where)
        parts = []
        for start in range(0, len(batch), _QUERIES):
            part = batch.between(start, start + _QUERIES)
            parts.append(self._best(part.queries, k, part.where, allowed, *part.excluded.by_row()))
        return np.concatenate(parts)

    def scores(self, query: F32) -> F32:
        """The score of every item for one query, shape `(n,)`."""
        return np.asarray(self.vectors @ query, dtype=np.float32)

    def _best(self, queries: F32, k: int, where: Bool | None, allowed: I64 | None, barred_of: I64, barred: I64) -> I64:
        """As `best`; query `barred_of[e]` must not return row `barred[e]`, ascending."""
        b, n = len(queries), len(self.vectors)
        gathered = allowed is not None and (b >= 16 or len(allowed) < _SPARSE * n)
        total = len(allowed) if gathered and allowed is not None else n
        if gathered and allowed is not None and len(barred):
            at = np.searchsorted(allowed, barred).clip(max=max(0, len(allowed) - 1))
            kept = allowed[at] == barred if len(allowed) else np.zeros(len(at), dtype=bool)
            barred_of, barred = barred_of[kept], at[kept]
        pool = _Pool(b, k)
        step = min(total, max(1_024, _BLOCK // b))
        scores = np.empty(step * b, dtype=np.float32)
        with products(queries, total) as multiplied:
            for start in range(0, total, step):
                stop = min(total, start + step)
                names = None if not gathered or allowed is None else allowed[start:stop]
                block = self.vectors[start:stop] if names is None else self.vectors[names]  # (c, dim)
                block_scores = multiplied(block, scores[: (stop - start) * b].reshape(-1, b))  # (c, b)
                if where is not None and where.ndim == 2:  # a filter of its own for each query
                    block_scores[~(where[:, start:stop] if names is None else where[:, names]).T] = -np.inf
                elif not gathered and where is not None:
                    block_scores[~where[start:stop]] = -np.inf
                lo, hi = np.searchsorted(barred, (start, stop))
                if hi > lo:
                    block_scores[barred[lo:hi] - start, barred_of[lo:hi]] = -np.inf
                pool.add(block_scores, start)
        places = pool.best()
        return places if not gathered or allowed is None else np.where(places < 0, -1, allowed[places])


class _Pool:
    """The `k` best so far of each of `b` queries, with what came since and may still be among them."""

    def __init__(self, b: int, k: int) -> None:
        self._rows = np.full((b, k), -1, dtype=np.int64)
        self._scores = np.full((b, k), -np.inf, dtype=np.float32)
        self._threshold = np.full(b, -np.inf, dtype=np.float32)
        self._waiting: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], F32]] = []
        self._n_waiting = 0

    def add(self, scores: F32, first_row: int) -> None:
        """Take in the scores, shape `(c, b)`, of the items `first_row` and on."""
        k = self._rows.shape[1]
        groups = len(scores) // _GROUP
        if groups >= 4 * k:
            grouped = groups * _GROUP
            self._add_grouped(scores[:grouped], groups, first_row)
            scores, first_row = scores[grouped:], first_row + grouped
        c, b = scores.shape
        hits = np.flatnonzero(scores > self._threshold)
        if len(hits) > 2 * b * k and c > k:  # no threshold to speak of yet: choose by partition
            by_query = np.ascontiguousarray(scores.T)  # (b, c)
            chosen = np.argpartition(by_query, c - k, axis=1)[:, c - k :]  # (b, k)
            self._merge(chosen + first_row, np.take_along_axis(by_query, chosen, axis=1))
        elif len(hits):
            items, queries = np.divmod(hits, b)
            self._wait(queries, items + first_row, scores.ravel()[hits])

    def _add_grouped(self, scores: F32, groups: int, first_row: int) -> None:
        """As `add`; item `i` is in group `i % groups`, so that neighbours, which may be alike, are parted."""
        b = scores.shape[1]
        k = self._rows.shape[1]
        tops = scores.reshape(_GROUP, groups, b).max(axis=0)
        opened = np.flatnonzero(tops > self._threshold)
        threshold = self._threshold
        if len(opened) > 2 * b * k:  # k items reach the k-th best of the groups
            turned = np.ascontiguousarray(tops.T)  # (b, groups)
            threshold = np.maximum(threshold, np.partition(turned, groups - k, axis=1)[:, groups - k])
            opened = np.flatnonzero((tops >= threshold) & (tops > -np.inf))
            if len(opened) > 4 * b * k:  # equals everywhere
                by_query = np.ascontiguousarray(scores.T)  # (b, c)
                chosen = np.argpartition(by_query, len(scores) - k, axis=1)[:, len(scores) - k :]  # (b, k)
                self._merge(chosen + first_row, np.take_along_axis(by_query, chosen, axis=1))
                return
        if not len(opened):
            return
        group, queries = np.divmod(opened, b)
        items = group[:, None] + groups * np.arange(_GROUP)  # (o, group)
        opened_scores = scores[items, queries[:, None]]
        line, place = np.nonzero((opened_scores >= threshold[queries][:, None]) & (opened_scores > -np.inf))
        self._wait(queries[line], items[line, place] + first_row, opened_scores[line, place])

    def _wait(self, queries: I64, rows: I64, scores: F32) -> None:
        self._waiting.append((queries, rows, scores))
        self._n_waiting += len(queries)
        if self._n_waiting > self._rows.size:
            self._settle()

    def best(self) -> I64:
        """The rows, shape `(b, k)`, in no order; -1 where fewer came."""
        self._settle()
        return np.where(np.isneginf(self._scores), -1, self._rows)

    def _settle(self) -> None:
        if not self._waiting:
            return
        queries, rows, scores = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting, self._n_waiting = [], 0
        order = np.argsort(queries, kind="stable")
        queries = queries[order]
        counts = np.bincount(queries, minlength=len(self._rows))
        column = np.arange(len(queries)) - (np.cumsum(counts) - counts)[queries]
        shape = (len(self._rows), int(counts.max()))
        more_rows = np.full(shape, -1, dtype=np.int64)
        more_scores = np.full(shape, -np.inf, dtype=np.float32)
        more_rows[queries, column] = rows[order]
        more_scores[queries, column] = scores[order]
        self._merge(more_rows, more_scores)

    def _merge(self, rows: npt.NDArray[np.int64], scores: F32) -> None:
        k = self._rows.shape[1]
        rows = np.concatenate([self._rows, rows], axis=1)
        scores = np.concatenate([self._scores, scores], axis=1)
        chosen = np.argpartition(scores, scores.shape[1] - k, axis=1)[:, -k:]
        self._rows = np.take_along_axis(rows, chosen, axis=1)
        self._scores = np.take_along_axis(scores, chosen, axis=1)
        self._threshold = self._scores.min(axis=1)
