"""An index of words that changes answers as one that is built anew over the same items."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError, UnknownIdError
from mmreco.retrieval import lexicon, names
from mmreco.retrieval.lexical import FIELDS, LexicalIndex, _bags
from mmreco.retrieval.names import Names, names_of
from mmreco.retrieval.postings import Postings

WORDS = [
    "red",
    "hats",
    "hat",
    "lamp",
    "lanp",
    "F9K-1015",
    "f9k1016",
    "16 GB",
    "红色连衣裙",
    "裙子",
    "candle",
    "candles",
]
QUERIES = [
    "red hat",
    "lamp",
    "lanpp",
    "f9k1015",
    "belkin F9K-1015",
    "16gb",
    "裙子",
    "红裙",
    "candel",
    "sku-1",
    "hats",
    "",
]
title = st.lists(st.sampled_from(WORDS), min_size=0, max_size=5).map(" ".join)
item = st.tuples(title, st.sampled_from(["Belkin", "Lumo", None]), title)
change = st.tuples(
    st.sampled_from(["add", "update", "remove"]), st.lists(item, min_size=1, max_size=3), st.integers(0, 99)
)


@pytest.fixture(params=[1, 2_048], autouse=True)
def _limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (lexicon, names):
        monkeypatch.setattr(module, "_MANY", request.param)
    return


def table(rows: list[int], written: list[tuple[str, str | None, str]]) -> Catalogue:
    columns = [list(column) for column in zip(*written, strict=True)]
    kinds = {"title": columns[0], "brand": columns[1], "text": columns[2]}
    ids = [f"sku-{row}" for row in rows]
    typed = {name: pa.array(values, pa.large_string()) for name, values in kinds.items()}
    return Catalogue.from_frame(pa.table({"item_id": ids, **typed}))


def rebuilt(items: Catalogue, like: LexicalIndex, removed: set[int]) -> LexicalIndex:
    """All at once, with the segmenter and the mean lengths of another index."""
    there = [row not in removed for row in range(len(items))]
    bags = [own if keep else ({},) * 4 for own, keep in zip(_bags(items, like.segmenter), there, strict=True)]
    fields = [([own[number] for own in bags], weight) for number, weight in enumerate(FIELDS.values())]
    postings = Postings.of(fields, len(items), lengths=like.lexicon.base.lengths)
    called = [own if keep else frozenset() for own, keep in zip(names_of(items), there, strict=True)]
    words = lexicon.Lexicon(postings, tuple(FIELDS.values()), len(items))
    return LexicalIndex(items.items, words, Names.of(called), like.segmenter)


def alike(index: LexicalIndex, truth: LexicalIndex) -> None:
    assert index.items == truth.items
    for query in QUERIES:
        mine, theirs = index.matches(query), truth.matches(query)
        np.testing.assert_array_equal(mine.rows, theirs.rows)
        np.testing.assert_allclose(mine.scores, theirs.scores, atol=1e-5)
        assert index.corrected(query) == truth.corrected(query)
        assert index.vocabulary_coverage([query]) == truth.vocabulary_coverage([query])
        assert index.exact([query]) == truth.exact([query])
    for word in ("red", "hat", "f9k1015", "nothing"):
        assert index.count(word) == truth.count(word)


@given(first=st.lists(item, min_size=1, max_size=12), changes=st.lists(change, max_size=6))
@settings(deadline=None, max_examples=60)
def test_any_changes_are_answered_as_by_an_index_built_anew(
    first: list[tuple[str, str | None, str]], changes: list[tuple[str, list[tuple[str, str | None, str]], int]]
) -> None:
    written, removed = list(first), set[int]()
    index = LexicalIndex.build(table(list(range(len(first))), first))
    for kind, items, at in changes:
        if kind == "add":
            rows = list(range(len(written), len(written) + len(items)))
            index, written = index.add(table(rows, items)), written + items
        else:
            rows = list({(at + step) % len(written) for step in range(len(items))})
            if kind == "update":
                index = index.update(table(rows, items[: len(rows)]))
                for row, own in zip(rows, items, strict=False):
                    written[row] = own
                removed -= set(rows)
            else:
                index = index.remove([f"sku-{row}" for row in rows])
                removed |= set(rows)
    alike(index, rebuilt(table(list(range(len(written))), written), index, removed))


def test_a_code_of_many_titles_is_no_name_and_becomes_one_again() -> None:
    many = [(f"Lamp {word} ZX-90210", None, "") for word in "abcdefgh"]
    index = LexicalIndex.build(table(list(range(8)), many))
    assert index.exact(["zx90210"])[0]
    grown = index.add(table([8], [("Other ZX-90210", None, "")]))
    assert not grown.exact(["zx90210"])[0]
    assert grown.update(table([3], [("Lamp", None, "")])).exact(["zx90210"])[0]


def test_the_index_before_a_change_answers_as_before() -> None:
    index = LexicalIndex.build(table([0, 1], [("red hat", None, ""), ("lamp", None, "")]))
    index.add(table([2], [("red lamp", None, "")]))
    index.update(table([0], [("blue coat", None, "")]))
    assert index.matches("red").rows.tolist() == [0]
    assert index.matches("lamp").rows.tolist() == [1]


def test_what_cannot_be_changed_is_said() -> None:
    index = LexicalIndex.build(table([0], [("red hat", None, "")]))
    with pytest.raises(DataError, match="1 of 1 ids already exist, first 'sku-0'; use update"):
        index.add(table([0], [("red", None, "")]))
    with pytest.raises(UnknownIdError, match="first 'sku-7'"):
        index.update(table([7], [("red", None, "")]))
    with pytest.raises(UnknownIdError, match="first 'sku-7'"):
        index.remove(["sku-7"])
    with pytest.raises(DataError, match="remove"):
        index.remove("sku-0")
    with pytest.raises(DataError, match="1 items, but words of 2"):
        replace(index, lexicon=replace(index.lexicon, n_items=2))
