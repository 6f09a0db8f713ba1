"""Pseudo-relevance feedback: how much a candidate is like the first answers."""

import numpy as np
import pytest

from mmreco import IdMap, VectorIndex
from mmreco.data.embeddings import Embeddings
from mmreco.retrieval import feedback as room
from mmreco.retrieval.content_index import ContentIndex
from mmreco.retrieval.feedback import feedback


class Silent:
    """An encoder that is never asked."""

    dim = 2
    fingerprint = "silent"


def meaning(vectors: np.ndarray, *, items: IdMap | None = None, own: list[str] | None = None) -> ContentIndex:
    ids = items or IdMap.of([f"i{row}" for row in range(len(vectors))])
    unit = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
    embeddings = Embeddings(ids if own is None else IdMap.of(own), unit, "silent")
    return ContentIndex("text", Silent(), ids, VectorIndex(embeddings))  # type: ignore[arg-type]


def test_each_is_compared_with_the_first_others_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_FIRST", 2)
    content = meaning(np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0], [0.6, 0.8]]))
    vectors = content.embeddings.vectors
    rows, scores = np.array([[0, 1, 2, 3]]), np.array([[4.0, 3.0, 2.0, 1.0]], dtype=np.float32)  # first: 0 and 1
    got = feedback([content], rows, scores)

    def standing(item: int, answer: int) -> float:
        usual = vectors[answer] @ content.sample.T
        return float((vectors[item] @ vectors[answer] - usual.mean()) / usual.std())

    expected = [
        standing(0, 1),
        standing(1, 0),
        (standing(2, 0) + standing(2, 1)) / 2,
        (standing(3, 0) + standing(3, 1)) / 2,
    ]
    np.testing.assert_allclose(got[0], expected, rtol=1e-5)


def test_meanings_count_alike_and_what_has_no_content_has_no_sign() -> None:
    items = IdMap.of([f"i{row}" for row in range(4)])
    one = meaning(np.array([[1, 0], [0.9, 0.1], [0, 1], [0.5, 0.5]]), items=items)
    other = meaning(np.array([[1, 0], [0, 1]]), items=items, own=["i0", "i1"])
    rows = np.array([[3, 0, -1, 1, 2]])
    scores = np.array([[1.0, 3.0, -np.inf, 2.0, 0.0]], dtype=np.float32)
    both = feedback([one, other], rows, scores)
    np.testing.assert_allclose(
        both, (feedback([one], rows, scores) + feedback([other], rows, scores)) / 2, rtol=1e-5, atol=1e-6
    )
    assert both[0, 2] == 0
    assert (feedback([other], rows, scores)[0, [0, 2, 4]] == 0).all()
    assert (feedback([], rows, scores) == 0).all()


def test_one_candidate_has_nobody_to_be_like() -> None:
    content = meaning(np.array([[1, 0], [0, 1]]))
    assert feedback([content], np.array([[1, -1]]), np.array([[1.0, -np.inf]], dtype=np.float32)).tolist() == [[0, 0]]
