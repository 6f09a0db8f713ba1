"""How an approximate index is measured, and made just good enough: recall against an exact search of the same items.

The sample is a few hundred of the index's own items, each looked for without itself, unless the caller has queries
of their own, which is better where queries are not like items.
"""

from dataclasses import replace

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.query import Excluded, QueryBatch
from mmreco.index.rescoring import ordered
from mmreco.index.segments import Segments
from mmreco.index.structure import Effort

__all__ = ["AT", "Sample", "tuned"]

AT = 10  # places over which recall is counted
_QUERIES = 256
_FETCHES = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)  # candidates an item of the answer
_GAIN = 0.002  # recall that more effort must bring to be worth trying
_EQUAL = 1e-5  # scores of unit vectors that differ by less are equal
_MUCH = 0.05  # recall that all the effort there is must bring to be worth it


class Sample:
    """Queries with their true answers.

    Parameters
    ----------
    items : of the index
    queries : shape `(n, dim)`, optional
        A sample of the items, each without itself, where omitted.
    seed : of the sample
    """

    def __init__(self, items: ItemVectors, queries: F32 | None = None, *, seed: int = 0) -> None:
        n_items = len(items)
        itself = np.full(0 if queries is None else len(queries), -1)  # row of each query, -1 if no item
        if queries is None:
            itself = np.sort(np.random.default_rng(seed).permutation(n_items)[:_QUERIES])
            queries = np.ascontiguousarray(items.take(itself))
        self._items = items
        self._batch = QueryBatch(queries, None, Excluded.none(), n_items)
        self._width = min(AT + int((itself >= 0).any()), n_items)
        fetched = min(n_items, self._width + items.slack)
        candidates = items.best(self._batch, fetched)
        true = ordered(items, self._batch, candidates, self._width, items.precision, fetched)[0]
        self._itself, self._true = itself, np.where(true == itself[:, None], -1, true)

    @property
    def queries(self) -> F32:
        """The queries, shape `(n, dim)`."""
        return self._batch.queries

    @property
    def width(self) -> int:
        """How many answers each query needs: `AT`, and one more where it is an item itself."""
        return self._width

    def recall(self, segments: Segments) -> float:
        """The share of the true answers that `segments` finds."""
        fetched = min(len(self._items), self._width + self._items.slack)
        rows = np.full((len(self._batch), self._width), -1, dtype=np.int64)
        for line in range(len(rows)):  # as many at a time may be scanned exactly
            query = self._batch.between(line, line + 1)
            candidates = segments.best(self._items, query, self._width, fetched)
            rows[line] = ordered(self._items, query, candidates, self._width, None)[0]
        return self.of(rows)

    def of(self, rows: I64) -> float:
        """The share of the true answers among `rows`, shape `(n, AT)`."""
        if not (self._true >= 0).any():
            return 1.0
        hits = sum(int(np.isin(true[true >= 0], line).sum()) for true, line in zip(self._true, rows, strict=True))
        return hits / int((self._true >= 0).sum())

    def as_near(self, rows: I64) -> float:
        """As `of`, but an item as near as the last true answer counts too: of ten equal titles any may be found."""
        if not (self._true >= 0).any():
            return 1.0
        hits = 0
        for query, own, true, line in zip(self.queries, self._itself, self._true, rows, strict=True):
            best, answered = true[true >= 0], line[(line >= 0) & (line != own)]
            if len(best):
                least = float((self._items.take(best) @ query).min()) - _EQUAL
                others = answered[~np.isin(answered, best)]
                tied = int((self._items.take(others) @ query >= least).sum())
                hits += min(len(best), int(np.isin(best, answered).sum()) + tied)
        return hits / int((self._true >= 0).sum())


def tuned(segments: Segments, sample: Sample, recall: float, *, least: int = 1) -> tuple[Segments, float]:
    """`segments` with the least effort that reaches `recall` on the sample, and what it reaches.

    Where codes are so coarse that looking harder brings nothing, more candidates are fetched; where nothing reaches
    it, the best that was tried is taken, or all the effort there is if that finds much more.
    """
    best, reached = segments, -1.0
    efforts = [step for step in segments.structure.efforts if step >= least] or [segments.structure.efforts[-1]]
    for fetch in _FETCHES:
        before, gained = -1.0, [True]
        for effort in efforts:
            candidate = replace(segments, effort=Effort(effort, fetch))
            measured = sample.recall(candidate)
            if measured > reached:
                best, reached = candidate, measured
            if measured >= recall:
                return candidate, measured
            gained.append(measured >= before + _GAIN)
            if not any(gained[-2:]):  # a plateau: searching harder would not help
                break
            before = max(before, measured)
    most = replace(segments, effort=Effort(efforts[-1], _FETCHES[-1]))
    measured = sample.recall(most)
    return (most, measured) if measured > reached + _MUCH else (best, reached)
