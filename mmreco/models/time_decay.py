"""How much an event still counts: halved every so many days."""

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from mmreco.arrays import F32, I64, frozen
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError

__all__ = ["half_life_checked", "recent", "times_needed", "weights_since_newest"]

_DAY = 86_400_000  # milliseconds
_ENOUGH = 20  # events that tell how long a log is
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
    age = np.maximum(_newest(events.times) - events.times, 0)
    return _halved(events, age.astype(np.float64), half_life_days)


def _newest(times: I64) -> int:
    """The newest of these moments, shape `(e,)`, less those that can only be errors.

    One event in 2099 would make all others equally old. So what lies in the future does not count, and neither does
    the last thousandth where it begins later than all the rest is long.
    """
    past = times[times <= int(time.time() * 1000) + _DAY]
    times = np.sort(past if len(past) else times)
    last = len(times) - 1 - max(1, len(times) // 1_000)
    if last >= _ENOUGH and times[-1] - times[last] > times[last] - times[0]:
        return int(times[last])
    return int(times[-1])


def recent(histories: Interactions, half_life_days: float | None) -> sp.csr_array:
    """As `Interactions.matrix`, an event halved for every half-life before the last one of the same history.

    So a history weighs the same whenever it is asked about; one without times counts in full.
    """
    times = histories.times
    if half_life_days is None or times is None or not histories.n_events:
        return histories.matrix()
    lasts = times[np.maximum(histories.starts[1:], 1) - 1]  # (n,), anything where a history is empty
    weights = _halved(histories, (lasts[histories.users_flat] - times).astype(np.float64), half_life_days)
    return replace(histories, weights=weights).matrix()


def _halved(events: Interactions, age: npt.NDArray[np.float64], half_life_days: float) -> F32:
    lives = np.minimum(age / (_DAY * half_life_days), _MOST)  # (e,)
    weights: F32 = frozen(events.weights * np.exp2(-lives), np.float32)
    return weights
