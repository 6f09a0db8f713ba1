from itertools import permutations

import numpy as np
import pytest

from mmreco.errors import DataError
from mmreco.evaluation.simulator import SlateSimulator, slate_simulator


def tiny(likeness: float = 0.0, fatigue: float = 0.0) -> SlateSimulator:
    items = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    tastes = np.array([[2.0, 1.0], [0.0, 1.0]], dtype=np.float32)
    return SlateSimulator(tastes, items, np.zeros(4, dtype=np.float32), np.array([1.0, 0.5]), likeness, fatigue)


def test_chances_are_attention_times_attraction() -> None:
    simulator, users = tiny(), np.array([0, 1])
    attraction = simulator.attraction(users)
    chances = simulator.chances(users, np.array([[0, 2], [2, -1]]))
    np.testing.assert_allclose(chances, [[attraction[0, 0], 0.5 * attraction[0, 2]], [attraction[1, 2], 0.0]])


def test_likeness_takes_from_the_lower_of_two_like_items() -> None:
    users = np.array([0])
    free, crowded = tiny(0.0), tiny(0.8)
    slate = np.array([[0, 1]])
    assert crowded.chances(users, slate)[0, 0] == free.chances(users, slate)[0, 0]
    assert crowded.chances(users, slate)[0, 1] == pytest.approx(0.2 * free.chances(users, slate)[0, 1])
    np.testing.assert_allclose(crowded.chances(users, np.array([[0, 2]])), free.chances(users, np.array([[0, 2]])))


def test_fatigue_grows_with_showing() -> None:
    simulator, users, slate = tiny(fatigue=0.5), np.array([0]), np.array([[0, 2]])
    fresh = simulator.chances(users, slate)
    tired = simulator.chances(users, slate, shown=np.array([[2, 0, 0, 0]]))
    np.testing.assert_allclose(tired, fresh * [[0.25, 1.0]])


@pytest.mark.parametrize("likeness", [0.0, 0.9])
def test_the_best_slate_is_the_best_of_all(likeness: float) -> None:
    simulator = slate_simulator(n_users=8, n_items=9, width=3, likeness=likeness, seed=1)
    users = np.arange(8)
    found = simulator.chances(users, simulator.best(users)).sum(axis=1)
    every = np.array(list(permutations(range(9), 3)))
    for user in users:
        values = simulator.chances(np.full(len(every), user), every).sum(axis=1)
        assert found[user] >= (1 if likeness == 0 else 0.93) * values.max() - 1e-9


def test_clicks_follow_the_chances() -> None:
    simulator, rng = tiny(0.5), np.random.default_rng(0)
    users, slates = np.zeros(20_000, dtype=np.int64), np.tile([[0, 3]], (20_000, 1))
    clicked = simulator.clicks(users, slates, rng).mean(axis=0)
    np.testing.assert_allclose(clicked, simulator.chances(users[:1], slates[:1])[0], atol=0.015)


def test_the_same_seed_gives_the_same_simulator() -> None:
    one, other = slate_simulator(seed=3), slate_simulator(seed=3)
    np.testing.assert_array_equal(one.tastes, other.tastes)
    assert (slate_simulator(seed=4).tastes != one.tastes).any()


def test_unusable_parts_are_refused() -> None:
    with pytest.raises(DataError, match="likeness=2"):
        tiny(likeness=2)
    with pytest.raises(DataError, match="n_items=0"):
        slate_simulator(n_items=0)
    with pytest.raises(DataError, match="slates of shape"):
        tiny().chances(np.array([0]), np.array([[0, 1, 2]]))
