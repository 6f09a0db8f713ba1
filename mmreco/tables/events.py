"""A shop's log: who did what with which item, as checked columns.

Times may be

- datetimes: with a zone they are converted, without one they are UTC;
- ISO 8601 text: all with a zone or all without;
- numbers since 1970 UTC: milliseconds where the column's largest is 1e11 or more (1973 in milliseconds,
  the year 5138 in seconds), seconds otherwise.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mmreco.arrays import F64, I64
from mmreco.errors import DataError
from mmreco.tables.columns import Column, columns_of, ids_of, names_of, numbers_of, times_of

__all__ = ["EventColumns", "event_columns"]

_WANTED = ("user_id", "item_id", "timestamp", "event", "weight")


class EventColumns(NamedTuple):
    """What a table says of `e` events.

    `item_column` is the name its owner gave the column of items; `event_types` are indices into `event_names`, which
    come in alphabetical order; None stands for a column that is not there.
    """

    user_ids: pa.Array
    item_ids: pa.Array
    item_column: str
    times: I64 | None
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
    return EventColumns(
        user_ids=ids_of(given["user_id"]),
        item_ids=ids_of(given["item_id"]),
        item_column=given["item_id"].name,
        times=times_of(given["timestamp"]) if "timestamp" in given else None,
        event_types=event_types,
        event_names=names,
        weights=_weights(given, weights, event_types, names),
    )


def _weights(
    given: Mapping[str, Column], weights: Mapping[str, float] | None, kinds: I64 | None, names: tuple[str, ...]
) -> Any:
    if weights is None:
        return numbers_of(given["weight"], least=0, nulls=False) if "weight" in given else None
    if "weight" in given:
        raise DataError(f"column {given['weight'].name!r} and weights= both say what an event weighs; give one of them")
    if kinds is None:
        raise DataError("weights= needs a column event; the table has none")
    for name, weight in weights.items():
        if not isinstance(weight, (int, float)) or not 0 <= weight < np.inf:
            raise DataError(f"weights: {weight!r} for {name!r}; expected a finite number, 0 or more")
    lacking = np.array([name not in weights for name in names], dtype=np.bool_)
    if len(kinds) and lacking[kinds].any():
        row = int(lacking[kinds].argmax())
        raise DataError(
            f"column {given['event'].name!r}, row {row}: event {names[kinds[row]]!r} has no weight; "
            f"weights= speaks of {', '.join(map(repr, weights))}"
        )
    return np.array([weights.get(name, 0) for name in names], dtype=np.float32)[kinds]
