"""What the catalogue says of the candidates: values as codes, numbers and times; no more of it is read than needed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arrays import F32, I64
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
        The values of each row, `w` at most; -1 where there are fewer.
    names : what the numbers stand for
    """

    values: I64
    names: tuple[str, ...]

    @cached_property
    def number(self) -> dict[str, int]:
        """The number of each name."""
        return {name: code for code, name in enumerate(self.names)}


def codes(catalogue: Catalogue, column: str, rows: I64) -> Codes:
    """The values of `column` at these item rows, shape `(r,)`; lists are taken apart.

    Raises
    ------
    DataError
        There is no such column, or it holds neither text nor whole numbers nor lists of them.
    """
    array = _taken(catalogue, column, rows)
    if _listed(array.type):
        owner = pc.list_parent_indices(array).to_numpy(zero_copy_only=False).astype(np.int64)
        array = array.flatten()
    else:
        owner = np.arange(len(array))
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not _plain(array.type):
        raise DataError(f"column {column!r} holds {array.type}; expected text, whole numbers or lists of them")
    there = array.is_valid().to_numpy(zero_copy_only=False)
    encoded = array.filter(pa.array(there)).cast(pa.large_string()).dictionary_encode()
    numbered = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    many = max(1, len(encoded.dictionary))
    pairs = np.unique(owner[there] * many + numbered)  # a value twice counts once
    each = np.bincount(pairs // many, minlength=len(rows))
    values = np.full((len(rows), max(1, int(each.max(initial=0)))), -1, dtype=np.int64)
    values[pairs // many, np.arange(len(pairs)) - np.repeat(np.cumsum(each) - each, each)] = pairs % many
    return Codes(values, tuple(encoded.dictionary.to_pylist()))


def numbers(catalogue: Catalogue, column: str, rows: I64) -> F32:
    """The numbers of `column` at these item rows, shape `(r,)`, NaN where unknown; a time as its freshness, 0 to 1.

    Raises
    ------
    DataError
        There is no such column, or it holds neither numbers nor times.
    """
    array = _taken(catalogue, column, rows)
    if is_time(catalogue, column):
        kind = pa.timestamp("us", tz="UTC") if getattr(array.type, "tz", None) else pa.timestamp("us")
        newest = pc.max(catalogue.table[column]).cast(kind).cast(pa.int64()).as_py() or 0
        moments = array.cast(kind).cast(pa.int64())
        unknown = array.is_null().to_numpy(zero_copy_only=False)
        days = (newest - moments.fill_null(0).to_numpy(zero_copy_only=False)) / _DAY
        return np.where(unknown, np.nan, 0.5 ** (days / _FRESH_DAYS)).astype(np.float32)
    try:
        values: F32 = array.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float32)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"boosts: column {column!r} holds {array.type}; expected numbers or times") from error
    return values


def is_time(catalogue: Catalogue, column: str) -> bool:
    """Whether the column holds times or dates."""
    kind = catalogue.table.schema.field(column).type
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _taken(catalogue: Catalogue, column: str, rows: I64) -> pa.Array:
    if column not in catalogue.table.column_names:
        there = ", ".join(catalogue.table.column_names)
        raise DataError(f"catalogue: no column {column!r}; there are {there}")
    taken = catalogue.table[column].take(pa.array(rows))
    return taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken


def _listed(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _plain(kind: pa.DataType) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
    return bool(text or pa.types.is_integer(kind) or pa.types.is_boolean(kind))
