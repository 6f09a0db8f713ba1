"""Checks of what a caller gives: lists of strings, a width, row numbers. Done once, at the door."""

import inspect
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32, I64, Bool
from mmreco.errors import DataError

__all__ = [
    "id_strings",
    "is_table",
    "listed",
    "path_of",
    "require_kind",
    "require_mapping",
    "require_mask",
    "require_number",
    "require_share",
    "require_vectors",
    "require_whole",
    "require_width",
    "row_numbers",
    "strings",
    "takes",
    "text_of",
    "whole_numbers",
]

Kind = TypeVar("Kind")

_WIDEST = 1_000_000
_OF_A_DATASET = {"Catalogue": "catalogue", "Interactions": "interactions", "Reviews": "reviews"}  # the usual mix-up


@runtime_checkable
class _Table(Protocol):
    """A dataframe of any library: they all hand themselves on this way."""

    def __dataframe__(self, nan_as_null: bool = ..., allow_copy: bool = ...) -> object: ...


def listed(what: str, given: Sequence[Any]) -> list[Any]:
    """`given` as a list; a single string or path is not one, and neither is a mapping.

    Raises
    ------
    DataError
        `given` is a string, a path or a table, or nothing that can be listed.
    """
    if isinstance(given, (str, Path)):
        raise DataError(f"{what}: {str(given)!r} is a single value; give a list, e.g. [{str(given)!r}]")
    if is_table(given):  # a walk through it gives the names of its columns
        raise DataError(f"{what}: a table, {type(given).__name__}; expected a list, e.g. table['column'].to_list()")
    if not isinstance(given, Iterable) or isinstance(given, (bytes, Mapping)):
        raise DataError(f"{what}: {given!r:.80}; expected a list")
    return given.to_pylist() if isinstance(given, (pa.Array, pa.ChunkedArray)) else list(given)


def is_table(given: object) -> bool:
    """Whether it is a dataframe, of any library."""
    return isinstance(given, _Table)


def takes(function: object, n: int) -> bool:
    """Whether `function` can be called with `n` values by place; also where its signature cannot be read."""
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind(*range(n))
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True


def text_of(what: str, given: object) -> str:
    """`given`, which is one string.

    Raises
    ------
    DataError
        It is something else.
    """
    if not isinstance(given, str):
        raise DataError(f"{what}: {given!r:.80}; expected one string")
    return given


def path_of(what: str, given: object) -> Path:
    """`given` as a path.

    Raises
    ------
    DataError
        It is none.
    """
    if not isinstance(given, (str, os.PathLike)):
        raise DataError(f"{what}={given!r:.80}: expected a path")
    path = Path(os.fsdecode(given))
    if "\0" in str(path):
        raise DataError(f"{what}={given!r:.80}: expected a path without the character NUL")
    return path


def strings(what: str, given: Sequence[str]) -> list[str]:
    """`given` as a list of strings: ids and texts are nothing else.

    Raises
    ------
    DataError
        `given` is a single string, or something in it is not a string (the place is named).
    """
    texts = listed(what, given)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"{what}: {text!r} at position {place} is not a string; give {str(text)!r}")
    return texts


def id_strings(what: str, given: Iterable[Any]) -> list[str]:
    """`given` as ids: strings as they are, whole numbers written out, as tables are read.

    Raises
    ------
    DataError
        Something in it is neither (the place is named).
    """
    ids = []
    for place, one in enumerate(given):
        if isinstance(one, (bool, np.bool_)) or not isinstance(one, (str, int, np.integer)):
            raise DataError(f"{what}: {one!r} at position {place} is not an id; expected text or whole numbers")
        ids.append(one if isinstance(one, str) else str(int(one)))
    return ids


def whole_numbers(what: str, given: Any) -> I64:
    """`given` as an array of int64; masks, fractions and times are not turned into numbers.

    Raises
    ------
    DataError
        It holds something else than whole numbers, or one beyond 64 bits.
    """
    array = np.asarray(given)
    if array.dtype == np.bool_:
        raise DataError(f"{what}: a mask of truth values; expected whole numbers, e.g. np.flatnonzero(mask)")
    if array.size and array.dtype.kind not in "iu":
        first = array.ravel()[0]
        raise DataError(f"{what}: {first!r} and others of {array.dtype}; expected whole numbers")
    if array.dtype == np.uint64 and array.size and int(array.max()) >= 2**63:
        raise DataError(f"{what}: {int(array.max())} is beyond 64 bits; expected whole numbers below 2**63")
    return array.astype(np.int64, copy=False)


def row_numbers(what: str, given: Any, n: int) -> I64:
    """`given` as rows of something that has `n` of them.

    Raises
    ------
    DataError
        As `whole_numbers`, or a row is below 0 or not below `n`.
    """
    rows = whole_numbers(what, given)
    if np.count_nonzero(rows.view(np.uint64) >= n):  # below 0 is very far up
        raise DataError(f"{what}: rows {int(rows.min())}..{int(rows.max())} of {n}; expected 0..{n - 1}")
    return rows


def require_vectors(what: str, given: Any, n: int | None = None) -> F32:
    """`given` as `n` vectors of float32, shape `(n, dim)`; as many as there are where `n` is None.

    Raises
    ------
    DataError
        It is no array of finite numbers of that shape.
    """
    vectors = np.asarray(given)
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or (n is not None and len(vectors) != n):
        expected = "(n, dim)" if n is None else f"({n}, dim)"
        raise DataError(f"{what}: {vectors.dtype} of shape {vectors.shape}; expected numbers of shape {expected}")
    if not np.isfinite(vectors).all():
        raise DataError(f"{what}: NaN or infinity in {int((~np.isfinite(vectors)).any(axis=1).sum())} lines")
    return vectors.astype(np.float32, copy=False)


def require_mask(what: str, given: Any, n: int) -> Bool:
    """`given` as a mask over `n` things.

    Raises
    ------
    DataError
        It does not hold truth values, or another number of them.
    """
    mask = np.asarray(given)
    if mask.dtype != np.bool_ or mask.shape != (n,):
        raise DataError(f"{what}: {mask.dtype} of shape {mask.shape}; expected a mask, bool of shape ({n},)")
    return mask


def require_whole(name: str, given: object, *, least: int = 1) -> int:
    """`given` as a plain whole number.

    Raises
    ------
    DataError
        It is not a whole number, or below `least`.
    """
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, np.integer)) or given < least:
        raise DataError(f"{name}={given!r}: expected a whole number of {least} or more")
    return int(given)


def require_number(
    name: str, given: object, *, least: float = -math.inf, most: float = math.inf, above: float = -math.inf
) -> float:
    """`given` as a plain finite number, from `least` to `most` and larger than `above`.

    Raises
    ------
    DataError
        It is not a number, not finite, or outside.
    """
    if isinstance(given, (int, float, np.integer, np.floating)) and not isinstance(given, bool):
        number = float(given)
        if math.isfinite(number) and least <= number <= most and number > above:
            return number
    raise DataError(f"{name}={given!r}: expected {_limits(least, most, above)}")


def _limits(least: float, most: float, above: float) -> str:
    if above > -math.inf:
        return f"above {above:g}, up to {most:g}" if most < math.inf else f"a number above {above:g}"
    if least > -math.inf:
        return f"{least:g} to {most:g}" if most < math.inf else f"a number of {least:g} or more"
    return "a finite number"


def require_mapping(name: str, given: object) -> Mapping[Any, Any]:
    """`given`, which is a mapping.

    Raises
    ------
    DataError
        It is something else.
    """
    if not isinstance(given, Mapping):
        raise DataError(f"{name}={given!r}: expected a mapping from column to value, e.g. {{'brand': 2}}")
    return given


def require_kind(name: str, given: object, kind: type[Kind]) -> Kind:
    """`given`, which is of this class.

    Raises
    ------
    DataError
        It is something else.
    """
    if not isinstance(given, kind):
        held = _OF_A_DATASET.get(kind.__name__) if type(given).__name__ == "Dataset" else None
        hint = f", the dataset's .{held}" if held else ""
        raise DataError(f"{name}: given a {type(given).__name__}; expected {kind.__name__}{hint}")
    return given


def require_share(name: str, given: object) -> float:
    """`given` as a plain number between 0 and 1, both exclusive.

    Raises
    ------
    DataError
        It is not a number, or not between 0 and 1.
    """
    number = isinstance(given, (int, float, np.integer, np.floating)) and not isinstance(given, bool)
    if not number or not 0 < given < 1:  # type: ignore[operator]
        raise DataError(f"{name}={given!r}: expected a number between 0 and 1")
    return float(given)  # type: ignore[arg-type]


def require_width(k: object, n_items: int = 0) -> int:
    """`k` as a plain whole number.

    Raises
    ------
    DataError
        `k` is not a whole number, below 1, or above a million where there are not even as many items.
    """
    if isinstance(k, (bool, np.bool_)) or not isinstance(k, (int, np.integer)):
        raise DataError(f"k={k!r}: expected a whole number of 1 or more")
    if not 1 <= k <= max(n_items, _WIDEST):
        raise DataError(f"k={k}: expected 1 to {max(n_items, _WIDEST):,}; an answer is exactly k wide")
    return int(k)
