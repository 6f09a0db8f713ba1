"""A small language over catalogue columns: `category == 'dress' and price < 300`.

::

    comparison    == != < <= > >=      price < 300        100 <= price < 300       '红' == 颜色
    membership    in [...]   not in    brand in ['Acme', 'Bolt']
    unknown       is null, is not null (or == null, != null)
    logic         and or not ( )       a column of truth values stands alone:  in_stock and not sold_out
    names         letters of any script, digits, _ and dots; `in backquotes` whatever else; item_id is the id
    values        'text' "text" (backslash before a quote or a backslash), 12, -0.5, 1e3, true, false

Unknown values follow SQL: comparing them is neither true nor false, `not` of that is neither, and only what
is true is chosen. A column of lists equals a value when any element does. A time is compared with text such
as '2026-01-31'. Expressions are parsed here and never evaluated as Python.
"""

import re
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from mmreco.arguments import require_kind
from mmreco.arrays import Bool, frozen
from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError
from mmreco.filters.evaluation import (
    Always,
    Comparison,
    Fail,
    Junction,
    Literal,
    Membership,
    Name,
    Node,
    Not,
    Unknown,
    evaluate,
)

__all__ = ["mask", "parsed"]

_LONGEST = 10_000  # characters of an expression
_DEEPEST = 50  # brackets and nots inside one another
_LONGEST_NUMBER = 40  # characters
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<name>[^\W\d][\w.]*|`[^`]+`)
      | (?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,|-|\+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_WORDS = ("and", "or", "not", "in", "is", "null", "none", "true", "false")


def mask(catalogue: Catalogue, expression: str) -> Bool:
    """The items for which the expression is true, shape `(n,)`.

    Parameters
    ----------
    catalogue : `n` items
    expression : the language of this module
        At most 10,000 characters, brackets and nots at most 50 deep; words such as `and` in any case.

    Raises
    ------
    DataError
        The expression does not parse, names no column of the catalogue, or compares values of two kinds; the
        message points at the place.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"item_id": ["a", "b", "c"], "price": [100, 300, None], "颜色": ["红", "红", "蓝"]})
    >>> mask(Catalogue.from_frame(table), "颜色 == '红' and not price >= 200")
    array([ True, False, False])
    """
    require_kind("mask", catalogue, Catalogue)
    tree, fail = parsed(expression)
    return frozen(evaluate(tree, catalogue, fail), bool)


def parsed(expression: str) -> tuple[Node, Fail]:
    """The tree of an expression, and what raises a `DataError` that points at a place in it.

    Raises
    ------
    DataError
        The expression does not parse, or is too long.
    """
    if not isinstance(expression, str):
        raise DataError(f'where: given a {type(expression).__name__}; expected text such as "price < 300"')
    if len(expression) > _LONGEST:
        raise DataError(f"where: {len(expression)} characters; expected at most {_LONGEST}")
    try:
        expression.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"where: character {error.start + 1} cannot be written as UTF-8") from error
    return _Parser(expression).parse(), partial(_point, expression)


def _point(expression: str, place: int, message: str) -> NoReturn:
    before, after = expression[max(0, place - 40) : place], expression[place : place + 40]
    around = " ".join(
        f"{'…' if place > 40 else ''}{before}▶{after}{'…' if place + 40 < len(expression) else ''}".split()
    )
    raise DataError(f"where: {message}, at character {place + 1}: {around}")


@dataclass(frozen=True)
class _Token:
    kind: str  # "number", "text", "name", "sign", a word of the language, or "end"
    text: str
    place: int


class _Parser:
    """Recursive descent, a method a line of the grammar."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = self._tokens()
        self.at = 0
        self.depth = 0

    def parse(self) -> Node:
        """The tree of the whole expression."""
        tree = self._or()
        if self._next.kind != "end":
            self._fail("expected and, or, or the end")
        return tree

    def _tokens(self) -> list[_Token]:
        tokens: list[_Token] = []
        place, text = 0, self.expression
        end = len(text.rstrip())
        while place < end:
            match = _TOKEN.match(text, place)
            if match is None:
                place += len(text[place:]) - len(text[place:].lstrip())
                self._refuse_character(place)
            kind = str(match.lastgroup)
            written = match[kind]
            word = written.lower()
            kind = word if kind == "name" and word in _WORDS else written if kind == "sign" else kind
            tokens.append(_Token(kind, written, match.start(str(match.lastgroup))))
            place = match.end()
        return [*tokens, _Token("end", "the end", len(text))]

    def _refuse_character(self, place: int) -> NoReturn:
        character = self.expression[place]
        hints = {
            "=": "; compare with ==",
            "&": "; say and",
            "|": "; say or",
            "!": "; say not",
            "'": "",
            '"': "",
            "`": "",
        }
        quote = character in "'\"`"
        message = f"{character} is never closed" if quote else f"unexpected {character!r}{hints.get(character, '')}"
        if character.isdigit():
            message = "a name cannot begin with a digit; write it in `backquotes`, or text in 'quotes'"
        _point(self.expression, place, message)

    # ---- the grammar

    def _or(self) -> Node:
        parts = [self._and()]
        while self._accept("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Junction("or", tuple(parts))

    def _and(self) -> Node:
        parts = [self._not()]
        while self._accept("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else Junction("and", tuple(parts))

    def _not(self) -> Node:
        if self._next.kind not in ("not", "("):
            return self._test()
        self.depth += 1
        if self.depth > _DEEPEST:
            self._fail(f"more than {_DEEPEST} brackets or nots inside one another")
        if self._accept("not"):
            tree: Node = Not(self._not())
        else:
            self._expect("(")
            tree = self._or()
            self._expect(")")
        self.depth -= 1
        return tree

    def _test(self) -> Node:
        left = self._operand()
        place = self._next.place
        if self._accept("is"):
            negated = self._accept("not")
            if not (self._accept("null") or self._accept("none")):
                self._fail("expected null after is")
            return self._unknown(left, negated)
        negated = self._accept("not")
        if self._accept("in"):
            return self._membership(left, negated)
        if negated:
            self._fail("expected in after not")
        if self._next.kind not in _COMPARISONS:
            if isinstance(left, Literal):
                self._fail("expected a comparison")
            return Always(left)
        parts = []
        while self._next.kind in _COMPARISONS:
            sign, place = self._next.kind, self._next.place
            self.at += 1
            right = self._operand()
            parts.append(self._comparison(sign, left, right, place))
            left = right
        return parts[0] if len(parts) == 1 else Junction("and", tuple(parts))

    def _comparison(self, sign: str, left: Name | Literal, right: Name | Literal, place: int) -> Node:
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Literal) and one.value is None:
                if sign not in ("==", "!="):
                    _point(self.expression, place, f"{sign} of null; ask is null or is not null")
                return self._unknown(other, sign == "!=")
        return Comparison(sign, left, right, place)

    def _unknown(self, tested: Name | Literal, negated: bool) -> Node:
        if isinstance(tested, Literal):
            _point(self.expression, tested.place, "only a column can be null")
        return Unknown(tested, negated)

    def _membership(self, tested: Name | Literal, negated: bool) -> Node:
        if isinstance(tested, Literal):
            _point(self.expression, tested.place, "expected a column before in")
        closing = {"[": "]", "(": ")"}.get(self._next.kind)
        if closing is None:
            self._fail("expected a list such as ['a', 'b'] after in")
        self.at += 1
        values: list[Literal] = []
        while not self._accept(str(closing)):
            if values:
                self._expect(",")
                if self._accept(str(closing)):
                    break
            value = self._operand()
            if isinstance(value, Name) or value.value is None:
                message = (
                    "null in a list; ask is null" if isinstance(value, Literal) else "expected a value, text in quotes"
                )
                _point(self.expression, value.place, message)
            values.append(value)
        return Membership(tested, tuple(values), negated)

    def _operand(self) -> Name | Literal:
        token = self._next
        self.at += 1
        if token.kind == "name":
            return Name(token.text.strip("`"), token.place)
        if token.kind in ("-", "+") and self._next.kind == "number":
            return Literal(self._number(token.kind), token.place)
        if token.kind == "number":
            self.at -= 1
            return Literal(self._number(""), token.place)
        values: dict[str, Any] = {"true": True, "false": False, "null": None, "none": None}
        if token.kind == "text":
            return Literal(re.sub(r"\\(['\"\\])", r"\1", token.text[1:-1]), token.place)
        if token.kind in values:
            return Literal(values[token.kind], token.place)
        self.at -= 1
        return self._fail("expected a column or a value")

    def _number(self, sign: str) -> int | float:
        token = self._next
        if len(token.text) > _LONGEST_NUMBER:
            self._fail(f"a number of {len(token.text)} characters")
        self.at += 1
        return int(sign + token.text) if token.text.isdigit() else float(sign + token.text)

    # ---- one token on

    @property
    def _next(self) -> _Token:
        return self.tokens[self.at]

    def _accept(self, kind: str) -> bool:
        is_next = self._next.kind == kind
        self.at += is_next
        return is_next

    def _expect(self, kind: str) -> None:
        if not self._accept(kind):
            self._fail(f"expected {kind}")

    def _fail(self, message: str) -> NoReturn:
        token = self._next
        shown = "the end" if token.kind == "end" else repr(token.text)
        _point(self.expression, token.place, f"{message}, found {shown}")
