"""The wall between a shop's ids and our rows."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.data.ids import IdMap
from mmreco.errors import DataError, UnknownIdError

ids = st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=20)


@given(ids, st.data())
def test_there_and_back(names: list[str], data: st.DataObject) -> None:
    known = IdMap.of(names)
    assert known.ids(known.rows(names)) == names
    order = data.draw(st.permutations(range(len(names))))
    assert known.take(order).ids(range(len(names))) == [names[r] for r in order]


@pytest.mark.parametrize("n", [0, 1, 10, 100])
def test_few_and_many_rows_of_a_part_of_an_array(n: int) -> None:
    names = [f"商品-{row}" for row in range(300)]
    part = IdMap(pa.array(names).slice(50))
    rows = [row * 7 % len(part) for row in range(n)]
    assert part.ids(rows) == [names[50 + row] for row in rows]


@given(ids, ids)
def test_equal_means_the_same_ids_in_the_same_order(one: list[str], other: list[str]) -> None:
    assert (IdMap.of(one) == IdMap.of(other)) == (one == other)
    assert IdMap.of(one) == IdMap(pa.array(["x", *one], pa.string()).slice(1))
    assert hash(IdMap.of(one)) == hash(IdMap.of(one))


def test_the_boundary_between_ids_counts() -> None:
    assert IdMap.of(["ab", "c"]) != IdMap.of(["a", "bc"])
    assert IdMap.of(["a"]) != ["a"]


@pytest.mark.parametrize("many", [1, 5_000], ids=["few", "many"])
@pytest.mark.parametrize("arrow", [False, True])
def test_unknown_ids_are_marked_or_refused(many: int, arrow: bool) -> None:
    known = IdMap.of(["红", "b", "🙂\0"])
    asked: Any = ["b", "x", "🙂\0", "红"] * many
    asked = pa.array(asked) if arrow else asked
    assert known.rows(asked, missing="mark").tolist() == [1, -1, 2, 0] * many
    with pytest.raises(UnknownIdError, match=rf"{many} of {4 * many} ids unknown, first 'x'"):
        known.rows(asked)


@pytest.mark.parametrize("many", [1, 5_000], ids=["few", "many"])
def test_what_no_map_can_hold_is_merely_unknown(many: int) -> None:
    odd: Any = ["a", 1, None, "\ud800", ["a"], b"a"] * many
    assert IdMap.of(["a", "1"]).rows(odd, missing="mark").tolist() == [0, -1, -1, -1, -1, -1] * many


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["a", "b", "a"], "1 of 3 are repeats, first 'a' at row 2"),
        (["a", ""], "empty string at row 1"),
        (["a", None], "first at row 1"),
        (["a", 3], "row 1 is 3; expected a string"),
        ([3], "row 0 is 3"),
        (["a", "\ud800"], "row 1 cannot be written as UTF-8"),
        ("abc", "the string 'abc'; expected a list"),
    ],
)
def test_what_is_no_id_is_refused(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        IdMap.of(given)


def test_arrow_arrays_of_other_types_are_refused() -> None:
    for array in (pa.array([1, 2]), pa.array([b"a"]), pa.array(["a"]).dictionary_encode()):
        with pytest.raises(DataError, match="expected strings"):
            IdMap(array)


def test_rows_outside_and_one_string_are_refused() -> None:
    known = IdMap.of(["a", "b"])
    for rows in ([-1], [2], [0, 5]):
        with pytest.raises(DataError, match="of 2; expected"):
            known.ids(rows)
        with pytest.raises(DataError, match="of 2; expected"):
            known.take(rows)
    with pytest.raises(DataError, match="the string 'a'"):
        known.rows("a")
    with pytest.raises(DataError, match="missing='drop'"):
        known.rows(["a"], missing="drop")  # type: ignore[arg-type]
