"""A shop's log: who did what with which item, as checked columns.

Times may be

- datetimes: with a zone they are converted, without one they are UTC;
- ISO 8601 text: all with a zone or all without;
- numbers since 1970 UTC: milliseconds where the column's largest is 1e11 or more (1973 in milliseconds,
  the year 5138 in seconds), seconds otherwise.

A null is unknown: the event is of the kind "unknown", weighs 1, or happened when the user's event before it in the
table did (or else the one after it).
"""

import logging
from collections.abc import Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mmreco.arrays import F64, I64
from mmreco.errors import DataError
from mmreco.tables.columns import Column, columns_of
from mmreco.tables.times import Times, fill_times, times_of
from mmreco.tables.values import UNKNOWN, ids_of, names_of, numbers_of

__all__ = ["EventColumns", "event_columns", "known_times"]

_WANTED = ("user_id", "item_id", "timestamp", "event", "weight")
_log = logging.getLogger(__name__)


class EventColumns(NamedTuple):
    """What a table says of `e` events.

    `item_column` is the name its owner gave the column of items; `times` are milliseconds and `below` the nanoseconds
    below them; `event_types` are indices into `event_names`, which come in alphabetical order; None stands for a
    column that is not there.
    """

    user_ids: pa.Array
    item_ids: pa.Array
    item_column: str
    times: I64 | None
    below: I64 | None
    event_types: I64 | None
    event_names: tuple[str, ...]
    weights: F64 | None


def event_columns(
    frame: Any, *, columns: Mapping[str, str] | None = None, weights: Mapping[str, float] | None = None
) -> EventColumns:
    """The columns of a dataframe with a row an event.

    Raises
    ------
    DataError
        A column is missing or holds a value it must not (column and row are named), or weights come both as a
        column and as a mapping.
    """
    given = columns_of(frame, columns, needed=("user_id", "item_id"), wanted=_WANTED)
    event_types: I64 | None = None
    names: tuple[str, ...] = ("event",)
    if "event" in given:
        event_types, names = names_of(given["event"])
    user_ids = ids_of(given["user_id"])
    times = known_times(given["timestamp"], user_ids) if "timestamp" in given else None
    return EventColumns(
        user_ids=user_ids,
        item_ids=ids_of(given["item_id"]),
        item_column=given["item_id"].name,
        times=None if times is None else times.milliseconds,
        below=None if times is None else times.below,
        event_types=event_types,
        event_names=names,
        weights=_weights(given, weights, event_types, names),
    )


def known_times(column: Column, owners: pa.Array) -> Times | None:
    """The column's times, the unknown ones filled in from their owner's other rows; None if all are unknown.

    Raises
    ------
    DataError
        A value is not a time, or out of range.
    """
    times = times_of(column)
    unknown = int((~times.known).sum())
    if unknown:
        _log.warning(
            "column %r: %d of %d times are unknown; each is taken from the row before it of the same owner, or after",
            column.name,
            unknown,
            len(owners),
        )
    return fill_times(times, owners)


def _weights(
    given: Mapping[str, Column], weights: Mapping[str, float] | None, types: I64 | None, names: tuple[str, ...]
) -> F64 | None:
    if weights is None:
        return np.nan_to_num(numbers_of(given["weight"]), nan=1.0) if "weight" in given else None
    if "weight" in given:
        raise DataError(f"column {given['weight'].name!r} and weights= both say what an event weighs; give one of them")
    if types is None:
        raise DataError("weights= needs a column event; the table has none")
    for name, weight in weights.items():
        if not isinstance(weight, Real) or isinstance(weight, (bool, np.bool_)) or not np.isfinite(float(weight)):
            raise DataError(f"weights: {weight!r} for {name!r}; expected a finite number")
    lacking = np.array([name not in weights and name != UNKNOWN for name in names], dtype=np.bool_)
    if len(types) and lacking[types].any():
        row = int(lacking[types].argmax())
        raise DataError(
            f"column {given['event'].name!r}, row {row}: event {names[types[row]]!r} has no weight; "
            f"weights= names {', '.join(map(repr, weights))}"
        )
    return np.array([weights.get(name, 1) for name in names], dtype=np.float64)[types]
