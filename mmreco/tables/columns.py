"""One column of a caller's dataframe: taken out, and read as ids, text, numbers, times or names.

Everything a table can have wrong ends here as a `DataError` that names the column and the row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from narwhals.exceptions import DuplicateError

from mmreco.arrays import I64
from mmreco.errors import DataError

__all__ = ["Column", "columns_of", "ids_of", "moments_of", "names_of", "numbers_of", "texts_of", "times_of"]

_MILLISECONDS = 1e11  # a number of this size or more is milliseconds, a smaller one seconds
_LATEST = 1e14  # milliseconds; beyond lie micro- and nanoseconds
_MOMENT = pa.timestamp("ms", tz="UTC")


@dataclass(frozen=True)
class Column:
    """An Arrow array and the name its owner gave it, for messages."""

    name: str
    array: pa.Array


def columns_of(
    frame: Any, columns: Mapping[str, str] | None, *, needed: Sequence[str], wanted: Sequence[str] | None
) -> dict[str, Column]:
    """The columns of `frame` under our names; only those `wanted`, or all.

    Raises
    ------
    DataError
        `frame` is no dataframe, a column is missing or named twice, or it holds values of several kinds.
    """
    try:
        table = nw.from_native(frame, eager_only=True)
        there = [str(name) for name in table.columns]
    except DuplicateError as error:
        raise DataError(f"table: two columns of one name ({' '.join(str(error).split())}); rename one") from error
    except TypeError as error:
        raise DataError(
            f"table: given a {type(frame).__name__}; expected a pandas, polars or pyarrow table (collect a lazy one)"
        ) from error
    own = dict(columns or {})
    for ours, theirs in own.items():
        if wanted is not None and ours not in wanted:
            raise DataError(f"columns: {ours!r} means nothing here; expected some of {', '.join(wanted)}")
        if theirs not in there:
            raise DataError(f"column {theirs!r} is missing; the table has {', '.join(there) or 'no columns'}")
    for name in needed:
        if own.get(name, name) not in there:
            mend = f"columns={{{name!r}: ...}} says which column it is"
            raise DataError(f"column {name!r} is missing; the table has {', '.join(there) or 'no columns'}; {mend}")
    taken = set(own.values())
    names = {**{n: n for n in there if n not in taken and n not in own}, **own}
    if wanted is not None:
        names = {n: names[n] for n in wanted if n in names}
    return {ours: Column(theirs, _array(theirs, table[:, there.index(theirs)])) for ours, theirs in names.items()}


def ids_of(column: Column) -> pa.Array:
    """The column as ids: large strings, none null or empty.

    Raises
    ------
    DataError
        An id is null or empty, or the column is neither text nor whole numbers.
    """
    array = column.array
    if array.null_count:
        raise _bad(column, pc.index(array.is_null(), True).as_py(), "null", "an id in every row", array.null_count)
    if len(array) and not (_is_text(array.type) or pa.types.is_integer(array.type)):
        raise _bad(column, 0, f"{array[0].as_py()!r} ({array.type})", "text or whole numbers")
    ids = array.cast(pa.large_string())
    empty = pc.equal(ids, "")
    if pc.any(empty).as_py():
        raise _bad(
            column, pc.index(empty, True).as_py(), "an empty string", "an id in every row", pc.sum(empty).as_py()
        )
    return ids


def texts_of(column: Column) -> pa.Array:
    """The column as text: large strings, null where unknown; whole numbers are written out.

    Raises
    ------
    DataError
        The column is neither text nor whole numbers.
    """
    array = column.array
    if _is_text(array.type) or pa.types.is_integer(array.type) or pa.types.is_null(array.type):
        return array.cast(pa.large_string())
    if array.null_count == len(array):
        return pa.nulls(len(array), pa.large_string())
    row = pc.index(array.is_valid(), True).as_py()
    raise _bad(column, row, f"{_short(array[row].as_py())} ({array.type})", "text")


def names_of(column: Column) -> tuple[I64, tuple[str, ...]]:
    """Which of a few names each row holds, and the names in alphabetical order.

    Raises
    ------
    DataError
        A name is null or empty, or the column is neither text nor whole numbers.
    """
    encoded = ids_of(column).dictionary_encode()
    names = encoded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.argsort(np.asarray(order, dtype=np.int64))
    rows = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return place[rows], tuple(names[o] for o in order) or ("event",)


def numbers_of(
    column: Column, *, least: float = -np.inf, most: float = np.inf, nulls: bool = True
) -> npt.NDArray[np.float64]:
    """The column as finite numbers between `least` and `most`, NaN where null if `nulls` are allowed.

    Raises
    ------
    DataError
        A value is not a number, infinite (for float32 too), out of range, or null and must not be.
    """
    array = column.array
    if not (_is_number(array.type) or pa.types.is_null(array.type)):
        row = _first(array.is_valid())
        raise _bad(column, row, f"{_short(array[row].as_py())} ({array.type})", "a number")
    values: npt.NDArray[np.float64] = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    unknown = np.isnan(values)
    bad = ~unknown & ((np.abs(values) > np.finfo(np.float32).max) | (values < least) | (values > most))
    if not nulls:
        bad |= unknown
    if bad.any():
        row = int(bad.argmax())
        said = "null" if not array[row].is_valid else str(values[row])
        bounds = [f"{least:g} or more"] * bool(np.isfinite(least)) + [f"{most:g} or less"] * bool(np.isfinite(most))
        raise _bad(column, row, said, ", ".join(["a finite number", *bounds]), int(bad.sum()))
    return values


def times_of(column: Column) -> I64:
    """The column as milliseconds since 1970 UTC, shape `(rows,)`.

    Raises
    ------
    DataError
        As `moments_of`, and when a time is null.
    """
    array = column.array
    if not array.null_count and pa.types.is_floating(array.type):
        array = _without_nan(array)
    if array.null_count:
        raise _bad(column, _first(array.is_null()), "null", "a time in every row", array.null_count)
    times: I64 = moments_of(column).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return times


def moments_of(column: Column) -> pa.Array:
    """The column as Arrow timestamps in milliseconds UTC, null where unknown.

    Raises
    ------
    DataError
        A value is no time, before 1970 or beyond the year 5138, or seconds and milliseconds are mixed,
        or times with and without a zone.
    """
    array = column.array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), _MOMENT)
    if _is_text(array.type):
        moments = _parsed(column)
    elif pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        naive = array.cast(pa.timestamp("ms"), safe=False)
        moments = naive.cast(_MOMENT)  # Arrow keeps UTC inside whatever the zone
    elif _is_number(array.type):
        moments = _counted(column)
    else:
        row = _first(array.is_valid())
        raise _bad(column, row, f"{_short(array[row].as_py())} ({array.type})", "a time")
    numbers = moments.cast(pa.int64())
    early = pc.less(numbers, 0)
    if pc.any(early).as_py():
        row = pc.index(early, True).as_py()
        raise _bad(column, row, _short(column.array[row].as_py()), "a time since 1970", pc.sum(early).as_py())
    return moments


def _counted(column: Column) -> pa.Array:
    """Numbers of seconds or milliseconds."""
    array = column.array
    whole = pa.types.is_integer(array.type)
    values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    known = ~np.isnan(values)
    beyond = known & ~(np.abs(values) < _LATEST)
    if beyond.any():
        row = int(beyond.argmax())
        raise _bad(column, row, f"{values[row]:g}", "seconds or milliseconds since 1970", int(beyond.sum()))
    milliseconds = bool(known.any()) and float(values[known].max()) >= _MILLISECONDS
    mixed = known & (values > 0) & (values < _MILLISECONDS)
    if milliseconds and mixed.any():
        row, other = int(mixed.argmax()), int(np.nanargmax(values))
        clash = f"seconds, but row {other} ({values[other]:.0f}) milliseconds"
        raise _bad(column, row, f"{values[row]:.0f}", f"one unit: this looks like {clash}", int(mixed.sum()))
    if whole:
        exact = array.fill_null(0).cast(pa.int64(), safe=False).to_numpy(zero_copy_only=False)
        times = exact if milliseconds else exact * 1000
    else:
        times = np.rint(np.where(known, values, 0) * (1 if milliseconds else 1000)).astype(np.int64)
    return pa.array(times, mask=~known).cast(_MOMENT)


def _parsed(column: Column) -> pa.Array:
    """ISO 8601 text, all with a zone or all without."""

    def zoned(part: pa.Array) -> pa.Array:
        return part.cast(_MOMENT)

    def plain(part: pa.Array) -> pa.Array:
        return part.cast(pa.timestamp("ms")).cast(_MOMENT)

    array = column.array
    known = array.drop_null()
    read = plain if len(known) and _fails(plain, known[:1]) is False else zoned
    if not _fails(read, array):
        return read(array)
    low, high = 0, len(array)  # the first bad row is in low..high-1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _fails(read, array[low:middle]) else (middle, high)
    like = "ISO 8601, e.g. 2026-01-31T12:00:00Z, all with a zone or all without"
    raise _bad(column, low, _short(array[low].as_py()), like)


def _fails(read: Callable[[pa.Array], pa.Array], part: pa.Array) -> bool:
    try:
        read(part)
    except pa.ArrowInvalid:
        return True
    return False


def _array(name: str, series: Any) -> pa.Array:
    """A narwhals series as one Arrow array: text as large strings, dictionaries decoded, all of it valid."""
    array = None
    if series.dtype != nw.Object:  # Arrow would take Python objects for what the first one is
        try:
            array = series.to_arrow()
        except (pa.ArrowException, UnicodeEncodeError, TypeError, OverflowError):
            array = None
    if array is None:
        array = _from_objects(name, series)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if _is_text(array.type):
        array = array.cast(pa.large_string())
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError(f"column {name!r}: damaged ({' '.join(str(error).split())[:120]})") from error
    return array


def _from_objects(name: str, series: Any) -> pa.Array:
    missing = series.is_null().to_list()
    values = [None if gone else value for gone, value in zip(missing, series.to_list(), strict=True)]
    kinds = [None if value is None else _kind(value) for value in values]
    first = next((row for row, kind in enumerate(kinds) if kind is not None), 0)
    for row, kind in enumerate(kinds):
        if kind is not None and kind != kinds[first]:
            raise DataError(
                f"column {name!r}, row {row}: {_short(values[row])} is {kind}, "
                f"row {first} is {kinds[first]}; expected one kind in all rows"
            )
        if kind == "text" and not _encodable(values[row]):
            raise DataError(f"column {name!r}, row {row}: {_short(values[row])} cannot be written as UTF-8")
    try:
        return pa.array(values)
    except (pa.ArrowException, UnicodeEncodeError, TypeError, OverflowError) as error:
        said = f"{_short(values[first])} and others" if values else "nothing"
        why = " ".join(str(error).split())[:120]
        raise DataError(f"column {name!r}, row {first} on: {said} make no column ({why})") from error


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, (int, float, np.integer, np.floating)):
        return "a number"
    if isinstance(value, datetime):
        return "a time without zone" if value.tzinfo is None else "a time with zone"
    return "text" if isinstance(value, str) else f"a {type(value).__name__}"


def _encodable(value: object) -> bool:
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def _without_nan(array: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)


def _first(chosen: pa.Array) -> int:
    return max(int(pc.index(chosen, True).as_py()), 0)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _short(value: object) -> str:
    said = ascii(value) if isinstance(value, str) and not _encodable(value) else repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."


def _bad(column: Column, row: int, given: str, expected: str, count: int = 1) -> DataError:
    more = f" ({count} such rows)" if count > 1 else ""
    return DataError(f"column {column.name!r}, row {row}: {given}; expected {expected}{more}")
