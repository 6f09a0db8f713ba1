"""The filter language: what it chooses, what it refuses and where it points."""

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.filters.parser import mask

SHOP = Catalogue.from_frame(
    pa.table(
        {
            "item_id": ["a", "b", "c"],
            "price": [100.0, 300.5, None],
            "n": [1, 2, 3],
            "颜色": ["红", "蓝", None],
            "tags": [["x", "y"], [], None],
            "new": [True, False, None],
            "created": [datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC), None],
            "main kind": ["it's", 'a "hat"', "\\"],
            "nothing": pa.nulls(3),
        }
    )
)


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("price < 300", "a"),
        ("not price < 300", "b"),  # what is unknown is not chosen either way
        ("price >= 100 and n != 1", "b"),
        ("n == 1 or n == 2 and price > 1e3", "a"),  # and binds tighter
        ("(n == 1 or n == 2) and price > 1e2", "b"),
        ("not n == 1 and not (n == 2)", "c"),
        ("100 <= price < 300.5", "a"),
        ("300 > price", "a"),
        ("price == -1", ""),
        ("price > -.5", "ab"),
        ("n < price", "ab"),
        ("颜色 == '红'", "a"),
        ('"红" == 颜色', "a"),
        ("颜色 in ['红', '绿']", "a"),
        ("颜色 not in ['红']", "b"),
        ("颜色 > '红'", "b"),
        ("颜色 is null", "c"),
        ("颜色 IS NOT NULL AND n IN (1, 3,)", "a"),
        ("颜色 == null", "c"),
        ("null != 颜色", "ab"),
        ("n in []", ""),
        ("n not in []", "abc"),
        ("n in [1.0, 2.5, 3]", "ac"),
        ("n in [99999999999999999999, 3]", "c"),
        ("n > 99999999999999999999", ""),
        ("n < 1e999", "abc"),
        ("tags == 'x'", "a"),
        ("tags != 'x'", "b"),
        ("tags in ['y', 'z']", "a"),
        ("tags not in ['y', 'z']", "b"),
        ("tags is null", "c"),
        ("new", "a"),
        ("not new", "b"),
        ("new == false", "b"),
        ("created < '2025-01-01'", "a"),
        ("created >= '2025-06-01T08:00:00+08:00'", "b"),
        ("`main kind` == 'it\\'s'", "a"),
        ('`main kind` == "it\'s"', "a"),
        ("`main kind` == 'a \"hat\"'", "b"),
        ("`main kind` == '\\\\'", "c"),
        ("item_id == 'b'", "b"),
        ("nothing == 3 or nothing == 'x' or nothing", ""),
        ("nothing is null", "abc"),
        ("n==1 or\n\tn==3", "ac"),
    ],
)
def test_chooses(expression: str, chosen: str) -> None:
    got = mask(SHOP, expression)
    assert "".join(i for i, yes in zip("abc", got, strict=True) if yes) == chosen
    assert got.dtype == bool
    assert not got.flags.writeable


@pytest.mark.parametrize(
    ("expression", "said", "place"),
    [
        ("price <", "expected a column or a value, found the end", 8),
        ("price < and n", "found 'and'", 9),
        ("n = 3", "unexpected '='; compare with ==", 3),
        ("n && 1", "say and", 3),
        ("颜色 == '红", "' is never closed", 7),
        ("(n == 1", r"expected \)", 8),
        ("n == 1)", "expected and, or, or the end", 7),
        ("n == 1 n == 2", "expected and, or, or the end", 8),
        ("colour == 'red'", "no column 'colour'; there are price, n", 1),
        ("n == 1 and (colour == 'red')", "no column 'colour'", 13),
        ("price < 'cheap'", "price holds number; cannot be compared with 'cheap'", 9),
        ("颜色 == 3", "颜色 holds text; cannot be compared with 3", 7),
        ("n == true", "n holds number; cannot be compared with True", 6),
        ("new == 1", "new holds truth", 8),
        ("n == 颜色", "n holds number, 颜色 text", 3),
        ("tags < 'x'", "tags holds lists", 6),
        ("created < 'soon'", "'soon' is not a time", 11),
        ("2 == 2", "no column", 3),
        ("'x'", "expected a comparison", 4),
        ("price", "price holds number; expected a comparison", 1),
        ("n in 3", "expected a list", 6),
        ("n in [n]", "expected a value", 7),
        ("n in [1, null]", "null in a list; ask is null", 10),
        ("n in [1 2]", "expected ,", 9),
        ("n < null", "ask is null", 3),
        ("n is 3", "expected null after is", 6),
        ("n not 3", "expected in after not", 7),
        ("3x == 1", "cannot begin with a digit", 1),
        ("n == " + "9" * 50, "a number of 50 characters", 6),
        ("", "expected a column", 1),
        ("(" * 60 + "n == 1" + ")" * 60, "more than 50 brackets", 51),
        ("not " * 60 + "new", "more than 50 brackets", 201),
        ("__import__('os').system('x')", "unexpected '.'", 17),
        ("n.__class__ == 1", "no column 'n.__class__'", 1),
        ("n == 1; n == 2", "unexpected ';'", 7),
    ],
)
def test_refuses_and_points_at_the_place(expression: str, said: str, place: int) -> None:
    with pytest.raises(DataError, match=f"{said}.*, at character {place}: .*▶") as caught:
        mask(SHOP, expression)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "said"),
    [("n == 1 or " * 1_500 + "n == 2", "15006 characters"), ("n == '\ud800'", "UTF-8"), (3, "int")],
)
def test_refuses_at_the_door(expression: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        mask(SHOP, expression)


def test_long_chains_do_not_nest() -> None:
    assert mask(SHOP, " or ".join(["n == 2"] * 900)).tolist() == [False, True, False]


def test_columns_of_every_width_compare_alike() -> None:
    kinds = [
        pa.int8(),
        pa.uint64(),
        pa.float16(),
        pa.float32(),
        pa.decimal128(20, 1),
        pa.dictionary(pa.int8(), pa.int64()),
    ]
    for kind in kinds:
        base = pa.array([1, 2, None])
        column = base.dictionary_encode() if pa.types.is_dictionary(kind) else base.cast(kind)
        shop = Catalogue(IdMap.of(["a", "b", "c"]), pa.table({"x": column}))
        assert mask(shop, "x >= 1.5 and x in [2, 7]").tolist() == [False, True, False], kind
    big = Catalogue(IdMap.of(["a"]), pa.table({"x": pa.array([2**64 - 1], pa.uint64())}))
    assert mask(big, "x > 18446744073709550000").tolist() == [True]


# ---- against a plain Python reading of the same tree

ROWS: list[dict[str, Any]] = [
    {"p": p, "s": s, "t": t, "b": b}
    for p in (None, -1, 0, 2)
    for s in (None, "", "红", "it's")
    for t in (None, [], ["a"], ["a", "b"])
    for b in (None, True, False)
]
GRID = Catalogue(
    IdMap.of([str(r) for r in range(len(ROWS))]),
    pa.table(
        {
            "p": pa.array([r["p"] for r in ROWS], pa.int64()),
            "s": pa.array([r["s"] for r in ROWS], pa.string()),
            "t": pa.array([r["t"] for r in ROWS], pa.list_(pa.string())),
            "b": pa.array([r["b"] for r in ROWS], pa.bool_()),
        }
    ),
)
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
Tree = tuple[Any, ...]


def told(tree: Tree, row: dict[str, Any]) -> bool | None:
    """True, false or None for neither, as SQL has it."""
    kind, *rest = tree
    if kind == "not":
        inner = told(rest[0], row)
        return None if inner is None else not inner
    if kind in ("and", "or"):
        both = [told(part, row) for part in rest]
        decisive = kind == "or"
        return decisive if decisive in both else None if None in both else not decisive
    value = row[rest[0]]
    if kind == "null":
        return (value is None) != rest[1]
    if value is None:
        return None
    if kind == "truth":
        return bool(value)
    if kind == "in":
        found = any(v in rest[1] for v in value) if isinstance(value, list) else value in rest[1]
        return found != rest[2]
    if isinstance(value, list):
        return (rest[1] in value) == (kind == "==")
    return SIGNS[kind](value, rest[1])


def written(tree: Tree) -> str:
    kind, *rest = tree
    if kind == "not":
        return f"not ({written(rest[0])})"
    if kind in ("and", "or"):
        return f"({written(rest[0])}) {kind} ({written(rest[1])})"
    if kind == "null":
        return f"{rest[0]} is {'not ' if rest[1] else ''}null"
    if kind == "truth":
        return str(rest[0])
    if kind == "in":
        return f"{rest[0]} {'not ' if rest[2] else ''}in [{', '.join(quoted(v) for v in rest[1])}]"
    return f"{rest[0]} {kind} {quoted(rest[1])}"


def quoted(value: Any) -> str:
    if not isinstance(value, str):
        return repr(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


numbers, texts = st.sampled_from([-1, 0, 2, 0.5, 1e30]), st.sampled_from(["", "红", "it's", "a", "b\\"])
signs = st.sampled_from(list(SIGNS))
leaves = st.one_of(
    st.tuples(signs, st.just("p"), numbers),
    st.tuples(signs, st.just("s"), texts),
    st.tuples(st.sampled_from(["==", "!="]), st.just("t"), texts),
    st.tuples(st.just("in"), st.just("p"), st.lists(numbers, max_size=3), st.booleans()),
    st.tuples(st.just("in"), st.just("s"), st.lists(texts, max_size=3), st.booleans()),
    st.tuples(st.just("in"), st.just("t"), st.lists(texts, max_size=3), st.booleans()),
    st.tuples(st.just("null"), st.sampled_from(["p", "s", "t", "b"]), st.booleans()),
    st.tuples(st.just("truth"), st.just("b")),
)
trees: st.SearchStrategy[Tree] = st.recursive(
    leaves,
    lambda inner: st.one_of(st.tuples(st.just("not"), inner), st.tuples(st.sampled_from(["and", "or"]), inner, inner)),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(trees)
def test_equals_the_reference(tree: Tree) -> None:
    assert mask(GRID, written(tree)).tolist() == [told(tree, row) is True for row in ROWS]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="np颜色 '\"()[]<>=!,.`\\19andorti", max_size=30))
def test_any_text_is_read_or_refused(expression: str) -> None:
    try:
        chosen = mask(SHOP, expression)
    except DataError:
        return
    assert chosen.shape == (3,)
