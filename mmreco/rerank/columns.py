"""What the catalogue says of the candidates: values as codes, numbers and times.

A page is made in less time than it takes to read two hundred values out of a table. So what was read of a catalogue is
kept as long as the catalogue itself: of values the items asked for so far, of numbers and times the column.
"""

from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arrays import F32, F64, I64
from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError

__all__ = ["Codes", "codes", "is_time", "numbers"]

_FRESH_DAYS = 30.0  # in which what a new item is worth for its newness halves
_DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True, eq=False)
class Codes:
    """The values of a column as numbers from 0.

    Parameters
    ----------
    values : shape `(r, w)`, int64
        The values of each row, `w` at most, none twice; -1 where there are fewer.
    names : what the numbers stand for
    """

    values: I64
    names: tuple[str, ...]

    @cached_property
    def number(self) -> dict[str, int]:
        """The number of each name."""
        return {name: code for code, name in enumerate(self.names)}


def codes(catalogue: Catalogue, column: str, rows: I64) -> Codes:
    """The values of `column` at these item rows, shape `(r,)`, numbered as they come; lists are taken apart.

    Raises
    ------
    DataError
        There is no such column, or it holds neither text nor whole numbers nor lists of them.
    """
    known = _coded.setdefault(catalogue, {})
    if column not in known:
        known[column] = _CodedColumn(_column(catalogue, column), column)
    values, names = known[column].read(rows)
    flat, n = values.ravel(), values.size
    first = np.full(len(names) + 1, n)  # where each name comes first; the last is of -1
    first[flat[::-1]] = np.arange(n)[::-1]
    first[-1] = n
    there = np.flatnonzero(first < n)
    there = there[np.argsort(first[there])]
    number = np.full(len(first), -1)
    number[there] = np.arange(len(there))
    return Codes(number[values], tuple(names[name] for name in there.tolist()))


def numbers(catalogue: Catalogue, column: str, rows: I64) -> F32:
    """The numbers of `column` at these item rows, shape `(r,)`, NaN where unknown; a time as its freshness, 0 to 1.

    Raises
    ------
    DataError
        There is no such column, or it holds neither numbers nor times.
    """
    known = _numbered.setdefault(catalogue, {})
    if column not in known:
        known[column] = _as_numbers(_column(catalogue, column), column)
    values = known[column][rows]
    return (0.5 ** (values / _FRESH_DAYS) if is_time(catalogue, column) else values).astype(np.float32)


def is_time(catalogue: Catalogue, column: str) -> bool:
    """Whether the column holds times or dates."""
    kind = catalogue.table[column].type
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


class _CodedColumn:
    """The values of a column, each item's read from the table when it is first asked for.

    Parameters
    ----------
    array : of `n` items
    name : of the column
    """

    def __init__(self, array: pa.ChunkedArray, name: str) -> None:
        kind = array.type.value_type if _listed(array.type) else array.type
        if not _plain(kind.value_type if pa.types.is_dictionary(kind) else kind):
            raise DataError(f"column {name!r} holds {array.type}; expected text, whole numbers or lists of them")
        self._array = array
        self._line = np.zeros(len(array), dtype=np.int32)  # of each item in `_values`; 0 until it is read
        self._values = np.full((1, 1), -1, dtype=np.int64)  # (lines and more, w)
        self._used = 1
        self._number: dict[str, int] = {}
        self._names: list[str] = []
        self._lock = Lock()

    def read(self, rows: I64) -> tuple[I64, list[str]]:
        """The values of these items, shape `(r, w)`, and all names; a list that only ever grows."""
        with self._lock:
            line = self._line[rows]
            if not line.all():
                self._add(np.unique(rows[line == 0]))
                line = self._line[rows]
            values = self._values[line]
            names = self._names
        w = values.shape[1]
        while w > 1 and values[:, w - 1].max(initial=-1) < 0:
            w -= 1
        return values[:, :w], names

    def _add(self, rows: I64) -> None:
        array = self._array.take(pa.array(rows)).combine_chunks()
        owner: I64 = np.arange(len(rows))
        if _listed(array.type):
            owner = pc.list_parent_indices(array).to_numpy(zero_copy_only=False).astype(np.int64)
            array = array.flatten()
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        owner = owner[array.is_valid().to_numpy(zero_copy_only=False)]
        encoded = array.drop_null().cast(pa.large_string()).dictionary_encode()
        names = encoded.dictionary.to_pylist()
        for name in names:
            if self._number.setdefault(name, len(self._names)) == len(self._names):
                self._names.append(name)
        numbered = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        _, once = np.unique(owner * max(1, len(names)) + numbered, return_index=True)  # a value twice counts once
        once.sort()
        owner, code = owner[once], np.array([self._number[name] for name in names], dtype=np.int64)[numbered[once]]
        each = np.bincount(owner, minlength=len(rows))
        self._make_room(len(rows), int(each.max(initial=1)))
        self._values[self._used + owner, np.arange(len(owner)) - (np.cumsum(each) - each)[owner]] = code
        self._line[rows] = np.arange(self._used, self._used + len(rows))
        self._used += len(rows)

    def _make_room(self, more: int, width: int) -> None:
        lines, w = self._values.shape
        if self._used + more <= lines and width <= w:
            return
        larger = np.full((max(2 * lines, self._used + more), max(width, w)), -1, dtype=np.int64)
        larger[:lines, :w] = self._values
        self._values = larger


_coded: WeakKeyDictionary[Catalogue, dict[str, _CodedColumn]] = WeakKeyDictionary()
_numbered: WeakKeyDictionary[Catalogue, dict[str, F64]] = WeakKeyDictionary()


def _as_numbers(array: pa.ChunkedArray, name: str) -> F64:
    """The numbers of a column, of times the days before the newest, shape `(n,)`; NaN where unknown."""
    try:
        if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
            moments = array.cast(pa.timestamp("us", tz=getattr(array.type, "tz", None))).cast(pa.int64())
            newest = pc.max(moments).as_py() or 0
            array = pc.divide(pc.subtract(newest, moments).cast(pa.float64()), float(_DAY))
        values: F64 = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"boosts: column {name!r} holds {array.type}; expected numbers or times") from error
    return values


def _column(catalogue: Catalogue, column: str) -> pa.ChunkedArray:
    if column not in catalogue.table.column_names:
        there = ", ".join(catalogue.table.column_names) or "none"
        raise DataError(f"catalogue: no column {column!r}; there are {there}")
    return catalogue.table[column]


def _listed(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _plain(kind: pa.DataType) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
    return bool(text or pa.types.is_integer(kind) or pa.types.is_boolean(kind))
