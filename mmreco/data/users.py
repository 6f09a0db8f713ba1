"""Users: one row a user, columns of plain values: age, region, tier, anything a shop knows of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmreco.arguments import row_numbers
from mmreco.arrays import I64
from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.tables.files import read_table
from mmreco.tables.items import item_columns, text_columns

__all__ = ["Users"]


@dataclass(frozen=True, eq=False, repr=False)
class Users:
    """What is known of shoppers besides their events.

    Made by `read` or `from_frame`; the constructor only checks.

    Parameters
    ----------
    ids : IdMap of `n` users
    table : Arrow table of `n` rows
        Every column but the id. Nulls mean unknown.

    Raises
    ------
    DataError
        The table has another number of rows than the map has ids.

    Examples
    --------
    >>> import pyarrow as pa
    >>> Users.from_frame(pa.table({"user_id": ["ann", "bob"], "tier": ["gold", None]}))
    Users(2 users: tier)
    """

    ids: IdMap
    table: pa.Table

    def __post_init__(self) -> None:
        if self.table.num_columns and self.table.num_rows != len(self.ids):
            raise DataError(
                f"users: columns of {self.table.num_rows} rows for {len(self.ids)} ids; expected one row a user"
            )

    @classmethod
    def from_frame(cls, frame: Any, *, columns: Mapping[str, str] | None = None) -> "Users":
        """The users in a dataframe (pandas, polars, pyarrow, anything narwhals reads), a row a user.

        Parameters
        ----------
        frame : a column `user_id` and any others
        columns : optional
            The frame's own names, e.g. `{"user_id": "customer"}`.

        Raises
        ------
        DataError
            A column is missing, or holds a value it must not; column and row are named.
        """
        given = item_columns(frame, id_name="user_id", columns=columns)
        try:
            return cls(IdMap(given.ids), given.table)
        except DataError as error:
            raise DataError(f"column {given.id_column!r}: {error}") from error

    @classmethod
    def read(cls, path: str | Path, *, columns: Mapping[str, str] | None = None) -> "Users":
        """The users in a `.parquet`, `.csv`, `.tsv` or `.jsonl` file; see `from_frame`.

        Parameters
        ----------
        path : of the file
            Its ending says what it is.
        columns : as `from_frame`

        Raises
        ------
        DataError
            The file is missing, damaged, of another kind, or its table is unusable.
        """
        return cls.from_frame(read_table(path, text=text_columns(columns)), columns=columns)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Users({len(self)} users: {', '.join(self.table.column_names)})"

    def take(self, rows: Sequence[int] | I64) -> "Users":
        """The users at `rows`, shape `(m,)`, renumbered from 0.

        Raises
        ------
        DataError
            The rows are a mask or fractions, or a row is below 0, beyond the users, or asked for twice.
        """
        chosen = row_numbers("users", rows, len(self))
        return Users(self.ids.take(chosen), self.table.take(pa.array(chosen)))

    def aligned(self, ids: IdMap) -> "Users":
        """The same columns for the users of `ids`, in that order; null where nothing is known."""
        if ids == self.ids:
            return self
        rows = self.ids.rows(ids.array, missing="mark")
        return Users(ids, self.table.take(pa.array(rows, mask=rows < 0)))
