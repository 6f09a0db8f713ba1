"""LexicalIndex: against ten lines of BM25; all words first, exact names before all; Chinese, codes, typing errors."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.errors import DataError, IncompatibleError
from mmreco.retrieval.lexical import FIELDS, LexicalIndex
from mmreco.retrieval.postings import K1, B

TITLES = [
    "White hanging moth candle holder",
    "White candle",
    "Moth of wicker, white, small",
    "Red hanging lamp",
    "Belkin WiFi range extender (F9K-1015)",
    "墨柳 红色碎花连衣裙",
    "红色马克杯",
]
BRANDS = ["Lumo", "Lumo", None, "Halo", "Belkin", "墨柳", None]
TEXTS = ["Holds a candle", None, "Wicker", "A lamp, red", "Extends WiFi", "真丝材质", "350 ml"]


def shop() -> Catalogue:
    ids = [f"sku-{row}" for row in range(len(TITLES))]
    return Catalogue.from_frame(pa.table({"item_id": ids, "title": TITLES, "brand": BRANDS, "text": TEXTS}))


def titles(index: LexicalIndex, query: str, k: int = 3) -> list[str]:
    return [TITLES[row] for row in index.search([query], k).rows[0] if row >= 0]


def slow_bm25(fields: list[list[list[str]]], weights: list[float], query: list[str]) -> np.ndarray:
    """BM25 over fields, as it is written in the paper."""
    n = len(fields[0])
    scores = np.zeros(n)
    for word in query:
        df = sum(any(word in field[d] for field in fields) for d in range(n))
        idf = math.log(1 + (n - df + 0.5) / (df + 0.5))
        for d in range(n):
            tf = 0.0
            for field, weight in zip(fields, weights, strict=True):
                mean = np.mean([len(words) for words in field if words])
                tf += weight * Counter(field[d])[word] / (1 - B + B * len(field[d]) / mean)
            scores[d] += idf * tf * (K1 + 1) / (tf + K1)
    return scores


def test_it_is_bm25_over_fields() -> None:
    rng = np.random.default_rng(0)
    vocabulary = ["zib", "wok", "rul", "pax", "mev", "dof", "kig"]
    drawn = [[list(rng.choice(vocabulary, rng.integers(1, 7))) for _ in range(40)] for _ in range(2)]
    table = pa.table(
        {
            "item_id": [f"i{row}" for row in range(40)],
            "title": [" ".join(words) for words in drawn[0]],
            "text": [" ".join(words) for words in drawn[1]],
        }
    )
    index = LexicalIndex.build(Catalogue.from_frame(table))
    query = ["zib", "pax", "kig"]
    expected = slow_bm25(drawn, [FIELDS["title"], FIELDS["text"]], query)
    held = np.array([all(any(word in field[d] for field in drawn) for word in query) for d in range(40)])
    got = index.score([" ".join(query)], np.arange(40)[None])[0]
    np.testing.assert_array_equal(got >= 1, held)
    share = got % 1
    np.testing.assert_allclose(share / share.max(), expected / expected.max(), atol=2e-5)


def test_all_words_stand_before_some() -> None:
    index = LexicalIndex.build(shop())
    assert titles(index, "white hanging moth", 2) == [TITLES[0], TITLES[2]]
    assert index.search(["white hanging moth"], 1).scores[0, 0] >= 1 > index.search(["white zzzz"], 1).scores[0, 0]


@pytest.mark.parametrize(
    ("query", "row"),
    [
        ("white candle", 1),
        ("ＷＨＩＴＥ  candle!", 1),
        ("sku-3", 3),
        ("F9K1015", 4),
        ("belkin f9k-1015", 4),
        ("f9k1015 Belkin", 4),
        ("墨柳紅色碎花連衣裙", 5),
    ],
)
def test_what_is_called_exactly_so_is_first(query: str, row: int) -> None:
    index = LexicalIndex.build(shop())
    found = index.search([query], 2)
    assert found.rows[0, 0] == row
    assert found.scores[0, 0] >= 2
    assert index.exact([query, "white"]).tolist() == [True, False]


def test_measures_are_no_names() -> None:
    items = pa.table({"item_id": ["a", "b"], "title": ["USB stick 128GB", "Memory card 128 GB"]})
    index = LexicalIndex.build(Catalogue.from_frame(items))
    assert not index.exact(["128gb"])[0]
    assert sorted(index.search(["128gb"], 2).rows[0].tolist()) == [0, 1]


@pytest.mark.parametrize("query", ["红色连衣裙", "紅色連衣裙", "red dress", "scarlet frock"])
def test_chinese_and_english_traditional_and_simplified_are_one(query: str) -> None:
    assert titles(LexicalIndex.build(shop()), query, 1) == [TITLES[5]]


@pytest.mark.parametrize("query", ["hangign lamp", "hanging lanp", "haning lamp"])
def test_slips_are_read_as_the_nearest_word(query: str) -> None:
    assert titles(LexicalIndex.build(shop()), query, 1)[0] == TITLES[3]


def test_another_model_code_is_no_slip() -> None:
    index = LexicalIndex.build(shop())
    assert index.search(["f9k1016"], 1).rows.tolist() == [[-1]]


def test_pieces_of_a_chinese_word_help() -> None:
    items = pa.table({"item_id": ["a", "b"], "title": ["雪纺半身裙", "牛仔外套"]})
    index = LexicalIndex.build(Catalogue.from_frame(items))
    assert index.search(["裙子"], 2).rows[0].tolist() == [0, -1]


def test_a_shops_own_words_and_synonyms() -> None:
    items = pa.table({"item_id": ["a", "b"], "title": ["Settee, grey", "Chair, grey"]})
    index = LexicalIndex.build(Catalogue.from_frame(items), synonyms={"Divan": ["settee"]}, words=["云朵绒"])
    assert index.search(["grey divan"], 1).rows[0, 0] == 0
    assert index.segmenter.segment("云朵绒外套")[0] == "云朵绒"


def test_coverage_is_the_share_of_words_that_are_known() -> None:
    index = LexicalIndex.build(shop())
    np.testing.assert_allclose(index.vocabulary_coverage(["white zzzz", "", "white candle", "the"]), [0.5, 0, 1, 0])


def test_filters_batches_and_width() -> None:
    index = LexicalIndex.build(shop())
    where = np.array([row != 0 for row in range(len(TITLES))])
    queries = ["white candle", "zzzz", "", "lamp"]
    whole = index.search(queries, 4, where=where)
    assert whole.rows.shape == (4, 4)
    assert 0 not in whole.rows
    for line, query in enumerate(queries):
        np.testing.assert_array_equal(index.search([query], 4, where=where).rows[0], whole.rows[line])
    assert index.search([], 3).rows.shape == (0, 3)
    np.testing.assert_allclose(index.score(["lamp"], np.array([[3, -1]]))[0, 1], 0)


def test_matching_is_all_items_with_every_word_or_those_with_some() -> None:
    index = LexicalIndex.build(shop())
    assert sorted(index.matching("white").tolist()) == [0, 1, 2]
    assert index.matching("white lamp").tolist() != []
    assert index.count("white") == 3


def test_added_items_are_found_and_rows_stay() -> None:
    whole = shop()
    index = LexicalIndex.build(whole.take(range(5))).add(whole.take([5, 6]))
    assert index.items == whole.items
    assert titles(index, "红色马克杯", 1) == [TITLES[6]]
    assert titles(index, "white candle", 1) == [TITLES[1]]
    with pytest.raises(DataError, match="1 of 1 ids already exist, first 'sku-6'"):
        index.add(whole.take([6]))


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    index = LexicalIndex.build(shop(), synonyms={"divan": ["settee"]}, words=["云朵绒"])
    index.save(tmp_path / "words")
    again = LexicalIndex.load(tmp_path / "words")
    queries = ["white hanging moth", "f9k1015", "红色", "hangign"]
    np.testing.assert_array_equal(index.search(queries, 5).scores, again.search(queries, 5).scores)
    assert again.segmenter == index.segmenter
    assert again.synonyms == index.synonyms


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    index = LexicalIndex.build(shop())
    with pytest.raises(DataError, match="k=0: expected 1 to"):
        index.search(["red"], 0)
    with pytest.raises(DataError, match=r"where: bool of shape \(3,\)"):
        index.search(["red"], 1, where=np.ones(3, dtype=bool))
    with pytest.raises(DataError, match="expected a text, given int"):
        index.search([3], 1)  # type: ignore[list-item]
    with pytest.raises(DataError, match="expected a line a query"):
        index.score(["red"], np.zeros((2, 1), dtype=np.int64))
    with pytest.raises((DataError, IncompatibleError)):
        LexicalIndex.load(tmp_path)


def test_the_synthetic_shop_is_searched_in_both_scripts() -> None:
    made = synthetic_shop(n_items=200, n_users=20, seed=2)
    index = LexicalIndex.build(made.catalogue)
    right = set(made.truth.rows(category="dress", colour="red").tolist())
    for query in ("红色连衣裙", "紅色連衣裙", "red dress"):
        assert index.search([query], 1).rows[0, 0] in right


def test_lists_of_categories_are_read_and_none_is_no_word() -> None:
    table = {"item_id": ["a", "b", "c"], "title": ["One", "Two", "Three"]}
    shop = Catalogue.from_frame(pa.table({**table, "category": [["Crime", "Drama"], ["连衣裙"], None]}))
    index = LexicalIndex.build(shop)
    for query, item in (("drama", "a"), ("crime", "a"), ("连衣裙", "b")):
        assert index.search([query], k=1).ids(shop.items) == [[item]]


def test_an_empty_catalogue_answers_nothing() -> None:
    empty = Catalogue.from_frame(pa.table({"item_id": pa.array([], pa.string()), "title": pa.array([], pa.string())}))
    assert LexicalIndex.build(empty).search(["red"], 2).rows.tolist() == [[-1, -1]]
