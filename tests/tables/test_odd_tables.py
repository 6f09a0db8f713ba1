"""Odd tables, drawn at random: each is read as it says or refused by name, in bounded time; nothing raw comes out."""

import csv
import json
import random
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError

_WORDS = """
007 01 1 -1 0 -0 +5 1e5 1E400 0x10 1.5 .5 5. 1,5 99999999999999999999 9007199254740993 18446744073709551615 inf NaN NA
null None true False TRUE 2026-01-05 2026-02-31 2026-01-05T10:00:00 2026-01-05T10:00:00.000900Z 12:30 1_000 ١٢ ½ a"b 红
"""
CELLS = _WORDS.split()
CELLS += [
    "",
    " ",
    " 7",
    "a,b",
    "a\tb",
    "line\nbreak",
    "x" * 5000,
    "🙂",
    "\u200b",
    "é",
    "e\u0301",
    "<p>&nbsp;</p>",
    "\\N",
]
KNOWN = ("title", "text", "category", "brand", "image")


def cells(draw: random.Random, n: int) -> list[str]:
    pool = draw.sample(CELLS, draw.randint(1, 4))
    return [draw.choice(pool) for _ in range(n)]


def check_csv(path: Path, seed: int) -> None:
    """Known columns hold their cells to the letter; any other holds them so, or as the numbers they write."""
    draw = random.Random(seed)
    n, separator = draw.randint(1, 6), draw.choice(",\t")
    names = ["item_id", *draw.sample([*KNOWN, "size", "a b", "颜色", "x.y", "price2"], draw.randint(1, 5))]
    columns = {name: cells(draw, n) for name in names}
    columns["item_id"] = [f"{row:03d}" for row in range(n)]
    file = path / f"t{seed}{'.csv' if separator == ',' else '.tsv'}"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, delimiter=separator)
        writer.writerow(names)
        writer.writerows(zip(*columns.values(), strict=True))
    read = Catalogue.read(file)
    assert read.items.ids(range(n)) == columns["item_id"]
    for name in names[1:]:
        for value, cell in zip(read.column(name), columns[name], strict=True):
            if name in ("title", "text") and "<p>" in cell:
                assert value is None
            elif name in KNOWN:
                assert value == (cell or None), (seed, name, cell)
            else:
                assert says(value, cell), (seed, name, value, cell)


def says(value: Any, cell: str) -> bool:
    """Whether the value is what the cell says."""
    if value is None:
        return cell in ("", "NA", "NaN", "null")
    if isinstance(value, str):
        return value == cell
    if isinstance(value, bool):
        return str(value).lower() == cell.lower()
    if isinstance(value, int):
        return str(value) == cell or (value == 0 and cell == "-0")
    if isinstance(value, float):
        return value == float(cell) and not cell.startswith(("00", "01"))
    return cell.startswith(str(value.date() if hasattr(value, "date") else value))


OBJECTS: list[Any] = [
    None,
    "",
    "a",
    "7",
    7,
    7.0,
    7.5,
    -1,
    2**63,
    2**70,
    True,
    np.nan,
    np.inf,
    b"x",
    "\ud800",
    "\0",
    "红" * 50,
]
OBJECTS += [
    pd.NaT,
    pd.Timestamp("2026-01-05"),
    pd.Timestamp("2026-01-05", tz="Asia/Shanghai"),
    pd.Timestamp("1700-01-01"),
]
OBJECTS += [
    np.float32(19.9),
    np.int8(3),
    np.datetime64("2026-01-05"),
    Decimal("1.10"),
    Decimal("NaN"),
    ["a"],
    [],
    {"a": 1},
]
OBJECTS += [
    pd.Period("2026-01"),
    pd.Timedelta("1h"),
    1j,
    object(),
    {1},
    ("a",),
    "2026-01-05T10:00:00.000900",
    "9999-12-31",
]
DTYPES = [
    "object",
    "category",
    "string",
    "float32",
    "float16",
    "Int64",
    "boolean",
    "datetime64[ns]",
    "period[M]",
    "timedelta64[ns]",
]


def check_frame(seed: int) -> None:
    """A frame of objects, in pandas, polars or Arrow, is read or refused."""
    draw = random.Random(seed)
    n = draw.randint(0, 4)
    noun, names = draw.choice(
        [
            (Interactions, ["user_id", "item_id", "timestamp", "event", "weight"]),
            (Catalogue, ["item_id", "title", "category", "price", "created", "image", "other"]),
            (Reviews, ["item_id", "text", "user_id", "rating", "timestamp", "helpful"]),
        ]
    )
    pool = draw.sample(OBJECTS, 3)
    ids = [f"i{r}" for r in range(n)]
    columns: dict[str, Any] = {
        name: ids if name.endswith("_id") and draw.random() < 0.7 else [draw.choice(pool) for _ in range(n)]
        for name in names
        if draw.random() < 0.9
    }
    try:
        frame = made(draw, columns)
    except Exception:  # the library itself refuses such a table
        return
    start = time.perf_counter()
    refused = ""
    try:
        noun.from_frame(frame)
    except DataError as error:
        refused = str(error)
    assert len(refused) < 1000
    assert time.perf_counter() - start < 10


def made(draw: random.Random, columns: dict[str, Any]) -> Any:
    library = draw.choice(["pandas", "typed", "polars", "arrow"])
    mixed = any(len({type(v) for v in values if v is not None}) > 1 for values in columns.values())
    if library in ("arrow", "polars") and not mixed:  # their own constructors die of some mixtures
        return pa.table(columns) if library == "arrow" else pl.from_arrow(pa.table(columns))
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    if library == "typed" and columns:
        name = draw.choice(list(columns))
        frame[name] = frame[name].astype(draw.choice(DTYPES))
    return frame


def check_lines(path: Path, seed: int) -> None:
    """A file of JSON lines, or of bytes changed at random, is read or refused."""
    draw = random.Random(seed)
    rows = [{"item_id": f"i{r}", **{k: draw.choice(CELLS) for k in draw.sample(KNOWN, 3)}} for r in range(4)]
    raw = bytearray("\n".join(json.dumps(row, ensure_ascii=draw.random() < 0.5) for row in rows).encode())
    kind = draw.choice([".jsonl", ".csv", ".tsv", ".parquet"])
    if kind == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path / "t.parquet")
        raw = bytearray((path / "t.parquet").read_bytes())
    for _ in range(draw.choice([0, 1, 1, 3, 20])):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    file = path / f"t{seed}{kind}"
    file.write_bytes(raw)
    start = time.perf_counter()
    refused = ""
    try:
        Catalogue.read(file)
    except DataError as error:
        refused = str(error)
    assert not refused or file.name in refused or "column" in refused
    assert time.perf_counter() - start < 10


def check(path: Path, seed: int) -> None:
    check_csv(path, seed)
    check_frame(seed)
    check_lines(path, seed)


@pytest.mark.filterwarnings("ignore")
def test_odd_tables_are_read_or_refused(tmp_path: Path) -> None:
    for seed in range(150):
        check(tmp_path, seed)


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(10))
def test_thousands_of_odd_tables_are_read_or_refused(tmp_path: Path, part: int) -> None:
    first = 10_000 + 500 * part
    for seed in range(first, first + 500):
        check(tmp_path, seed)
    print(f"odd tables: 1,500 of the seeds {first} to {first + 499} read or refused, each within 10 s")
