"""HybridSearch: words and meanings together, a reader of the first answers, the shopper's taste."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.errors import DataError, IncompatibleError
from mmreco.index.vector import VectorIndex
from mmreco.retrieval.content_index import ContentIndex
from mmreco.retrieval.fusion import Fusion
from mmreco.retrieval.hybrid import HybridSearch
from mmreco.retrieval.lexical import LexicalIndex
from mmreco.retrieval.personal import openness, with_taste

TITLES = ["Red dress", "Crimson gown", "Blue hat", "Red hat", "Green mug", "Blue mug", "Red mug", "Untold"]
TOPICS = ("dress gown", "hat", "mug")  # what the encoder below understands


class Topics:
    """Vectors by topic: a dress and a gown are the same to it, and it knows no colours."""

    dim = 4
    fingerprint = "topics"

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        vectors = np.zeros((len(contents), 4), dtype=np.float32)
        for line, text in enumerate(contents):
            for place, topic in enumerate(TOPICS):
                vectors[line, place] = any(word in text.lower() for word in topic.split())
            vectors[line, 3] = not vectors[line].any()
        return vectors

    def vocabulary_coverage(self, queries: Sequence[str]) -> F32:
        return np.array([not v[3] for v in self.encode(queries)], dtype=np.float32)


class Reader:
    """Likes what is crimson."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def score(self, queries: Sequence[str], documents: Sequence[Sequence[str]]) -> list[F32]:
        self.read += [len(texts) for texts in documents]
        return [np.array([50.0 * ("Crimson" in text) for text in texts], dtype=np.float32) for texts in documents]


def shop() -> Catalogue:
    ids = [f"sku-{row}" for row in range(len(TITLES))]
    return Catalogue.from_frame(pa.table({"item_id": ids, "title": TITLES}))


def hybrid(**options: object) -> HybridSearch:
    catalogue, encoder = shop(), Topics()
    embeddings = Embeddings(catalogue.items.take(range(7)), encoder.encode(TITLES[:7]), encoder.fingerprint)
    meaning = ContentIndex("text", encoder, catalogue.items, VectorIndex(embeddings))
    return HybridSearch(catalogue, LexicalIndex.build(catalogue), (meaning,), **options)  # type: ignore[arg-type]


def test_meanings_add_what_words_do_not_say() -> None:
    catalogue = shop()
    words = HybridSearch(catalogue, LexicalIndex.build(catalogue))
    assert set(words.search(["evening gown"], 8).rows[0].tolist()) & {0, 1} == {0, 1}  # the glossary knows both
    both = hybrid().search(["a gown, please"], 2)
    assert sorted(both.rows[0].tolist()) == [0, 1]


def test_an_exact_title_is_first_and_all_words_before_some() -> None:
    found = hybrid().search(["crimson gown", "red hat", "hat red"], 3)
    assert found.rows[:, 0].tolist() == [1, 3, 3]


def test_a_query_that_no_encoder_knows_is_left_to_the_words() -> None:
    described = hybrid().retrieve(["untold", "hat"])
    assert (described.feature("meaning")[0] == 0).all()
    assert (described.feature("meaning")[1] != 0).any()
    assert hybrid().search(["untold"], 1).rows[0, 0] == 7


def test_filters_hold_on_every_side() -> None:
    where = np.array([title.startswith("Red") for title in TITLES])
    rows = hybrid().search(["blue hat", "gown"], 5, where=where).rows
    assert set(rows.ravel().tolist()) <= {0, 3, 6, -1}
    each = np.stack([where, ~where])
    found = hybrid().search(["hat", "hat"], 1, where=each).rows
    assert found[:, 0].tolist() == [3, 2]


def test_a_batch_is_as_one_by_one() -> None:
    search = hybrid()
    queries = ["red", "gown", "zzzz", "", "mug blue"]
    whole = search.search(queries, 4)
    for line, query in enumerate(queries):
        np.testing.assert_array_equal(search.search([query], 4).rows[0], whole.rows[line])


def test_what_nobody_judged_is_not_asked_for_feedback() -> None:
    assert "feedback" not in hybrid().retrieve(["red hat"]).names
    assert "feedback" in hybrid().describe(["red hat"], np.array([[0, 1, 2]])).names
    without = HybridSearch(shop(), LexicalIndex.build(shop()), fusion=Fusion({"feedback": 0.5}))
    assert "feedback" not in without.retrieve(["red hat"]).names


def test_a_reader_reads_the_first_thirty_and_they_stay_in_front() -> None:
    reader = Reader()
    found = hybrid(reader=reader).search(["red dress gown"], 3)
    assert found.rows[0, 0] == 1
    assert max(reader.read) <= 30
    assert (np.diff(found.scores[0]) <= 0).all()


def test_judged_items_are_described_as_they_are_asked() -> None:
    search = hybrid(fusion=Fusion({"feedback": 0.5}))
    found = search.retrieve(["red hat"])
    again = search.describe(["red hat"], found.rows)
    assert found.names == again.names
    np.testing.assert_array_equal(found.features, again.features)
    assert search.with_fusion(Fusion({"words": 0.0})).fusion.weight("words") == 0
    with pytest.raises(DataError, match="expected a line a query"):
        search.describe(["red", "blue"], found.rows)


def test_words_of_another_catalogue_are_refused() -> None:
    with pytest.raises(IncompatibleError, match="build the index of this catalogue"):
        HybridSearch(shop(), LexicalIndex.build(shop().take(range(3))))


# ---- taste


def vectors() -> Embeddings:
    """Items of two kinds of shopper: the red and the rest."""
    return Embeddings(
        IdMap.of([f"sku-{row}" for row in range(len(TITLES))]),
        np.array([[1, 0] if title.startswith("Red") else [0, 1] for title in TITLES], dtype=np.float32),
    )


def test_taste_moves_open_queries_and_never_exact_ones() -> None:
    search = hybrid()
    queries = ["mug", "blue mug"]
    plain = search.retrieve(queries)
    users = np.array([[1, 0], [1, 0]], dtype=np.float32)
    personal = with_taste(plain, users, vectors(), np.arange(8), n_items=8)
    assert (personal.feature("taste")[1] == 0).all()
    assert search.fusion.rank(personal, 1).rows[:, 0].tolist() == [6, 5]


def test_a_stranger_changes_nothing() -> None:
    search = hybrid()
    plain = search.retrieve(["mug"])
    nobody = with_taste(plain, np.zeros((1, 2), dtype=np.float32), vectors(), np.arange(8), n_items=8)
    np.testing.assert_array_equal(search.fusion.score(nobody), search.fusion.score(plain))


def test_openness_is_between_none_and_all() -> None:
    open_to = openness(hybrid().retrieve(["mug", "blue mug", "frobnicate", "green"]), 8)
    assert open_to[0] == 1
    assert open_to[1] == 0
    assert 0 < open_to[2] < 1
    assert open_to[3] == 0  # one match


def test_taste_checks_its_shapes() -> None:
    plain = hybrid().retrieve(["mug"])
    with pytest.raises(DataError, match=r"users of shape \(2, 2\); expected \(1, 2\)"):
        with_taste(plain, np.zeros((2, 2), dtype=np.float32), vectors(), np.arange(8), n_items=8)
    with pytest.raises(DataError, match="n_items=0"):
        openness(plain, 0)
