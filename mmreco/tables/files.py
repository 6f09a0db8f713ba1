"""Tables on disk: parquet, csv, tsv, jsonl; whole and readable, or refused with the file's name."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from mmreco.errors import DataError

__all__ = ["read_table"]

_BLOCK = 1 << 20  # bytes; the least a parser looks at together
_LARGEST_BLOCK = 1 << 30  # bytes; types are told from the first block, so it is the whole file up to this size
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_LINES = (".jsonl", ".ndjson")


def read_table(path: str | Path, *, text: Sequence[str] = ()) -> pa.Table:
    """The table in a `.parquet`, `.csv`, `.tsv`, `.jsonl` or `.ndjson` file.

    CSV and TSV have a header and are UTF-8; quoted fields may hold newlines; an empty field is null, and in
    a column of numbers so are `NA`, `NaN` and `null`. JSONL holds one object a line.

    Parameters
    ----------
    text : names of columns, optional
        Never read as numbers or dates (ids such as "007"); names that the file lacks are ignored. Only CSV
        and TSV need it, the other kinds say what they hold.

    Raises
    ------
    DataError
        The file is missing, empty, damaged, of another kind, not UTF-8, or has two columns of one name.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".parquet", *_SEPARATORS, *_LINES):
        raise DataError(f"{path}: kind {kind!r}; expected .parquet, .csv, .tsv, .jsonl or .ndjson")
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise DataError(f"{path}: not a file; expected one {kind} file")
        if size == 0:
            raise DataError(f"{path}: empty (0 bytes); expected a table")
        if kind == ".parquet":
            table = pq.ParquetFile(path).read()
        elif kind in _SEPARATORS:
            table = _delimited(path, _SEPARATORS[kind], size, text)
        else:
            table = _json_lines(path, size)
        table.validate(full=True)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {_place(error)}; the {kind} file is damaged or not what its name says") from error
    names = table.column_names
    if len(set(names)) < len(names):
        repeated = next(n for n in names if names.count(n) > 1)
        raise DataError(f"{path}: column {repeated!r} appears {names.count(repeated)} times; rename all but one")
    return table


def _delimited(path: Path, separator: str, size: int, text: Sequence[str]) -> pa.Table:
    table = pacsv.read_csv(
        path,
        read_options=pacsv.ReadOptions(use_threads=False, block_size=_block(size)),  # one thread: errors name the row
        parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(text, pa.string())),
    )
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if pa.types.is_binary(column.type):
            row = next(r for r, value in enumerate(column.to_pylist()) if value is not None and not _utf8(value))
            raise DataError(f"{path}: column {name!r}, row {row} is not UTF-8; save the file as UTF-8")
        if pa.types.is_string(column.type):
            table = table.set_column(place, name, pc.if_else(pc.equal(column, ""), None, column))
    return table


def _json_lines(path: Path, size: int) -> pa.Table:
    with path.open("rb") as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"["):
        raise DataError(f"{path}: one JSON array; expected one object a line (jq -c '.[]' makes it so)")
    return pajson.read_json(path, read_options=pajson.ReadOptions(use_threads=False, block_size=_block(size)))


def _block(size: int) -> int:
    return min(max(size + 1, _BLOCK), _LARGEST_BLOCK)


def _utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _place(error: Exception) -> str:
    """What a parser said, on one line of bearable length."""
    said = re.sub(r"\s+", " ", str(error))
    return json.dumps(said[:200], ensure_ascii=False)[1:-1]
