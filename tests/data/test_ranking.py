"""What every model answers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.data.ids import IdMap
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError

INF = float("inf")
scores = st.lists(st.sampled_from([-INF, -1.0, 0.0, 0.5, 2.0, INF]), min_size=1, max_size=12)


@given(scores, st.integers(1, 15), st.randoms(use_true_random=False))
def test_the_k_best_and_the_lower_row_among_equals(line: list[float], k: int, random: Any) -> None:
    names = random.sample(range(100), len(line))
    for rows in (None, names):
        given = list(range(len(line))) if rows is None else rows
        want = sorted((-s, r) for s, r in zip(line, given, strict=True) if s > -INF)[:k]
        got = Ranking.from_scores(np.array([line]), k, rows=None if rows is None else np.array([rows]))
        assert got.rows[0].tolist() == [r for _, r in want] + [-1] * (k - len(want))
        assert got.scores[0].tolist() == [-s for s, _ in want] + [-INF] * (k - len(want))


def test_each_line_is_its_own() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 4, (50, 30)).astype(np.float32)
    whole = Ranking.from_scores(table, 7)
    for line in range(50):
        assert whole.rows[line].tolist() == Ranking.from_scores(table[[line]], 7).rows[0].tolist()


def test_row_minus_1_is_not_answered() -> None:
    best = Ranking.from_scores(np.array([[3.0, 2, 1]]), 3, rows=np.array([[-1, 5, 4]]))
    assert best.rows.tolist() == [[5, 4, -1]]


def test_no_questions_and_no_items() -> None:
    assert Ranking.from_scores(np.zeros((0, 5)), 2).rows.shape == (0, 2)
    assert Ranking.from_scores(np.zeros((2, 0)), 2).rows.tolist() == [[-1, -1]] * 2


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        ([[1.0, np.nan, 2, 3]], {"k": 2}, "NaN"),
        ([1.0, 2.0], {"k": 1}, r"expected \(n, m\)"),
        ([[1.0]], {"k": 0}, "k=0"),
        ([[1.0, 2.0]], {"k": 1, "rows": np.array([3, 4])}, "expected the same"),
    ],
)
def test_scores_that_cannot_be_ranked_are_refused(table: Any, options: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Ranking.from_scores(np.array(table), **options)


@pytest.mark.parametrize(
    ("rows", "scores", "said"),
    [
        ([[0, 1]], [[1.0]], "the same"),
        ([0], [1.0], "the same"),
        ([[0]], [[np.nan]], "NaN"),
        ([[0, 1]], [[1.0, 2.0]], "best first"),
        ([[-1]], [[1.0]], "go together"),
        ([[0]], [[-INF]], "go together"),
        ([[-2]], [[-INF]], "go together"),
    ],
)
def test_the_constructor_checks(rows: Any, scores: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Ranking(np.array(rows), np.array(scores))


def test_top_ids_and_read_only() -> None:
    best = Ranking.from_scores(np.array([[1.0, -INF, 3]]), 3)
    assert best.ids(IdMap.of(["a", "b", "c"])) == [["c", "a"]]
    assert best.top(1).rows.tolist() == [[2]]
    assert (best.k, len(best)) == (3, 1)
    for k in (0, 4):
        with pytest.raises(DataError, match=r"expected 1\.\.3"):
            best.top(k)
    with pytest.raises(ValueError, match="read-only"):
        best.rows[0, 0] = 1
