"""What a column of a text file holds: numbers, truth values, times or text, told from all of it.

A column is numbers only if each value is written as a number is: no leading zeros (007 and 01 are codes), no
hexadecimal, no more digits than fit. It is times only if each value is ISO 8601.
"""

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["inferred"]

_UNKNOWN = (
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "NULL", "null", "NaN", "nan", "-NaN", "-nan"),
    *("1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND"),
)
_WHOLE = r"^-?(0|[1-9][0-9]*)$"
_NUMBER = r"^[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_TRUTH = r"^(true|false|True|False|TRUE|FALSE)$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_ZONE = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"


def inferred(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of strings as what they are; strings again, with null for the empty one, where they are only text."""
    values = pc.if_else(pc.is_in(texts, value_set=pa.array(_UNKNOWN, texts.type)), None, texts)
    if values.null_count == len(values):
        return pa.chunked_array([pa.nulls(len(texts))])
    for pattern, kinds in (
        (_WHOLE, (pa.int64(), pa.uint64())),
        (_NUMBER, (pa.float64(),)),
        (_TRUTH, (pa.bool_(),)),
        (_DATE, (pa.date32(),)),
        (_MOMENT + "$", tuple(pa.timestamp(unit) for unit in ("s", "us", "ns"))),
        (_MOMENT + _ZONE + "$", tuple(pa.timestamp(unit, "UTC") for unit in ("s", "us", "ns"))),
    ):
        if _all_match(values, pattern):
            for kind in kinds:
                try:
                    return values.cast(kind)
                except pa.ArrowInvalid:
                    continue
            break
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _all_match(values: pa.ChunkedArray, pattern: str) -> bool:
    first = values.drop_null()[:64]  # most columns of text are found out here
    return bool(
        pc.all(pc.match_substring_regex(first, pattern)).as_py()
        and pc.all(pc.match_substring_regex(values, pattern)).as_py()
    )
