"""Facets count what a filter then keeps; completions and corrections."""

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.errors import DataError
from mmreco.filters import mask
from mmreco.retrieval.facets import facets
from mmreco.retrieval.lexical import LexicalIndex
from mmreco.retrieval.suggest import Completions, did_you_mean


def test_each_facet_counts_what_its_filter_keeps() -> None:
    shop = synthetic_shop(n_items=128, n_users=10, seed=1).catalogue
    index = LexicalIndex.build(shop)
    rows = index.matching("red")
    found = facets(shop, rows)
    assert {facet.column for facet in found} == {"category", "brand", "price"}
    chosen = np.zeros(len(shop), dtype=bool)
    chosen[rows] = True
    for facet in found:
        for value in facet.values:
            assert (mask(shop, value.where) & chosen).sum() == value.count, value


def test_quotes_in_a_value_and_flags() -> None:
    table = pa.table(
        {"item_id": list("abc"), "maker": ["O'Neill", "O'Neill", "Back\\slash"], "new": [True, False, True]}
    )
    shop = Catalogue.from_frame(table)
    for facet in facets(shop, np.arange(3)):
        for value in facet.values:
            assert mask(shop, value.where).sum() == value.count


def test_a_column_of_names_is_no_facet_and_asked_columns_are_given() -> None:
    shop = Catalogue.from_frame(pa.table({"item_id": list("abc"), "code": ["x", "y", "z"], "kind": ["p", "p", "q"]}))
    assert [facet.column for facet in facets(shop, np.array([0, 1, 2, -1]))] == ["kind"]
    assert facets(shop, np.array([0, 1]), columns=["kind"])[0].values[0].count == 2
    with pytest.raises(DataError, match="no column 'size'"):
        facets(shop, np.arange(3), columns=["size"])
    with pytest.raises(DataError, match="n_values=0"):
        facets(shop, np.arange(3), n_values=0)


def titles(*names: str) -> Catalogue:
    return Catalogue.from_frame(pa.table({"item_id": [f"i{n}" for n in range(len(names))], "title": list(names)}))


def test_completions_come_from_titles_and_from_the_log() -> None:
    shop = titles("Red dress", "Red dress with belt", "Red hat", "红色连衣裙", "红色连衣裙 长款")
    log = ["red shoes", "red shoes", "jo@example.com", "call 138 1234 5678"]
    found = Completions.build(shop, queries=log)
    assert found.complete("red s") == ("red shoes",)
    assert found.complete("RED", k=3) == ("red shoes", "red", "red dress")
    assert found.complete("红色", k=2) == ("红色", "红色连衣裙")
    assert found.complete("") == found.complete("  ") == found.complete("jo@") == found.complete("call") == ()
    with pytest.raises(DataError, match="least=0"):
        Completions.build(shop, least=0)


def test_completions_are_kept(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = Completions.build(titles("Red dress", "Red dress"))
    found._write(tmp_path)
    assert Completions._read(tmp_path).complete("re") == found.complete("re")


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("wirless headphones", "wireless headphones"),
        ("wireless headphones", None),
        ("红色 headphnes", "红色 headphones"),
        ("gown", None),
        ("", None),
        ("qqqqqqqq", None),
    ],
)
def test_did_you_mean(query: str, meant: str | None) -> None:
    index = LexicalIndex.build(titles("Wireless headphones", "Red dress", "红色连衣裙"))
    assert did_you_mean(index, query) == meant


def test_a_rare_word_beside_a_common_one_is_doubted() -> None:
    index = LexicalIndex.build(titles(*["Ceramic candle"] * 60, "Ceramic candel"))
    assert did_you_mean(index, "ceramic candel") == "ceramic candle"
