import numpy as np
import pytest

from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.models.time_decay import half_life_checked, recent, times_needed, weights_since_newest

DAY = 86_400_000


def test_weights_halve_before_the_newest_event_of_the_log(log: Interactions) -> None:
    newest = max(log.times.tolist())
    slow = [w * 0.5 ** ((newest - t) / (7 * DAY)) for w, t in zip(log.weights, log.times, strict=True)]
    np.testing.assert_allclose(weights_since_newest(log, 7.0), slow, rtol=1e-5)


def test_a_history_weighs_the_same_whenever_it_is_asked_about(log: Interactions) -> None:
    slow = np.zeros((len(log), len(log.items)))
    for user in range(len(log)):
        mine = range(log.starts[user], log.starts[user + 1])
        for event in mine:
            age = (log.times[mine[-1]] - log.times[event]) / DAY
            slow[user, log.items_flat[event]] += log.weights[event] * 0.5 ** (age / 7)
    np.testing.assert_allclose(recent(log, 7.0).toarray(), slow, rtol=1e-5)


def test_no_half_life_or_no_times_leaves_the_weights(log: Interactions, untimed: Interactions) -> None:
    np.testing.assert_array_equal(weights_since_newest(log, None), log.weights)
    np.testing.assert_array_equal(recent(log, None).toarray(), log.matrix().toarray())
    np.testing.assert_array_equal(recent(untimed, 7.0).toarray(), untimed.matrix().toarray())


def test_the_oldest_event_still_counts(log: Interactions) -> None:
    assert (weights_since_newest(log, 1e-6) > 0).all()


def test_empty_histories_are_served(log: Interactions) -> None:
    nobody = log.keep(np.zeros(log.n_events, dtype=bool))
    assert recent(nobody, 7.0).nnz == 0


@pytest.mark.parametrize("half_life_days", [0, -1, np.nan, np.inf])
def test_a_half_life_is_above_nothing(half_life_days: float) -> None:
    with pytest.raises(DataError, match="half_life_days="):
        half_life_checked(half_life_days)


def test_decay_needs_times(untimed: Interactions) -> None:
    times_needed(untimed, None)
    with pytest.raises(DataError, match="half_life_days=7: these events carry no times"):
        times_needed(untimed, 7)
