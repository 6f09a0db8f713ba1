"""Products of a few queries: the same numbers as one matrix product, whatever the pieces and the threads."""

import numpy as np
import pytest

from mmreco.index import binding, products


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("b", [1, 2, 16, 17])
@pytest.mark.parametrize("n", [1, 100, 1_001])
def test_products_are_those_of_one_matrix_product(n: int, b: int, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_SMALL", 7 * b * 24)  # seven vectors a piece
    monkeypatch.setattr(binding, "parts", lambda numbers: parts)
    rng = np.random.default_rng(0)
    vectors, queries = rng.standard_normal((n, 24), np.float32), rng.standard_normal((b, 24), np.float32)
    into = np.full((n, b), np.nan, dtype=np.float32)
    with products.products(queries, n) as multiplied:
        assert multiplied(vectors, into) is into
    np.testing.assert_allclose(into, vectors @ queries.T, rtol=1e-5, atol=1e-5)


def test_small_passes_are_not_shared() -> None:
    assert binding.parts(1_000) == 1
    assert binding.parts(1 << 40) >= 1
