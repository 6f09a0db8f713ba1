"""The language of `mmreco.filters.parser` in the words of Milvus, so that a filter is sent and not the rows it allows.

Milvus and our language need not agree on what `not` makes of unknown values. So no `not` is sent: it is pushed down to
the tests, where `<` takes the place of a `not` before `>=`, and a test that could let an unknown value
through says that the value is known.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from mmreco.filters.evaluation import Always, Comparison, Fail, Junction, Literal, Membership, Name, Node, Not, Unknown
from mmreco.filters.parser import parsed

__all__ = ["NONE", "to_milvus"]

NONE = "row < 0"  # true of no item
_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_KINDS = {"VARCHAR": "text", "INT64": "number", "DOUBLE": "number", "BOOL": "truth"}


def to_milvus(expression: str, columns: Mapping[str, str]) -> str:
    """The expression in Milvus' language.

    Parameters
    ----------
    expression : the language of `mmreco.filters.parser`
    columns : the type in Milvus of each field that may be named

    Raises
    ------
    DataError
        The expression does not parse, names no field, or compares values of two kinds; the message points at the place.

    Examples
    --------
    >>> to_milvus("not (price >= 300 or brand == 'Acme')", {"price": "DOUBLE", "brand": "VARCHAR"})
    '(price < 300 and (brand is not null and brand != "Acme"))'
    """
    tree, fail = parsed(expression)
    return _Translation(columns, fail).of(tree, True)


class _Translation:
    def __init__(self, columns: Mapping[str, str], fail: Fail) -> None:
        self.columns = columns
        self.fail = fail

    def of(self, node: Node, wanted: bool) -> str:
        """What is true of the items for which `node` is true, or with `wanted` False those for which it is false."""
        if isinstance(node, Not):
            return self.of(node.part, not wanted)
        if isinstance(node, Junction):
            word = node.word if wanted else {"and": "or", "or": "and"}[node.word]
            return f"({f' {word} '.join(self.of(part, wanted) for part in node.parts)})"
        if isinstance(node, Unknown):
            name, _ = self._column(node.column)
            return f"{name} is {'not ' if node.negated == wanted else ''}null"
        if isinstance(node, Always):
            name, kind = self._column(node.column)
            if kind != "truth":
                self.fail(node.column.place, f"{name} holds {kind}; expected a comparison after it")
            return f"{name} == {'true' if wanted else 'false'}"
        if isinstance(node, Membership):
            return self._member(node, node.negated != wanted)
        return self._test(node, wanted)

    def _column(self, name: Name) -> tuple[str, str]:
        if name.name not in self.columns:
            self.fail(name.place, f"no field {name.name!r} in Milvus; there are {', '.join(self.columns)}")
        return name.name, _KINDS[self.columns[name.name]]

    def _member(self, node: Membership, inside: bool) -> str:
        name, kind = self._column(node.column)
        tests = [self._against(name, kind, "==" if inside else "!=", value) for value in node.values]
        if not tests:
            return NONE if inside else f"{name} is not null"
        return f"({(' or ' if inside else ' and ').join(tests)})" if len(tests) > 1 else tests[0]

    def _test(self, node: Comparison, wanted: bool) -> str:
        left, right, sign = node.left, node.right, node.sign if wanted else _OPPOSITE[node.sign]
        if isinstance(left, Literal):
            left, right, sign = right, left, _TURNED[sign]
        if isinstance(left, Literal):
            self.fail(node.place, "two values and no column to compare")
        name, kind = self._column(left)
        if isinstance(right, Literal):
            return self._against(name, kind, sign, right)
        other, its = self._column(right)
        if kind != its:
            self.fail(node.place, f"{name} holds {kind}, {other} {its}; cannot compare them")
        return f"({name} is not null and {other} is not null and {name} {sign} {other})"

    def _against(self, name: str, kind: str, sign: str, literal: Literal) -> str:
        matches: tuple[type, ...] = {"truth": (bool,), "number": (int, float), "text": (str,)}[kind]
        if not isinstance(literal.value, matches) or (kind == "number" and isinstance(literal.value, bool)):
            self.fail(literal.place, f"{name} holds {kind}; cannot be compared with {literal.value!r}")
        value: Any = literal.value
        if self.columns[name] == "INT64" and not -(2**63) <= value < 2**63:
            always = sign == "!=" or ((sign in ("<", "<=")) == (value > 0) and sign != "==")
            return f"{name} is not null" if always else NONE
        if self.columns[name] == "INT64" and value != int(value):
            if sign in ("==", "!="):
                return NONE if sign == "==" else f"{name} is not null"
            sign, value = ("<=", math.floor(value)) if sign in ("<", "<=") else (">=", math.ceil(value))
        text = json.dumps(int(value) if self.columns[name] == "INT64" else value, ensure_ascii=False)
        test = f"{name} {sign} {text}"
        return f"({name} is not null and {test})" if sign == "!=" else test
