"""Dataframes into nouns: every column checked, every error with its column and row.

Rows are counted from 0. Ids may be text or whole numbers (turned to decimal text), so a catalogue with
text ids and a log with number ids meet. Times may be

- datetimes: with a zone they are converted, without one they are UTC;
- ISO 8601 text: all with a zone or all without;
- numbers since 1970 UTC: milliseconds where the column's largest is 1e11 or more (1973 in milliseconds,
  the year 5138 in seconds), seconds otherwise.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arrays import I64
from mmreco.data.catalogue import Catalogue
from mmreco.data.columns import Column, columns_of, ids_of, moments_of, names_of, numbers_of, texts_of, times_of
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError

__all__ = ["catalogue_from_frame", "id_columns", "interactions_from_frame", "reviews_from_frame"]

_log = logging.getLogger(__name__)

_INTERACTIONS = ("user_id", "item_id", "timestamp", "event", "weight")
_REVIEWS = ("item_id", "text", "user_id", "rating", "timestamp", "helpful")
_TEXTS = ("title", "text", "image")
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def id_columns(columns: Mapping[str, str] | None) -> tuple[str, ...]:
    """The names of the columns of ids in a file, so that "007" is not read as 7."""
    own = columns or {}
    return tuple(own.get(name, name) for name in ("item_id", "user_id"))


def catalogue_from_frame(
    frame: Any, *, images: str | Path | None = None, columns: Mapping[str, str] | None = None
) -> Catalogue:
    """The catalogue in a dataframe; see `Catalogue.from_frame`.

    `title`, `text` and `image` must be text (or whole numbers, read as text), `price` numbers, `created` times.
    NaN in any column is a null. A column with a name that `columns` maps to another is left out.

    Raises
    ------
    DataError
        A column is missing, or holds a value it must not; column and row are named.
    """
    given = columns_of(frame, columns, needed=("item_id",), wanted=None)
    ids = _map(given.pop("item_id"))
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
        table["image"] = pa.array(
            _pictures(ids, given.get("image"), table.get("image"), Path(images)), pa.large_string()
        )
    if not table:  # an Arrow table without columns has no rows
        return Catalogue(ids, pa.table({"title": pa.nulls(len(ids), pa.large_string())}))
    return Catalogue(ids, pa.table(table))


def interactions_from_frame(
    frame: Any,
    *,
    catalogue: Catalogue | None = None,
    columns: Mapping[str, str] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Interactions:
    """The interactions in a dataframe; see `Interactions.from_frame`.

    `event_names` come in alphabetical order, users (and items without a catalogue) in order of appearance.

    Raises
    ------
    DataError
        A column is missing or holds a value it must not (column and row are named), no item is in the
        catalogue, or weights come both as a column and as a mapping.
    """
    given = columns_of(frame, columns, needed=("user_id", "item_id"), wanted=_INTERACTIONS)
    users, chosen = ids_of(given["user_id"]), _Chosen(given["item_id"], catalogue)
    times = times_of(given["timestamp"]) if "timestamp" in given else None
    kinds: I64 | None = None
    names: tuple[str, ...] = ("event",)
    if "event" in given:
        kinds, names = names_of(given["event"])
    worth = _weights(given, weights, kinds, names)
    user_map, user_rows = _numbered(chosen.kept(users))
    return Interactions.from_events(
        user_map,
        chosen.items,
        user_rows,
        chosen.rows,
        times=None if times is None else times[chosen.known],
        events=None if kinds is None else kinds[chosen.known],
        event_names=names,
        weights=None if worth is None else worth[chosen.known],
        dropped=chosen.dropped,
    )


def reviews_from_frame(
    frame: Any, *, catalogue: Catalogue | None = None, columns: Mapping[str, str] | None = None
) -> Reviews:
    """The reviews in a dataframe; see `Reviews.from_frame`.

    Raises
    ------
    DataError
        A column is missing or holds a value it must not (column and row are named), or no item is in the catalogue.
    """
    given = columns_of(frame, columns, needed=("item_id", "text"), wanted=_REVIEWS)
    chosen = _Chosen(given["item_id"], catalogue)
    texts = chosen.kept(texts_of(given["text"]).fill_null("")).to_pylist()
    ratings = numbers_of(given["rating"], least=1, most=5) if "rating" in given else None
    times = times_of(given["timestamp"]) if "timestamp" in given else None
    helpful = np.nan_to_num(numbers_of(given["helpful"], least=0), nan=0) if "helpful" in given else None
    return Reviews.from_rows(
        chosen.items,
        chosen.rows,
        texts,
        ratings=None if ratings is None else ratings[chosen.known],
        times=None if times is None else times[chosen.known],
        helpful=None if helpful is None else helpful[chosen.known],
        users=_numbered(chosen.kept(ids_of(given["user_id"]))) if "user_id" in given else None,
        dropped=chosen.dropped,
    )


class _Chosen:
    """The item map, the rows of the table whose item is in it, and how many were not."""

    def __init__(self, column: Column, catalogue: Catalogue | None) -> None:
        ids = ids_of(column)
        if catalogue is None:
            self.items, rows = _numbered(ids)
        else:
            self.items, rows = catalogue.items, catalogue.items.rows(ids, missing="mark")
        self.known = rows >= 0  # (rows of the table,)
        self.rows: I64 = rows[self.known]  # (e,)
        self.dropped = int((~self.known).sum())
        if not self.dropped:
            return
        first = int((~self.known).argmax())
        said = f"column {column.name!r}: {self.dropped} of {len(ids)} ids unknown, first {ids[first].as_py()!r}"
        if not len(self.rows):
            like = f", which has ids like {self.items.ids([0])[0]!r}" if len(self.items) else " of no items"
            raise DataError(f"{said} at row {first}; none is in the catalogue{like}")
        _log.warning("%s at row %d; their rows were dropped", said, first)

    def kept(self, array: pa.Array) -> pa.Array:
        return array.filter(pa.array(self.known)) if self.dropped else array


def _map(column: Column) -> IdMap:
    ids = ids_of(column)
    try:
        return IdMap(ids)
    except DataError as error:
        raise DataError(f"column {column.name!r}: {error}") from error


def _numbered(ids: pa.Array) -> tuple[IdMap, I64]:
    """The distinct ids in order of appearance, and which of them each is."""
    encoded = ids.dictionary_encode()
    return IdMap(encoded.dictionary), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


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


def _without_nan(array: pa.Array) -> pa.Array:
    if not pa.types.is_floating(array.type):
        return array
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)


def _pictures(ids: IdMap, column: Column | None, paths: pa.Array | None, folder: Path) -> list[str | None]:
    if not folder.is_dir():
        raise DataError(f"images={str(folder)!r}: no such folder")
    if column is None or paths is None:
        named: dict[str, str] = {}
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                stem, suffix = os.path.splitext(entry.name)
                if suffix.lower() in _PICTURES and entry.is_file():
                    named.setdefault(stem, entry.path)
        return [named.get(i) for i in ids.array.to_pylist()]
    found: list[str | None] = []
    top = os.path.abspath(folder)
    for row, path in enumerate(paths.to_pylist()):
        whole = os.path.normpath(os.path.join(top, path)) if path else None
        if whole is not None and not whole.startswith(top.rstrip(os.sep) + os.sep):
            raise DataError(f"column {column.name!r}, row {row}: {path!r} leaves the folder images={str(folder)!r}")
        found.append(os.path.join(folder, os.path.relpath(whole, top)) if whole and os.path.isfile(whole) else None)
    return found
