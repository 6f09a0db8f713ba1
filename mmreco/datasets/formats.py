"""Public data sets in their own formats: Amazon reviews, MovieLens, RecBole, S3-Rec.

Every reader answers with mmreco's nouns and refuses a bad line with the file's name and the line's number
(from 1). Files ending in `.gz` are unpacked on the way.

Sources: Amazon reviews (McAuley et al. 2015; Ni et al. 2019; Hou et al. 2024), MovieLens (Harper, Konstan
2015), RecBole's atomic files (Zhao et al. 2021), S3-Rec's sequences (Zhou et al. 2020).
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.datasets.amazon import amazon_catalogue, amazon_reviews
from mmreco.errors import DataError
from mmreco.tables.files import read_table
from mmreco.tables.lines import delimited, lines, of_file, opened

__all__ = [
    "amazon_catalogue",
    "amazon_reviews",
    "movielens",
    "movielens_catalogue",
    "movielens_interactions",
    "recbole_catalogue",
    "recbole_interactions",
    "s3rec_attributes",
    "s3rec_interactions",
]


# ---- MovieLens


def movielens(folder: str | Path, *, at_least: int = 5) -> tuple[Catalogue, Interactions]:
    """The films of a MovieLens folder with five ratings or more, and who rated them, oldest first.

    Every rating is an event of weight 1: that a film was seen is what counts here, not how it was liked.

    Parameters
    ----------
    folder : MovieLens's own, with `movies.dat` and `ratings.dat`, or both as `.csv`
        Or with `ml1m_interactions.parquet` (user, movie, pos, timestamp) in place of the ratings. Where a time is
        missing there, a rating gets that of the one before it in its user's order, or else of the one after; a user
        without any gets his neighbour's by number, as numbers follow the time of joining. Pictures in `posters/`,
        named like the film, become the column `image`.
    at_least : 1 or more
        Films with fewer ratings are left out.

    Raises
    ------
    DataError
        A file is missing, damaged or of another kind, or `at_least` is below 1.
    """
    if at_least < 1:
        raise DataError(f"at_least={at_least}: expected 1 or more ratings a film")
    top = Path(folder)
    suffix = ".csv" if (top / "movies.csv").exists() else ".dat"
    films = movielens_catalogue(top / f"movies{suffix}")
    ordered = top / "ml1m_interactions.parquet"
    if ordered.exists():
        log = of_file(ordered, lambda: _ordered_ratings(read_table(ordered), films))
    else:
        log = movielens_interactions(top / f"ratings{suffix}", catalogue=films)
    kept = np.flatnonzero(log.counts() >= at_least)
    films = films.take(kept)
    place = np.full(len(log.items), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    chosen = place[log.items_flat] >= 0
    events = Interactions.from_events(
        log.users,
        films.items,
        log.users_flat[chosen],
        place[log.items_flat[chosen]],
        times=None if log.times is None else log.times[chosen],
        event_names=("rating",),
    )
    events = events.take(np.flatnonzero(events.lengths))
    if (top / "posters").is_dir():
        films = Catalogue.from_frame(films.table.append_column("item_id", films.items.array), images=top / "posters")
    return films, events


def _ordered_ratings(table: pa.Table, films: Catalogue) -> Interactions:
    """Ratings by the order of their users, with every time filled in."""
    table = table.filter(pc.greater_equal(table["pos"], 0)).sort_by([("user", "ascending"), ("pos", "ascending")])
    users, seconds = table["user"].to_numpy(), table["timestamp"].combine_chunks()
    place = np.arange(len(users))
    there = seconds.is_valid().to_numpy(zero_copy_only=False)
    if not there.any():
        raise DataError("no timestamp at all; expected seconds since 1970 UTC")
    before = np.maximum.accumulate(np.where(there, place, -1))
    after = np.minimum.accumulate(np.where(there, place, len(users))[::-1])[::-1]
    own = (before >= 0) & (users[before] == users)
    near = np.where(own | (after == len(users)), before, after)
    names = pc.unique(table["user"].cast("string"))
    known = IdMap(names)
    return Interactions.from_events(
        known,
        films.items,
        known.rows(table["user"].cast("string")),
        films.items.rows(table["movie"].cast("string")),
        times=seconds.fill_null(0).to_numpy()[near] * 1000,
    )


def movielens_interactions(path: str | Path, *, catalogue: Catalogue | None = None) -> Interactions:
    """The ratings in MovieLens's `ratings.dat` (`user::movie::rating::seconds`) or `ratings.csv`.

    Every rating is an event named "rating" that weighs its stars.

    Raises
    ------
    DataError
        The file is missing, damaged or of another kind; file and line are named.
    """
    names = ["userId", "movieId", "rating", "timestamp"]
    kinds = {"userId": pa.string(), "movieId": pa.string(), "rating": pa.float64(), "timestamp": pa.int64()}
    table = delimited(path, *_movielens(path), names=names, kinds=kinds)
    table = table.append_column("event", pa.array(["rating"] * table.num_rows, pa.string()))
    own = {"user_id": "userId", "item_id": "movieId", "weight": "rating"}
    return of_file(path, lambda: Interactions.from_frame(table, catalogue=catalogue, columns=own))


def movielens_catalogue(path: str | Path) -> Catalogue:
    """The films in MovieLens's `movies.dat` (`movie::title::genres`, Latin-1) or `movies.csv`: title, year, category.

    `category` is the list of genres; the year is taken from the end of the title, "Heat (1995)".

    Raises
    ------
    DataError
        The file is missing, damaged or of another kind; file and line are named.
    """
    names = ["movieId", "title", "genres"]
    table = delimited(path, *_movielens(path), names=names, kinds=dict.fromkeys(names, pa.string()))
    titles = table["title"].combine_chunks()
    years = pc.extract_regex(titles, r"\((?P<year>\d{4})\)\s*$").field("year")
    genres = table["genres"].combine_chunks()
    listed = pc.split_pattern(pc.if_else(pc.equal(genres, "(no genres listed)"), None, genres), "|")
    films = {
        "item_id": table["movieId"],
        "title": pc.utf8_trim_whitespace(pc.replace_substring_regex(titles, r"\s*\(\d{4}\)\s*$", "")),
        "year": pc.if_else(pc.equal(years, ""), None, years).cast(pa.int64()),
        "category": listed,
    }
    return of_file(path, lambda: Catalogue.from_frame(pa.table(films)))


def _movielens(path: str | Path) -> tuple[str, str]:
    """The separator and the encoding."""
    suffix = Path(str(path).removesuffix(".gz")).suffix
    if suffix not in (".dat", ".csv"):
        raise DataError(f"{path}: kind {suffix!r}; expected MovieLens's .dat (::) or .csv")
    return ("::", "latin-1") if suffix == ".dat" else (",", "utf-8")


# ---- RecBole


def recbole_interactions(path: str | Path, *, catalogue: Catalogue | None = None) -> Interactions:
    """The events in a RecBole `.inter` file: tab-separated under a header such as `user_id:token  rating:float`.

    `user_id` and `item_id` are needed; `timestamp` orders the events, `rating` is their weight.

    Raises
    ------
    DataError
        The file is missing or damaged, or its header names no such columns; file and line are named.
    """
    table = _recbole(path, ("user_id", "item_id"))
    own = {"weight": "rating"} if "rating" in table.column_names else None
    return of_file(path, lambda: Interactions.from_frame(table, catalogue=catalogue, columns=own))


def recbole_catalogue(path: str | Path) -> Catalogue:
    """The items in a RecBole `.item` file, its columns under their own names; `token_seq` columns are lists.

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
        header = file.readline().decode("utf-8-sig", errors="replace").rstrip("\r\n")
    fields = [tuple(f.split(":")) for f in header.split("\t")]
    if any(len(f) != 2 or f[1] not in ("token", "float", "token_seq", "float_seq") for f in fields):
        raise DataError(f"{path}, line 1: {header[:80]!r} is no RecBole header; expected name:token, name:float ...")
    lacking = [n for n in needed if n not in [f[0] for f in fields]]
    if lacking:
        raise DataError(f"{path}, line 1: no column {lacking[0]!r}; there are {', '.join(f[0] for f in fields)}")
    kinds = {f"{n}:{k}": pa.float64() if k == "float" else pa.string() for n, k in fields}
    table = delimited(path, "\t", "utf-8", names=list(kinds), kinds=kinds)
    columns = {}
    for name, kind in fields:
        column = table[f"{name}:{kind}"].combine_chunks()
        if kind.endswith("_seq") and name != "title":
            column = pc.split_pattern(pc.if_else(pc.equal(column, ""), None, column), " ")
            column = column.cast(pa.list_(pa.float64())) if kind == "float_seq" else column
        columns[name] = column
    return pa.table(columns)


# ---- S3-Rec


def s3rec_interactions(path: str | Path, *, items: IdMap | None = None) -> Interactions:
    """The sequences in an S3-Rec file: a user a line, `user item item ...`, oldest first; there are no times.

    Parameters
    ----------
    items : optional
        The items there are; others are dropped and counted. Without it, the items seen, in order of appearance.

    Raises
    ------
    DataError
        The file is missing or not UTF-8, or a user comes twice; file and line are named.
    """
    users: dict[str, int] = {}
    lengths: list[int] = []
    flat: list[str] = []
    for number, line in lines(path):
        user, *sequence = line.split()
        if user in users:
            raise DataError(f"{path}, line {number}: user {user!r} again, first in line {users[user]}")
        users[user] = number
        lengths.append(len(sequence))
        flat += sequence
    encoded = pa.array(flat, pa.large_string()).dictionary_encode()
    known = IdMap(encoded.dictionary) if items is None else items
    rows = known.rows(pa.array(flat, pa.large_string()), missing="mark")
    owner = np.repeat(np.arange(len(users)), np.asarray(lengths, dtype=np.int64))
    kept = rows >= 0
    return Interactions.from_events(IdMap.of(users), known, owner[kept], rows[kept], dropped=int((~kept).sum()))


def s3rec_attributes(path: str | Path, items: IdMap) -> Attributes:
    """The attributes in an S3-Rec JSON file, `{item: [attribute, ...]}`, of these items.

    Raises
    ------
    DataError
        The file is missing, or no JSON object of lists.
    """
    try:
        with opened(path) as file:
            given = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON ({error})") from error
    if not isinstance(given, dict) or not all(isinstance(bag, list) for bag in given.values()):
        raise DataError(f"{path}: expected one JSON object of lists, item to attributes")
    return Attributes.from_lists(items, {item: [str(a) for a in bag] for item, bag in given.items()})
