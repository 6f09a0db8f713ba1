"""Products of a few queries: the same numbers as one matrix product, whatever the pieces and the threads."""

import numpy as np
import pytest

from mmreco.index import faiss_import
from mmreco.index.exact import products


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("b", [1, 2, 16, 17])
@pytest.mark.parametrize("n", [1, 100, 1_001])
def test_products_are_those_of_one_matrix_product(
    n: int, b: int, parts: int, left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in ("_SMALL", "_ALONE"):
        monkeypatch.setattr(products, size, 7 * b * 24)  # seven vectors a piece
    monkeypatch.setattr(products, "_left_is_quicker", lambda: left)
    monkeypatch.setattr(faiss_import, "parts", lambda numbers: parts)
    rng = np.random.default_rng(0)
    vectors, queries = rng.standard_normal((n, 24), np.float32), rng.standard_normal((b, 24), np.float32)
    into = np.full((n, b), np.nan, dtype=np.float32)
    with products.products(queries, n) as multiplied:
        found = multiplied(vectors, into)
    assert np.shares_memory(found, into)
    np.testing.assert_allclose(found, vectors @ queries.T, rtol=1e-5, atol=1e-5)


def test_both_sides_are_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    for side in ("_left", "_right"):
        way = getattr(products, side)
        monkeypatch.setattr(products, side, lambda *given, side=side, way=way: made.append(side) or way(*given))
    products._left_is_quicker.cache_clear()
    quicker = products._left_is_quicker()
    assert isinstance(quicker, bool)
    assert products._left_is_quicker() is quicker
    assert made == ["_left", "_right"]


def test_small_passes_are_not_shared() -> None:
    assert faiss_import.parts(1_000) == 1
    assert faiss_import.parts(1 << 40) >= 1
