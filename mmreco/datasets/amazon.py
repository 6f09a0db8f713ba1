"""Amazon's product reviews and metadata, in the formats of 2014, 2018 and 2023.

Sources: McAuley et al. 2015; Ni, Li, McAuley 2019; Hou et al. 2024.
"""

import json
import re
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from mmreco.data.catalogue import Catalogue
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError
from mmreco.tables.lines import json_objects, of_file, opened
from mmreco.tables.nesting import Shallow

__all__ = ["AmazonYear", "amazon_catalogue", "amazon_reviews"]

AmazonYear = Literal[2014, 2018, 2023]

_YEARS = (2014, 2018, 2023)
_BLOCK = 16 << 20  # bytes read together; no line may be longer, or it is read the slow way
_OPENED = 788_918_400_000  # milliseconds; 1995, the year in which Amazon opened
_MOMENT = pa.timestamp("ms", tz="UTC")


def amazon_reviews(path: str | Path, year: AmazonYear, *, catalogue: Catalogue | None = None) -> Reviews:
    """The reviews in an Amazon file, one JSON object a line; `.interactions()` of them is the behaviour.

    Parameters
    ----------
    path : file, `.gz` included
    year : 2014, 2018 or 2023
        2014: `reviewerID asin overall reviewText unixReviewTime helpful` (`[helpful, all votes]`); 2018: the
        same with `vote`; 2023: `user_id parent_asin rating text timestamp` (milliseconds) `helpful_vote`.
        The review's title (`summary`, `title`) is the first line of its text.
    catalogue : optional
        Reviews of other items are dropped and counted.

    Raises
    ------
    DataError
        The file is missing or damaged, `year` is another, or a line is no such review; file and line are named.
    """
    _check_year(year)
    table = _fast(path, year)
    if table is None:  # some line is out of the ordinary: read one by one, which also tells its number
        table = _one_by_one(path, year)
    latest = pc.max(table["timestamp"])
    if 0 <= (latest.cast(pa.int64()).as_py() or _OPENED) < _OPENED:
        unit = "milliseconds" if year == 2023 else "seconds"
        raise DataError(f"{path}: its latest review is of {latest}; are its times {unit}, as those of {year}?")
    return of_file(path, lambda: Reviews.from_frame(table, catalogue=catalogue))


def amazon_catalogue(path: str | Path, year: AmazonYear) -> Catalogue:
    """The items in an Amazon metadata file, one object a line: title, text, brand, category, price, image.

    `category` is the list of the item's categories from general to special, `image` the address of its picture
    (mmreco fetches nothing). An item listed twice keeps its first line.

    Parameters
    ----------
    path : file, `.gz` included
    year : 2014, 2018 or 2023
        2014's lines are Python literals rather than JSON; they are parsed as such, never evaluated, and
        slowly: some thousands of lines a second.

    Raises
    ------
    DataError
        The file is missing or damaged, `year` is another, or a line is no such item; file and line are named.
    """
    _check_year(year)
    columns: dict[str, list[Any]] = {k: [] for k in ("item_id", "title", "text", "brand", "category", "price", "image")}
    for number, row in json_objects(path, literals=year == 2014):
        try:
            columns["item_id"].append(_string(row["parent_asin" if year == 2023 else "asin"]))
            columns["title"].append(_joined(row.get("title")))
            columns["text"].append(_joined(row.get("description")))
            columns["brand"].append(_joined(row.get("store" if year == 2023 else "brand")))
            columns["category"].append(_flat(row.get("category") or row.get("categories")))
            columns["price"].append(_price(row.get("price")))
            columns["image"].append(_picture(row))
        except (KeyError, TypeError, ValueError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{path}, line {number}: no Amazon item of {year} ({why})") from error
    kinds = {"category": pa.list_(pa.string()), "price": pa.float64()}
    table = _table(path, columns, {name: kinds.get(name, pa.string()) for name in columns})
    return of_file(path, lambda: Catalogue.from_frame(_firsts(table)))


def _fields(year: AmazonYear) -> tuple[str, str, str, str, str, str, str]:
    """User, item, stars, time, heading, text, votes."""
    if year == 2023:
        return "user_id", "parent_asin", "rating", "timestamp", "title", "text", "helpful_vote"
    votes = "helpful" if year == 2014 else "vote"
    return "reviewerID", "asin", "overall", "unixReviewTime", "summary", "reviewText", votes


def _fast(path: str | Path, year: AmazonYear) -> pa.Table | None:
    """The reviews by Arrow's reader, ten times as fast as line by line; None where it finds anything odd."""
    user, item, stars, moment, heading, body, votes = _fields(year)
    counted = {2014: pa.list_(pa.float64()), 2018: pa.string(), 2023: pa.float64()}[year]
    kinds = {user: pa.string(), item: pa.string(), stars: pa.float64(), moment: pa.int64()}
    kinds |= {heading: pa.string(), body: pa.string(), votes: counted}
    try:
        with opened(path) as file:
            table = pajson.read_json(
                Shallow(path, file),
                read_options=pajson.ReadOptions(block_size=_BLOCK),
                parse_options=pajson.ParseOptions(
                    explicit_schema=pa.schema(kinds.items()), unexpected_field_behavior="ignore"
                ),
            )
        table.validate(full=True)
        columns = {name: table[name].combine_chunks() for name in kinds}
        if any(columns[name].null_count for name in (user, item, stars, moment)):
            return None
        if year == 2014:
            helpful = pc.list_element(columns[votes], 0)
        elif year == 2018:
            helpful = pc.replace_substring(columns[votes], ",", "").cast(pa.float64())
        else:
            helpful = columns[votes]
        times = columns[moment] if year == 2023 else pc.multiply_checked(columns[moment], 1000)
    except (pa.ArrowException, OSError, EOFError, zlib.error):
        return None
    above, below = (columns[name].fill_null("") for name in (heading, body))
    both = pc.binary_join_element_wise(above, below, "\n")
    text = pc.if_else(pc.equal(above, ""), below, pc.if_else(pc.equal(below, ""), above, both))
    return pa.table(
        {
            "user_id": columns[user],
            "item_id": columns[item],
            "rating": columns[stars],
            "text": text,
            "helpful": helpful.fill_null(0),
            "timestamp": times.cast(_MOMENT),
        }
    )


def _one_by_one(path: str | Path, year: AmazonYear) -> pa.Table:
    user, item, stars, moment, heading, body, _ = _fields(year)
    columns: dict[str, list[Any]] = {k: [] for k in ("user_id", "item_id", "rating", "timestamp", "text", "helpful")}
    for number, row in json_objects(path):
        try:
            columns["user_id"].append(_string(row[user]))
            columns["item_id"].append(_string(row[item]))
            columns["rating"].append(_number(row[stars]))
            columns["timestamp"].append(int(_not_truth(row[moment])) * (1 if year == 2023 else 1000))
            columns["helpful"].append(_votes(row))
            columns["text"].append("\n".join(t for t in (row.get(heading), row.get(body)) if t))
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{path}, line {number}: no Amazon review of {year} ({why})") from error
    try:
        times = pa.array(columns.pop("timestamp"), pa.int64()).cast(_MOMENT)
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(f"{path}: a time beyond what 64 bits hold") from error
    return _table(path, columns).append_column("timestamp", times)


def _check_year(year: int) -> None:
    if year not in _YEARS:
        raise DataError(f"year={year!r}: expected one of {', '.join(map(str, _YEARS))}")


def _votes(row: dict[str, Any]) -> float:
    if "helpful" in row:
        return 0.0 if row["helpful"] is None else _number(row["helpful"][0])
    return float(str(row.get("helpful_vote", row.get("vote")) or 0).replace(",", ""))


def _number(value: Any) -> float:
    return float(_not_truth(value))


def _not_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    return value


def _joined(value: Any) -> str | None:
    parts = [v for v in value if v] if isinstance(value, list) else []
    odd = next((v for v in parts if not isinstance(v, str)), None)
    text = odd if odd is not None else "\n".join(parts) if isinstance(value, list) else value
    if text is not None and not isinstance(text, str):
        raise ValueError(f"{text!r} is not text")
    return text or None


def _flat(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value] if value else []
    words = [w for v in listed for w in (v if isinstance(v, list) else [v]) if w is not None and w != ""]
    for word in words:
        if isinstance(word, (dict, list)):
            raise ValueError(f"{word!r:.60} is no category")
    return [str(word) for word in words]


def _price(value: Any) -> float | None:
    """12.5, "12.5" and "$1,012.50" as numbers; a range or anything else is unknown."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*\$?\s*(\d[\d,]*(?:\.\d+)?)\s*", value)
        return float(match[1].replace(",", "")) if match else None
    return None if value is None else _number(value)


def _picture(row: dict[str, Any]) -> str | None:
    pictures = row.get("imUrl") or row.get("imageURLHighRes") or row.get("imageURL") or row.get("images")
    first = pictures[0] if isinstance(pictures, list) and pictures else pictures
    if isinstance(first, dict):
        first = first.get("large") or first.get("thumb")
    return first if isinstance(first, str) else None


def _string(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not an id")
    return value


def _table(path: str | Path, columns: dict[str, list[Any]], kinds: dict[str, pa.DataType] | None = None) -> pa.Table:
    types = kinds or {"rating": pa.float64(), "helpful": pa.float64()}
    try:
        return pa.table({n: pa.array(v, types.get(n, pa.large_string())) for n, v in columns.items()})
    except UnicodeEncodeError as error:
        row, name = next((r, n) for n, v in columns.items() for r, t in enumerate(v) if not _encodable(t))
        raise DataError(f"{path}, object {row + 1}: {name} cannot be written as UTF-8") from error


def _encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _firsts(table: pa.Table) -> pa.Table:
    """The table without rows whose item came before."""
    encoded = table["item_id"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return table.take(pa.array(np.sort(np.unique(encoded, return_index=True)[1])))
