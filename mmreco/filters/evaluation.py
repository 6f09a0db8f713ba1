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
from mmreco.filters.comparison import compare, compare_columns, is_one_of, kind_of, nanoseconds, plain

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
_NULL = pa.scalar(None, pa.bool_())


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
            member = self._member(node)
            return pc.invert(member) if node.negated else member
        if isinstance(node, Always):
            array = self._column(node.column)
            kind = kind_of(array.type)
            if kind not in ("truth", "null"):
                self.fail(node.column.place, f"{node.column.name} holds {kind}; expected a comparison after it")
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
                self.fail(name.place, f"no column {name.name!r}; there are {', '.join(table.column_names[:50])}")
            self.columns[name.name] = plain(array)
        return self.columns[name.name]

    def _test(self, node: Comparison) -> pa.BooleanArray:
        left, right, sign = node.left, node.right, node.sign
        if isinstance(left, Literal):
            left, right, sign = right, left, _TURNED[sign]
        if isinstance(left, Literal):
            self.fail(node.place, "two values and no column to compare")
        array = self._column(left)
        if isinstance(right, Literal):
            return self._against(sign, left, array, right, node.place)
        other = self._column(right)
        kinds = kind_of(array.type), kind_of(other.type)
        if "null" in kinds:
            return pa.nulls(len(array), pa.bool_())
        if kinds[0] != kinds[1] or kinds[0] in ("lists", "other"):
            self.fail(node.place, f"{left.name} holds {kinds[0]}, {right.name} {kinds[1]}; cannot compare them")
        return compare_columns(sign, array, other)

    def _member(self, node: Membership) -> pa.BooleanArray:
        return self._any_of(node.column, self._column(node.column), node.values)

    def _any_of(self, name: Name, array: pa.Array, literals: tuple[Literal, ...]) -> pa.BooleanArray:
        """Whether each value is one of the literals."""
        kind = kind_of(array.type)
        if kind == "lists":
            return self._any_element(array, lambda values: self._any_of(name, values, literals))
        values = [self._value(name, kind, literal) for literal in literals]
        if kind == "null":
            return pa.nulls(len(array), pa.bool_())
        member = is_one_of(array, values)
        return pc.if_else(array.is_valid(), member, _NULL)

    def _against(self, sign: str, name: Name, array: pa.Array, literal: Literal, place: int) -> pa.BooleanArray:
        """Each item's `sign` to the value."""
        kind = kind_of(array.type)
        if kind == "null":
            return pa.nulls(len(array), pa.bool_())
        if kind == "lists":
            if sign not in ("==", "!="):
                self.fail(place, f"{name.name} holds lists; expected ==, != or in")
            equal = self._any_of(name, array, (literal,))
            return pc.invert(equal) if sign == "!=" else equal
        return compare(sign, array, self._value(name, kind, literal))

    def _any_element(self, array: pa.Array, test: Callable[[pa.Array], pa.BooleanArray]) -> pa.BooleanArray:
        """Whether the test is true of any element of each list; null where there is no list."""
        inner = test(plain(array.flatten())).fill_null(False).to_numpy(zero_copy_only=False)
        lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
        owners = np.repeat(np.arange(len(array)), lengths)[inner]
        return pc.if_else(array.is_valid(), pa.array(np.bincount(owners, minlength=len(array)) > 0), _NULL)

    def _value(self, name: Name, kind: str, literal: Literal) -> Any:
        """What a column of this kind is compared with: text, a truth value, a number, or nanoseconds since 1970."""
        value = literal.value
        if kind == "time" and isinstance(value, str):
            moment = nanoseconds(value)
            if moment is None:
                self.fail(literal.place, f"{value!r} is not a time; expected one like '2026-01-31'")
            return moment
        matches: tuple[type, ...] = {"truth": (bool,), "number": (int, float), "text": (str,)}.get(kind, ())
        if kind == "null":  # elements of empty lists
            return value
        if not isinstance(value, matches) or (kind == "number" and isinstance(value, bool)):
            self.fail(literal.place, f"{name.name} holds {kind}; cannot be compared with {value!r}")
        return value
