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

from mmreco.arrays import F32, I64
from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError

__all__ = ["CodedColumn", "Codes", "coded_column", "codes", "is_time", "numbers"]

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
    coded = coded_column(catalogue, column)
    values = np.ascontiguousarray(coded.read(rows)[0].T)
    names = coded.names
    flat, n = values.ravel(), values.size
    first = np.full(len(names) + 1, n)  # where each name comes first; the last is of -1
    first[flat[::-1]] = np.arange(n)[::-1]
    first[-1] = n
    there = np.flatnonzero(first < n)
    there = there[np.argsort(first[there])]
    number = np.full(len(first), -1)
    number[there] = np.arange(len(there))
    return Codes(number[values], tuple(names[name] for name in there.tolist()))


def coded_column(catalogue: Catalogue, column: str) -> "CodedColumn":
    """The column as numbers, the same as long as the catalogue lives.

    Raises
    ------
    DataError
        There is no such column, or it holds neither text nor whole numbers nor lists of them.
    """
    known = _coded.setdefault(catalogue, {})
    if column not in known:
        known[column] = CodedColumn(_column(catalogue, column), column)
    return known[column]


def numbers(catalogue: Catalogue, column: str, rows: I64) -> F32:
    """The numbers of `column` at these item rows, of any shape, NaN where unknown; a time as its freshness, 0 to 1.

    Raises
    ------
    DataError
        There is no such column, or it holds neither numbers nor times.
    """
    values: F32 = _numbers_of(catalogue, column)[0].take(rows)
    return values


def is_time(catalogue: Catalogue, column: str) -> bool:
    """Whether the column holds times or dates, and not numbers.

    Raises
    ------
    DataError
        As `numbers`.
    """
    return _numbers_of(catalogue, column)[1]


class CodedColumn:
    """The values of a column as numbers from 0, each item's read from the table when it is first asked for.

    Parameters
    ----------
    array : of `n` items
    name : of the column

    Attributes
    ----------
    names : what the numbers stand for; a list that only ever grows
    number : the number of each name
    """

    def __init__(self, array: pa.ChunkedArray, name: str) -> None:
        kind = array.type.value_type if _listed(array.type) else array.type
        if not _plain(kind.value_type if pa.types.is_dictionary(kind) else kind):
            raise DataError(f"column {name!r} holds {array.type}; expected text, whole numbers or lists of them")
        self._array = array
        self._line = np.zeros(len(array), dtype=np.int32)  # of each item in `_values`; 0 until it is read
        self._values = np.full((1, 1), -1, dtype=np.int64)  # (w, lines and more)
        self._counts = np.zeros(1, dtype=np.int64)  # (lines and more,)
        self._used = 1
        self.number: dict[str, int] = {}
        self.names: list[str] = []
        self._lock = Lock()

    def read(self, rows: I64) -> tuple[I64, I64]:
        """The values of these items, shape `(w, *rows.shape)`, and how many each has, `rows.shape`.

        The first values of all items, then the second, ..., as many as one of them has; no value twice, -1 where an
        item has fewer.
        """
        with self._lock:
            line = self._line.take(rows)
            if np.count_nonzero(line) < line.size:
                self._add(np.unique(rows[line == 0]))
                line = self._line.take(rows)
            values, counts = self._values, self._counts.take(line)
        return values[: counts.max(initial=1)].take(line, axis=1), counts

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
            if self.number.setdefault(name, len(self.names)) == len(self.names):
                self.names.append(name)
        numbered = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        _, once = np.unique(owner * max(1, len(names)) + numbered, return_index=True)  # a value twice counts once
        once.sort()
        owner, code = owner[once], np.array([self.number[name] for name in names], dtype=np.int64)[numbered[once]]
        each = np.bincount(owner, minlength=len(rows))
        self._make_room(len(rows), int(each.max(initial=1)))
        self._values[np.arange(len(owner)) - (np.cumsum(each) - each)[owner], self._used + owner] = code
        self._counts[self._used : self._used + len(rows)] = each
        self._line[rows] = np.arange(self._used, self._used + len(rows))
        self._used += len(rows)

    def _make_room(self, more: int, width: int) -> None:
        w, lines = self._values.shape
        if self._used + more <= lines and width <= w:
            return
        larger = np.full((max(width, w), max(2 * lines, self._used + more)), -1, dtype=np.int64)
        larger[:w, :lines] = self._values
        self._values = larger
        self._counts = np.append(self._counts, np.zeros(larger.shape[1] - lines, dtype=np.int64))


_coded: WeakKeyDictionary[Catalogue, dict[str, CodedColumn]] = WeakKeyDictionary()
_numbered: WeakKeyDictionary[Catalogue, dict[str, tuple[F32, bool]]] = WeakKeyDictionary()


def _numbers_of(catalogue: Catalogue, column: str) -> tuple[F32, bool]:
    """The numbers of all items, shape `(n,)`, and whether they are times; see `numbers`."""
    known = _numbered.setdefault(catalogue, {})
    if column not in known:
        array = _column(catalogue, column)
        timed = bool(pa.types.is_timestamp(array.type) or pa.types.is_date(array.type))
        known[column] = _as_numbers(array, column, timed), timed
    return known[column]


def _as_numbers(array: pa.ChunkedArray, name: str, timed: bool) -> F32:
    try:
        if timed:
            moments = array.cast(pa.timestamp("us", tz=getattr(array.type, "tz", None))).cast(pa.int64())
            newest = pc.max(moments).as_py() or 0
            array = pc.divide(pc.subtract(newest, moments).cast(pa.float64()), float(_DAY))
        values = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"boosts: column {name!r} holds {array.type}; expected numbers or times") from error
    known: F32 = (0.5 ** (values / _FRESH_DAYS) if timed else values).astype(np.float32)
    return known


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
