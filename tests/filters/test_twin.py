"""The filter against an independent evaluator: plain Python over plain values, three truth values, a row at a time.

Expressions are drawn as trees and written out as text, so that the parser is under test as well. Numbers are compared
as the fractions they are, times as nanoseconds; nothing here knows Arrow's types.
"""

import math
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.filters.parser import mask

BIG = 2**53
WHOLE = [0, 1, -1, 5, 100, BIG - 1, BIG, BIG + 1, -BIG - 1, 2**63 - 1, -(2**63), 2**31, 7]
UNSIGNED = [0, 1, 5, BIG + 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1]
FLOATS = [0.0, -0.0, 0.1, 0.3, 19.9, 1e300, -1e300, float(BIG), float(2**63), 1.5, 5e-324, math.inf, -math.inf, 100.0]
NARROW = [0.0, -0.0, 0.1, 19.9, 1.5, 3e38, -7.25, 16777217.0, 1e-40, math.inf]
TEXTS = ["", "a", "b", "red", "红色", "Red", "a'b", 'q"q', "\\", "🙂", "z" * 40]
EPOCH = datetime(1970, 1, 1)
MOMENTS = [
    EPOCH + timedelta(days=d, microseconds=us)
    for d, us in ((0, 0), (20_000, 0), (20_000, 1), (20_000, 999), (20_000, 1_000), (20_454, 43_200_000_000), (60, 5))
]


def f32(value: float) -> float:
    """What a 32-bit number stands for: the shortest decimal, as long as it can have a fraction at all."""
    narrow = np.float32(value)
    return float(str(narrow)) if abs(float(narrow)) < 2**24 else float(narrow)


def columns(draw: random.Random, n: int) -> dict[str, tuple[pa.Array, str, list[Any]]]:
    """Each column's Arrow array, its kind, and its values as the evaluator sees them."""

    def some(values: list[Any]) -> list[Any]:
        return [draw.choice(values) if draw.random() < 0.85 else None for _ in range(n)]

    def numbers(kind: pa.DataType, values: list[Any]) -> tuple[pa.Array, str, list[Any]]:
        drawn = some(values)
        return pa.array(drawn, kind), "number", drawn

    def times(kind: pa.DataType, values: list[Any]) -> tuple[pa.Array, str, list[Any]]:
        drawn = some(values)
        return pa.array(drawn, kind), "time", [None if v is None else since_1970(v) for v in drawn]

    def lists(kind: pa.DataType, values: list[Any]) -> tuple[pa.Array, str, list[Any]]:
        drawn = [None if draw.random() < 0.2 else some(values)[: draw.randint(0, 3)] for _ in range(n)]
        return pa.array(drawn, kind), "lists of " + ("text" if isinstance(values[0], str) else "number"), drawn

    narrow = some(NARROW)
    texts, more_texts = some(TEXTS), some(TEXTS)
    decimals = [Decimal(t) for t in ("0.10", "19.90", "-5.00", "9007199254740993.00", "0.00")]
    milliseconds = [m.replace(microsecond=m.microsecond // 1000 * 1000) for m in MOMENTS]
    days = [m.date() for m in MOMENTS]
    made = {
        "i8": numbers(pa.int8(), [0, 1, -1, 5, 127, -128]),
        "i32": numbers(pa.int32(), [0, 1, 5, 2**31 - 1, -(2**31)]),
        "i64": numbers(pa.int64(), WHOLE),
        "u8": numbers(pa.uint8(), [0, 5, 255]),
        "u64": numbers(pa.uint64(), UNSIGNED),
        "f64": numbers(pa.float64(), FLOATS),
        "f32": (pa.array(narrow, pa.float32()), "number", [None if v is None else f32(v) for v in narrow]),
        "dec": numbers(pa.decimal128(30, 2), decimals),
        "text": (pa.array(texts, pa.string()), "text", texts),
        "word": (pa.array(more_texts, pa.large_string()).dictionary_encode(), "text", more_texts),
        "flag": (lambda v: (pa.array(v, pa.bool_()), "truth", v))(some([True, False])),
        "s": times(pa.timestamp("s"), [m.replace(microsecond=0) for m in MOMENTS]),
        "ms": times(pa.timestamp("ms", tz="UTC"), [m.replace(tzinfo=UTC) for m in milliseconds]),
        "us": times(pa.timestamp("us"), MOMENTS),
        "ns": times(pa.timestamp("ns", tz="Asia/Shanghai"), [m.replace(tzinfo=UTC) for m in MOMENTS]),
        "day": times(pa.date32(), days),
        "day64": times(pa.date64(), days),
        "tags": lists(pa.list_(pa.string()), TEXTS),
        "nums": lists(pa.large_list(pa.int64()), WHOLE),
        "fnum": lists(pa.list_(pa.float64()), FLOATS),
        "void": (pa.nulls(n), "null", [None] * n),
    }
    return {name: made[name] for name in made}


def since_1970(value: date | datetime) -> int:
    if not isinstance(value, datetime):
        return (value - date(1970, 1, 1)).days * 86_400 * 10**9
    passed = value.replace(tzinfo=None) - EPOCH
    return ((passed.days * 86_400 + passed.seconds) * 10**6 + passed.microseconds) * 1000


# ---- expressions: a tree, its text


def literal(draw: random.Random, kind: str) -> tuple[Any, str]:
    """A value as the evaluator sees it, and as it is written."""
    if kind == "number":
        value = draw.choice([*WHOLE, *UNSIGNED, *(v for v in FLOATS if math.isfinite(v)), 2**64, 10**30, -(10**30)])
        if draw.random() < 0.3:
            value = draw.choice([0.5, BIG + 0.0, 19.9, 0.1, 2.0**63, 2.0**64, 1e308, 0.30000000000000004])
        return value, repr(value)
    if kind == "text":
        value = draw.choice(TEXTS)
        return value, "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if kind == "truth":
        value = draw.random() < 0.5
        return value, str(value).lower()
    moment = draw.choice(MOMENTS)
    text = moment.isoformat()
    if draw.random() < 0.4:
        text += "Z"
    if draw.random() < 0.2:
        moment, text = datetime(moment.year, moment.month, moment.day), moment.date().isoformat()
    return since_1970(moment), f"'{text}'"


COMPARISONS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def exact(value: Any, beside: Any) -> Any:
    """A literal beside a decimal is the decimal that is written."""
    return Decimal(repr(value)) if isinstance(value, float) and isinstance(beside, Decimal) else value


class Draw:
    """Random expressions over these columns."""

    def __init__(self, draw: random.Random, made: dict[str, tuple[pa.Array, str, list[Any]]]) -> None:
        self.draw, self.made = draw, made

    def tree(self, depth: int) -> tuple[Any, str]:
        """A function from row to True, False or None, and its text."""
        kind = self.draw.random()
        if depth and kind < 0.35:
            word = self.draw.choice(["and", "or"])
            parts = [self.tree(depth - 1) for _ in range(self.draw.randint(2, 3))]
            joined = f" {word} ".join(f"({text})" for _, text in parts)
            return self.junction(word, [test for test, _ in parts]), joined
        if depth and kind < 0.5:
            test, text = self.tree(depth - 1)
            return (lambda r: None if test(r) is None else not test(r)), f"not ({text})"
        return self.leaf()

    def junction(self, word: str, tests: list[Any]) -> Any:
        decisive = word == "or"

        def test(row: int) -> bool | None:
            answers = [one(row) for one in tests]
            if decisive in answers:
                return decisive
            return None if None in answers else not decisive

        return test

    def leaf(self) -> tuple[Any, str]:
        name = self.draw.choice(list(self.made))
        _, kind, values = self.made[name]
        choice = self.draw.random()
        if choice < 0.1:
            return (lambda r: values[r] is None), f"{name} is null"
        if choice < 0.15:
            return (lambda r: values[r] is not None), f"{name} is not null"
        if kind == "truth" and choice < 0.4:
            return (lambda r: values[r]), name
        if kind.startswith("lists"):
            return self.of_lists(name, kind.removeprefix("lists of "), values)
        if choice < 0.35:
            return self.membership(name, kind, values)
        if choice < 0.6:
            other = self.draw.choice([o for o in self.made if self.made[o][1] == kind])
            return self.pair(name, other)
        value, text = literal(self.draw, "text" if kind == "null" else kind)
        sign = self.draw.choice(list(COMPARISONS))
        test = COMPARISONS[sign]

        def compared(row: int) -> bool | None:
            own = values[row]
            return None if own is None else test(number(own), number(exact(value, own)))

        if self.draw.random() < 0.3:
            turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(sign, sign)
            return compared, f"{text} {turned} {name}"
        return compared, f"{name} {sign} {text}"

    def pair(self, name: str, other: str) -> tuple[Any, str]:
        left, right = self.made[name][2], self.made[other][2]
        sign = self.draw.choice(list(COMPARISONS))

        def compared(row: int) -> bool | None:
            if left[row] is None or right[row] is None:
                return None
            return COMPARISONS[sign](number(left[row]), number(right[row]))

        return compared, f"{name} {sign} {other}"

    def membership(self, name: str, kind: str, values: list[Any]) -> tuple[Any, str]:
        pairs = [literal(self.draw, "text" if kind == "null" else kind) for _ in range(self.draw.randint(0, 4))]
        negated = self.draw.random() < 0.4

        def member(row: int) -> bool | None:
            own = values[row]
            if own is None:
                return None
            return any(number(own) == number(exact(value, own)) for value, _ in pairs) != negated

        return member, f"{name} {'not ' * negated}in [{', '.join(text for _, text in pairs)}]"

    def of_lists(self, name: str, kind: str, values: list[Any]) -> tuple[Any, str]:
        pairs = [literal(self.draw, kind) for _ in range(self.draw.randint(1, 3))]
        form = self.draw.choice(["==", "!=", "in", "not in"])
        pairs = pairs[:1] if form in ("==", "!=") else pairs

        def member(row: int) -> bool | None:
            if values[row] is None:
                return None
            found = any(e is not None and number(e) == number(value) for e in values[row] for value, _ in pairs)
            return found != (form in ("!=", "not in"))

        text = pairs[0][1] if form in ("==", "!=") else f"[{', '.join(text for _, text in pairs)}]"
        return member, f"{name} {form} {text}"


def number(value: Any) -> Any:
    """The value as something Python compares exactly."""
    if isinstance(value, float) and math.isfinite(value):
        return Fraction(value)
    return Fraction(value) if isinstance(value, Decimal) else value


def check(seed: int, expressions: int, n: int = 12) -> None:
    draw = random.Random(seed)
    made = columns(draw, n)
    table = pa.table({name: array for name, (array, _, _) in made.items()})
    if draw.random() < 0.5:  # a slice of a larger table is the same table
        table = pa.concat_tables([table, table]).slice(n, n) if draw.random() < 0.5 else table.slice(0, n)
    shop = Catalogue(IdMap.of([f"i{r}" for r in range(n)]), table)
    drawn = Draw(draw, made)
    for _ in range(expressions):
        test, text = drawn.tree(3)
        want = [test(row) is True for row in range(n)]
        assert mask(shop, text).tolist() == want, (seed, text)


@pytest.mark.parametrize("seed", range(12))
def test_the_filter_equals_its_twin(seed: int) -> None:
    check(seed, 40)


@pytest.mark.fuzz
@pytest.mark.parametrize("first", range(1000, 1200, 20))
def test_twenty_thousand_filters_equal_their_twin(first: int) -> None:
    for seed in range(first, first + 20):
        check(seed, 100)
    print(f"filters: 2,000 of the seeds {first} to {first + 19} equal their twin")
