"""Files of lines: opened (gz too), decoded and parsed, with the file and the line in every error."""

import ast
import codecs
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import pyarrow as pa
import pyarrow.csv as pacsv

from mmreco.arguments import path_of
from mmreco.errors import DataError
from mmreco.tables.nesting import DEEPEST, depth
from mmreco.tables.quotes import require_closed

__all__ = ["delimited", "json_objects", "lines", "of_file", "opened"]

_UNIT = "\x1f"  # a separator no table holds; MovieLens's :: is two characters, the CSV reader takes one

_LONGEST_LINE = 64 << 20  # bytes
_MOST_BLANK = 1_000_000  # lines
_ODD_LITERAL = re.compile(r"[([{+~-]{65}|(?:\bnot\s+){65}")  # what Python's own parser would recurse on
_LONGEST_LITERAL = 1 << 20  # bytes of a line that is parsed as Python: slow, and by a parser that recurses
_MOST_UNPACKED = 200  # times the size of a packed file; tables pack some 3 to 30 times
_ALWAYS_UNPACKED = 256 << 20  # bytes that any packed file may unpack to

T = TypeVar("T")


class _Unpacked(io.RawIOBase):
    """What a `.gz` file unpacks to, refused beyond what a table of its size can be."""

    def __init__(self, path: str | Path) -> None:
        self._file = gzip.GzipFile(path)
        self._path = path
        self._left = max(_ALWAYS_UNPACKED, _MOST_UNPACKED * os.stat(path).st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), 1 << 20))
        self._left -= len(data)
        if self._left < 0:
            raise DataError(
                f"{self._path}: unpacks to more than {_MOST_UNPACKED} times its size; unpack it yourself if it is right"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def opened(path: str | Path) -> BinaryIO:
    """The file, to be read as bytes; unpacked when it ends in `.gz`.

    Raises
    ------
    DataError
        It is missing or cannot be opened.
    """
    path = path_of("table", path)
    try:
        if path.suffix == ".gz":
            return cast("BinaryIO", io.BufferedReader(_Unpacked(path), 1 << 20))
        return open(path, "rb")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Every line that is not blank, and its number from 1.

    Raises
    ------
    DataError
        A line is not UTF-8 or longer than 64 MiB, more than a million lines are blank, the archive is damaged, or it
        unpacks to far more than its size.
    """
    number = blank = 0
    try:
        with opened(path) as file:
            while line := file.readline(_LONGEST_LINE + 1):
                number += 1
                if len(line) > _LONGEST_LINE:
                    raise DataError(f"{path}, line {number}: more than {_LONGEST_LINE >> 20} MiB long")
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield number, text
                    continue
                blank += 1
                if blank > _MOST_BLANK:
                    raise DataError(f"{path}, line {number}: more than {_MOST_BLANK:,} blank lines")
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
        if line.count("[") + line.count("{") > DEEPEST and depth(line.encode()) > DEEPEST:
            raise DataError(f"{path}, line {number}: lists in lists more than {DEEPEST} deep")
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
        if len(line) > _LONGEST_LITERAL or _ODD_LITERAL.search(line):
            raise ValueError("too long or too deep for a Python literal") from None
        return ast.literal_eval(line.strip())


def delimited(
    path: str | Path, separator: str, encoding: str, *, names: list[str], kinds: dict[str, pa.DataType]
) -> pa.Table:
    """The table in a delimited file: with a header that has these `names`, or without where the separator is `::`.

    A file that is valid UTF-8 is read as that, whatever the `encoding`: MovieLens wrote `.dat` in Latin-1 at first
    and in UTF-8 later. A byte order mark is no part of the first value.

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
    raw = raw.removeprefix(codecs.BOM_UTF8)
    encoding = encoding if encoding == "utf-8" or not _is_utf8(raw) else "utf-8"
    headed = separator != "::"
    if separator == ",":
        require_closed(path, raw, separator)
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
        words = " ".join(str(error).split())[:160]
        line = re.search(r"Row #(\d+)", words)
        place = f"{path}, line {line[1]}" if line else str(path)
        raise DataError(f"{place}: {words}; expected the columns {', '.join(names)}") from error
    except KeyError as error:
        raise DataError(f"{path}: no column {error}; expected {', '.join(names)}") from error


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def of_file(path: str | Path, made: Callable[[], T]) -> T:
    """What `made` answers; its errors say which file they are about."""
    try:
        return made()
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
