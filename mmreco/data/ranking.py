"""Ranking: what every model and every search answers."""

from dataclasses import dataclass

import numpy as np

from mmreco.arrays import F32, I64, frozen
from mmreco.data.ids import IdMap
from mmreco.errors import DataError

__all__ = ["Ranking"]


@dataclass(frozen=True, eq=False, repr=False)
class Ranking:
    """`k` item rows a question with their scores, best first; larger is better, always.

    Parameters
    ----------
    rows : shape `(n, k)`, int64
        Item rows. Questions with fewer than `k` answers are padded with -1 at the end.
    scores : shape `(n, k)`, float32
        Not increasing along a row; -inf exactly where `rows` is -1.

    Raises
    ------
    DataError
        The shapes differ, a score is NaN, an order is not best first, or padding and -inf disagree.

    Examples
    --------
    >>> best = Ranking.from_scores(np.array([[0.1, 0.9, 0.5]], dtype=np.float32), k=2)
    >>> best.rows
    array([[1, 2]])
    """

    rows: I64
    scores: F32

    def __post_init__(self) -> None:
        rows, scores = frozen(self.rows, np.int64), frozen(self.scores, np.float32)
        if rows.ndim != 2 or rows.shape != scores.shape:
            raise DataError(f"ranking: rows {rows.shape} and scores {scores.shape}; expected the same (n, k)")
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "scores", scores)
        falling = scores.size and (scores[:, 1:] <= scores[:, :-1]).all() and (scores[:, -1] > -np.inf).all()
        if falling and rows.min() >= 0:
            return  # nothing is padded, as mostly; and NaN is neither larger nor smaller than anything
        if np.isnan(scores).any():
            raise DataError("ranking: a score is NaN; expected numbers, larger is better")
        if ((rows < 0) != np.isneginf(scores)).any() or (rows < -1).any():
            raise DataError("ranking: row -1 and score -inf must go together")
        if (scores[:, 1:] > scores[:, :-1]).any():
            raise DataError("ranking: scores increase along a row; expected best first")

    @classmethod
    def from_scores(cls, scores: F32, k: int, *, rows: I64 | None = None) -> "Ranking":
        """The `k` best of each line of `scores`.

        Parameters
        ----------
        scores : shape `(n, m)`
            -inf marks what must not be answered. Equal scores come lower row first.
        k : 1 or more
            Width of the answer; padded where fewer than `k` scores are above -inf.
        rows : shape `(n, m)`, optional
            The item rows the scores belong to; column numbers when omitted. -1 is not answered.

        Raises
        ------
        DataError
            `k` is below 1, `scores` is not `(n, m)`, one of them is NaN, or `rows` has another shape.
        """
        if k < 1:
            raise DataError(f"k={k}: expected 1 or more")
        scores = np.asarray(scores)
        if scores.dtype.kind not in "fiub":
            raise DataError(f"scores of {scores.dtype}; expected numbers, shape (n, m)")
        scores = scores.astype(np.float32, copy=False)
        if scores.ndim != 2:
            raise DataError(f"scores of shape {scores.shape}; expected (n, m)")
        if np.isnan(scores).any():
            line = int(np.isnan(scores).any(axis=1).argmax())
            raise DataError(f"ranking: NaN among the scores of question {line}; expected numbers, larger is better")
        if rows is not None:
            if rows.shape != scores.shape:
                raise DataError(f"rows of shape {rows.shape} for scores of shape {scores.shape}; expected the same")
            scores = np.where(rows < 0, np.float32(-np.inf), scores)
        n, m = scores.shape
        width = min(k, m)
        chosen = _largest(scores, width, rows) if width < m else np.broadcast_to(np.arange(m), (n, m))  # (n, width)
        values = np.take_along_axis(scores, chosen, axis=1)
        names = chosen if rows is None else np.take_along_axis(rows, chosen, axis=1)
        order = np.lexsort((names, -values), axis=1)
        best_scores = np.full((n, k), -np.inf, dtype=np.float32)
        best_rows = np.full((n, k), -1, dtype=np.int64)
        best_scores[:, :width] = np.take_along_axis(values, order, axis=1)
        best_rows[:, :width] = np.take_along_axis(names, order, axis=1)
        best_rows[np.isneginf(best_scores)] = -1
        return cls(best_rows, best_scores)

    @classmethod
    def _ordered(cls, rows: I64, scores: F32) -> "Ranking":
        """The same without looking again at what the caller has just put in order; its own arrays, of these types."""
        rows.setflags(write=False)
        scores.setflags(write=False)
        ranking = object.__new__(cls)
        ranking.__dict__.update(rows=rows, scores=scores)
        return ranking

    @property
    def k(self) -> int:
        """The width of the answer."""
        return int(self.rows.shape[1])

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    def __repr__(self) -> str:
        return f"Ranking({len(self)} questions x {self.k})"

    def top(self, k: int) -> "Ranking":
        """The first `k` columns.

        Raises
        ------
        DataError
            `k` is below 1 or wider than the ranking.
        """
        if not 1 <= k <= self.k:
            raise DataError(f"k={k}: expected 1..{self.k}, the width of this ranking")
        return Ranking(self.rows[:, :k], self.scores[:, :k])

    def ids(self, items: IdMap) -> list[list[str]]:
        """The item ids of each question by the map `items`, best first, padding left out."""
        rows = self.rows
        n, k = rows.shape
        if rows.size and min(rows[:, -1].tolist()) >= 0:  # nothing is padded, as mostly
            flat = items.ids(rows)
            return [flat] if n == 1 else [flat[start : start + k] for start in range(0, n * k, k)]
        there = rows >= 0
        flat, ends = items.ids(rows[there]), np.cumsum(there.sum(axis=1)).tolist()
        return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _largest(scores: F32, width: int, rows: I64 | None) -> I64:
    """The columns of the `width` largest of each line, shape `(n, width)`, in no order; lower rows among equals."""
    chosen = np.argpartition(-scores, width - 1, axis=1)[:, :width].astype(np.int64)
    values = np.take_along_axis(scores, chosen, axis=1)
    worst = values.min(axis=1, keepdims=True)  # (n, 1)
    cut = (scores == worst).sum(axis=1) > (values == worst).sum(axis=1)  # some of the equals were left out
    for line in np.flatnonzero(cut & ~np.isneginf(worst[:, 0])):
        above = np.flatnonzero(scores[line] > worst[line])
        equal = np.flatnonzero(scores[line] == worst[line])
        if rows is not None:
            equal = equal[np.argsort(rows[line, equal], kind="stable")]
        chosen[line] = np.concatenate([above, equal[: width - len(above)]])
    return chosen
