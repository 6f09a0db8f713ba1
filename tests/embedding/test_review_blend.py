"""Reviews in an item's vector."""

from typing import Any

import numpy as np
import pytest

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.reviews import Reviews
from mmreco.embedding.review_blend import blend_reviews
from mmreco.errors import DataError, IncompatibleError

DAY = 86_400_000
NOW = 1_767_571_200_000


class Axes:
    """An encoder of one direction a word; "" is 0."""

    dim = 4
    fingerprint = "axes"
    words = ("red", "warm", "large", "cheap")

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, contents: Any, *, batch_size: int = 64) -> Any:
        self.asked += contents
        out = np.array([[word in text.split() for word in self.words] for text in contents], dtype=np.float32)
        out = out.reshape(-1, 4)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


ITEMS = IdMap.of(["hat", "coat", "scarf", "glove", "sock"])
DOCUMENTS = Embeddings(IdMap.of(["scarf", "hat", "coat"]), np.eye(4, dtype=np.float32)[[0, 0, 1]], "axes")


def _reviews(**changes: Any) -> Reviews:
    given: dict[str, Any] = {
        "ratings": [5, 1, 4, 3],
        "times": [NOW, NOW - 360 * DAY, NOW, NOW - 7 * DAY],
        "helpful": [0, 0, 0, 9],
    }
    texts = ["warm", "large", "cheap", ""]
    return Reviews.from_rows(ITEMS, [0, 0, 3, 4], texts, **(given | changes))


def _unit(*numbers: float) -> Any:
    return np.array(numbers) / np.linalg.norm(numbers)


def test_reviews_move_the_vectors_of_their_items() -> None:
    blended = blend_reviews(DOCUMENTS, _reviews(), Axes(), weight=0.3, half_life_days=180)
    assert blended.ids.ids(range(len(blended))) == ["scarf", "hat", "coat", "glove"]  # the sock's says nothing
    vectors, _ = blended.aligned(ITEMS)
    said = _unit(0, 1, 0.25, 0)  # the second review is two half-lives old
    np.testing.assert_allclose(vectors[0], _unit(*(0.7 * np.eye(4)[0] + 0.3 * said)), atol=1e-6)
    np.testing.assert_allclose(vectors[1], [0, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(vectors[2], [1, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(vectors[3], [0, 0, 0, 1], atol=1e-6)
    assert blended.fingerprint == "axes"


def test_helpful_reviews_count_more() -> None:
    blended = blend_reviews(DOCUMENTS, _reviews(times=None, helpful=[np.e**2 - 1, 0, 0, 0]), Axes(), weight=1.0)
    np.testing.assert_allclose(blended.aligned(ITEMS)[0][0], _unit(0, 3, 1, 0), atol=1e-6)


def test_old_shops_are_not_lost_to_rounding() -> None:
    ancient = _reviews(times=[0, 0, NOW, NOW])
    vectors = blend_reviews(DOCUMENTS, ancient, Axes(), weight=1.0).aligned(ITEMS)[0]
    np.testing.assert_allclose(vectors[0], _unit(0, 1, 1, 0), atol=1e-6)


def test_weight_nothing_and_everything() -> None:
    still = blend_reviews(DOCUMENTS, _reviews(), Axes(), weight=0)
    np.testing.assert_allclose(still.vectors[:3], DOCUMENTS.vectors, atol=1e-6)
    opposed = Embeddings(IdMap.of(["hat"]), -np.eye(4, dtype=np.float32)[[1]], "axes")
    met = blend_reviews(opposed, _reviews(helpful=None, times=[NOW, 0, NOW, NOW]), Axes(), weight=0.5)
    assert np.isfinite(met.vectors).all()
    np.testing.assert_allclose(np.linalg.norm(met.vectors, axis=1), 1, atol=1e-5)


def test_vectors_made_before_are_used() -> None:
    reviews, encoder = _reviews(), Axes()
    vectors = Axes().encode(reviews.texts)
    given = blend_reviews(DOCUMENTS, reviews, encoder, vectors=vectors)
    assert encoder.asked == []
    np.testing.assert_allclose(given.vectors, blend_reviews(DOCUMENTS, reviews, encoder).vectors, atol=1e-6)


def test_without_reviews_nothing_changes() -> None:
    none = Reviews.from_rows(ITEMS, [], [])
    np.testing.assert_array_equal(blend_reviews(DOCUMENTS, none, Axes()).vectors, DOCUMENTS.vectors)
    assert len(DOCUMENTS) == len(blend_reviews(DOCUMENTS, none, Axes()))


def test_bad_blends() -> None:
    for options in ({"weight": 1.1}, {"weight": float("nan")}, {"half_life_days": 0}):
        with pytest.raises(DataError, match=next(iter(options))):
            blend_reviews(DOCUMENTS, _reviews(), Axes(), **options)
    other = Embeddings(DOCUMENTS.ids, DOCUMENTS.vectors, "another")
    with pytest.raises(IncompatibleError, match="'another'"):
        blend_reviews(other, _reviews(), Axes())
    with pytest.raises(DataError, match=r"shape \(3, 4\); expected \(4, 4\)"):
        blend_reviews(DOCUMENTS, _reviews(), Axes(), vectors=np.zeros((3, 4), dtype=np.float32))
    with pytest.raises(DataError, match="NaN or infinity in row 0"):
        blend_reviews(DOCUMENTS, _reviews(), Axes(), vectors=np.full((4, 4), np.nan, dtype=np.float32))
