"""A batch of queries, and what each of them may be answered with."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmreco.arrays import F32, I64, Bool, frozen

__all__ = ["Excluded", "QueryBatch"]

_FEW = 16  # the part of all items that is few: a pair costs some twenty times as much as its place in a product


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

    def renumbered(self, rows: I64, n_items: int) -> "Excluded":
        """The pairs with these `rows`, shape `(e,)`, of another `n_items`; those where it is -1 are left out."""
        if not len(self):
            return _NONE
        there = rows >= 0
        return Excluded.of(self.queries[there], rows[there], n_items)

    def take(self, lines: I64) -> "Excluded":
        """The pairs of the queries at these lines, ascending, renumbered from 0."""
        if not len(lines):
            return _NONE
        at = np.searchsorted(lines, self.queries).clip(max=len(lines) - 1)
        chosen = lines[at] == self.queries
        return Excluded(at[chosen] * self.n_items + self.rows[chosen], self.n_items)

    def counts(self, b: int) -> I64:
        """How many items each of `b` queries must not return, shape `(b,)`."""
        keys = self.keys
        once = keys[np.concatenate([keys[:1] >= 0, keys[1:] != keys[:-1]])]  # `np.unique` takes four times as long
        return np.bincount(once // self.n_items, minlength=b).astype(np.int64)

    def strike(self, rows: I64) -> None:
        """Write -1 over what a query must not return in `rows`, shape `(b, w)`."""
        if len(self.keys):
            keys = rows if len(rows) == 1 else np.arange(len(rows))[:, None] * self.n_items + rows
            np.putmask(rows, self.keys.take(np.searchsorted(self.keys, keys), mode="clip") == keys, -1)


_NONE = Excluded(frozen([], np.int64), 1)


@dataclass(frozen=True, eq=False)
class QueryBatch:
    """`b` queries over `n_items` items.

    Parameters
    ----------
    queries : shape `(b, dim)`
    where : shape `(n_items,)`, or `(b, n_items)` with a line for each query, or None for all
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
    def own_filters(self) -> bool:
        """Whether each query has a filter of its own."""
        return self.where is not None and self.where.ndim == 2

    @property
    def n_allowed(self) -> int:
        """How many items `where` allows, at most."""
        return self.n_items if self.where is None else self._most_allowed

    @cached_property
    def _most_allowed(self) -> int:
        return int(np.max(self._counts, initial=0))

    @cached_property
    def _counts(self) -> I64:
        """How many items `where` allows: shape `()`, or `(b,)` where each query has a filter of its own."""
        return np.asarray(np.count_nonzero(self.where, axis=-1) if self.where is not None else self.n_items)

    def few(self) -> I64 | None:
        """What each query may be answered with, shape `(b, w)`, -1 padded, where few items are left to each; or None.

        Only where each has a filter of its own: to score these pairs takes less than to multiply with all items.
        """
        if self.where is None or self.where.ndim == 1 or self._most_allowed * _FEW > self.n_items:
            return None
        queries, items = np.divmod(np.flatnonzero(self.where), self.n_items)  # a tenth of the time of `np.nonzero`
        rows = np.full((len(self), self._most_allowed), -1, dtype=np.int64)
        rows[queries, np.arange(len(queries)) - (np.cumsum(self._counts) - self._counts)[queries]] = items
        self.excluded.strike(rows)
        return rows

    @cached_property
    def available(self) -> I64:
        """How many items each query may be answered with, shape `(b,)`."""
        return self._counts - self.n_excluded if self.own_filters else self.n_allowed - self.n_excluded

    @cached_property
    def n_excluded(self) -> I64:
        """How many of the allowed items each query must not return, shape `(b,)`."""
        return self.excluded.counts(len(self))

    def mask(self, line: int) -> Bool | None:
        """The filter of one query, shape `(n_items,)`; None for all items."""
        return self.where[line] if self.where is not None and self.where.ndim == 2 else self.where

    def between(self, start: int, stop: int) -> "QueryBatch":
        """The queries `start` to `stop`, renumbered from 0."""
        where = self.where[start:stop] if self.where is not None and self.where.ndim == 2 else self.where
        return QueryBatch(self.queries[start:stop], where, self.excluded.between(start, stop), self.n_items)

    def take(self, lines: I64) -> "QueryBatch":
        """The queries at these lines, ascending, renumbered from 0."""
        where = self.where[lines] if self.where is not None and self.where.ndim == 2 else self.where
        return QueryBatch(self.queries[lines], where, self.excluded.take(lines), self.n_items)

    def by_filter(self) -> Iterator[tuple[I64, "QueryBatch"]]:
        """The lines of the queries that have a filter in common, and these queries with it, shape `(n_items,)`."""
        groups: dict[bytes, list[int]] = {}
        for line in range(len(self)):
            mask = self.mask(line)
            groups.setdefault(b"" if mask is None else np.packbits(mask).tobytes(), []).append(line)
        for group in groups.values():
            lines = np.array(group)
            excluded = self.excluded.take(lines)
            yield lines, QueryBatch(self.queries[lines], self.mask(group[0]), excluded, self.n_items)
