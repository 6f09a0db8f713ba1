"""The one arithmetic of all paths: right, the same in any batch, with FAISS and without."""

import numpy as np
import pytest

from mmreco.arrays import F32, I64
from mmreco.index import faiss_import
from mmreco.index.exact.pairs import scored


@pytest.fixture(params=["faiss", "without"])
def found(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[F32, F32, I64, F32]:
    if request.param == "without":
        monkeypatch.setattr(faiss_import, "faiss", lambda: None)
    rng = np.random.default_rng(0)
    vectors, queries = rng.standard_normal((500, 37), dtype=np.float32), rng.standard_normal((9, 37), dtype=np.float32)
    rows = rng.integers(-1, 500, size=(9, 60))
    return vectors, queries, rows, scored(vectors, queries, rows)


def test_scores_are_inner_products(found: tuple[F32, F32, I64, F32]) -> None:
    vectors, queries, rows, scores = found
    expected = np.vecdot(vectors[rows].astype(np.float64), queries[:, None].astype(np.float64))
    np.testing.assert_array_equal(np.isneginf(scores), rows < 0)
    np.testing.assert_allclose(scores[rows >= 0], expected[rows >= 0], atol=2e-6)


def test_the_same_in_any_batch_and_any_place(found: tuple[F32, F32, I64, F32]) -> None:
    vectors, queries, rows, scores = found
    for line in range(len(rows)):
        turned = np.ascontiguousarray(rows[line : line + 1, ::-1])
        np.testing.assert_array_equal(scored(vectors, queries[line : line + 1], turned)[0, ::-1], scores[line])
        moved = scored(vectors[1:], queries[line : line + 1], np.maximum(rows[line : line + 1] - 1, -1))[0]
        np.testing.assert_array_equal(moved[rows[line] > 0], scores[line][rows[line] > 0])


def test_threads_are_as_before() -> None:
    faiss = pytest.importorskip("faiss")
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        scored(np.ones((3, 2), dtype=np.float32), np.ones((1, 2), dtype=np.float32), np.array([[0, 2]]))
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(threads)
