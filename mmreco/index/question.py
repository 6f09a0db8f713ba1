"""What is asked of an index: queries, and what each of them may be answered with."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmreco.arrays import F32, I64, Bool, frozen

__all__ = ["Excluded", "Question"]


@dataclass(frozen=True, eq=False)
class Excluded:
    """Pairs of a query and an item row it must not return, each once, ordered by query and row.

    Parameters
    ----------
    queries, rows : shape `(e,)` each
    """

    queries: I64
    rows: I64

    @classmethod
    def of(cls, queries: I64, rows: I64, n_items: int) -> "Excluded":
        """These pairs, sorted and each once."""
        keys = np.sort(queries * n_items + rows)
        first = np.ones(len(keys), dtype=np.bool_)
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        keys = keys[first]  # as `np.unique`, which hashes first and takes four times as long
        return cls(*np.divmod(keys, max(1, n_items)))

    @classmethod
    def none(cls) -> "Excluded":
        """No pair."""
        return _NONE

    def between(self, start: int, stop: int) -> "Excluded":
        """The pairs of the queries `start` to `stop`, renumbered from 0."""
        lo, hi = np.searchsorted(self.queries, (start, stop))
        return Excluded(self.queries[lo:hi] - start, self.rows[lo:hi])

    def by_row(self) -> "Excluded":
        """The same pairs, ordered by item row instead."""
        order = np.argsort(self.rows, kind="stable")
        return Excluded(self.queries[order], self.rows[order])

    def bar(self, rows: I64, n_items: int) -> Bool:
        """Where `rows`, shape `(b, w)`, holds an item its query must not return, or padding."""
        barred: Bool = rows < 0
        if len(self.rows):
            keys = self.queries * n_items + self.rows
            asked = np.arange(len(rows))[:, None] * n_items + rows
            barred |= keys.take(np.searchsorted(keys, asked), mode="clip") == asked
        return barred


_NONE = Excluded(frozen([], np.int64), frozen([], np.int64))


@dataclass(frozen=True, eq=False)
class Question:
    """`b` queries over `n_items` items.

    Parameters
    ----------
    queries : shape `(b, dim)`
    where : shape `(n_items,)`, or None for all
    excluded : only items that `where` allows
    n_items : of the index
    """

    queries: F32
    where: Bool | None
    excluded: Excluded
    n_items: int

    def __len__(self) -> int:
        return len(self.queries)

    @cached_property
    def n_allowed(self) -> int:
        """How many items `where` allows."""
        return self.n_items if self.where is None else int(np.count_nonzero(self.where))

    @cached_property
    def available(self) -> I64:
        """How many items each query may be answered with, shape `(b,)`."""
        return self.n_allowed - self.n_excluded

    @cached_property
    def n_excluded(self) -> I64:
        """How many of the allowed items each query must not return, shape `(b,)`."""
        return np.bincount(self.excluded.queries, minlength=len(self)).astype(np.int64)

    def between(self, start: int, stop: int) -> "Question":
        """The queries `start` to `stop`, renumbered from 0."""
        return Question(self.queries[start:stop], self.where, self.excluded.between(start, stop), self.n_items)

    def take(self, lines: I64) -> "Question":
        """The queries at these lines, ascending, renumbered from 0."""
        at = np.searchsorted(lines, self.excluded.queries).clip(max=max(0, len(lines) - 1))
        kept = lines[at] == self.excluded.queries if len(lines) else np.zeros(len(at), dtype=bool)
        return Question(self.queries[lines], self.where, Excluded(at[kept], self.excluded.rows[kept]), self.n_items)
