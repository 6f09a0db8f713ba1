"""What every text encoder asks of its texts; `mmreco.text.bounds` says how much of them is read."""

import re
from collections.abc import Collection, Mapping, Set
from typing import Any, Final

import pyarrow as pa

from mmreco.arguments import is_table
from mmreco.errors import DataError
from mmreco.text.bounds import LONGEST, bounded, is_blank

__all__ = ["LONGEST", "bounded", "is_blank", "require_texts"]

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def require_texts(texts: Any) -> list[str]:
    """The texts as a list.

    Raises
    ------
    DataError
        It is one string, a table, a generator or anything else without order and length, or a text is not a string or
        not Unicode; the first is named.
    """
    if isinstance(texts, (pa.Array, pa.ChunkedArray)):
        texts = texts.to_pylist()
    if isinstance(texts, (str, bytes, Mapping, Set)) or not isinstance(texts, Collection) or is_table(texts):
        given = f"the text {texts!r:.40}" if isinstance(texts, str) else f"a {type(texts).__name__}"
        raise DataError(f"texts: given {given}; expected a list of texts, e.g. ['red dress']")
    every = list(texts)
    for row, text in enumerate(every):
        if not isinstance(text, str):
            raise DataError(f"texts: row {row} is {text!r:.40}; expected a string")
        half = None if text.isascii() else _SURROGATE.search(text)
        if half:
            raise DataError(
                f"texts: row {row} is not Unicode, half a character at {half.start()} ({text[:20]!r}); "
                "decode it again, or replace what cannot be decoded"
            )
    return every
