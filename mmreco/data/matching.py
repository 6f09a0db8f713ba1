"""Ids of a table's rows as rows of a map: of the catalogue where there is one, of what is seen otherwise."""

import logging
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmreco.arrays import I64, Bool
from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.tables.values import sorted_codes

__all__ = ["MatchedItems", "match_items", "numbered"]

_log = logging.getLogger(__name__)

Scalar = TypeVar("Scalar", bound=np.generic)


class MatchedItems(NamedTuple):
    """The rows of a table whose item is known.

    `rows` are the items of those, shape `(e,)`; `known` says which of the table's rows they are; `dropped` counts the
    others.
    """

    items: IdMap
    rows: I64
    known: Bool
    dropped: int

    def narrow(self, values: npt.NDArray[Scalar] | None) -> npt.NDArray[Scalar] | None:
        """Of one value a row of the table, those of known items."""
        return values if values is None or not self.dropped else values[self.known]

    def narrow_column(self, column: pa.Array) -> pa.Array:
        """Of one Arrow value a row of the table, those of known items."""
        return column.filter(pa.array(self.known)) if self.dropped else column


def match_items(ids: pa.Array, column: str, items: IdMap | None) -> MatchedItems:
    """Which rows are of items in `items`; without it, of all items, by id.

    Raises
    ------
    DataError
        There are rows, and none is of a known item; the column and the first unknown id are named.
    """
    if items is None:
        distinct, rows = numbered(ids)
        return MatchedItems(distinct, rows, np.ones(len(rows), dtype=np.bool_), 0)
    rows = items.rows(ids, missing="mark")
    known = rows >= 0
    dropped = int((~known).sum())
    if dropped:
        first = int((~known).argmax())
        unknown = f"column {column!r}: {dropped} of {len(ids)} ids unknown, first {ids[first].as_py()!r}"
        if dropped == len(ids):
            like = f", which has ids like {items.ids([0])[0]!r}" if len(items) else " of no items"
            raise DataError(f"{unknown} at row {first}; none is in the catalogue{like}")
        _log.warning("%s at row %d; their rows were dropped", unknown, first)
    return MatchedItems(items, rows[known], known, dropped)


def numbered(ids: pa.Array) -> tuple[IdMap, I64]:
    """The distinct ids, sorted, so that the order of the rows says nothing; and which of them each is, shape `(n,)`."""
    rows, distinct = sorted_codes(ids)
    return IdMap(distinct), rows
