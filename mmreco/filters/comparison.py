"""Comparisons of columns with values and with each other, exact for all types.

Whole numbers beyond 2**53, unsigned 64-bit numbers, decimals and times of any unit are compared as the numbers they
are, never rounded to floats first. A literal with a fraction is the 64-bit float nearest to it; beside a column of
decimals it is the decimal as it is written. NaN is null, and -0.0 is 0.
"""

import math
import operator
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.tables.values import widened

__all__ = ["compare", "compare_columns", "is_one_of", "kind_of", "nanoseconds", "plain"]

_COMPARE = {
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_SIGNS: dict[str, Any] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}

Three = npt.NDArray[np.int8]  # -1 where left is less, 0 where equal, 1 where it is greater


def kind_of(given: pa.DataType) -> str:
    """Which values are compared with one another: text, number, time, truth, lists, null or other."""
    types = pa.types
    if types.is_string(given) or types.is_large_string(given) or types.is_string_view(given):
        return "text"
    if types.is_integer(given) or types.is_floating(given) or types.is_decimal(given):
        return "number"
    if types.is_list(given) or types.is_large_list(given) or types.is_fixed_size_list(given):
        return "lists"
    if types.is_timestamp(given) or types.is_date(given):
        return "time"
    return "truth" if types.is_boolean(given) else "null" if types.is_null(given) else "other"


def plain(array: pa.Array) -> pa.Array:
    """The same values in one of the types that are compared: int64, uint64, float64, decimals, plain timestamps ..."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = kind_of(array.type)
    if kind == "text":
        return array.cast(pa.large_string())
    if kind == "time":
        unit = array.type.unit if pa.types.is_timestamp(array.type) else "s" if array.type == pa.date32() else "ms"
        return array.cast(pa.timestamp(unit))  # UTC inside, whatever the zone
    if kind != "number" or pa.types.is_decimal(array.type):
        return array
    if pa.types.is_integer(array.type):
        return array.cast(pa.uint64() if array.type == pa.uint64() else pa.int64())
    floats = widened(array)
    return pc.if_else(pc.is_nan(floats), pa.scalar(None, pa.float64()), floats)


def nanoseconds(text: str) -> int | None:
    """ISO 8601 text as nanoseconds since 1970 UTC; None where it is not a time."""
    scalar = pa.scalar(text, pa.string())
    for unit, factor in _NANOSECONDS.items():
        for zone in ("UTC", None):
            try:
                return int(scalar.cast(pa.timestamp(unit, zone)).cast(pa.int64()).as_py()) * factor
            except pa.ArrowInvalid:
                continue
    return None


def compare(sign: str, array: pa.Array, value: Any) -> pa.BooleanArray:
    """Each value's `sign` to one of the same kind; times with nanoseconds since 1970."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        return _compare_whole(sign, array.cast(pa.int64()), Fraction(value, _NANOSECONDS[kind.unit]), pa.int64())
    if pa.types.is_integer(kind):
        return _compare_whole(sign, array, value if isinstance(value, int) else _exact(value), kind)
    if pa.types.is_floating(kind):
        return _compare_floats(sign, array, value)
    if pa.types.is_decimal(kind):
        exact = value if isinstance(value, int) else Decimal(repr(value))
        return _by_python(sign, array.to_pylist(), [exact] * len(array))
    return _COMPARE[sign](array, pa.scalar(value, kind))


def is_one_of(array: pa.Array, values: Sequence[Any]) -> pa.BooleanArray:
    """Whether each value equals any of these; false for null."""
    kind = array.type
    if pa.types.is_decimal(kind):
        exact = {value if isinstance(value, int) else Decimal(repr(value)) for value in values}
        return pa.array([value is not None and value in exact for value in array.to_pylist()], pa.bool_())
    if pa.types.is_timestamp(kind):
        exact_times = [Fraction(value, _NANOSECONDS[kind.unit]) for value in values]
        return is_one_of(array.cast(pa.int64()), [int(t) for t in exact_times if t.denominator == 1])
    if pa.types.is_integer(kind):
        low, high = _range(kind)
        values = [int(value) for value in values if _is_whole(value) and low <= value <= high]
    elif pa.types.is_floating(kind):
        values = [float(value) for value in values if _is_float(value)]
        values = [*values, *(-value for value in values if value == 0)]  # Arrow tells -0.0 from 0.0 here
    return pc.is_in(array, value_set=pa.array(values, kind), skip_nulls=True)


def compare_columns(sign: str, left: pa.Array, right: pa.Array) -> pa.BooleanArray:
    """Each pair's comparison, for two columns of one kind."""
    if left.type == right.type and not pa.types.is_decimal(left.type):
        return _COMPARE[sign](left, right)
    if pa.types.is_decimal(left.type) or pa.types.is_decimal(right.type):
        return _by_python(sign, left.to_pylist(), right.to_pylist())
    null = pc.or_(left.is_null(), right.is_null()).to_numpy(zero_copy_only=False)
    if pa.types.is_timestamp(left.type):
        order = _order_times(left, right)
    elif pa.types.is_floating(right.type):
        order = _order_whole_float(_filled(left), _filled(right))
    elif pa.types.is_floating(left.type):
        order = -_order_whole_float(_filled(right), _filled(left))
    else:  # int64 and uint64
        order = _order_signs(_filled(left), _filled(right))
    return pa.array(_SIGNS[sign](order, 0), mask=null)


def _compare_whole(sign: str, array: pa.Array, value: int | Fraction | float, kind: pa.DataType) -> pa.BooleanArray:
    """Whole numbers against a number of any size, with a fraction or not, or an infinity."""
    low, high = _range(kind)
    if isinstance(value, float) or not low <= value <= high:
        return _always(array, _SIGNS[sign](0, value))  # any number stands to it as 0 does
    floor = math.floor(value)
    if floor == value:
        return _COMPARE[sign](array, pa.scalar(floor, kind))
    if sign in ("==", "!="):
        return _always(array, sign == "!=")
    return _COMPARE["<=" if sign in ("<", "<=") else ">"](array, pa.scalar(floor, kind))


def _compare_floats(sign: str, array: pa.Array, value: int | float) -> pa.BooleanArray:
    if _is_float(value):
        return _COMPARE[sign](array, pa.scalar(float(value), pa.float64()))
    if sign in ("==", "!="):
        return _always(array, sign == "!=")
    below = _float_below(int(value))  # a whole number between two floats
    return _COMPARE["<=" if sign in ("<", "<=") else ">"](array, pa.scalar(below, pa.float64()))


def _always(array: pa.Array, answer: Any) -> pa.BooleanArray:
    return pc.if_else(array.is_valid(), pa.scalar(bool(answer)), pa.scalar(None, pa.bool_()))


def _exact(value: float) -> Fraction | float:
    return Fraction(value) if math.isfinite(value) else value


def _is_whole(value: int | float) -> bool:
    return isinstance(value, int) or (math.isfinite(value) and value == math.floor(value))


def _is_float(value: int | float) -> bool:
    """Whether a number is one that 64-bit floats hold."""
    try:
        return isinstance(value, float) or int(float(value)) == value
    except OverflowError:
        return False


def _float_below(value: int) -> float:
    """The largest float that is not above a whole number."""
    try:
        nearest = float(value)
    except OverflowError:
        return float(np.finfo(np.float64).max) if value > 0 else -math.inf
    return nearest if nearest <= value else math.nextafter(nearest, -math.inf)


def _range(kind: pa.DataType) -> tuple[int, int]:
    return (0, 2**64 - 1) if kind == pa.uint64() else (-(2**63), 2**63 - 1)


def _filled(array: pa.Array) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = array.fill_null(0).to_numpy(zero_copy_only=False)
    return values


def _order_whole_float(whole: npt.NDArray[Any], floats: npt.NDArray[np.float64]) -> Three:
    """How int64 or uint64 numbers stand to floats, shape `(n,)`."""
    low, high = _range(pa.uint64() if whole.dtype == np.uint64 else pa.int64())
    above, below = floats >= float(high), floats < float(low)  # float(high) is high + 1
    floor = np.floor(np.where(above | below, 0, floats))
    exact = floor.astype(whole.dtype)
    order = (whole > exact).astype(np.int8) - (whole < exact).astype(np.int8)
    order = np.where((order == 0) & (floats > floor), -1, order)
    return np.where(above, -1, np.where(below, 1, order)).astype(np.int8)


def _order_signs(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> Three:
    """How int64 numbers stand to uint64 ones or the other way round, shape `(n,)`."""
    if left.dtype == np.uint64:
        return -_order_signs(right, left)
    positive = np.where(left < 0, 0, left).astype(np.uint64)
    order = (positive > right).astype(np.int8) - (positive < right).astype(np.int8)
    return np.where(left < 0, -1, order).astype(np.int8)


def _order_times(left: pa.Array, right: pa.Array) -> Three:
    """How timestamps of two units stand to each other, shape `(n,)`: by the second, then by what is below it."""
    order = np.zeros(len(left), dtype=np.int8)
    for one, other in zip(_seconds(left), _seconds(right), strict=True):
        step = (one > other).astype(np.int8) - (one < other).astype(np.int8)
        order = np.where(order == 0, step, order).astype(np.int8)
    return order


def _seconds(array: pa.Array) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    factor = _NANOSECONDS[array.type.unit]
    numbers = _filled(array.cast(pa.int64()))
    each = 10**9 // factor
    return numbers // each, (numbers % each) * factor


def _by_python(sign: str, left: Sequence[Any], right: Sequence[Any]) -> pa.BooleanArray:
    """Decimals beside whole numbers, floats and decimals: Python compares them exactly."""
    test = _SIGNS[sign]
    pairs = zip(left, right, strict=True)
    return pa.array([None if a is None or b is None else bool(test(a, b)) for a, b in pairs], pa.bool_())
