"""What a `where` expression means: its tree, and the items it is true of. `mmreco.filters.parser` parses it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arrays import Bool
from mmreco.data.catalogue import Catalogue

__all__ = [
    "Always",
    "Comparison",
    "Fail",
    "Junction",
    "Literal",
    "Membership",
    "Name",
    "Node",
    "Not",
    "Unknown",
    "evaluate",
]


@dataclass(frozen=True)
class Name:
    """A column, and where the expression names it."""

    name: str
    place: int


@dataclass(frozen=True)
class Literal:
    """A value, and where it stands."""

    value: Any
    place: int


@dataclass(frozen=True)
class Always:
    """A column of truth values on its own."""

    column: Name


@dataclass(frozen=True)
class Unknown:
    """`column is null`, or with `negated` `is not null`."""

    column: Name
    negated: bool


@dataclass(frozen=True)
class Comparison:
    """`left sign right`; one side at least is a column."""

    sign: str
    left: Name | Literal
    right: Name | Literal
    place: int


@dataclass(frozen=True)
class Membership:
    """`column in [values]`, or with `negated` `not in`."""

    column: Name
    values: tuple[Literal, ...]
    negated: bool


@dataclass(frozen=True)
class Not:
    """`not part`."""

    part: "Node"


@dataclass(frozen=True)
class Junction:
    """All parts ("and") or any part ("or")."""

    word: str
    parts: tuple["Node", ...]


Node = Always | Unknown | Comparison | Membership | Not | Junction
Fail = Callable[[int, str], NoReturn]

_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARE = {
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_LARGEST = 2**63


def evaluate(tree: Node, catalogue: Catalogue, fail: Fail) -> Bool:
    """Which items the tree is true of, shape `(n,)`; `fail(place, message)` raises."""
    true = _Evaluation(catalogue, fail).of(tree).fill_null(False)
    chosen: Bool = true.to_numpy(zero_copy_only=False)
    return chosen


class _Evaluation:
    """Truth values with null for neither: Arrow's Kleene logic is SQL's."""

    def __init__(self, catalogue: Catalogue, fail: Fail) -> None:
        self.catalogue = catalogue
        self.fail = fail
        self.columns: dict[str, pa.Array] = {}

    def of(self, node: Node) -> pa.BooleanArray:
        """True, false or null for each item."""
        if isinstance(node, Junction):
            return reduce(pc.and_kleene if node.word == "and" else pc.or_kleene, map(self.of, node.parts))
        if isinstance(node, Not):
            return pc.invert(self.of(node.part))
        if isinstance(node, Unknown):
            array = self._column(node.column)
            return array.is_valid() if node.negated else array.is_null()
        if isinstance(node, Membership):
            found = self._member(node)
            return pc.invert(found) if node.negated else found
        if isinstance(node, Always):
            array = self._column(node.column)
            if _kind(array.type) not in ("truth", "null"):
                self.fail(
                    node.column.place, f"{node.column.name} holds {_kind(array.type)}; expected a comparison after it"
                )
            return array.cast(pa.bool_())
        return self._test(node)

    def _column(self, name: Name) -> pa.Array:
        if name.name not in self.columns:
            table = self.catalogue.table
            if name.name in table.column_names:
                array = table[name.name].combine_chunks()
            elif name.name == "item_id":
                array = self.catalogue.items.array
            else:
                self.fail(name.place, f"no column {name.name!r}; there are {', '.join(table.column_names)}")
            self.columns[name.name] = _plain(array)
        return self.columns[name.name]

    def _test(self, node: Comparison) -> pa.BooleanArray:
        left, right, sign = node.left, node.right, node.sign
        if isinstance(left, Literal):
            left, right, sign = right, left, _TURNED[sign]
        if isinstance(left, Literal):
            self.fail(node.place, "two values and no column to compare")
        array = self._column(left)
        if isinstance(right, Literal):
            return self._against(sign, left, array, [right], node.place)
        other = self._column(right)
        kinds = _kind(array.type), _kind(other.type)
        if "null" in kinds:
            return pa.nulls(len(array), pa.bool_())
        if kinds[0] != kinds[1] or kinds[0] in ("lists", "other"):
            self.fail(node.place, f"{left.name} holds {kinds[0]}, {right.name} {kinds[1]}; cannot compare them")
        if kinds[0] == "number" and array.type != other.type:
            array, other = array.cast(pa.float64(), safe=False), other.cast(pa.float64(), safe=False)
        return _COMPARE[sign](array, other)

    def _member(self, node: Membership) -> pa.BooleanArray:
        array = self._column(node.column)
        if not node.values:
            return pc.if_else(array.is_valid(), False, pa.scalar(None, pa.bool_()))
        return self._against("==", node.column, array, list(node.values), node.column.place)

    def _against(self, sign: str, name: Name, array: pa.Array, values: list[Literal], place: int) -> pa.BooleanArray:
        """Each item's `sign` to the value; with "==", to any of the values."""
        kind = _kind(array.type)
        if kind == "null":
            return pa.nulls(len(array), pa.bool_())
        if kind == "lists":
            if sign not in ("==", "!="):
                self.fail(place, f"{name.name} holds lists; expected ==, != or in")
            inner = self._against("==", name, _plain(array.flatten()), values, place).fill_null(False)
            owners = pc.list_parent_indices(array).filter(inner).to_numpy().astype(np.int64)
            any_is = pa.array(np.bincount(owners, minlength=len(array)) > 0)
            found = pc.if_else(array.is_valid(), any_is, pa.scalar(None, pa.bool_()))
            return pc.invert(found) if sign == "!=" else found
        scalars = [self._scalar(name, array.type, kind, value) for value in values]
        if len(scalars) == 1:
            return _COMPARE[sign](array, scalars[0])
        same = [s for s in scalars if s.type == array.type]
        told = pc.is_in(array, value_set=pa.array([s.as_py() for s in same], array.type)) if same else None
        tests = [_COMPARE[sign](array, s) for s in scalars if s.type != array.type]
        told = None if told is None else pc.if_else(array.is_valid(), told, pa.scalar(None, pa.bool_()))
        return reduce(pc.or_kleene, tests if told is None else [told, *tests])

    def _scalar(self, name: Name, given: pa.DataType, kind: str, literal: Literal) -> pa.Scalar:
        value = literal.value
        if kind == "time" and isinstance(value, str):
            return self._moment(given, literal)
        matches: tuple[type, ...] = {"truth": (bool,), "number": (int, float), "text": (str,)}.get(kind, ())
        if not isinstance(value, matches) or (kind == "number" and isinstance(value, bool)):
            self.fail(literal.place, f"{name.name} holds {kind}; cannot be compared with {value!r}")
        if kind == "truth":
            return pa.scalar(value, pa.bool_())
        if kind == "text":
            return pa.scalar(value, pa.large_string())
        exact = isinstance(value, int) and -_LARGEST <= value < _LARGEST and pa.types.is_integer(given)
        return pa.scalar(value, pa.int64()) if exact else pa.scalar(float(literal.value), pa.float64())

    def _moment(self, given: pa.DataType, literal: Literal) -> pa.Scalar:
        text = pa.scalar(literal.value, pa.string())
        for kind in (pa.timestamp("ms", tz="UTC"), pa.timestamp("ms")):
            try:
                return text.cast(kind).cast(pa.int64()).cast(pa.timestamp("ms"))
            except pa.ArrowInvalid:
                continue
        return self.fail(literal.place, f"{literal.value!r} is no time; expected one like '2026-01-31'")


def _plain(array: pa.Array) -> pa.Array:
    """The same values in the one type a kind is compared in."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = _kind(array.type)
    if kind == "text":
        return array.cast(pa.large_string())
    if kind == "time":
        return array.cast(pa.timestamp("ms"), safe=False)  # UTC inside, whatever the zone
    if kind != "number":
        return array
    if not pa.types.is_integer(array.type):
        return array.cast(pa.float64(), safe=False)
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:  # unsigned and beyond
        return array.cast(pa.float64(), safe=False)


def _kind(given: pa.DataType) -> str:
    types = pa.types
    if types.is_string(given) or types.is_large_string(given) or types.is_string_view(given):
        return "text"
    if types.is_integer(given) or types.is_floating(given) or types.is_decimal(given):
        return "number"
    if types.is_list(given) or types.is_large_list(given):
        return "lists"
    if types.is_timestamp(given) or types.is_date(given):
        return "time"
    return "truth" if types.is_boolean(given) else "null" if types.is_null(given) else "other"
