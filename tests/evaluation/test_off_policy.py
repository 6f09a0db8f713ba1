import numpy as np
import pytest

from mmreco.errors import DataError
from mmreco.evaluation.off_policy import doubly_robust, ips, snips

CLICK = np.array([0.1, 0.3, 0.6])  # chance of a click by action
LOGGED, TARGET = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
TRUTH = float(CLICK @ TARGET)


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    actions = rng.choice(3, size=n, p=LOGGED)
    return actions, (rng.random(n) < CLICK[actions]).astype(float)


def test_estimates_match_their_formulas() -> None:
    actions, rewards = drawn(500, 0)
    weights = TARGET[actions] / LOGGED[actions]
    assert ips(rewards, LOGGED[actions], TARGET[actions]).value == pytest.approx(np.mean(weights * rewards))
    expected = np.sum(weights * rewards) / np.sum(weights)
    assert snips(rewards, LOGGED[actions], TARGET[actions]).value == pytest.approx(expected)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = {"ips": 0, "snips": 0, "dr": 0}
    for seed in range(60):
        actions, rewards = drawn(400, seed)
        logged, target = LOGGED[actions], TARGET[actions]
        wrong = np.array([0.2, 0.2, 0.4])  # a model that is wrong does no harm
        found = {
            "ips": ips(rewards, logged, target),
            "snips": snips(rewards, logged, target),
            "dr": doubly_robust(
                rewards, logged, target, predicted=wrong[actions], expected=np.full(400, float(wrong @ TARGET))
            ),
        }
        for name, one in found.items():
            held[name] += one.low <= TRUTH <= one.high
    assert all(count >= 51 for count in held.values()), held


def test_a_right_model_narrows_the_interval() -> None:
    actions, rewards = drawn(2_000, 1)
    logged, target = LOGGED[actions], TARGET[actions]
    plain = ips(rewards, logged, target)
    robust = doubly_robust(rewards, logged, target, predicted=CLICK[actions], expected=np.full(2_000, TRUTH))
    assert robust.high - robust.low < plain.high - plain.low


def test_a_policy_judged_by_its_own_log_is_the_mean() -> None:
    actions, rewards = drawn(300, 2)
    for estimate in (ips, snips):
        one = estimate(rewards, LOGGED[actions], LOGGED[actions])
        assert one.value == pytest.approx(rewards.mean())
        assert one.effective == pytest.approx(300)


def test_unusable_logs_are_refused() -> None:
    with pytest.raises(DataError, match="logged probability 0"):
        ips([1, 0], [0.5, 0.0], [0.5, 0.5])
    with pytest.raises(DataError, match="target probability 2"):
        ips([1, 0], [0.5, 0.5], [2.0, 0.5])
    with pytest.raises(DataError, match="expected \\(n,\\) each"):
        ips([1, 0], [0.5], [0.5, 0.5])
    with pytest.raises(DataError, match="not finite"):
        ips([np.nan], [0.5], [0.5])
    with pytest.raises(DataError, match="nothing can be told"):
        snips([1.0], [0.5], [0.0])
    with pytest.raises(DataError, match="predicted"):
        doubly_robust([1.0], [0.5], [0.5], predicted=[np.inf], expected=[0.1])
    with pytest.raises(DataError, match="level=1"):
        ips([1.0], [0.5], [0.5], level=1.0)
