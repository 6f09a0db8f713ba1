"""Vectors and whose they are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.errors import DataError


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_row(bad: float) -> None:
    vectors = np.zeros((5, 3), dtype=np.float32)
    vectors[3, 1] = bad
    with pytest.raises(DataError, match="NaN or infinity in row 3"):
        Embeddings(IdMap.of(list("abcde")), vectors)


@pytest.mark.parametrize("shape", [(2,), (3, 2), (2, 0), (2, 2, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"for 2 ids; expected \(n, dim\)"):
        Embeddings(IdMap.of(["a", "b"]), np.zeros(shape, dtype=np.float32))


def test_they_are_float32_contiguous_read_only_and_not_copied_without_need() -> None:
    vectors = np.ones((2, 3), dtype=np.float32)
    held = Embeddings(IdMap.of(["a", "b"]), vectors)
    assert np.shares_memory(held.vectors, vectors)
    with pytest.raises(ValueError, match="read-only"):
        held.vectors[0, 0] = 2
    turned: Any = np.ones((3, 2)).T
    assert Embeddings(IdMap.of(["a", "b"]), turned).vectors.flags.c_contiguous
    assert (held.dim, len(held)) == (3, 2)


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef"), unique=True))
def test_aligned_gives_each_item_its_own_vector(mine: list[str], asked: list[str]) -> None:
    vectors = np.array([[ord(i), 1] for i in mine], dtype=np.float32).reshape(-1, 2)
    out, known = Embeddings(IdMap.of(mine), vectors).aligned(IdMap.of(asked))
    assert known.tolist() == [i in mine for i in asked]
    assert out.tolist() == [[ord(i), 1] if i in mine else [0, 0] for i in asked]
