"""How much an event still counts: halved every so many days."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from mmreco.arrays import F32, F64, frozen
from mmreco.data.interactions import Interactions
from mmreco.data.moment import newest, soon
from mmreco.errors import DataError

__all__ = ["half_life_checked", "recent", "since_last", "times_needed", "weights_since_newest"]

_DAY = 86_400_000  # milliseconds
_MOST = 100.0  # half-lives; beyond, an event counts no less, and still above 0


def half_life_checked(half_life_days: float | None) -> None:
    """Nothing, or an error: a half-life is a finite number of days above 0, or None for no decay.

    Raises
    ------
    DataError
        It is neither.
    """
    if half_life_days is not None and not 0 < half_life_days < np.inf:
        raise DataError(f"half_life_days={half_life_days}: expected a number of days above 0, or None for no decay")


def times_needed(train: Interactions, half_life_days: float | None) -> None:
    """Nothing, or an error: events without times have no age.

    Raises
    ------
    DataError
        There is a half-life, and `train` carries no times.
    """
    if half_life_days is not None and train.times is None:
        raise DataError(
            f"half_life_days={half_life_days}: these events carry no times; give their log a column timestamp, "
            "or leave half_life_days out"
        )


def weights_since_newest(events: Interactions, half_life_days: float | None) -> F32:
    """The events' weights, halved for every half-life before the newest event of all, shape `(e,)`."""
    if half_life_days is None or events.times is None or not events.n_events:
        return events.weights
    age = np.maximum(newest(events.times) - events.times, 0)
    return _halved(events, age.astype(np.float64), half_life_days)


def recent(histories: Interactions, half_life_days: float | None) -> sp.csr_array:
    """As `Interactions.matrix`, an event halved for every half-life before the last one of the same history.

    So a history weighs the same whenever it is asked about; one without times counts in full. What lies in the future
    can only be an error: it counts as the last one that does not.
    """
    times = histories.times
    if half_life_days is None or times is None or not histories.n_events:
        return histories.matrix()
    return replace(histories, weights=_halved(histories, since_last(histories), half_life_days)).matrix()


def since_last(histories: Interactions) -> F64:
    """How long before the last one of the same history each event was, in milliseconds, shape `(e,)`.

    Events in the future are as late as the last one that is not.
    """
    times = histories.times
    if times is None:
        raise DataError("these events carry no times; expected a log with a column timestamp")
    counted = np.where(times <= soon(), times, -1)
    last = np.full(len(histories), -1, dtype=np.int64)
    np.maximum.at(last, histories.users_flat, counted)
    last = np.where(last < 0, times[np.maximum(histories.starts[1:], 1) - 1] if len(times) else 0, last)
    ages: F64 = np.maximum(last[histories.users_flat] - times, 0).astype(np.float64)
    return ages


def _halved(events: Interactions, age: npt.NDArray[np.float64], half_life_days: float) -> F32:
    lives = np.minimum(age / (_DAY * half_life_days), _MOST)  # (e,)
    weights: F32 = frozen(events.weights * np.exp2(-lives), np.float32)
    return weights
