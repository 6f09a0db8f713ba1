"""What search results are narrowed and sorted by. Nothing in an address is taken for a filter: it only chooses one."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mmreco.arrays import I64
from mmreco.data.catalogue import Catalogue
from mmreco.retrieval.facets import FacetValue, facets

__all__ = ["SORTS", "Choice", "Choices", "sorted_rows"]

SORTS = ("best", "cheap", "dear", "new")
_COLUMNS = ("category", "brand", "price")
_MOST = 200  # values of a column
_MENU = 10  # categories


@dataclass(frozen=True)
class Choice:
    """A value to narrow by: how it reads, how many of the items found have it, and whether it is chosen."""

    label: str
    count: int
    chosen: bool


class Choices:
    """The values of a catalogue's category, brand and price bands.

    Parameters
    ----------
    catalogue : whose values they are
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        columns = [name for name in _COLUMNS if catalogue.has(name)]
        every = facets(catalogue, np.arange(len(catalogue)), columns=columns, n_values=_MOST)
        self._values = {facet.column: facet.values for facet in every if len(facet.values) > 1}

    @property
    def menu(self) -> list[str]:
        """The commonest categories, by name."""
        return sorted(value.label for value in self._values.get("category", ())[:_MENU])

    def where(self, chosen: dict[str, str]) -> str | None:
        """The filter that these values, by column, choose; None where none is one of the catalogue's."""
        parts = [
            value.where
            for column, values in self._values.items()
            for value in values
            if value.label == chosen.get(column)
        ]
        return " and ".join(parts) or None

    def of(self, rows: I64, chosen: dict[str, str]) -> dict[str, list[Choice]]:
        """What items found can be narrowed to, by column; values that none of them has are left out."""
        found = self.catalogue.table.take(pa.array(rows))
        return {
            column: [
                Choice(value.label, count, value.label == chosen.get(column))
                for value in values
                if (count := _count(found[column], value)) or value.label == chosen.get(column)
            ]
            for column, values in self._values.items()
        }


def sorted_rows(catalogue: Catalogue, rows: I64, sort: str) -> I64:
    """These item rows by price or by when they were listed; as they are for "best". Unknown values come last."""
    column = {"cheap": "price", "dear": "price", "new": "created"}.get(sort)
    if column is None or not catalogue.has(column):
        return rows
    order = "ascending" if sort == "cheap" else "descending"
    asked = pa.table({"value": catalogue.table[column].take(pa.array(rows)), "place": np.arange(len(rows))})
    by = [("value", order), ("place", "ascending")]
    order_of: I64 = asked.sort_by(by)["place"].to_numpy()
    return np.asarray(rows[order_of], dtype=np.int64)


def _count(column: pa.ChunkedArray, value: FacetValue) -> int:
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        numbers = column.drop_null().to_numpy().astype(np.float64)
        low, high = (re.search(rf"{sign} (\S+)", value.where) for sign in (">=", "<"))
        inside = np.ones(len(numbers), dtype=bool)
        if low is not None:
            inside &= numbers >= float(low.group(1))
        if high is not None:
            inside &= numbers < float(high.group(1))
        return int(inside.sum())
    return sum(str(one) == value.label for one in column.to_pylist())
