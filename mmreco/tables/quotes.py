"""Quotes of a delimited file: a field that begins with one ends with one, or its rows run into each other.

A parser that forgives takes `"a` for a field that goes on to the next quote, or to the end of the file, and the rows in
between are lost without a word.
"""

import re
from pathlib import Path

from mmreco.errors import DataError

__all__ = ["require_closed"]


def require_closed(path: str | Path, raw: bytes, separator: str) -> None:
    """Refuse a file with a quoted field that is followed by anything but a separator or the end of its line.

    Raises
    ------
    DataError
        There is one; the line on which it begins is named.
    """
    if b'"' not in raw:
        return
    mark = re.escape(separator.encode())
    begins = rb"(?:\A(?:\xef\xbb\xbf)?|(?<=[\r\n" + mark + rb']))"'
    whole = begins + rb'(?:[^"]++|"")*+"(?=[\r\n' + mark + rb"]|\Z)"
    if re.search(begins, re.sub(whole, b"", raw)) is None:
        return
    for match in re.finditer(rb"(?P<whole>" + whole + rb")|" + begins, raw):
        if match["whole"] is None:
            line = len(re.findall(rb"\r\n|\r|\n", raw[: match.start()])) + 1
            field = raw[match.start() : match.start() + 40].decode(errors="replace").splitlines()[0]
            raise DataError(
                f"{path}, line {line}: the field {field!r} begins with a quote and does not end with one before "
                f"{separator!r} or the end of its line; write quotes inside a field twice, and the field in quotes"
            )
