"""Bags of attributes."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.errors import DataError

SHOP = Catalogue.from_frame(
    pa.table(
        {
            "item_id": ["a", "b", "c", "d"],
            "category": [["dress", "red"], ["dress"], ["hat", "hat", "red"], None],
            "brand": ["Acme", "阿迪", "Acme", None],
            "price": [1.0, 2.0, 3.0, None],
            "year": [1999, 1999, 2000, 2001],
            "score": [0.1, 0.2, 0.3, 0.4],
        }
    )
)


def bags(facts: Attributes) -> list[tuple[str, ...]]:
    return [facts.of(row) for row in range(len(facts))]


def test_a_catalogue_gives_what_two_items_share() -> None:
    facts = Attributes.from_catalogue(SHOP, columns=("category", "brand"))
    assert facts.names == ("brand=Acme", "category=dress", "category=red")
    assert bags(facts) == [
        ("brand=Acme", "category=dress", "category=red"),
        ("category=dress",),
        ("brand=Acme", "category=red"),
        (),
    ]


def test_prices_and_fractions_are_cut_into_ranges_of_equal_size() -> None:
    facts = Attributes.from_catalogue(SHOP, columns=("price", "score"), price_bins=2, at_least=1)
    assert bags(facts) == [("price=0", "score=0"), ("price=1", "score=0"), ("price=1", "score=1"), ("score=1",)]
    many = Catalogue.from_frame(pa.table({"item_id": [str(i) for i in range(1000)], "price": np.arange(1000) ** 2}))
    assert np.bincount(Attributes.from_catalogue(many).flat).tolist() == [100] * 10


def test_one_price_for_all_is_one_range() -> None:
    same = Catalogue.from_frame(pa.table({"item_id": ["a", "b"], "price": [5, 5]}))
    assert bags(Attributes.from_catalogue(same)) == [("price=0",)] * 2


def test_whole_numbers_are_values() -> None:
    assert Attributes.from_catalogue(SHOP, columns=("year",)).names == ("year=1999",)


def test_the_usual_columns_are_those_there_are() -> None:
    assert Attributes.from_catalogue(SHOP.take([0, 1])).names == ("category=dress",)
    bare = Catalogue.from_frame(pa.table({"item_id": ["a"], "title": ["x"]}))
    assert Attributes.from_catalogue(bare).names == ()
    assert Attributes.from_catalogue(bare).matrix().shape == (1, 0)


def test_new_items_are_described_in_the_same_words() -> None:
    facts = Attributes.from_catalogue(SHOP, price_bins=2, at_least=1)
    arrivals = Catalogue.from_frame(
        pa.table({"item_id": ["x", "y"], "category": ["red", "boots"], "price": [0.5, 99], "colour": ["red"] * 2})
    )
    assert facts.describe(arrivals).names == facts.names
    assert bags(facts.describe(arrivals)) == [("category=red", "price=0"), ("price=1",)]
    again = facts.describe(SHOP)
    assert bags(again) == bags(facts)


@pytest.mark.parametrize(
    ("table", "columns", "said"),
    [
        ({"x": ["a"]}, ("y",), "no column 'y'"),
        ({"price": ["dear"]}, ("price",), "column 'price' holds .*expected numbers"),
        ({"price": [np.inf]}, ("price",), "column 'price', row 0: infinite"),
        ({"x": [b"a"]}, ("x",), "column 'x' holds binary"),
        ({"x": [{"a": 1}]}, ("x",), "column 'x' holds struct"),
    ],
)
def test_columns_that_are_no_facts_are_refused(table: Any, columns: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Attributes.from_catalogue(Catalogue(IdMap.of(["i"]), pa.table(table)), columns=columns)


def test_dials_out_of_range_are_refused() -> None:
    for dials in ({"price_bins": 0}, {"at_least": 0}):
        with pytest.raises(DataError, match="expected 1 or more"):
            Attributes.from_catalogue(SHOP, **dials)


ITEMS = IdMap.of(["a", "b", "c"])


def test_lists_may_come_by_id_or_in_order() -> None:
    want = [("x", "y"), (), ("y",)]
    assert bags(Attributes.from_lists(ITEMS, {"c": ["y"], "a": ("y", "x", "y"), "ghost": ["z"]})) == want
    assert bags(Attributes.from_lists(ITEMS, [["y", "x"], [], ["y"]])) == want
    assert Attributes.from_lists(ITEMS, [["y", "x"], [], ["y"]], at_least=2).names == ("y",)


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ({"b": "red"}, "item 'b' has 'red'; expected a list"),
        ({"b": ["red", 3]}, "item 'b' has .*expected a list of strings"),
        ([["x"]], "1 lists for 3 items"),
    ],
)
def test_lists_of_other_things_are_refused(lists: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Attributes.from_lists(ITEMS, lists)


@pytest.mark.parametrize(
    ("starts", "flat", "said"),
    [
        ([0, 1], [0], "starts"),
        ([0, 2, 1, 3], [0, 1, 0], "starts"),
        ([0, 1, 1, 1], [2], "outside 0..1"),
        ([0, 1, 1, 1], [-1], "outside"),
        ([0, 2, 2, 2], [1, 1], "none twice"),
    ],
)
def test_the_constructor_checks(starts: list[int], flat: list[int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Attributes(ITEMS, ("x", "y"), np.array(starts), np.array(flat))


@given(
    lists=st.lists(st.lists(st.sampled_from("xyzw"), max_size=4), min_size=1, max_size=6),
    asked=st.lists(st.sampled_from("0123456789"), unique=True, max_size=6),
)
def test_matrix_take_and_aligned_agree_with_the_bags(lists: list[list[str]], asked: list[str]) -> None:
    items = IdMap.of([str(i) for i in range(len(lists))])
    facts = Attributes.from_lists(items, lists)
    assert bags(facts) == [tuple(sorted(set(bag))) for bag in lists]
    dense = facts.matrix().toarray()
    for row, bag in enumerate(lists):
        assert [facts.names[c] for c in np.flatnonzero(dense[row])] == sorted(set(bag))
    other = facts.aligned(IdMap.of(asked))
    assert bags(other) == [facts.of(int(i)) if int(i) < len(lists) else () for i in asked]
    assert other.names == facts.names
    rows = [int(i) for i in asked if int(i) < len(lists)]
    assert bags(facts.take(rows)) == [facts.of(r) for r in rows]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    for number, facts in enumerate((Attributes.from_catalogue(SHOP), Attributes.from_lists(IdMap.of([]), []))):
        folder = tmp_path / str(number)
        folder.mkdir()
        facts._write(folder)
        again = Attributes._read(folder)
        assert (again.items, again.names, again.cuts) == (facts.items, facts.names, facts.cuts)
        assert bags(again) == bags(facts)


def test_joined_holds_what_both_say() -> None:
    one = Attributes.from_lists(SHOP.items, {"a": ["x", "y"], "c": ["y"]})
    other = Attributes.from_lists(IdMap.of(["c", "a", "z"]), {"a": ["w"], "c": ["v", "w"], "z": ["w"]})
    both = one.add(other)
    assert both.names == ("x", "y", "v", "w")
    assert bags(both) == [("x", "y", "w"), (), ("y", "v", "w"), ()]
    with pytest.raises(DataError, match=r"1 names are in both, e\.g\. 'y'"):
        one.add(Attributes.from_lists(SHOP.items, {"a": ["y"]}))
