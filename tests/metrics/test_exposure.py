"""Exposure: shares equal their slow twin, intervals hold the truth, and a minimum in re-ranking moves them."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from mmreco import metrics
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.rerank import RerankOptions, rerank

N = 30


def answers(n: int = 50, k: int = 6, seed: int = 0) -> Ranking:
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.permutation(N)[:k] for _ in range(n)])
    return Ranking(rows, np.broadcast_to(np.arange(k, 0, -1.0), rows.shape))


GROUPS = metrics.ItemGroups(("a", "b", "c"), np.arange(N) % 4 - 1)  # every fourth item has none


def test_shares_equal_their_slow_twin() -> None:
    ranking = answers()
    worth = dict.fromkeys("abc", 0.0)
    for line in ranking.rows:
        for place, row in enumerate(line):
            if GROUPS.of_item[row] >= 0:
                worth["abc"[GROUPS.of_item[row]]] += 1 / np.log2(place + 2)
    found = metrics.exposure(ranking, GROUPS)
    np.testing.assert_allclose(found.share, np.array(list(worth.values())) / sum(worth.values()))
    assert (found.low < found.share).all()
    assert (found.share < found.high).all()
    items = np.bincount(GROUPS.of_item[GROUPS.of_item >= 0])
    np.testing.assert_allclose(found.catalogue_share, items / items.sum())
    assert found.frame().num_rows == 3


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth = metrics.exposure(answers(4000, seed=99), GROUPS).share
    held = [
        (e.low <= truth) & (truth <= e.high) for e in (metrics.exposure(answers(seed=s), GROUPS) for s in range(40))
    ]
    assert np.mean(held) > 0.85


def test_groups_of_users_differ() -> None:
    rows = np.where(np.arange(20)[:, None] < 10, [[1, 5]], [[2, 6]])  # a alone, then b alone
    ranking = Ranking(rows, np.broadcast_to([2.0, 1.0], rows.shape))
    table = metrics.exposure_gap(ranking, GROUPS, np.arange(20) // 10, ["young", "old"]).to_pylist()
    gaps = {(row["users"], row["group"]): row["gap"] for row in table}
    assert gaps["young", "a"] == 1
    assert gaps["old", "a"] == -1
    with pytest.raises(DataError, match="one a question"):
        metrics.exposure_gap(ranking, GROUPS, np.zeros(3), ["young"])


def test_groups_of_items() -> None:
    day = datetime.timedelta(days=1)
    start = datetime.datetime(2026, 1, 1)
    table = pa.table(
        {
            "item_id": ["a", "b", "c", "d"],
            "brand": ["Acme", "Bolt", "Acme", None],
            "created": [start, start - 40 * day, start - 400 * day, None],
        }
    )
    catalogue = Catalogue.from_frame(table)
    brands = metrics.column_groups(catalogue, "brand", most=1)
    assert brands.names == ("Acme", "other")
    assert brands.of_item.tolist() == [0, 1, 0, -1]
    assert metrics.age_groups(catalogue).of_item.tolist() == [0, 1, 3, -1]
    log = Interactions.from_histories([["a", "b"], ["a"]], items=IdMap.of(["a", "b", "c"]))
    groups = metrics.popularity_groups(log)
    assert [groups.names[number] for number in groups.of_item] == ["head", "tail", "cold"]
    with pytest.raises(DataError, match="expected times"):
        metrics.age_groups(catalogue, column="brand")


def test_a_minimum_moves_exposure() -> None:
    table = pa.table({"item_id": [f"i{row}" for row in range(N)], "segment": ["head"] * 10 + ["tail"] * 20})
    catalogue = Catalogue.from_frame(table)
    groups = metrics.column_groups(catalogue, "segment")
    ranking = Ranking(np.tile(np.arange(N), (5, 1)), np.tile(np.arange(N, 0, -1.0), (5, 1)))
    before = metrics.exposure(ranking.top(8), groups)
    options = RerankOptions(k=8, diversity=0, minimums={"segment": {"tail": 4}})
    after = metrics.exposure(rerank(ranking, options, catalogue=catalogue).ranking, groups)
    tail = groups.names.index("tail")
    assert before.share[tail] == 0
    assert after.share[tail] > 0.3


def test_narrowing_is_seen() -> None:
    bags = np.eye(4)[np.arange(N) % 4]
    rows = np.array([[0, 4, 8, 12], [0, 1, 2, 3], [0, 1, -1, -1], [-1, -1, -1, -1]])
    scores = np.where(rows >= 0, np.arange(4, 0, -1.0), -np.inf)
    np.testing.assert_allclose(metrics.effective_categories(Ranking(rows, scores), bags), [1, 4, 2, np.nan])


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(DataError, match="a number outside"):
        metrics.ItemGroups(("a",), np.array([1]))
    nothing = metrics.ItemGroups(("a",), np.full(N, -1))
    with pytest.raises(DataError, match="nothing to share out"):
        metrics.exposure(answers(), nothing)
