"""The sample that measures recall, by rows and by nearness, where equal items stand for each other."""

import numpy as np

from mmreco.index.exact.scan import Scan
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.tuning import Sample


def twins() -> np.ndarray:
    """Sixty unit vectors in twenty directions, three of each."""
    drawn = np.random.default_rng(0).standard_normal((20, 8))
    return np.repeat(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), 3, axis=0).astype(np.float32)


def answers(vectors: np.ndarray, queries: np.ndarray, width: int, last: bool) -> np.ndarray:
    """The nearest of each query; of equal ones the last first, or the first."""
    scores = queries @ vectors.T
    rows = np.arange(len(vectors))
    return np.stack([np.lexsort((-rows if last else rows, -line.round(5)))[:width] for line in scores])


def test_equal_items_stand_for_each_other() -> None:
    vectors = twins()
    sample = Sample(ItemVectors(Scan(vectors)))
    other = answers(vectors, sample.queries, sample.width, last=True)
    assert sample.of(other) < 1
    assert sample.as_near(other) == 1


def test_wrong_items_do_not_count_and_neither_does_the_query_itself() -> None:
    vectors = twins()
    sample = Sample(ItemVectors(Scan(vectors)))
    assert sample.as_near(np.full((len(sample.queries), sample.width), -1)) == 0
    farthest = answers(vectors, -sample.queries, sample.width, last=True)
    assert sample.as_near(farthest) == 0
    itself = np.argmax(sample.queries @ vectors.T, axis=1)[:, None]  # or a twin of it
    assert sample.as_near(itself) <= 1 / 10


def test_one_item_alone_is_found() -> None:
    assert Sample(ItemVectors(Scan(np.ones((1, 1), dtype=np.float32)))).as_near(np.array([[0]])) == 1
