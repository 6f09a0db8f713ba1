"""MovieLens in its own formats, `::` or CSV.

Every reader refuses a bad line with the file's name and the line's number (from 1). Files ending in `.gz` are unpacked
on the way. Source: Harper, Konstan, "The MovieLens datasets: history and context", 2015.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arguments import path_of
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.users import Users
from mmreco.errors import DataError
from mmreco.tables.columns import Column
from mmreco.tables.files import read_table
from mmreco.tables.lines import delimited, of_file
from mmreco.tables.values import numbers_of

__all__ = ["movielens", "movielens_catalogue", "movielens_interactions", "movielens_users"]


def movielens(folder: str | Path, *, at_least: int = 5) -> Dataset:
    """The films of a MovieLens folder with five ratings or more, and who rated them, oldest first.

    Every rating is an event of weight 1: that a film was seen is what counts here, not how it was liked.

    Parameters
    ----------
    folder : MovieLens's own, with `movies.dat` and `ratings.dat`, or both as `.csv`
        Or with `ml1m_interactions.parquet` (user, movie, pos, timestamp) in place of the ratings. Where a time is
        missing there, a rating gets that of the one before it in its user's order, or else of the one after; a user
        without any gets their neighbour's by number, as numbers follow the time of joining. Pictures in `posters/`,
        named like the film, become the column `image`; what `users.dat` says of the users, `users`.
    at_least : 1 or more
        Films with fewer ratings are left out.

    Raises
    ------
    DataError
        A file is missing, damaged or of another kind, or `at_least` is below 1.
    """
    if at_least < 1:
        raise DataError(f"at_least={at_least}: expected 1 or more ratings a film")
    top = path_of("folder", folder)
    suffix = ".csv" if (top / "movies.csv").exists() else ".dat"
    films = movielens_catalogue(top / f"movies{suffix}")
    ordered = top / "ml1m_interactions.parquet"
    if ordered.exists():
        log = of_file(ordered, lambda: _ordered_ratings(read_table(ordered), films))
    else:
        log = movielens_interactions(top / f"ratings{suffix}", catalogue=films)
    often = np.flatnonzero(log.counts() >= at_least)
    films = films.take(often)
    place = np.full(len(log.items), -1, dtype=np.int64)
    place[often] = np.arange(len(often))
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
    people = top / "users.dat"
    users = movielens_users(people).aligned(events.users) if people.exists() else None
    return Dataset(films, events, users=users)


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
    ids = IdMap(names)
    return Interactions.from_events(
        ids,
        films.items,
        ids.rows(table["user"].cast("string")),
        films.items.rows(table["movie"].cast("string")),
        times=seconds.fill_null(0).to_numpy()[near] * 1000,
    )


def movielens_interactions(path: str | Path, *, catalogue: Catalogue | None = None) -> Interactions:
    """The ratings in MovieLens's `ratings.dat` (`user::movie::rating::seconds`) or `ratings.csv`.

    Every rating is an event named "rating" that weighs its stars.

    Parameters
    ----------
    path : of the file
    catalogue : optional
        Ratings of films that are not in it are left out and counted in `dropped`.

    Raises
    ------
    DataError
        The file is missing, damaged or of another kind, or a rating is not 0 to 5; file and line are named.
    """
    names = ["userId", "movieId", "rating", "timestamp"]
    kinds = {"userId": pa.string(), "movieId": pa.string(), "rating": pa.float64(), "timestamp": pa.int64()}
    table = delimited(path, *_movielens(path), names=names, kinds=kinds)
    table = table.append_column("event", pa.array(["rating"] * table.num_rows, pa.string()))
    own = {"user_id": "userId", "item_id": "movieId", "weight": "rating"}

    def checked() -> Interactions:
        numbers_of(Column("rating", table["rating"].combine_chunks()), least=0, most=5)
        return Interactions.from_frame(table, catalogue=catalogue, columns=own)

    return of_file(path, checked)


def movielens_catalogue(path: str | Path) -> Catalogue:
    """The films at `path`, MovieLens's `movies.dat` (`movie::title::genres`) or `movies.csv`: title, year, category.

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
    genres = pc.replace_substring_regex(genres, r"^\|+|\|+$|(\|)\|+", r"\1")
    unknown = pc.is_in(genres, value_set=pa.array(["", "(no genres listed)"], genres.type))
    listed = pc.split_pattern(pc.if_else(unknown, None, genres), "|")
    films = {
        "item_id": table["movieId"],
        "title": pc.utf8_trim_whitespace(pc.replace_substring_regex(titles, r"\s*\(\d{4}\)\s*$", "")),
        "year": pc.if_else(pc.equal(years, ""), None, years).cast(pa.int64()),
        "category": listed,
    }
    return of_file(path, lambda: Catalogue.from_frame(pa.table(films)))


def movielens_users(path: str | Path) -> Users:
    """The users at `path`, MovieLens-1M's `users.dat` (`user::gender::age::occupation::zip`).

    Columns: `gender`; `age`, the youngest of the user's age group; `occupation`, MovieLens's own number; `region`, the
    first digit of the American postcode.

    Raises
    ------
    DataError
        The file is missing, damaged or of another kind; file and line are named.
    """
    names = ["user_id", "gender", "age", "occupation", "postcode"]
    table = delimited(path, *_movielens(path), names=names, kinds=dict.fromkeys(names, pa.string()))
    region = pc.utf8_slice_codeunits(table["postcode"], 0, 1)
    return of_file(path, lambda: Users.from_frame(table.drop_columns(["postcode"]).append_column("region", region)))


def _movielens(path: str | Path) -> tuple[str, str]:
    """The separator and the encoding."""
    suffix = Path(str(path).removesuffix(".gz")).suffix
    if suffix not in (".dat", ".csv"):
        raise DataError(f"{path}: kind {suffix!r}; expected MovieLens's .dat (::) or .csv")
    return ("::", "latin-1") if suffix == ".dat" else (",", "utf-8")  # Latin-1 where it is not UTF-8
