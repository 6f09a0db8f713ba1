"""RecBole's atomic files: tab-separated under a header such as `user_id:token  rating:float`.

Every reader refuses a bad line with the file's name and the line's number (from 1). Files ending in `.gz` are unpacked
on the way. Source: Zhao et al., "RecBole", 2021.
"""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mmreco.data.catalogue import Catalogue
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.tables.lines import delimited, of_file, opened

__all__ = ["recbole_catalogue", "recbole_interactions"]


def recbole_interactions(path: str | Path, *, catalogue: Catalogue | None = None) -> Interactions:
    """The events in a RecBole `.inter` file: tab-separated under a header such as `user_id:token  rating:float`.

    `user_id` and `item_id` are needed; `timestamp` orders the events, `rating` is their weight.

    Parameters
    ----------
    path : of the file
    catalogue : optional
        Events of items that are not in it are left out and counted in `dropped`.

    Raises
    ------
    DataError
        The file is missing or damaged, or its header names no such columns; file and line are named.
    """
    table = _recbole(path, ("user_id", "item_id"))
    own = {"weight": "rating"} if "rating" in table.column_names else None
    return of_file(path, lambda: Interactions.from_frame(table, catalogue=catalogue, columns=own))


def recbole_catalogue(path: str | Path) -> Catalogue:
    """The items at `path`, a RecBole `.item` file, its columns under their own names; `token_seq` columns are lists.

    `title` stays text although RecBole calls it a sequence of tokens.

    Raises
    ------
    DataError
        The file is missing or damaged, or its header names no `item_id`; file and line are named.
    """
    table = _recbole(path, ("item_id",))
    return of_file(path, lambda: Catalogue.from_frame(table))


def _recbole(path: str | Path, needed: tuple[str, ...]) -> pa.Table:
    with opened(path) as file:
        header = file.readline(1 << 20).decode("utf-8-sig", errors="replace").rstrip("\r\n")
    fields = [tuple(f.split(":")) for f in header.split("\t")]
    if any(len(f) != 2 or f[1] not in ("token", "float", "token_seq", "float_seq") for f in fields):
        raise DataError(f"{path}, line 1: {header[:80]!r} is no RecBole header; expected name:token, name:float ...")
    repeated = next((n for n, count in Counter(f[0] for f in fields).items() if count > 1), None)
    if repeated is not None:
        raise DataError(f"{path}, line 1: column {repeated!r} appears twice; rename one")
    lacking = [n for n in needed if n not in [f[0] for f in fields]]
    if lacking:
        raise DataError(f"{path}, line 1: no column {lacking[0]!r}; there are {', '.join(f[0] for f in fields)}")
    kinds = {f"{n}:{k}": pa.float64() if k == "float" else pa.string() for n, k in fields}
    table = delimited(path, "\t", "utf-8", names=list(kinds), kinds=kinds)
    columns = {}
    for name, kind in fields:
        column = table[f"{name}:{kind}"].combine_chunks()
        if kind != "float":  # a blank is unknown, and no category of the name ""
            column = pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), None, column)
        if kind.endswith("_seq") and name != "title":
            column = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(column))
            column = _numbers(path, name, column) if kind == "float_seq" else column
        columns[name] = column
    return pa.table(columns)


def _numbers(path: str | Path, name: str, lists: pa.Array) -> pa.Array:
    try:
        return lists.cast(pa.list_(pa.float64()))
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: column {name!r}: {error}; expected numbers parted by blanks") from error
