"""Metrics beyond accuracy: each equals its slow twin, read off the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmreco import metrics
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError

N = 12
ITEMS = IdMap.of([f"i{row}" for row in range(N)])

lists = st.lists(st.lists(st.integers(0, N - 1), max_size=6), min_size=1, max_size=5)
orders = st.lists(st.permutations(range(N)), min_size=1, max_size=5)


def ranking(answers: list[list[int]], k: int) -> Ranking:
    rows = np.full((len(answers), k), -1)
    scores = np.full((len(answers), k), -np.inf)
    for line, answer in enumerate(answers):
        rows[line, : len(answer)] = answer
        scores[line, : len(answer)] = -np.arange(len(answer))
    return Ranking(rows, scores)


def users(histories: list[list[int]]) -> Interactions:
    return Interactions.from_histories([ITEMS.ids(rows) for rows in histories], items=ITEMS)


def cut(data: st.DataObject, given_orders: list[list[int]], k: int) -> list[list[int]]:
    return [order[: data.draw(st.integers(0, min(k, N)))] for order in given_orders]


def test_coverage_and_gini() -> None:
    answer = ranking([[0, 1], [0], [0, 2]], 3)
    assert metrics.coverage(answer, 12) == 3 / 12
    assert metrics.coverage(ranking([[]], 3), 12) == 0
    counts = np.array([3, 1, 1] + [0] * 9)
    differences = np.abs(counts[:, None] - counts).sum() / (2 * len(counts) ** 2 * counts.mean())  # the definition
    assert metrics.gini(answer, 12) == pytest.approx(differences)
    assert metrics.gini(ranking([[0, 1, 2], [3, 4, 5]], 3), 6) == pytest.approx(0)
    assert metrics.gini(ranking([[]], 3), 12) == 0


def test_novelty_is_what_a_surprise_is_worth() -> None:
    answer = ranking([[0, 1], [0], [0, 2]], 3)
    seen = users([[0, 0, 1], [0], [0], [0]])  # 4 users: all have 0, one has 1, none has 2
    np.testing.assert_allclose(metrics.novelty(answer, seen), [(0 + 2) / 2, 0, (0 + np.log2(5)) / 2])
    assert np.isnan(metrics.novelty(ranking([[]], 3), seen)).all()


@settings(max_examples=40, deadline=None)
@given(st.data(), orders, lists, st.integers(1, 14))
def test_popularity_and_its_lift(data: st.DataObject, given_orders: list, seen: list, k: int) -> None:
    answers = cut(data, given_orders, k)
    own = data.draw(st.lists(st.lists(st.integers(0, N - 1), max_size=4), min_size=len(answers), max_size=len(answers)))
    share = [sum(item in history for history in seen) / len(seen) for item in range(N)]
    values = metrics.shares(users(seen))
    np.testing.assert_allclose(values, share)
    found, lift = (
        metrics.popularity(ranking(answers, k), users(seen)),
        metrics.popularity_lift(ranking(answers, k), users(own), values),
    )
    for line, answer in enumerate(answers):
        mean = np.mean([share[item] for item in answer]) if answer else np.nan
        np.testing.assert_allclose(found[line], mean)
        usual = np.mean([share[item] for item in own[line]]) if own[line] else np.nan
        np.testing.assert_allclose(lift[line], (mean - usual) / usual if usual else np.nan, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(lists, st.integers(1, 14), st.lists(st.integers(0, 3), min_size=N, max_size=N))
def test_the_obvious_answer_is_the_most_popular_not_had(histories: list, k: int, popular: list[int]) -> None:
    found = metrics.most_popular_unseen(users(histories), np.array(popular), k)
    assert found.k == k
    for line, history in enumerate(histories):
        order = sorted((item for item in range(N) if item not in history), key=lambda i: (-popular[i], i))[:k]
        assert found.rows[line].tolist() == order + [-1] * (k - len(order))


@settings(max_examples=40, deadline=None)
@given(st.data(), orders, st.integers(1, 14))
def test_serendipity_is_the_hits_nobody_would_have_thought_of(data: st.DataObject, given_orders: list, k: int) -> None:
    answers, plain = cut(data, given_orders, k), cut(data, [order[::-1] for order in given_orders], k)
    each = st.lists(st.integers(0, N - 1), max_size=5)
    targets = data.draw(st.lists(each, min_size=len(answers), max_size=len(answers)))
    found = metrics.serendipity(ranking(answers, k), users(targets), ranking(plain, k))
    for line, answer in enumerate(answers):
        useful = set(answer) & set(targets[line]) - set(plain[line])
        np.testing.assert_allclose(found[line], len(useful) / k if targets[line] else np.nan)


@settings(max_examples=40, deadline=None)
@given(st.data(), orders, st.integers(1, 14), st.integers(0, 5))
def test_diversity_is_the_mean_distance_of_pairs(data: st.DataObject, given_orders: list, k: int, without: int) -> None:
    answers = cut(data, given_orders, k)
    vectors = np.random.default_rng(without).standard_normal((N, 3)).astype(np.float32)
    vectors[:without] = 0  # nothing is known of these
    found = metrics.diversity(ranking(answers, k), vectors)
    for line, answer in enumerate(answers):
        known = [item for item in answer if item >= without]
        pairs = [(a, b) for place, a in enumerate(known) for b in known[place + 1 :]]
        unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        apart = [1 - unit[a] @ unit[b] for a, b in pairs]
        np.testing.assert_allclose(found[line], np.mean(apart) if pairs else np.nan, atol=1e-6)


def test_diversity_by_category_is_the_share_of_unlike_pairs() -> None:
    from mmreco.data.attributes import Attributes

    bags = Attributes.from_lists(ITEMS, {"i0": ["dress"], "i1": ["dress"], "i2": ["hat"], "i3": ["hat", "dress"]})
    found = metrics.diversity(ranking([[0, 1], [0, 2], [0, 1, 2], [0, 3], [0, 9]], 3), bags.matrix())
    np.testing.assert_allclose(found, [0, 1, 2 / 3, 1 - 1 / np.sqrt(2), np.nan])


@settings(max_examples=40, deadline=None)
@given(st.data(), orders, st.integers(1, 14))
def test_miscalibration_is_the_divergence_of_the_mixes(data: st.DataObject, given_orders: list, k: int) -> None:
    answers = cut(data, given_orders, k)
    each = st.lists(st.integers(0, N - 1), max_size=5)
    own = data.draw(st.lists(each, min_size=len(answers), max_size=len(answers)))
    bags = np.random.default_rng(len(own)).random((N, 4)) < 0.4

    def mix(rows: list[int]) -> np.ndarray:
        counts = sum((bags[r] / bags[r].sum() for r in rows if bags[r].any()), start=np.zeros(4))
        return counts / counts.sum() if counts.sum() else counts

    found = metrics.miscalibration(ranking(answers, k), users(own), bags)
    for line, answer in enumerate(answers):
        p, q = mix(own[line]), mix(answer)
        q = 0.99 * q + 0.01 * p
        expected = (
            sum(p[c] * np.log(p[c] / q[c]) for c in range(4) if p[c]) if p.any() and mix(answer).any() else np.nan
        )
        np.testing.assert_allclose(found[line], expected, atol=1e-12)


def test_miscalibration_counts_weights_and_knows_its_bound() -> None:
    bags = np.zeros((N, 2))
    bags[:6, 0] = bags[6:, 1] = 1
    own = Interactions.from_events(
        IdMap.of(["u"]), ITEMS, np.array([0, 0]), np.array([0, 6]), weights=np.array([3, 1], dtype=np.float32)
    )
    assert metrics.miscalibration(ranking([[0, 1, 2, 7]], 4), own, bags) == pytest.approx(0)
    worst = metrics.miscalibration(ranking([[6, 7]], 2), users([[0, 1]]), bags)
    assert worst == pytest.approx(np.log(100))


def test_segments_part_users_and_items() -> None:
    histories = users([[], [0], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5]])
    found = metrics.user_segments(histories, new=2)
    assert {name: np.flatnonzero(of).tolist() for name, of in found.items()} == {
        "new": [0, 1], "light": [2, 3], "heavy": [4],
    }  # fmt: skip
    assert metrics.user_segments(users([[0]]))["new"].all()
    items = metrics.item_segments(users([[3] * 4, [3, 2, 2, 1], [0]]))  # 10 events: five on 3, two on 2
    assert {name: np.flatnonzero(of).tolist() for name, of in items.items()} == {
        "head": [3], "tail": [0, 1, 2], "cold": list(range(4, N)),
    }  # fmt: skip
    assert metrics.item_segments(users([[]]))["cold"].all()


def test_what_does_not_fit_is_refused() -> None:
    answer = ranking([[1], [2]], 1)
    with pytest.raises(DataError, match="n_items=2"):
        metrics.coverage(answer, 2)
    with pytest.raises(DataError, match="n_items=0"):
        metrics.gini(ranking([[]], 1), 0)
    with pytest.raises(DataError, match="novelty: `seen` has no users"):
        metrics.novelty(answer, users([]))
    with pytest.raises(DataError, match="shares: `seen` has no users"):
        metrics.popularity(answer, users([]))
    with pytest.raises(DataError, match="histories of 1 users for 2 questions"):
        metrics.popularity_lift(answer, users([[1]]), np.ones(N))
    with pytest.raises(DataError, match="popularity of 3 items, histories over 12"):
        metrics.popularity_lift(answer, users([[1], [1]]), np.ones(3))
    with pytest.raises(DataError, match="popularity of 3 items, histories over 12"):
        metrics.most_popular_unseen(users([[1]]), np.ones(3), 2)
    with pytest.raises(DataError, match="expected answers to 1 questions for 2"):
        metrics.serendipity(answer, users([[1], [1]]), ranking([[1]], 1))
    with pytest.raises(IncompatibleError, match="expected answers 2 wide, ranking 1"):
        metrics.serendipity(answer, users([[1], [1]]), ranking([[1], [2]], 2))
    with pytest.raises(DataError, match="n_items=2"):
        metrics.diversity(answer, np.ones((2, 3)))
    with pytest.raises(DataError, match="categories of 2 items, histories over 12"):
        metrics.miscalibration(answer, users([[1], [1]]), np.ones((2, 3)))
    with pytest.raises(DataError, match="histories of 1 users for 2 questions"):
        metrics.miscalibration(answer, users([[1]]), np.ones((N, 3)))
    with pytest.raises(DataError, match="new=0"):
        metrics.user_segments(users([[1]]), new=0)
