"""One column of a caller's dataframe, as an Arrow array of plain values.

Everything a table can have wrong ends as a `DataError` that names the column and the row.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from narwhals.exceptions import DuplicateError

from mmreco.errors import DataError

__all__ = ["Column", "bad_value", "columns_of", "encodable", "is_number", "is_text", "shortened"]


_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)


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
        names = [str(name) for name in table.columns]
        series = dict(zip(names, table.iter_columns(), strict=True))
    except DuplicateError as error:
        raise DataError(f"table: two columns of one name ({' '.join(str(error).split())}); rename one") from error
    except TypeError as error:
        raise DataError(
            f"table: given a {type(frame).__name__}; expected a pandas, polars or pyarrow table (collect a lazy one)"
        ) from error
    if len(series) < len(names):
        name, count = Counter(names).most_common(1)[0]
        raise DataError(f"table: {count} columns of the name {name!r}, as text; rename all but one")
    own = dict(columns or {})
    names_there = ", ".join(list(series)[:50]) or "no columns"
    for ours, theirs in own.items():
        if wanted is not None and ours not in wanted:
            raise DataError(
                f"columns: {ours!r} is no column that this table knows; expected some of {', '.join(wanted)}"
            )
        if theirs not in series:
            raise DataError(f"column {theirs!r} is missing; the table has {names_there}")
    for name in needed:
        if own.get(name, name) not in series:
            mend = f"say which it is: columns={{{name!r}: ...}}, or --rename in a shell"
            raise DataError(f"column {name!r} is missing; the table has {names_there}; {mend}")
    taken = set(own.values())
    for name in needed:
        if name in taken and name not in own:
            other = next(ours for ours, theirs in own.items() if theirs == name)
            raise DataError(f"columns: {name!r} is read as {other!r}, and it is needed; say which column is {name!r}")
    chosen = {**{n: n for n in series if n not in taken and n not in own}, **own}
    if wanted is not None:
        chosen = {n: chosen[n] for n in wanted if n in chosen}
    return {ours: Column(theirs, _array(theirs, series[theirs])) for ours, theirs in chosen.items()}


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
    array = _plain(name, array)
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError(f"column {name!r}: damaged ({' '.join(str(error).split())[:120]})") from error
    return array


def _plain(name: str, array: pa.Array) -> pa.Array:
    """Dictionaries and runs decoded, text as large strings, in lists too; no type that only its library can read."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        raise DataError(
            f"column {name!r}: {kind} is a type that mmreco does not know; turn it into text, numbers or times first"
        )
    if pa.types.is_dictionary(kind):
        return _plain(name, array.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return _plain(name, pc.run_end_decode(array))
    if is_text(kind):
        return array.cast(pa.large_string())
    if any(is_lists(kind) for is_lists in _LISTS):
        return _plain_lists(name, array)
    for place in range(kind.num_fields):
        if isinstance(kind.field(place).type, pa.BaseExtensionType):
            _plain(name, pa.nulls(0, kind.field(place).type))
    return array


def _plain_lists(name: str, array: pa.Array) -> pa.Array:
    kind, inner = array.type, array.type.value_type
    usual = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if usual and not (
        pa.types.is_dictionary(inner) or pa.types.is_nested(inner) or isinstance(inner, pa.BaseExtensionType)
    ):
        return array
    values = _plain(name, array.flatten())
    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    starts = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int64())
    missing = array.is_null() if array.null_count else None
    return pa.LargeListArray.from_arrays(starts, values, mask=missing)


def _from_objects(name: str, series: Any) -> pa.Array:
    missing = series.is_null().to_list()
    values = [None if gone else value for gone, value in zip(missing, series.to_list(), strict=True)]
    kinds = [None if value is None else _kind(value) for value in values]
    first = next((row for row, kind in enumerate(kinds) if kind is not None), 0)
    for row, kind in enumerate(kinds):
        if kind is not None and kind != kinds[first]:
            raise DataError(
                f"column {name!r}, row {row}: {shortened(values[row])} is {kind}, "
                f"row {first} is {kinds[first]}; expected one kind in all rows"
            )
        if kind == "text" and not encodable(values[row]):
            raise DataError(f"column {name!r}, row {row}: {shortened(values[row])} cannot be written as UTF-8")
    try:
        return pa.array(values)
    except (pa.ArrowException, UnicodeEncodeError, TypeError, OverflowError) as error:
        what = f"{shortened(values[first])} and others" if values else "nothing"
        why = " ".join(str(error).split())[:120]
        raise DataError(f"column {name!r}, row {first} on: {what} make no column ({why})") from error


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, (int, float, np.integer, np.floating)):
        return "a number"
    if isinstance(value, datetime):
        return "a time without zone" if value.tzinfo is None else "a time with zone"
    return "text" if isinstance(value, str) else f"a {type(value).__name__}"


def encodable(value: object) -> bool:
    """Whether a value can be written as UTF-8: no half characters."""
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def is_text(kind: pa.DataType) -> bool:
    """Whether these are strings."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether these are whole, floating or decimal numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def shortened(value: object) -> str:
    """A value as a message shows it, 60 characters at most."""
    text = ascii(value) if isinstance(value, str) and not encodable(value) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def bad_value(column: Column, row: int, given: str, expected: str, count: int = 1) -> DataError:
    """The error about one value of a column, or the first of `count`."""
    more = f" ({count} such rows)" if count > 1 else ""
    return DataError(f"column {column.name!r}, row {row}: {given}; expected {expected}{more}")
