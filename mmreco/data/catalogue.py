"""Catalogue: one row an item, columns of plain values. Pictures are paths here, never pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmreco.arguments import require_kind, row_numbers
from mmreco.arrays import I64
from mmreco.data.extended_ids import extend_ids
from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.tables.files import read_table
from mmreco.tables.items import item_columns, text_columns

__all__ = ["Catalogue"]


@dataclass(frozen=True, eq=False, repr=False)
class Catalogue:
    """A shop's items with what is known of them.

    Made by `read` or `from_frame`; the constructor only checks.

    Parameters
    ----------
    items : IdMap of `n` items
    table : Arrow table of `n` rows
        Every column but the id. These names mean something to mmreco: `title`, `text` (description),
        `image` (path of a picture), `category`, `brand`, `price`, `created` (when it was listed);
        others are kept for filters. Nulls mean unknown.

    Raises
    ------
    DataError
        The table has another number of rows than the map has ids.

    Examples
    --------
    >>> import pyarrow as pa
    >>> shop = Catalogue.from_frame(pa.table({"item_id": ["a", "b"], "title": ["Red dress", None]}))
    >>> shop.texts()
    ['Red dress', None]
    """

    items: IdMap
    table: pa.Table

    def __post_init__(self) -> None:
        if self.table.num_rows != len(self.items):
            raise DataError(
                f"catalogue: columns of {self.table.num_rows} rows for {len(self.items)} ids; expected one row an item"
            )

    @classmethod
    def from_frame(
        cls, frame: Any, *, images: str | Path | None = None, columns: Mapping[str, str] | None = None
    ) -> "Catalogue":
        """The catalogue in a dataframe (pandas, polars, pyarrow, anything narwhals reads), a row an item.

        Parameters
        ----------
        frame : a column `item_id` and any others
        images : a folder, optional
            Where pictures lie: paths in the column `image` are relative to it; without that column, the
            file named like the item's id is taken. Items whose file does not exist get a null.
        columns : optional
            The frame's own names, e.g. `{"item_id": "sku", "title": "name"}`.

        Raises
        ------
        DataError
            A column is missing, or holds a value it must not; column and row are named.
        """
        columns_read = item_columns(frame, images=images, columns=columns)
        try:
            items = IdMap(columns_read.ids)
        except DataError as error:
            raise DataError(f"column {columns_read.id_column!r}: {error}") from error
        return cls(items, columns_read.table)

    @classmethod
    def read(
        cls, path: str | Path, *, images: str | Path | None = None, columns: Mapping[str, str] | None = None
    ) -> "Catalogue":
        """The catalogue in a `.parquet`, `.csv`, `.tsv` or `.jsonl` file; see `from_frame`.

        Parameters
        ----------
        path : of the file
            Its ending says what it is.
        images, columns : as `from_frame`

        Raises
        ------
        DataError
            The file is missing, damaged, of another kind, or its table is unusable.
        """
        table = read_table(path, text=text_columns(columns))
        return cls.from_frame(table, images=images, columns=columns)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"Catalogue({len(self)} items: {', '.join(self.table.column_names)})"

    def has(self, column: str) -> bool:
        """Whether there is a column of the name `column` with at least one value in it."""
        return column in self.table.column_names and self.table[column].null_count < len(self)

    def column(self, name: str) -> list[Any]:
        """The values of the column `name`, one an item, None where unknown.

        Raises
        ------
        DataError
            There is no such column; the columns there are, are named.
        """
        if name not in self.table.column_names:
            raise DataError(f"catalogue: no column {name!r}; there are {', '.join(self.table.column_names)}")
        return list(self.table[name].to_pylist())

    def texts(self, columns: Sequence[str] = ("title", "text")) -> list[str | None]:
        """What is written about each item: its `columns` joined by a newline, None where all are empty."""
        present = [self.column(c) for c in columns if c in self.table.column_names]
        joined = ("\n".join(v for v in values if v) for values in zip(*present, strict=True)) if present else ()
        return [text or None for text in joined] if present else [None] * len(self)

    def images(self) -> list[Path | None]:
        """The path of each item's picture, None where it has none."""
        if not self.has("image"):
            return [None] * len(self)
        return [None if path is None else Path(path) for path in self.column("image")]

    def take(self, rows: Sequence[int] | I64) -> "Catalogue":
        """The items at `rows`, shape `(m,)`, renumbered from 0.

        Raises
        ------
        DataError
            The rows are a mask or fractions, or a row is below 0, beyond the items, or asked for twice.
        """
        chosen = row_numbers("rows", rows, len(self))
        return Catalogue(self.items.take(chosen), self.table.take(pa.array(chosen)))

    def add(self, more: "Catalogue") -> "Catalogue":
        """These items, then those of `more`; columns that only one of the two has are null in the other's rows.

        The items there are, are not copied.

        Raises
        ------
        DataError
            An item is in both, or a column holds another type there than here.
        """
        require_kind("add", more, Catalogue)
        try:
            items = extend_ids(self.items, more.items)
        except DataError as error:
            present = self.items.rows(more.items.array, missing="mark") >= 0
            first = more.items.ids([int(present.argmax())])[0]
            raise DataError(
                f"catalogue: {int(present.sum())} of {len(more)} items are known already, first {first!r}; "
                "expected new items alone"
            ) from error
        try:
            table = pa.concat_tables([self.table, more.table], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"catalogue: the new items' columns disagree with those there are: {error}; expected the same types"
            ) from error
        return Catalogue(items, table)
