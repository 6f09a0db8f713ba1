"""What every index promises. The items lie on a circle in order, so neighbours are known without computing them."""

from pathlib import Path

import numpy as np
import pytest

from mmreco.arrays import F32, I64
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError
from mmreco.index.vector import VectorIndex
from mmreco.protocols import Searches

N = 10_000


def between(rows: I64) -> F32:
    """Queries a little past each of these items, so that `row`, `row + 1`, `row - 1`, `row + 2` ... are nearest."""
    angles = 2 * np.pi * (np.asarray(rows) + 0.25) / N
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def nearest(row: int, k: int) -> list[int]:
    return [(row + offset) % N for offset in sorted(range(-N // 2, N // 2), key=lambda offset: abs(offset - 0.25))[:k]]


def excluded(index: VectorIndex, rows: list[list[int]]) -> Interactions:
    ids = index.embeddings.ids
    return Interactions.from_histories([ids.ids(line) for line in rows], items=ids)


ROWS = np.array([0, 3, 700, 5_000, 9_999])


def test_the_nearest_come_best_first(index: VectorIndex) -> None:
    assert isinstance(index, Searches)
    found = index.search(between(ROWS), 5)
    assert found.rows.tolist() == [nearest(row, 5) for row in ROWS]
    np.testing.assert_allclose(found.scores[:, 0], np.cos(2 * np.pi * 0.25 / N), atol=1e-6)


def test_a_batch_equals_one_by_one(index: VectorIndex) -> None:
    queries = between(np.arange(0, N, 200))
    exclude = excluded(index, [[row, (row + 1) % N] * (row % 3) for row in range(0, N, 200)])
    together = index.search(queries, 8, exclude=exclude)
    for line in range(len(queries)):
        alone = index.search(queries[line : line + 1], 8, exclude=exclude.take([line]))
        np.testing.assert_array_equal(alone.rows[0], together.rows[line])
        np.testing.assert_array_equal(alone.scores[0], together.scores[line])


def test_what_is_excluded_makes_place_for_the_next(index: VectorIndex) -> None:
    exclude = excluded(index, [nearest(row, 40)[:: 1 + line % 2] for line, row in enumerate(ROWS)])
    found = index.search(between(ROWS), 6, exclude=exclude)
    for line, row in enumerate(ROWS):
        barred = exclude.history(line)
        assert found.rows[line].tolist() == [i for i in nearest(row, 100) if i not in barred][:6]


@pytest.mark.parametrize("every", [2, 10, 500])
def test_a_mask_is_obeyed_and_filled(index: VectorIndex, every: int) -> None:
    where = np.arange(N) % every == 0
    found = index.search(between(ROWS), 5, where=where)
    for line, row in enumerate(ROWS):
        assert found.rows[line].tolist() == [i for i in nearest(row, N) if where[i]][:5]


@pytest.mark.parametrize("k", [1, 7, 11_000])
@pytest.mark.parametrize("allowed", [None, 0, 1, 5])
def test_answers_are_k_wide(index: VectorIndex, k: int, allowed: int | None) -> None:
    where = None if allowed is None else np.arange(N) < allowed
    exclude = excluded(index, [[], [0], list(range(N)), [0, 1, 2], []])
    found = index.search(between(ROWS), k, where=where, exclude=exclude)
    assert found.rows.shape == (5, k)
    n_allowed = N if allowed is None else allowed
    left = [n_allowed - min(n_allowed, exclude.lengths[line]) for line in range(5)]
    assert (found.rows >= 0).sum(axis=1).tolist() == [min(k, n) for n in left]


def test_an_empty_batch_has_an_empty_answer(index: VectorIndex) -> None:
    assert index.search(np.zeros((0, 2), dtype=np.float32), 4).rows.shape == (0, 4)


def test_searching_leaves_the_vectors_byte_identical(index: VectorIndex) -> None:
    before = index.embeddings.vectors.tobytes()
    first = index.search(between(ROWS), 5)
    index.search(between(ROWS), 9, where=np.arange(N) % 2 == 0, exclude=excluded(index, [[1]] * 5))
    np.testing.assert_array_equal(index.search(between(ROWS), 5).rows, first.rows)
    assert index.embeddings.vectors.tobytes() == before
    assert not index.embeddings.vectors.flags.writeable


def test_a_saved_index_answers_the_same(index: VectorIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "index")
    loaded = VectorIndex.load(tmp_path / "index", device="cpu")
    np.testing.assert_array_equal(loaded.search(between(ROWS), 9).rows, index.search(between(ROWS), 9).rows)


def test_a_damaged_index_is_refused(index: VectorIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "index")
    target = next((tmp_path / "index").rglob("vectors.npy"))
    content = bytearray(target.read_bytes())
    content[-1] ^= 1
    target.write_bytes(content)
    with pytest.raises(DataError, match=r"vectors\.npy: damaged"):
        VectorIndex.load(tmp_path / "index")


def test_bad_questions_are_refused(index: VectorIndex) -> None:
    with pytest.raises(DataError, match="queries: NaN or infinity"):
        index.search(np.full((1, 2), np.inf), 3)
    with pytest.raises(DataError, match="k=0"):
        index.search(between(ROWS), 0)
    with pytest.raises(DataError, match="exclude: 1 users for 5 queries"):
        index.search(between(ROWS), 3, exclude=excluded(index, [[1]]))
    other = Interactions.from_histories([[]] * 5, items=index.embeddings.ids.take([0, 1]))
    with pytest.raises(IncompatibleError, match="exclude: over 2 items"):
        index.search(between(ROWS), 3, exclude=other)
