"""Tables on disk: parquet, csv, tsv, jsonl; whole and readable, or refused with the file's name."""

import codecs
import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from mmreco.arguments import path_of
from mmreco.errors import DataError
from mmreco.tables.inference import inferred
from mmreco.tables.nesting import Shallow
from mmreco.tables.quotes import require_closed

__all__ = ["read_table"]

_BLOCK = 1 << 20  # bytes; the least a parser looks at together
_LARGEST_BLOCK = 1 << 30  # bytes; types are told from the first block, so it is the whole file up to this size
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SEPARATORS_OF_OTHERS = (";", "\t", "|", ",")  # of files that other programs write under the same ending
_LINES = (".jsonl", ".ndjson")
_MOST_VALUES = 100_000  # for each byte of a parquet file; a constant column of a real table has fewer


def read_table(path: str | Path, *, text: Sequence[str] = ()) -> pa.Table:
    """The table in a `.parquet`, `.csv`, `.tsv`, `.jsonl` or `.ndjson` file.

    CSV and TSV have a header and are UTF-8; quoted fields may hold newlines; an empty field is null, and in
    a column of numbers so are `NA`, `NaN` and `null`. JSONL holds one object a line, and its strings are text.

    Parameters
    ----------
    path : of the file
    text : names of columns, optional
        Never read as numbers or dates (ids such as "007"); names that the file lacks are ignored. Only CSV
        and TSV need it, the other kinds say what they hold.

    Raises
    ------
    DataError
        The file is missing, empty, damaged, of another kind, not UTF-8, holds far more than its size can, has two
        columns of one name, or a field that begins with a quote does not end with one.
    """
    path = path_of("table", path)
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
            table = _parquet(path, size)
        elif kind in _SEPARATORS:
            table = _delimited(path, _SEPARATORS[kind], size, text)
        else:
            table = _json_lines(path, size)
        table.validate(full=True)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (pa.ArrowException, OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{path}: {_place(error)}; the {kind} file is damaged or not what its name says") from error
    _require_distinct(path, table.column_names)
    return table


def _require_distinct(path: Path, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        name, count = Counter(names).most_common(1)[0]
        raise DataError(f"{path}: column {name!r} appears {count} times; rename all but one")


def _parquet(path: Path, size: int) -> pa.Table:
    file = pq.ParquetFile(path)
    values = file.metadata.num_rows * max(1, file.metadata.num_columns)
    if values > _MOST_VALUES * size:
        raise DataError(f"{path}: says it holds {values} values in {size} bytes; that is not a table")
    return file.read()


def _delimited(path: Path, separator: str, size: int, text: Sequence[str]) -> pa.Table:
    names = _header(path, separator)
    _require_distinct(path, names)
    require_closed(path, path.read_bytes(), separator)
    if len(names) == 1 and any(mark in names[0] for mark in _SEPARATORS_OF_OTHERS):
        raise DataError(f"{path}: one column, {names[0]!r:.80}; separate fields by {separator!r}")
    table = pacsv.read_csv(
        path,
        read_options=pacsv.ReadOptions(use_threads=False, block_size=_block(size)),  # one thread: errors name the row
        parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False, check_utf8=False
        ),
    )
    kept_as_text = set(text)
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        _require_utf8(path, name, column)
        columns[name] = pc.if_else(pc.equal(column, ""), None, column) if name in kept_as_text else inferred(column)
    return pa.table(columns) if columns else table


def _header(path: Path, separator: str) -> list[str]:
    """The names in the first line that is not empty; quoted ones may hold separators and newlines."""
    with path.open("rb") as file:
        start = file.read(len(codecs.BOM_UTF8))
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise DataError(f"{path}: UTF-16; save the file as UTF-8")
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        names = next((row for row in csv.reader(file, delimiter=separator) if row), [])
    for place, name in enumerate(names):
        if not name.isascii() and any("\udc80" <= letter <= "\udcff" for letter in name):
            raise DataError(f"{path}: the name of column {place} is not UTF-8; save the file as UTF-8")
    return names


def _require_utf8(path: Path, name: str, column: pa.ChunkedArray) -> None:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        values = enumerate(column.cast(pa.large_binary()).to_pylist())
        row = next(row for row, value in values if value is not None and not _is_utf8(value))
        raise DataError(f"{path}: column {name!r}, row {row} is not UTF-8; save the file as UTF-8") from None


def _json_lines(path: Path, size: int) -> pa.Table:
    with path.open("rb") as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"["):
        raise DataError(f"{path}: one JSON array; expected one object a line (jq -c '.[]' makes it so)")
    options = pajson.ReadOptions(use_threads=False, block_size=_block(size))
    with path.open("rb") as file:
        table = pajson.read_json(Shallow(path, file), read_options=options)
    if len(set(table.column_names)) < table.num_columns:
        return table
    for as_written in (_as_written, lambda column: _with_text(column.type)):  # the first fails beyond 64 bits
        schema = pa.schema([pa.field(name, as_written(table[name])) for name in table.column_names])
        if schema.types == table.schema.types:
            break
        try:
            return pajson.read_json(path, read_options=options, parse_options=pajson.ParseOptions(schema))
        except pa.ArrowInvalid:
            continue
    return table


def _as_written(column: pa.ChunkedArray) -> pa.DataType:
    """The type of a column of JSON: text where Arrow sees times, whole numbers where it has rounded them to floats."""
    if not pa.types.is_floating(column.type) or column.null_count == len(column):
        return _with_text(column.type)
    least, most = pc.min(column).as_py(), pc.max(column).as_py()
    whole = least >= 0 and 2.0**63 <= most <= 2.0**64 and pc.all(pc.equal(pc.floor(column), column)).as_py()
    return pa.uint64() if whole else column.type


def _with_text(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_with_text(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _with_text(field.type)) for field in kind])
    return kind


def _block(size: int) -> int:
    return min(max(size + 1, _BLOCK), _LARGEST_BLOCK)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _place(error: Exception) -> str:
    """What a parser said, on one line of bearable length."""
    words = re.sub(r"\s+", " ", str(error))
    return json.dumps(words[:200], ensure_ascii=False)[1:-1]
