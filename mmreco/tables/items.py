"""A shop's table of items: ids and typed columns, each error with its column and row.

Rows are counted from 0. Ids may be text or whole numbers (turned to decimal text), so a catalogue with
text ids and a log with number ids meet.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arguments import path_of
from mmreco.tables.columns import Column, columns_of
from mmreco.tables.markup import without_markup
from mmreco.tables.pictures import picture_paths
from mmreco.tables.times import moments_of
from mmreco.tables.values import ids_of, labels_of, numbers_of, texts_of, widened

__all__ = ["ItemColumns", "item_columns", "text_columns"]

_IDS = ("item_id", "user_id")
_TEXTS = ("title", "text", "category", "brand", "image", "event")


class ItemColumns(NamedTuple):
    """What a table says of items: `n` ids, the name of their column, and the other columns."""

    ids: pa.Array
    id_column: str
    table: pa.Table


def text_columns(columns: Mapping[str, str] | None) -> tuple[str, ...]:
    """The names of the columns that are read as text even where it looks like a number: 1984 may be a title."""
    own = columns or {}
    return tuple(own.get(name, name) for name in (*_IDS, *_TEXTS))


def item_columns(
    frame: Any,
    *,
    id_name: str = "item_id",
    images: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> ItemColumns:
    """The columns of a dataframe with a row an item (or, with another `id_name`, a row a user).

    `title`, `text` and `image` must be text (or whole numbers, read as text), `category` and `brand` text or lists of
    it, `price` numbers, `created` times. Markup and entities are taken out of `title` and `text`. NaN in any column is
    a null. A 32-bit number stands for the shortest decimal that is nearest to it. A column with a name that `columns`
    maps to another is left out.

    Raises
    ------
    DataError
        A column is missing, or holds a value it must not; column and row are named.
    """
    given = columns_of(frame, columns, needed=(id_name,), wanted=None)
    id_column = given.pop(id_name)
    ids = ids_of(id_column)
    table = {name: _without_nan(_typed(name, column)) for name, column in given.items()}
    if images is not None:
        paths = picture_paths(ids, given.get("image"), table.get("image"), path_of("images", images))
        table["image"] = pa.array(paths, pa.large_string())
    if not table:  # an Arrow table without columns has no rows
        table = {"title": pa.nulls(len(ids), pa.large_string())}
    return ItemColumns(ids, id_column.name, pa.table(table))


def _typed(name: str, column: Column) -> pa.Array:
    """The column as what its name promises; as it is where the name promises nothing."""
    if name in ("title", "text"):
        return without_markup(column.name, texts_of(column))
    if name == "image":
        return texts_of(column)
    if name in ("category", "brand"):
        return labels_of(column)
    if name == "created":
        return moments_of(column)
    if name == "price":
        numbers_of(column)
    return widened(column.array)


def _without_nan(array: pa.Array) -> pa.Array:
    if not pa.types.is_floating(array.type):
        return array
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
