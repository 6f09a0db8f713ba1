"""Queries answered in each encoder's own space: who may answer, with which weight; equal to the dense product."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmreco.arrays import F32
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.errors import DataError, IncompatibleError, UnknownIdError
from mmreco.index.vector import VectorIndex
from mmreco.retrieval.content_index import ContentIndex
from mmreco.retrieval.content_search import search_content

ITEMS = IdMap.of(["a", "b", "c"])


class Letters:
    """A vector for each of two words, and what it knows of a query."""

    dim = 2
    fingerprint = "letters"

    def __init__(self, coverage: float = 1.0, flip: bool = False) -> None:
        self.coverage, self.flip = coverage, flip

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        first = np.array([c == "x" for c in contents], dtype=np.float32)
        return np.stack([first, 1 - first], axis=1)[:, :: -1 if self.flip else 1]

    def vocabulary_coverage(self, queries: Sequence[str]) -> F32:
        return np.array([0.0 if t == "?" else self.coverage for t in queries], dtype=np.float32)


def index(modality: str, ids: list[str], vectors: list[list[float]], encoder: Letters | None = None) -> ContentIndex:
    embeddings = Embeddings(IdMap.of(ids), np.array(vectors, dtype=np.float32))
    return ContentIndex(modality, encoder or Letters(), ITEMS, VectorIndex(embeddings))  # type: ignore[arg-type]


def answers(indexes: Sequence[ContentIndex], queries: dict[str, list[str]]) -> list[dict[str, float]]:
    ranking, _ = search_content(indexes, queries, 3)  # type: ignore[arg-type]
    return [
        {ITEMS.ids([row])[0]: round(float(score), 5) for row, score in zip(*line, strict=True) if row >= 0}
        for line in zip(ranking.rows, ranking.scores, strict=True)
    ]


def test_items_without_the_content_are_no_answers() -> None:
    assert answers([index("text", ["c", "a"], [[1, 0], [0, 1]])], {"text": ["x", "y"]}) == [
        {"c": 1, "a": 0},
        {"a": 1, "c": 0},
    ]


def test_encoders_count_by_what_they_know() -> None:
    right = index("text", ["a", "b", "c"], [[1, 0], [0, 1], [0, 1]], Letters(0.75))
    wrong = index("text", ["a", "b", "c"], [[1, 0], [0, 1], [0, 1]], Letters(0.25, flip=True))
    assert answers([right, wrong], {"text": ["x"]}) == [{"a": 0.75, "b": 0.25, "c": 0.25}]
    knows_nothing = index("text", ["a", "b", "c"], [[0, 1], [1, 0], [1, 0]], Letters(0.0))
    assert answers([right, knows_nothing], {"text": ["x"]}) == [{"a": 1, "b": 0, "c": 0}]


def test_a_query_nobody_knows_has_no_answer() -> None:
    ranking, understood = search_content([index("text", ["a"], [[1, 0]])], {"text": ["?", "x"]}, 2)
    assert understood.tolist() == [False, True]
    assert ranking.rows.tolist() == [[-1, -1], [0, -1]]


def test_modalities_are_averaged_in_standard_deviations_and_what_is_missing_counts_nothing() -> None:
    text = index("text", ["a", "b", "c"], [[1, 0], [0, 1], [1, 0]])  # cosines 1, 0, 1: mean 2/3, deviation sqrt(2)/3
    image = index("image", ["a", "b"], [[1, 0], [0, 1]])  # cosines 1, 0: mean and deviation 1/2
    high, low = 1 / np.sqrt(2), -np.sqrt(2)
    expected = {"a": (high + 1) / 2, "c": high / 2, "b": (low - 1) / 2}
    assert answers([text, image], {"text": ["x"], "image": ["x"]}) == [
        {item: round(float(score), 5) for item, score in expected.items()}
    ]


def test_what_cannot_be_asked_is_said() -> None:
    text = index("text", ["a"], [[1, 0]])
    with pytest.raises(DataError, match="queries: none"):
        search_content([text], {}, 1)
    with pytest.raises(DataError, match="2 of text, 1 of image"):
        search_content([text], {"text": ["x", "y"], "image": ["x"]}, 1)
    with pytest.raises(DataError, match="no image encoder"):
        search_content([text], {"image": ["x"]}, 1)


def test_an_index_fits_its_encoder_and_its_catalogue() -> None:
    with pytest.raises(IncompatibleError, match="width 2; the embeddings have 3"):
        index("text", ["a"], [[1, 0, 0]])
    with pytest.raises(UnknownIdError, match="'z'"):
        index("text", ["z"], [[1, 0]])


class Fixed:
    """Vectors of queries that are numbers in a table."""

    fingerprint = "fixed"

    def __init__(self, table: F32, coverage: float) -> None:
        self.table, self.dim, self.coverage = table, table.shape[1], coverage

    def encode(self, contents: Sequence[int], *, batch_size: int = 64) -> F32:
        return self.table[list(contents)]

    def vocabulary_coverage(self, queries: Sequence[int]) -> F32:
        return np.full(len(queries), self.coverage, dtype=np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.booleans(), st.booleans())
def test_several_encoders_answer_as_the_dense_product(seed: int, k: int, filtered: bool, pictures: bool) -> None:
    rng = np.random.default_rng(seed)
    n, items = 60, IdMap.of([f"i{row}" for row in range(60)])
    dense, there = np.zeros((3, n)), np.zeros(n, dtype=bool)
    indexes, weights = [], [0.9, 0.3, 0.6]
    for number, weight in enumerate(weights):
        rows = np.sort(rng.choice(n, 45, replace=False))
        vectors = rng.normal(size=(45, 4)).astype(np.float32)
        queries = rng.normal(size=(3, 4)).astype(np.float32)
        embeddings = Embeddings(items.take(rows), vectors)
        kind = "image" if pictures and number == 2 else "text"
        indexes.append(ContentIndex(kind, Fixed(queries, weight), items, VectorIndex(embeddings)))  # type: ignore[arg-type]
        cosines = queries @ vectors.T
        if pictures:  # 45 items are fewer than are sampled, so all of them say what is usual
            cosines = (cosines - cosines.mean(axis=1, keepdims=True)) / cosines.std(axis=1, keepdims=True)
            weight = 0.5 if kind == "image" else weight / sum(weights[:2]) / 2
        dense[:, rows] += (weight if pictures else weight / sum(weights)) * cosines
        there[rows] = True
        assert number < 3
    allowed = rng.random(n) < 0.4 if filtered else np.ones(n, dtype=bool)
    dense[:, ~there | ~allowed] = -np.inf
    asked = {"text": [0, 1, 2], "image": [0, 1, 2]} if pictures else {"text": [0, 1, 2]}
    ranking, _ = search_content(indexes, asked, k, candidates=allowed if filtered else None)  # type: ignore[arg-type]
    for line in range(3):
        best = np.sort(dense[line])[::-1][:k]
        expected = best[np.isfinite(best)]
        np.testing.assert_allclose(ranking.scores[line, : len(expected)], expected, atol=1e-5)
        assert (ranking.rows[line, len(expected) :] == -1).all()


def test_an_encoder_for_which_all_is_the_same_says_nothing() -> None:
    rng = np.random.default_rng(0)
    items = IdMap.of([f"i{row}" for row in range(40)])
    alike = np.tile(rng.normal(size=(1, 64)).astype(np.float32), (40, 1))
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    query = rng.normal(size=(1, 64)).astype(np.float32)
    query /= np.linalg.norm(query)
    same = ContentIndex("image", Fixed(query, 1.0), items, VectorIndex(Embeddings(items, alike)))  # type: ignore[arg-type]
    mean, spread = same.usual(query)
    cosines, _ = same.cosines(query, np.arange(40)[None, :])
    assert np.abs((cosines - mean) / spread).max() < 0.01, "rounding is no deviation"
    nothing = same.remove(items.ids(range(40)))
    assert [array.tolist() for array in nothing.usual(query)] == [[0.0], [1.0]]
