"""A column read as ids, text, numbers or names."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arrays import I64
from mmreco.tables.columns import Column, bad_value, is_number, is_text, shortened

__all__ = ["UNKNOWN", "ids_of", "labels_of", "names_of", "numbers_of", "sorted_codes", "texts_of", "widened"]

UNKNOWN = "unknown"
"""The name of a kind of event that the table does not give."""

_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
_EXACT = 2.0**24  # from here on a 32-bit number has no fraction


def ids_of(column: Column) -> pa.Array:
    """The column as ids: large strings, none null or empty.

    Raises
    ------
    DataError
        An id is null or empty, or the column is neither text nor whole numbers.
    """
    array = column.array
    if array.null_count:
        raise bad_value(column, pc.index(array.is_null(), True).as_py(), "null", "an id in every row", array.null_count)
    if len(array) and not (is_text(array.type) or pa.types.is_integer(array.type)):
        raise bad_value(column, 0, f"{array[0].as_py()!r} ({array.type})", "text or whole numbers")
    ids = array.cast(pa.large_string())
    empty = pc.equal(ids, "")
    if pc.any(empty).as_py():
        raise bad_value(
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
    if is_text(array.type) or pa.types.is_integer(array.type) or pa.types.is_null(array.type):
        return array.cast(pa.large_string())
    if array.null_count == len(array):
        return pa.nulls(len(array), pa.large_string())
    whole = _whole(array)
    if whole is not None:
        return whole.cast(pa.large_string())
    row = int(pc.index(array.is_valid(), True).as_py())
    raise bad_value(column, row, f"{shortened(array[row].as_py())} ({array.type})", "text")


def labels_of(column: Column) -> pa.Array:
    """The column as text or as lists of text, null where unknown: a category, or an item's several.

    Raises
    ------
    DataError
        It holds neither text nor whole numbers.
    """
    array = column.array
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        return texts_of(column)
    values = texts_of(Column(column.name, array.flatten()))
    lengths = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    starts = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int64())
    return pa.LargeListArray.from_arrays(starts, values, mask=array.is_null() if array.null_count else None)


def _whole(array: pa.Array) -> pa.Array | None:
    """Floats that are whole numbers all, as a column of whole numbers with nulls often is; None if they are not."""
    if not pa.types.is_floating(array.type):
        return None
    values = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    unknown = np.isnan(values)
    if (values[~unknown] != np.rint(values[~unknown])).any() or (np.abs(values[~unknown]) > 2**53).any():
        return None
    return pa.array(np.where(unknown, 0, values).astype(np.int64), mask=unknown)


def names_of(column: Column) -> tuple[I64, tuple[str, ...]]:
    """Which of a few names each row holds, and the names in alphabetical order; a null is named "unknown".

    Raises
    ------
    DataError
        A name is empty, or the column is neither text nor whole numbers.
    """
    rows, names = sorted_codes(ids_of(Column(column.name, texts_of(column).fill_null(UNKNOWN))))
    return rows, tuple(names.to_pylist()) or ("event",)


def sorted_codes(texts: pa.Array) -> tuple[I64, pa.Array]:
    """Which of the distinct texts each one is, shape `(n,)`, and these in alphabetical order, not that of the rows."""
    encoded = texts.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    place = np.argsort(order.to_numpy(zero_copy_only=False)).astype(np.int64)
    rows: I64 = place[encoded.indices.to_numpy(zero_copy_only=False)]
    return rows, encoded.dictionary.take(order)


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
    if array.null_count == len(array):
        array = pa.nulls(len(array), pa.float64())
    if not is_number(array.type):
        row = _first_unlike_a_number(array)
        bare = " without a currency sign or a separator of thousands" if is_text(array.type) else ""
        raise bad_value(column, row, f"{shortened(array[row].as_py())} ({array.type})", f"a number{bare}")
    values: npt.NDArray[np.float64] = widened(array).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    unknown = np.isnan(values)
    bad = ~unknown & ((np.abs(values) > np.finfo(np.float32).max) | (values < least) | (values > most))
    if not nulls:
        bad |= unknown
    if bad.any():
        row = int(bad.argmax())
        given = "null" if not array[row].is_valid else str(values[row])
        bounds = [f"{least:g} or more"] * bool(np.isfinite(least)) + [f"{most:g} or less"] * bool(np.isfinite(most))
        raise bad_value(column, row, given, ", ".join(["a finite number", *bounds]), int(bad.sum()))
    return values


def widened(array: pa.Array) -> pa.Array:
    """A column of 16- or 32-bit floats in 64 bits, as the shortest decimal that each stands for: 19.9 is 19.9."""
    if not (pa.types.is_float32(array.type) or pa.types.is_float16(array.type)):
        return array
    if pa.types.is_float16(array.type):
        values = array.to_numpy(zero_copy_only=False)
        return pa.array([float(str(value)) for value in values], pa.float64(), mask=array.is_null().to_numpy(False))
    wide = array.cast(pa.float64())
    short = pc.if_else(pc.less(pc.abs(wide), _EXACT), array, pa.scalar(None, pa.float32()))
    return pc.coalesce(short.cast(pa.large_string()).cast(pa.float64()), wide)


def _first_unlike_a_number(array: pa.Array) -> int:
    """The first row to blame in a column that is not one of numbers."""
    if is_text(array.type):
        odd = int(pc.index(pc.invert(pc.match_substring_regex(array, _NUMBER)), True).as_py())
        if odd >= 0:
            return odd
    return max(int(pc.index(array.is_valid(), True).as_py()), 0)
