"""IndexContract: what every index of this library keeps, for authors to run over their own.

The items lie on a circle in order, so the neighbours of any point are known without computing them.
"""

from typing import ClassVar

import numpy as np
import pytest

from mmreco.arrays import F32, I64, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError
from mmreco.protocols import Searches

__all__ = ["IndexContract", "circle"]

_ROWS = np.array([0, 3, 700, 1_700, 1_999])  # the queries of most tests lie a little past these items


class IndexContract:
    """A test class to inherit from: finish `make`, and pytest checks all that the library relies on.

    Attributes
    ----------
    n : how many items the index is made over; enough that it builds what it would build of a catalogue
    recall : the share of the true answers that an approximate index must find

    Examples
    --------
    >>> class TestMine(IndexContract):
    ...     def make(self, embeddings: Embeddings) -> Searches:
    ...         from mmreco import VectorIndex
    ...
    ...         return VectorIndex(embeddings)
    """

    n: ClassVar[int] = 2_000
    recall: ClassVar[float] = 1.0
    _made: ClassVar[dict[type, Searches]] = {}

    def make(self, embeddings: Embeddings) -> Searches:
        """The index over `embeddings`, answering with the rows of its ids."""
        raise NotImplementedError("finish make(self, embeddings): an index over them")

    @property
    def embeddings(self) -> Embeddings:
        """The items: points of a circle, in order."""
        return circle(self.n)

    @property
    def index(self) -> Searches:
        """One for all tests, since searching must not change it."""
        if type(self) not in self._made:
            self._made[type(self)] = self.make(self.embeddings)
        return self._made[type(self)]

    # ---- what is found

    def test_it_searches(self) -> None:
        assert isinstance(self.index, Searches)

    def test_the_nearest_come_best_first(self) -> None:
        answer = self.index.search(self._past(_ROWS), 5)
        self._require_near(answer, [self._nearest(row)[:5] for row in _ROWS])
        np.testing.assert_allclose(answer.scores[:, 0], np.cos(2 * np.pi * 0.25 / self.n), atol=1e-4)

    def test_a_batch_equals_one_by_one(self) -> None:
        rows = np.arange(0, self.n, self.n // 50)
        exclude = self._excluded([[int(row), int(row + 1) % self.n] * (int(row) % 3) for row in rows])
        together = self.index.search(self._past(rows), 8, exclude=exclude)
        for line, row in enumerate(rows):
            alone = self.index.search(self._past(np.array([row])), 8, exclude=exclude.take([line]))
            np.testing.assert_array_equal(alone.rows[0], together.rows[line])
            # the same up to rounding: a batch may add its products in another order
            np.testing.assert_allclose(alone.scores[0], together.scores[line], atol=1e-6)

    # ---- what may be answered

    def test_what_is_excluded_makes_place_for_the_next(self) -> None:
        barred = [self._nearest(row)[: 40 : 1 + line % 2] for line, row in enumerate(_ROWS)]
        answer = self.index.search(self._past(_ROWS), 6, exclude=self._excluded(barred))
        left = [
            [item for item in self._nearest(row) if item not in out][:6] for row, out in zip(_ROWS, barred, strict=True)
        ]
        self._require_near(answer, left)
        assert not any(np.isin(answer.rows[line], barred[line]).any() for line in range(len(_ROWS)))

    @pytest.mark.parametrize("every", [2, 10, 500])
    def test_a_mask_is_obeyed_and_filled(self, every: int) -> None:
        where = np.arange(self.n) % every == 0
        answer = self.index.search(self._past(_ROWS), 4, where=where)
        self._require_near(answer, [[item for item in self._nearest(row) if where[item]][:4] for row in _ROWS])
        assert where[answer.rows].all()

    def test_each_query_may_have_a_mask_of_its_own(self) -> None:
        where = np.stack([np.arange(self.n) % every == 0 for every in (1, 2, 10, 500, self.n)])
        exclude = self._excluded([[], [0], [10], [], [0]])
        answer = self.index.search(self._past(_ROWS), 4, where=where, exclude=exclude)
        for line, row in enumerate(_ROWS):
            allowed = [i for i in self._nearest(row) if where[line, i] and i not in exclude.history(line)][:4]
            there = answer.rows[line][answer.rows[line] >= 0]
            assert len(there) == len(allowed)
            assert where[line, there].all()
            assert np.isin(there, allowed).sum() >= self.recall * len(allowed)

    @pytest.mark.parametrize("k", [1, 7, 2_500])
    @pytest.mark.parametrize("n_allowed", [None, 0, 1, 5])
    def test_answers_are_k_wide(self, k: int, n_allowed: int | None) -> None:
        where: Bool | None = None if n_allowed is None else np.arange(self.n) < n_allowed
        exclude = self._excluded([[], [0], list(range(self.n)), [0, 1, 2], []])
        answer = self.index.search(self._past(_ROWS), np.int64(k), where=where, exclude=exclude)  # type: ignore[arg-type]
        assert answer.rows.shape == (5, k)
        count = self.n if n_allowed is None else n_allowed
        left = [count - min(count, int(length)) for length in exclude.lengths]
        assert (answer.rows >= 0).sum(axis=1).tolist() == [min(k, one) for one in left]

    def test_an_empty_batch_has_an_empty_answer(self) -> None:
        assert self.index.search(np.zeros((0, 2), dtype=np.float32), 4).rows.shape == (0, 4)

    # ---- what stays as it is

    def test_searching_changes_neither_the_vectors_nor_the_answers(self) -> None:
        queries, where = self._past(_ROWS), np.arange(self.n) % 2 == 0
        for array in (queries, where):
            array.flags.writeable = False
        first = self.index.search(queries, 5)
        self.index.search(queries, 9, where=where, exclude=self._excluded([[1]] * 5))
        again = self.index.search(queries, 5)
        np.testing.assert_array_equal(again.rows, first.rows)
        np.testing.assert_array_equal(again.scores, first.scores)

    # ---- what is refused

    def test_queries_that_are_none_are_refused(self) -> None:
        for queries in (np.full((1, 2), np.inf), np.full((1, 2), np.nan)):
            with pytest.raises(DataError, match="queries: NaN or infinity"):
                self.index.search(queries, 3)
        for other in (np.zeros((1, 3)), np.zeros(2)):
            with pytest.raises(DataError, match="queries: "):
                self.index.search(other, 3)  # type: ignore[arg-type]

    @pytest.mark.parametrize("k", [0, -1, 10**12, None, 2.0, True, "3"])
    def test_a_width_that_is_none_is_refused(self, k: object) -> None:
        with pytest.raises(DataError, match="k="):
            self.index.search(self._past(_ROWS), k)  # type: ignore[arg-type]

    def test_masks_and_exclusions_that_do_not_fit_are_refused(self) -> None:
        queries = self._past(_ROWS)
        for where in (np.ones(self.n - 1, dtype=bool), np.ones((4, self.n), dtype=bool), np.ones(self.n)):
            with pytest.raises(DataError, match="where: "):
                self.index.search(queries, 3, where=where)  # type: ignore[arg-type]
        with pytest.raises(DataError, match="exclude: 1 users for 5 queries"):
            self.index.search(queries, 3, exclude=self._excluded([[1]]))
        other = Interactions.from_histories([[]] * 5, items=self.embeddings.ids.take([0, 1]))
        with pytest.raises(IncompatibleError, match="exclude: over 2 items"):
            self.index.search(queries, 3, exclude=other)

    # ---- the circle

    def _past(self, rows: I64) -> F32:
        """Queries a little past these items, so that `row`, `row + 1`, `row - 1`, `row + 2` ... are nearest."""
        angles = 2 * np.pi * (np.asarray(rows) + 0.25) / self.n
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    def _nearest(self, row: int) -> list[int]:
        """All items, the nearest to a query past `row` first."""
        offsets = sorted(range(-self.n // 2, self.n // 2), key=lambda offset: abs(offset - 0.25))
        return [(int(row) + offset) % self.n for offset in offsets]

    def _excluded(self, rows: list[list[int]]) -> Interactions:
        ids = self.embeddings.ids
        return Interactions.from_histories([ids.ids(line) for line in rows], items=ids)

    def _require_near(self, answer: Ranking, expected: list[list[int]]) -> None:
        assert (np.diff(answer.scores, axis=1) <= 0).all()
        if self.recall == 1:
            assert answer.rows.tolist() == expected
        shares = [np.isin(right, line).mean() for right, line in zip(expected, answer.rows, strict=True)]
        assert np.mean(shares) >= self.recall


def circle(n: int) -> Embeddings:
    """`n` items on a circle, in order."""
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return Embeddings(IdMap.of([f"item-{row}" for row in range(n)]), vectors)
