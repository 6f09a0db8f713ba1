"""How an approximate index is measured, and made just good enough: recall against an exact search of the same items.

The sample is a few hundred of the index's own items, each looked for without itself, unless the caller has queries
of his own, which is better where queries are not like items.
"""

from dataclasses import replace

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.index.exact.scan import Scan
from mmreco.index.query import Excluded, Question
from mmreco.index.rescoring import ordered
from mmreco.index.segments import Segments
from mmreco.index.structure import Effort

__all__ = ["AT", "Sample", "tuned"]

AT = 10  # places over which recall is counted
_QUERIES = 256
_FETCHES = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)  # candidates an item of the answer
_GAIN = 0.002  # recall that more effort must bring to be worth trying
_MUCH = 0.05  # recall that all the effort there is must bring to be worth it


class Sample:
    """Questions with their true answers.

    Parameters
    ----------
    scan : of all items
    queries : shape `(n, dim)`, optional
        A sample of the items, each without itself, where omitted.
    seed : of the sample
    """

    def __init__(self, scan: Scan, queries: F32 | None = None, *, seed: int = 0) -> None:
        n_items = len(scan.vectors)
        itself = np.full(0 if queries is None else len(queries), -1)
        if queries is None:
            itself = np.sort(np.random.default_rng(seed).permutation(n_items)[:_QUERIES])
            queries = np.ascontiguousarray(scan.vectors[itself])
        self._scan = scan
        self._asked = Question(queries, None, Excluded.none(), n_items)
        self._width = min(AT + int((itself >= 0).any()), n_items)
        found = scan.best(self._asked, min(n_items, self._width + scan.slack))
        true = ordered(scan, self._asked, found, self._width, scan.precision)[0]
        self._true = np.where(true == itself[:, None], -1, true)

    @property
    def queries(self) -> F32:
        """What is asked, shape `(n, dim)`."""
        return self._asked.queries

    @property
    def width(self) -> int:
        """How many answers each query needs: `AT`, and one more where it is an item itself."""
        return self._width

    def recall(self, held: Segments) -> float:
        """The share of the true answers that `held` finds."""
        fetched = min(len(self._scan.vectors), self._width + self._scan.slack)
        rows = np.full((len(self._asked), self._width), -1, dtype=np.int64)
        for line in range(len(rows)):  # as many at a time may be scanned exactly
            asked = self._asked.between(line, line + 1)
            found = held.best(self._scan, asked, self._width, fetched)
            rows[line] = ordered(self._scan, asked, found, self._width, None)[0]
        return self.of(rows)

    def of(self, rows: I64) -> float:
        """The share of the true answers among `rows`, shape `(n, AT)`."""
        if not (self._true >= 0).any():
            return 1.0
        hits = sum(int(np.isin(true[true >= 0], found).sum()) for true, found in zip(self._true, rows, strict=True))
        return hits / int((self._true >= 0).sum())


def tuned(held: Segments, sample: Sample, recall: float, *, least: int = 1) -> tuple[Segments, float]:
    """`held` with the least effort that reaches `recall` on the sample, and what it reaches.

    Where codes are so coarse that looking harder brings nothing, more candidates are fetched; where nothing reaches
    it, the best that was tried is taken, or all the effort there is if that finds much more.
    """
    best, reached = held, -1.0
    efforts = [step for step in held.structure.efforts if step >= least] or [held.structure.efforts[-1]]
    for fetch in _FETCHES:
        before, gained = -1.0, [True]
        for effort in efforts:
            tried = replace(held, effort=Effort(effort, fetch))
            found = sample.recall(tried)
            if found > reached:
                best, reached = tried, found
            if found >= recall:
                return tried, found
            gained.append(found >= before + _GAIN)
            if not any(gained[-2:]):  # a plateau: it is not for want of looking
                break
            before = max(before, found)
    most = replace(held, effort=Effort(efforts[-1], _FETCHES[-1]))
    found = sample.recall(most)
    return (most, found) if found > reached + _MUCH else (best, reached)
