"""Items as they come over HTTP: columns of plain values, made what the catalogue's columns are."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.recommender import Recommender

__all__ = ["item_of", "put", "is_known"]


def item_of(catalogue: Catalogue, item_id: str, columns: Mapping[str, Any]) -> Catalogue:
    """A catalogue of one item with these columns, of the types they have in `catalogue`.

    Raises
    ------
    DataError
        There is no such column, a value is not of its type, or `image` is given: a picture would be an address.
    """
    types = {name: catalogue.table.schema.field(name).type for name in catalogue.table.column_names}
    if "image" in columns:
        raise DataError("item: 'image' names a file of the machine's; pictures come with the next artefact")
    unknown = [name for name in columns if name not in types]
    if unknown:
        raise DataError(
            f"item {item_id!r}: no column {unknown[0]!r} in the catalogue; there are {', '.join(map(repr, types))}"
        )
    return Catalogue(
        IdMap.of([item_id]),
        pa.table({name: _typed(name, value, types[name]) for name, value in columns.items()})
        if columns
        else pa.table({"title": pa.nulls(1, pa.large_string())}),
    )


def put(recommender: Recommender, item_id: str, columns: Mapping[str, Any]) -> bool:
    """Have the recommender know this of the item from now on; whether the item is new.

    Raises
    ------
    DataError
        As `item_of`.
    """
    catalogue = recommender.catalogue
    item = item_of(catalogue, item_id, columns)
    if catalogue.items.rows([item_id], missing="mark")[0] < 0:
        recommender.add(item)
        return True
    if columns:
        recommender.update(item)
    return False


def is_known(recommender: Recommender, item_id: str) -> bool:
    """Whether the item is in the catalogue, and was not removed."""
    return bool(recommender.catalogue.items.rows([item_id], missing="mark")[0] >= 0)


def _typed(name: str, value: Any, kind: pa.DataType) -> pa.Array:
    try:
        return pa.array([value]).cast(kind)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise DataError(f"column {name!r}: {value!r} is not {kind}, as the catalogue has it") from error
