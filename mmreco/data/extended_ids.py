"""The ids of a map that changes: what two values have in common is shared, not copied.

Ids stand in numbered slots, which only become more: those of the first map, then a list that every later value reads up
to its own end. A value that lost ids says which slots its rows are.
"""

from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arrays import I64, Bool, frozen
from mmreco.data.ids import IdMap
from mmreco.errors import DataError

__all__ = ["extend_ids", "keep_ids"]

_FEW = 4_096  # ids that are looked up one by one
_PASSES = 8  # passes over all ids before a table of them is made


def extend_ids(ids: IdMap, new: IdMap) -> IdMap:
    """The ids of `ids`, then those of `new`. It costs what `new` does, once there is a table of `ids`.

    Raises
    ------
    DataError
        They share an id; the first is named.
    """
    known = _shared(ids, new)
    if known:
        raise DataError(f"{len(known)} of {len(new)} ids are there already, first {known[0]!r}")
    if not len(new):
        return ids
    if len(new) > max(_FEW, len(ids)):
        return IdMap(pa.concat_arrays([ids.array, new.array]))
    changed = _changed(ids)
    end, slots = changed._end, changed._slots
    store = changed._store.appended(end, new.ids(range(len(new))))
    if slots is not None:
        slots = frozen(np.concatenate([slots, np.arange(end, end + len(new))]), np.int64)
    return _ChangedIds._of(store, end + len(new), slots)


def keep_ids(ids: IdMap, stay: Bool) -> IdMap:
    """Only the ids where `stay`, shape `(n,)`, renumbered from 0."""
    changed = _changed(ids)
    slots = np.flatnonzero(stay) if changed._slots is None else changed._slots[stay]
    return _ChangedIds._of(changed._store, changed._end, frozen(slots, np.int64))


class _Store:
    """The id of every slot, shared by the values that came from one map."""

    def __init__(self, base: IdMap, texts: Sequence[str] = ()) -> None:
        self.base = base
        self.texts: list[str] = []  # of the slots after the base's
        self.slots: dict[str, tuple[int, ...]] = {}  # of these; an id that was removed may come again
        self.passes = 0
        self._lock = Lock()
        self._append(texts)

    def appended(self, end: int, texts: Sequence[str]) -> "_Store":
        """Where these ids stand in the slots from `end`: here, or in a copy where another value has those slots."""
        with self._lock:
            own = end - len(self.base)
            store = self if own == len(self.texts) else _Store(self.base, self.texts[:own])
            store._append(texts)
            return store

    def _append(self, texts: Sequence[str]) -> None:
        for slot, text in enumerate(texts, len(self.base) + len(self.texts)):
            self.slots[text] = (*self.slots.get(text, ()), slot)
        self.texts.extend(texts)

    def __len__(self) -> int:
        return len(self.base) + len(self.texts)


class _ChangedIds(IdMap):
    """An `IdMap` of the first slots of a store, or of some of these."""

    _store: _Store
    _end: int
    _slots: I64 | None

    @classmethod
    def _of(cls, store: _Store, end: int, slots: I64 | None) -> "_ChangedIds":
        ids = object.__new__(cls)
        ids.__dict__.update(_store=store, _end=end, _slots=slots)
        return ids

    @cached_property
    def array(self) -> pa.LargeStringArray:  # type: ignore[override]
        """All ids as Arrow has them, put together on first use."""
        base = self._store.base.array
        whole = pa.concat_arrays([base, pa.array(self._store.texts[: self._end - len(base)], type=pa.large_string())])
        return whole if self._slots is None else whole.take(pa.array(self._slots))

    @cached_property
    def _row_of_slot(self) -> I64:
        rows = np.full(self._end, -1, dtype=np.int64)
        rows[self._slots] = np.arange(len(self))
        return rows

    def __len__(self) -> int:
        return self._end if self._slots is None else len(self._slots)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _ChangedIds) and self._store is other._store and self._end == other._end:
            if self._slots is other._slots:
                return True
            if self._slots is not None and other._slots is not None:
                return np.array_equal(self._slots, other._slots)
        return super().__eq__(other)

    def __hash__(self) -> int:
        return super().__hash__()

    def __reduce__(self) -> tuple[Any, ...]:
        return IdMap, (self.array,)

    def rows(self, ids: Sequence[str] | pa.Array, *, missing: Literal["raise", "mark"] = "raise") -> I64:
        """See `IdMap.rows`."""
        if isinstance(ids, (str, pa.Array, pa.ChunkedArray)) or len(ids) > _FEW or missing not in ("raise", "mark"):
            return super().rows(ids, missing=missing)
        rows = np.fromiter((self._row(text) if isinstance(text, str) else -1 for text in ids), np.int64, len(ids))
        if missing == "raise" and (rows < 0).any():
            return super().rows(ids)  # says which
        return rows

    def _row(self, text: str) -> int:
        for slot in (self._store.base._lookup.get(text, -1), *self._store.slots.get(text, ())):
            if 0 <= slot < self._end:
                row = slot if self._slots is None else int(self._row_of_slot[slot])
                if row >= 0:
                    return row
        return -1

    def ids(self, rows: Sequence[int] | I64) -> list[str]:
        """See `IdMap.ids`."""
        slots = self._inside(rows).ravel()
        slots = slots if self._slots is None else self._slots[slots]
        n, base, texts = len(self._store.base), self._store.base, self._store.texts
        if slots.max(initial=-1) < n:
            return base.ids(slots)
        return [base._texts[slot] if slot < n else texts[slot - n] for slot in slots.tolist()]


def _changed(ids: IdMap) -> _ChangedIds:
    return ids if isinstance(ids, _ChangedIds) else _ChangedIds._of(_Store(ids), len(ids), None)


def _shared(ids: IdMap, new: IdMap) -> list[str]:
    """The ids of `new` that are in `ids`."""
    if len(new) > _FEW:
        return new.ids(np.flatnonzero(ids.rows(new.array, missing="mark") >= 0))
    store, texts = _changed(ids)._store, new.ids(range(len(new)))
    if "_lookup" not in store.base.__dict__ and store.passes < _PASSES:
        store.passes += 1
        if not pc.any(pc.is_in(store.base.array, value_set=new.array)).as_py() and store.slots.keys().isdisjoint(texts):
            return []
    return new.ids(np.flatnonzero(ids.rows(texts, missing="mark") >= 0))
