"""The ids of a map that changes: what two values have in common is shared, not copied.

Ids stand in numbered slots, which only become more: those of the first map, then a list that every later value reads up
to its own end. A value that lost ids says which slots its rows are.
"""

import os
from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arrays import I64, Bool, frozen
from mmreco.data.ids import IdMap
from mmreco.errors import DataError

__all__ = ["extend_ids", "keep_ids"]

_APPENDING = Lock()
if hasattr(os, "register_at_fork"):  # a child must not be born while another thread holds it
    os.register_at_fork(
        before=_APPENDING.acquire, after_in_parent=_APPENDING.release, after_in_child=_APPENDING.release
    )
_FEW = 4_096  # ids that are looked up one by one
_BLOCK = 1 << 15  # ids that are numbered together
_ODD = 0x9E3779B97F4A7C15
_MARKED = 16  # ids that are looked for one by one, in a pass over a number of each


def extend_ids(ids: IdMap, new: IdMap) -> IdMap:
    """The ids of `ids`, then those of `new`. The first are not copied.

    Raises
    ------
    DataError
        They share an id; the first is named.
    """
    changed = _changed(ids)
    if not len(new):
        return ids
    known = _shared(changed, new)
    if known:
        raise DataError(f"{len(known)} of {len(new)} ids already exist, first {known[0]!r}")
    if len(new) > max(_FEW, len(ids)):
        return IdMap(pa.concat_arrays([ids.array, new.array]))
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
        self._append(texts)

    @cached_property
    def _marks(self) -> npt.NDArray[np.uint64]:
        """A number for each id of the base, equal for equal ids; an eighth of the memory of a table, made sooner."""
        return _marks(self.base.array)

    def has_none(self, texts: Sequence[str]) -> bool:
        """Whether none of these few ids is in any slot, found out without a table of all."""
        if not self.slots.keys().isdisjoint(texts):
            return False
        array = pa.array(texts, type=pa.large_string())
        rows = np.concatenate([np.flatnonzero(self._marks == mark) for mark in _marks(array)])
        return not pc.any(pc.is_in(self.base.array.take(pa.array(rows)), value_set=array)).as_py()

    def appended(self, end: int, texts: Sequence[str]) -> "_Store":
        """Where these ids stand in the slots from `end`: here, or in a copy where another value has those slots."""
        with _APPENDING:
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
    def array(self) -> pa.LargeStringArray:
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
        if isinstance(ids, (pa.Array, pa.ChunkedArray)) and len(ids) <= _FEW:
            ids = ids.to_pylist()
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

    def take(self, rows: Sequence[int] | I64) -> IdMap:
        """See `IdMap.take`."""
        if len(rows) > _FEW:
            return super().take(rows)
        return IdMap.of(self.ids(rows))

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


def _shared(ids: _ChangedIds, new: IdMap) -> list[str]:
    """The ids of `new` that are in `ids`."""
    if len(new) > _FEW:
        return new.ids(np.flatnonzero(ids.rows(new.array, missing="mark") >= 0))
    store, texts = ids._store, new.ids(range(len(new)))
    if len(new) <= _MARKED and "_lookup" not in store.base.__dict__ and store.has_none(texts):
        return []
    return new.ids(np.flatnonzero(ids.rows(texts, missing="mark") >= 0))


def _marks(array: pa.LargeStringArray) -> npt.NDArray[np.uint64]:
    """The last eight bytes of each string and its length, as one number, shape `(n,)`."""
    marks = np.zeros(len(array), dtype=np.uint64)
    _, offsets, data = array.buffers()
    if not len(array) or data is None:
        return marks
    ends = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    text = np.frombuffer(data, dtype=np.uint8)
    for start in range(0, len(array), _BLOCK):  # a few numbers at a time stay in a core's own cache
        own = ends[start : start + _BLOCK + 1]
        padded = np.concatenate([np.zeros(8, dtype=np.uint8), text[own[0] : own[-1]]])
        words = np.ndarray((len(padded) - 7,), np.dtype("<u8"), padded, strides=(1,))  # at every byte
        lengths = np.diff(own).astype(np.uint64)
        before = np.uint64(8) * (np.uint64(8) - np.minimum(lengths, np.uint64(8)))  # bits of the string before it
        marks[start : start + _BLOCK] = (words[own[1:] - own[0]] >> before) ^ (lengths * np.uint64(_ODD))
    return marks
