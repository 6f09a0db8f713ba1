"""The array types mmreco speaks, and how a value keeps its arrays from being written to."""

from typing import Any

import numpy as np
import numpy.typing as npt

from mmreco.errors import DataError

__all__ = ["F32", "F64", "I64", "Bool", "frozen", "require_finite"]

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
F64 = npt.NDArray[np.float64]

_NO_NUMBERS = "cmMUS"  # complex numbers, times and text, which numpy would cast
_CHUNK = 1 << 22  # values processed together, so that a memory-mapped array is not pulled in whole


def frozen(array: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """`array` as a read-only, C-contiguous array of `dtype`; a view where nothing need change.

    Raises
    ------
    DataError
        It holds something that is no such number, or lines of several lengths.
    """
    try:
        given = np.asarray(array)
        if given.dtype.kind in _NO_NUMBERS and np.dtype(dtype).kind in "fiu" and given.size:
            raise TypeError(f"it holds {given.dtype}")
        view = np.ascontiguousarray(given, dtype=dtype).view()
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{array!r:.80}: expected an array of {np.dtype(dtype)} ({error})") from error
    view.flags.writeable = False
    return view


def require_finite(vectors: npt.NDArray[Any], what: str) -> None:
    """Nothing, or an error that counts the rows of `vectors` holding NaN or infinity.

    Raises
    ------
    DataError
        Some value is NaN or infinite; the first such row is named.
    """
    step = max(1, _CHUNK // max(1, int(np.prod(vectors.shape[1:]))))
    for start in range(0, len(vectors), step):
        bad = ~np.isfinite(vectors[start : start + step]).reshape(len(vectors[start : start + step]), -1).all(axis=1)
        if bad.any():
            raise DataError(
                f"{what}: NaN or infinity in row {start + int(bad.argmax())} "
                f"({int(bad.sum())} such rows among {start}..{start + len(bad) - 1}); expected finite numbers"
            )
