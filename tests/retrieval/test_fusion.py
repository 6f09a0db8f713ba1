"""Fusion: reciprocal ranks by hand, weights that judgements teach."""

import numpy as np
import pytest

from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError
from mmreco.retrieval.fusion import Candidates, Fusion, reciprocal_ranks


def slow_reciprocal_ranks(lists: list[list[int]], constant: float) -> list[int]:
    gained: dict[int, float] = {}
    for rows in lists:
        for rank, row in enumerate(rows):
            gained[row] = gained.get(row, 0) + 1 / (constant + rank + 1)
    return sorted(gained, key=lambda row: (-gained[row], row))


def ranking(rows: list[list[int]]) -> Ranking:
    found = np.array(rows)
    scores = np.where(found >= 0, -np.arange(found.shape[1], dtype=np.float32), -np.inf)
    return Ranking(found, scores)


def test_reciprocal_ranks_are_those_written_out() -> None:
    rng = np.random.default_rng(0)
    lists = [[rng.permutation(12)[:6].tolist() for _ in range(5)] for _ in range(3)]
    fused = reciprocal_ranks([ranking(side) for side in lists], k=8, constant=10)
    for query in range(5):
        expected = slow_reciprocal_ranks([side[query] for side in lists], 10)[:8]
        assert fused.rows[query, : len(expected)].tolist() == expected


def test_a_side_that_knows_nothing_of_a_query_is_not_heard() -> None:
    sides = [ranking([[3, 1], [3, 1]]), ranking([[2, 0], [2, 0]])]
    fused = reciprocal_ranks(sides, k=2, weights=np.array([[1, 0], [0, 1]], dtype=np.float32))
    assert fused.rows.tolist() == [[3, 1], [2, 0]]


def test_padding_is_no_item() -> None:
    assert reciprocal_ranks([ranking([[-1, -1]]), ranking([[4, -1]])], k=3).rows.tolist() == [[4, -1, -1]]


def test_what_reciprocal_ranks_refuse() -> None:
    one = ranking([[1]])
    with pytest.raises(DataError, match="expected one or more alike"):
        reciprocal_ranks([], k=1)
    with pytest.raises(DataError, match="constant=0"):
        reciprocal_ranks([one], k=1, constant=0)
    with pytest.raises(DataError, match=r"expected \(1, 1\)"):
        reciprocal_ranks([one], k=1, weights=np.ones(3, dtype=np.float32))


def signs(seed: int = 0) -> tuple[Candidates, np.ndarray]:
    """Candidates whose relevance follows `meaning` alone, `words` being noise."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(30, 8, 3)).astype(np.float32)
    features[:, :, 0] = 0
    relevance = features[:, :, 2] + 0.1 * rng.normal(size=(30, 8))
    rows = np.arange(240).reshape(30, 8)
    return Candidates(rows, features, ("exact", "words", "meaning")), relevance.astype(np.float32)


def test_weights_are_learnt_from_judgements() -> None:
    candidates, relevance = signs()
    learnt = Fusion().fit(candidates, relevance)
    assert learnt.weight("meaning") > 10 * learnt.weight("words")
    assert learnt.weight("exact") == Fusion().weight("exact")
    fresh, truth = signs(seed=1)
    best = truth.argmax(axis=1)
    first = [np.mean(f.rank(fresh, 1).rows[:, 0] == fresh.rows[np.arange(30), best]) for f in (learnt, Fusion())]
    assert first[0] > first[1]


def test_what_nobody_judged_teaches_nothing() -> None:
    candidates, relevance = signs()
    half = relevance.copy()
    half[:, ::2] = np.nan
    wild = candidates.features.copy()
    wild[:, ::2] = 1e3
    changed = Candidates(candidates.rows, wild, candidates.names)
    assert Fusion().fit(changed, half) == Fusion().fit(candidates, half)
    with pytest.raises(DataError, match="no query with candidates judged differently"):
        Fusion().fit(candidates, np.ones_like(relevance))
    with pytest.raises(DataError, match="relevance of shape"):
        Fusion().fit(candidates, relevance[:, :3])


def test_an_exact_name_is_first_whatever_else_speaks() -> None:
    features = np.array([[[0, 1, 9.0], [1, 0, 0]]], dtype=np.float32)
    candidates = Candidates(np.array([[5, 6]]), features, ("exact", "words", "meaning"))
    assert Fusion().rank(candidates, 2).rows.tolist() == [[6, 5]]


def test_padding_is_not_answered() -> None:
    candidates = Candidates(np.array([[2, -1]]), np.zeros((1, 2, 1), dtype=np.float32), ("words",))
    assert Fusion().rank(candidates, 2).rows.tolist() == [[2, -1]]


def test_weights_are_kept_as_json() -> None:
    fusion = Fusion({"words": 3.5})
    assert Fusion.from_json(fusion.to_json()) == fusion
    with pytest.raises(IncompatibleError, match="no Fusion"):
        Fusion.from_json({"weight": {}})
    with pytest.raises(DataError, match="the weight of words is nan"):
        Fusion({"words": float("nan")})


def test_shapes_are_checked() -> None:
    rows = np.zeros((1, 2), dtype=np.int64)
    with pytest.raises(DataError, match="expected"):
        Candidates(rows, np.zeros((1, 2, 2), dtype=np.float32), ("words",))
    with pytest.raises(DataError, match="NaN"):
        Candidates(rows, np.full((1, 2, 1), np.nan, dtype=np.float32), ("words",))
    with pytest.raises(DataError, match="feature taste"):
        Candidates(rows, np.zeros((1, 2, 1), dtype=np.float32), ("words",)).with_feature("taste", np.zeros((2, 2)))
