"""A column read as times: milliseconds since 1970 UTC, and what lies below a millisecond.

Times are kept in milliseconds. Two events inside one millisecond keep their order all the same: who reads a table
sorts by the finest time that it gives.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arrays import F64, I64, Bool
from mmreco.tables.columns import Column, bad_value, is_number, is_text, shortened

__all__ = ["Times", "fill_times", "moments_of", "times_of"]

_MILLISECONDS = 1e11  # a number of this size or more is milliseconds, a smaller one seconds
_LATEST = 100_000_000_000_000  # milliseconds; beyond lie micro- and nanoseconds
_MOMENT = pa.timestamp("ms", tz="UTC")
_PER_MILLISECOND = {"us": 1_000, "ns": 1_000_000}
_ISO = "ISO 8601, e.g. 2026-01-31T12:00:00Z, all with a zone or all without"


class Times(NamedTuple):
    """Times of `n` rows.

    `milliseconds` since 1970 UTC, shape `(n,)`; `below` is what is finer, in nanoseconds, shape `(n,)`, None where
    nothing is; `known` is false where the table has no time, and the two arrays have 0, shape `(n,)`.
    """

    milliseconds: I64
    below: I64 | None
    known: Bool


def times_of(column: Column) -> Times:
    """The column as times.

    Raises
    ------
    DataError
        As `moments_of`.
    """
    moments, below = _read(column)
    known = moments.is_valid().to_numpy(zero_copy_only=False)
    milliseconds = moments.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return Times(milliseconds, below if below.any() else None, known)


def moments_of(column: Column) -> pa.Array:
    """The column as Arrow timestamps in milliseconds UTC, null where unknown.

    Raises
    ------
    DataError
        A value is not a time, before 1970 or beyond the year 5138, seconds and milliseconds are mixed, or times with
        and without a zone, or numbers look like years or dates.
    """
    array = column.array
    if is_number(array.type) and array.null_count < len(array):
        ends = [float(end.as_py()) for end in (pc.min(array), pc.max(array))]
        if 1900 <= ends[0] <= ends[1] <= 2100:
            row, year = int(pc.index(array.is_valid(), True).as_py()), f"{ends[0]:.0f}"
            raise bad_value(column, row, f"{year}, which looks like a year", f"a time, or text, e.g. '{year}-01-01'")
    return _read(column)[0]


def fill_times(times: Times, owners: pa.Array) -> Times | None:
    """The times with unknown ones taken from the owner's row before, or else after; None if all are unknown.

    Rows of an owner without any time get the earliest of the table, and so come before what has a time.

    Parameters
    ----------
    times : `n` values, some unknown
    owners : whose each row is, `n` values
    """
    known = times.known
    if known.all() or not known.any():
        return times if known.all() else None
    codes = owners.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    place, there, owner = np.arange(len(order)), known[order], codes[order]
    before = np.maximum.accumulate(np.where(there, place, -1))
    after = np.minimum.accumulate(np.where(there, place, len(order))[::-1])[::-1]
    own_before = (before >= 0) & (owner[before] == owner)
    own_after = after < len(order)
    own_after[own_after] = owner[after[own_after]] == owner[own_after]
    earliest = int(np.argmin(np.where(there, times.milliseconds[order], np.iinfo(np.int64).max)))
    source = np.empty(len(order), dtype=np.int64)
    source[order] = order[np.where(own_before, before, np.where(own_after, after, earliest))]
    below = None if times.below is None else times.below[source]
    return Times(times.milliseconds[source], below, known)


def _read(column: Column) -> tuple[pa.Array, I64]:
    """The moments, and the nanoseconds below each one's millisecond."""
    array = column.array
    nothing = np.zeros(len(array), dtype=np.int64)
    if pa.types.is_null(array.type) or array.null_count == len(array):
        return pa.nulls(len(array), _MOMENT), nothing
    if is_text(array.type):
        moments, below = _split(_parsed(column))
    elif pa.types.is_timestamp(array.type):
        moments, below = _split(array.cast(pa.timestamp(array.type.unit)))  # Arrow keeps UTC inside whatever the zone
    elif pa.types.is_date(array.type):
        moments, below = array.cast(pa.timestamp("ms"), safe=False).cast(_MOMENT), nothing
    elif is_number(array.type):
        moments, below = _counted(column)
    else:
        row = int(pc.index(array.is_valid(), True).as_py())
        raise bad_value(column, row, f"{shortened(array[row].as_py())} ({array.type})", "a time")
    numbers = moments.cast(pa.int64())
    for wrong, expected in (
        (pc.less(numbers, 0), "a time since 1970"),
        (pc.greater_equal(numbers, _LATEST), "a time before the year 5138"),
    ):
        if pc.any(wrong).as_py():
            row = pc.index(wrong, True).as_py()
            raise bad_value(column, row, _shown(array, row), expected, pc.sum(wrong).as_py())
    return moments, below


def _split(stamps: pa.Array) -> tuple[pa.Array, I64]:
    """Timestamps of any unit as moments, and what is below the millisecond."""
    unit = stamps.type.unit
    parts = _PER_MILLISECOND.get(unit)
    if parts is None:
        try:
            moments = stamps.cast(pa.timestamp("ms")).cast(_MOMENT)
        except pa.ArrowInvalid:  # seconds beyond what milliseconds hold: far too late, and refused as such
            late = pc.if_else(pc.less(stamps.cast(pa.int64()), 0), -1, _LATEST)
            moments = late.cast(pa.timestamp("ms")).cast(_MOMENT)
        return moments, np.zeros(len(stamps), dtype=np.int64)
    unknown = stamps.is_null().to_numpy(zero_copy_only=False)
    numbers = stamps.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    moments = pa.array(numbers // parts, mask=unknown).cast(_MOMENT)
    return moments, (numbers % parts) * (1_000_000 // parts)


def _counted(column: Column) -> tuple[pa.Array, I64]:
    """Numbers of seconds or milliseconds."""
    array = column.array
    values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    known = ~np.isnan(values)
    beyond = known & ~(np.abs(values) < _LATEST)
    if beyond.any():
        row = int(beyond.argmax())
        raise bad_value(column, row, f"{values[row]:g}", "seconds or milliseconds since 1970", int(beyond.sum()))
    _require_no_dates(column, values, known)
    milliseconds = bool(known.any()) and float(values[known].max()) >= _MILLISECONDS
    mixed = known & (values > 0) & (values < _MILLISECONDS)
    if milliseconds and mixed.any():
        row, other = int(mixed.argmax()), int(np.nanargmax(values))
        clash = f"seconds, but row {other} ({values[other]:.0f}) milliseconds"
        raise bad_value(column, row, f"{values[row]:.0f}", f"one unit: this looks like {clash}", int(mixed.sum()))
    if pa.types.is_integer(array.type):
        whole = array.fill_null(0).cast(pa.int64(), safe=False).to_numpy(zero_copy_only=False)
        below = np.zeros(len(whole), dtype=np.int64)
    else:
        filled = np.where(known, values, 0)
        whole = np.floor(filled).astype(np.int64)
        below = np.rint((filled - whole) * (1_000 if milliseconds else 1_000_000)).astype(np.int64) * 1_000  # ns
    if not milliseconds:
        whole = whole * 1_000 + below // 1_000_000
    return pa.array(whole + (below // 1_000_000 if milliseconds else 0), mask=~known).cast(_MOMENT), below % 1_000_000


def _require_no_dates(column: Column, values: F64, known: Bool) -> None:
    """Refuse numbers that write a calendar: 20260131 would be a day of August 1970, 20260131103000 one of 2612."""
    numbers = values[known]
    for least, most, parts in ((19000101, 21001231, 1), (19000101000000, 21001231235959, 1_000_000)):
        if not len(numbers) or not ((numbers >= least) & (numbers <= most) & (numbers == np.floor(numbers))).all():
            continue
        days, clock = np.divmod(numbers.astype(np.int64), parts)
        month, day = days // 100 % 100, days % 100
        hands = np.stack([clock // 10_000, clock // 100 % 100, clock % 100])
        if ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all() and (hands < [[24], [60], [60]]).all():
            written = str(int(numbers[0]))
            expected = (
                f"seconds or milliseconds since 1970, or text, e.g. '{written[:4]}-{written[4:6]}-{written[6:8]}'"
            )
            raise bad_value(column, int(known.argmax()), f"{written}, which looks like a date", expected, len(numbers))


def _parsed(column: Column) -> pa.Array:
    """ISO 8601 text, all with a zone or all without, as timestamps without one in the finest unit needed."""
    array = column.array
    first = array.drop_null()[:1]
    zoned = _cast(first, "ns", "UTC") is not None or _cast(first, "us", "UTC") is not None

    def read(part: pa.Array) -> pa.Array | None:
        for unit in ("ms", "us", "ns"):
            stamps = _cast(part, unit, "UTC" if zoned else None)
            if stamps is not None:
                return stamps.cast(pa.timestamp(unit))
        return None

    stamps = read(array)
    if stamps is not None:
        return stamps
    raise _first_bad(column, read)


def _first_bad(column: Column, read: Callable[[pa.Array], pa.Array | None]) -> Exception:
    low, high = 0, len(column.array)  # the first bad row is in low..high-1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if read(column.array[low:middle]) is None else (middle, high)
    text = column.array[low].as_py()
    other = "; parse it first, e.g. by pandas.to_datetime" if re.search(r"\d[/.]\d", text) else ""
    return bad_value(column, low, shortened(text), _ISO + other)


def _cast(part: pa.Array, unit: str, zone: str | None) -> pa.Array | None:
    try:
        return part.cast(pa.timestamp(unit, zone))
    except pa.ArrowInvalid:
        return None


def _shown(array: pa.Array, row: int) -> str:
    try:
        return shortened(array[row].as_py())
    except (ValueError, OverflowError):  # beyond the years that Python's datetime knows
        return str(array[row].cast(pa.int64()).as_py())
