"""What is asked of an index: queries, and what each of them may be answered with."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmreco.arrays import F32, I64, Bool, frozen
from mmreco.errors import DataError

__all__ = ["Excluded", "Question", "mask_over"]


@dataclass(frozen=True, eq=False)
class Excluded:
    """Pairs of a query and an item row it must not return, ordered by query and row.

    Parameters
    ----------
    keys : shape `(e,)`, ascending
        `query * n_items + row` of each pair; a pair may be there more than once.
    n_items : of the index
    """

    keys: I64
    n_items: int

    @classmethod
    def of(cls, queries: I64, rows: I64, n_items: int) -> "Excluded":
        """These pairs, sorted."""
        keys = queries * n_items + rows
        keys.sort()
        return cls(keys, max(1, n_items))

    @classmethod
    def none(cls) -> "Excluded":
        """No pair."""
        return _NONE

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def queries(self) -> I64:
        """The query of each pair, shape `(e,)`."""
        return self.keys // self.n_items

    @cached_property
    def rows(self) -> I64:
        """The item row of each pair, shape `(e,)`."""
        return self.keys - self.queries * self.n_items

    def between(self, start: int, stop: int) -> "Excluded":
        """The pairs of the queries `start` to `stop`, renumbered from 0."""
        lo, hi = np.searchsorted(self.keys, (start * self.n_items, stop * self.n_items))
        return Excluded(self.keys[lo:hi] - start * self.n_items, self.n_items)

    def by_row(self) -> tuple[I64, I64]:
        """`queries` and `rows`, ordered by item row instead."""
        order = np.argsort(self.rows, kind="stable")
        return self.queries[order], self.rows[order]

    def keep(self, chosen: Bool) -> "Excluded":
        """Only the pairs where `chosen`, shape `(e,)`."""
        return Excluded(self.keys[chosen], self.n_items)

    def take(self, lines: I64) -> "Excluded":
        """The pairs of the queries at these lines, ascending, renumbered from 0."""
        if not len(lines):
            return _NONE
        at = np.searchsorted(lines, self.queries).clip(max=len(lines) - 1)
        kept = lines[at] == self.queries
        return Excluded(at[kept] * self.n_items + self.rows[kept], self.n_items)

    def counts(self, b: int) -> I64:
        """How many items each of `b` queries must not return, shape `(b,)`."""
        keys = self.keys
        once = keys[np.concatenate([keys[:1] >= 0, keys[1:] != keys[:-1]])]  # `np.unique` takes four times as long
        return np.bincount(once // self.n_items, minlength=b).astype(np.int64)

    def strike(self, rows: I64) -> None:
        """Write -1 over what a query must not return in `rows`, shape `(b, w)`."""
        if len(self.keys):
            asked = rows if len(rows) == 1 else np.arange(len(rows))[:, None] * self.n_items + rows
            np.putmask(rows, self.keys.take(np.searchsorted(self.keys, asked), mode="clip") == asked, -1)


_NONE = Excluded(frozen([], np.int64), 1)


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

    @property
    def n_allowed(self) -> int:
        """How many items `where` allows."""
        return self.n_items if self.where is None else self._n_where

    @cached_property
    def _n_where(self) -> int:
        return 0 if self.where is None else int(np.count_nonzero(self.where))

    @cached_property
    def available(self) -> I64:
        """How many items each query may be answered with, shape `(b,)`."""
        return self.n_allowed - self.n_excluded

    @cached_property
    def n_excluded(self) -> I64:
        """How many of the allowed items each query must not return, shape `(b,)`."""
        return self.excluded.counts(len(self))

    def between(self, start: int, stop: int) -> "Question":
        """The queries `start` to `stop`, renumbered from 0."""
        return Question(self.queries[start:stop], self.where, self.excluded.between(start, stop), self.n_items)

    def take(self, lines: I64) -> "Question":
        """The queries at these lines, ascending, renumbered from 0."""
        return Question(self.queries[lines], self.where, self.excluded.take(lines), self.n_items)


def mask_over(n: int, where: object) -> Bool | None:
    """`where` as a mask over `n` items, shape `(n,)`; None for all of them.

    Raises
    ------
    DataError
        It is neither.
    """
    if where is None:
        return None
    if isinstance(where, str):
        raise DataError(f"where: the text {where!r}; say where=mask(catalogue, {where!r}), from mmreco.filters.parser")
    mask = np.asarray(where)
    if mask.shape != (n,) or mask.dtype != np.bool_:
        raise DataError(f"where: {mask.dtype} of shape {mask.shape}; expected bool of shape ({n},)")
    return mask
