"""Files of lines: opened (gz too), decoded and parsed, with the file and the line in every error."""

import ast
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import pyarrow as pa
import pyarrow.csv as pacsv

from mmreco.errors import DataError

__all__ = ["delimited", "json_objects", "lines", "of_file", "opened"]

_UNIT = "\x1f"  # a separator no table holds; MovieLens's :: is two characters, the CSV reader takes one

T = TypeVar("T")


def opened(path: str | Path) -> BinaryIO:
    """The file, to be read as bytes; unpacked when it ends in `.gz`.

    Raises
    ------
    DataError
        It is missing or cannot be opened.
    """
    try:
        return cast("BinaryIO", gzip.open(path)) if str(path).endswith(".gz") else open(path, "rb")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Every line that is not blank, and its number from 1.

    Raises
    ------
    DataError
        A line is not UTF-8, or the archive is damaged.
    """
    number = 0
    try:
        with opened(path) as file:
            for number, line in enumerate(file, start=1):
                text = line.decode()
                if text.strip():
                    yield number, text
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, line {number}: not UTF-8") from error
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}, line {number + 1}: the archive is damaged ({error})") from error


def json_objects(path: str | Path, *, literals: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """The object in every line, and the line's number; with `literals` it may be a Python literal.

    Raises
    ------
    DataError
        A line holds something else.
    """
    for number, line in lines(path):
        try:
            row = _literal(line) if literals else json.loads(line)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            kind = "Python literal or JSON" if literals else "JSON"
            raise DataError(f"{path}, line {number}: no {kind} ({str(error)[:100]})") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: a {type(row).__name__}; expected an object")
        yield number, row


def _literal(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return ast.literal_eval(line.strip())


def delimited(
    path: str | Path, separator: str, encoding: str, *, names: list[str], kinds: dict[str, pa.DataType]
) -> pa.Table:
    """The table in a delimited file: with a header that has these `names`, or without where the separator is `::`.

    Raises
    ------
    DataError
        The file is empty, a line has another number of fields, or a value is not of its kind.
    """
    try:
        with opened(path) as file:
            raw = file.read()
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: the archive is damaged ({error})") from error
    if not raw.strip():
        raise DataError(f"{path}: empty; expected {', '.join(names)}")
    headed = separator != "::"
    if not headed:
        raw = raw.replace(b"::", _UNIT.encode())
    try:
        return pacsv.read_csv(
            io.BytesIO(raw),
            read_options=pacsv.ReadOptions(
                use_threads=False,
                block_size=max(len(raw) + 1, 1 << 20),
                encoding=encoding,
                column_names=None if headed else names,
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=separator if headed else _UNIT, quote_char='"' if separator == "," else False
            ),
            convert_options=pacsv.ConvertOptions(column_types=kinds, include_columns=names),
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())[:160]
        line = re.search(r"Row #(\d+)", said)
        place = f"{path}, line {line[1]}" if line else str(path)
        raise DataError(f"{place}: {said}; expected the columns {', '.join(names)}") from error
    except KeyError as error:
        raise DataError(f"{path}: no column {error}; expected {', '.join(names)}") from error


def of_file(path: str | Path, made: Callable[[], T]) -> T:
    """What `made` answers; its errors say which file they are about."""
    try:
        return made()
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
