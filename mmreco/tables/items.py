"""A shop's table of items: ids and typed columns, each error with its column and row.

Rows are counted from 0. Ids may be text or whole numbers (turned to decimal text), so a catalogue with
text ids and a log with number ids meet.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from mmreco.tables.columns import columns_of, ids_of, moments_of, numbers_of, texts_of
from mmreco.tables.pictures import picture_paths

__all__ = ["ItemColumns", "id_columns", "item_columns"]

_TEXTS = ("title", "text", "image")


class ItemColumns(NamedTuple):
    """What a table says of items: `n` ids, the name of their column, and the other columns."""

    ids: pa.Array
    id_column: str
    table: pa.Table


def id_columns(columns: Mapping[str, str] | None) -> tuple[str, ...]:
    """The names of the columns of ids in a file, so that "007" is not read as 7."""
    own = columns or {}
    return tuple(own.get(name, name) for name in ("item_id", "user_id"))


def item_columns(
    frame: Any,
    *,
    id_name: str = "item_id",
    images: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> ItemColumns:
    """The columns of a dataframe with a row an item (or, with another `id_name`, a row a user).

    `title`, `text` and `image` must be text (or whole numbers, read as text), `price` numbers, `created` times.
    NaN in any column is a null. A column with a name that `columns` maps to another is left out.

    Raises
    ------
    DataError
        A column is missing, or holds a value it must not; column and row are named.
    """
    given = columns_of(frame, columns, needed=(id_name,), wanted=None)
    id_column = given.pop(id_name)
    ids = ids_of(id_column)
    table = {}
    for name, column in given.items():
        array = column.array
        if name in _TEXTS:
            array = texts_of(column)
        elif name == "price":
            numbers_of(column)
        elif name == "created":
            array = moments_of(column)
        table[name] = _without_nan(array)
    if images is not None:
        paths = picture_paths(ids, given.get("image"), table.get("image"), Path(images))
        table["image"] = pa.array(paths, pa.large_string())
    if not table:  # an Arrow table without columns has no rows
        table = {"title": pa.nulls(len(ids), pa.large_string())}
    return ItemColumns(ids, id_column.name, pa.table(table))


def _without_nan(array: pa.Array) -> pa.Array:
    if not pa.types.is_floating(array.type):
        return array
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
