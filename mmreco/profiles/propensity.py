"""How probably each shopper buys soon, learnt from who did.

The log is cut `horizon_days` before its end: what shoppers did until then tells of who bought after, by a logistic
regression; and what they did until the end, of who will. Source: Van den Poel, Buckinx, "Predicting online-purchasing
behaviour", 2005, for the features: recency, frequency, what was bought before, and how lately the shopper was active.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from mmreco.arguments import require_number
from mmreco.arrays import F64
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.profiles.lifecycle import DAY, moment_of, of_event

__all__ = ["purchase_propensity"]

_WINDOWS = (7.0, 14.0, 30.0)  # days


def purchase_propensity(log: Interactions, *, event: str = "purchase", horizon_days: float = 14.0) -> F64:
    """The probability that each shopper has an event of this kind in the days after the log ends, shape `(n,)`.

    Where all of the shoppers bought in the days before the end, or none did, it is their share.

    Parameters
    ----------
    log : `n` shoppers
    event : the kind of event that is foretold
    horizon_days : above 0, in days

    Raises
    ------
    DataError
        The log has no times, no such kind of event, or `horizon_days` is not above 0 or longer than the log.
    """
    horizon_days = require_number("horizon_days", horizon_days, above=0)
    bought = of_event(log, event)
    end = moment_of(log, None)
    cut = end - int(horizon_days * DAY)
    times = np.asarray(log.times)
    before = log.keep(times <= cut)
    if not before.n_events:
        raise DataError(f"horizon_days={horizon_days}: the log is no longer; there is nothing to learn from")
    wanted = np.bincount(bought.users_flat[np.asarray(bought.times) > cut], minlength=len(log)) > 0
    there = before.lengths > 0
    if len(set(wanted[there].tolist())) < 2:
        return np.full(len(log), float(wanted[there].mean()))
    past = _facts(before, of_event(before, event), cut)
    now = _facts(log, bought, end)
    mean, spread = past[there].mean(axis=0), past[there].std(axis=0) + 1e-9
    model = LogisticRegression(max_iter=1000).fit((past[there] - mean) / spread, wanted[there])
    chances: F64 = model.predict_proba((now - mean) / spread)[:, 1]
    return chances


def _facts(log: Interactions, bought: Interactions, at: int) -> F64:
    columns = []
    for some in (log, bought):
        back = (at - np.asarray(some.times)) / DAY
        columns.append(np.log1p(some.lengths))
        last = np.full(len(some), 365.0)
        np.minimum.at(last, some.users_flat, back)
        columns.append(np.log1p(last))
        recent = (np.bincount(some.users_flat[back <= window], minlength=len(some)) for window in _WINDOWS)
        columns.extend(np.log1p(counts) for counts in recent)
    return np.stack(columns, axis=1).astype(np.float64)
