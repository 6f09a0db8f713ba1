"""Off-policy estimates: what another policy would have earned, from the log of the one that ran.

Sources: Horvitz & Thompson, 1952 (inverse propensities); Swaminathan & Joachims, "The self-normalized estimator for
counterfactual learning", 2015; Dudik, Langford, Li, "Doubly robust policy evaluation and learning", 2011. Intervals
are percentiles of the bootstrap over logged events, which rare rewards and heavy weights make lopsided, as they are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmreco.arrays import F64, I64
from mmreco.errors import DataError

__all__ = ["OffPolicyEstimate", "doubly_robust", "ips", "snips"]

_DRAWS = 2_000
_CELLS = 1 << 22  # draws times events held at a time


@dataclass(frozen=True)
class OffPolicyEstimate:
    """The reward per event that a policy would earn.

    Parameters
    ----------
    value : the estimate
    low, high : ends of the interval
    effective : how many events of the policy itself the log is worth, by the spread of the weights (Kish, 1965)
    """

    value: float
    low: float
    high: float
    effective: float


def ips(
    rewards: npt.ArrayLike,
    logged: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> OffPolicyEstimate:
    """The mean reward, each weighed by how much likelier the other policy was to do what was done. Unbiased.

    Parameters
    ----------
    rewards : shape `(n,)`
        What was earned, e.g. 1 for a click.
    logged, target : shape `(n,)`
        The probability that the policy of the log, and the policy in question, would do what was done.
    groups : shape `(n,)`, int64, optional
        Events of one number are drawn together: the user's, where one user has several.
    level : between 0 and 1
        Share of the bootstrapped estimates that the interval holds.
    seed : 0 or more
        Of the bootstrap.

    Raises
    ------
    DataError
        The arrays are not `(n,)` with an event at least, a logged probability is not above 0 and up to 1, a target
        probability is not 0 to 1, a value is not finite, or `level` is out of range.

    Examples
    --------
    >>> ips([1, 0, 1, 0], [0.5] * 4, [0.9, 0.1, 0.9, 0.1]).value
    0.9
    """
    earned, weights = _checked(rewards, logged, target, level)
    return _estimate(weights * earned, np.ones(len(earned)), weights, _groups(groups, len(earned)), level, seed)


def snips(
    rewards: npt.ArrayLike,
    logged: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> OffPolicyEstimate:
    """As `ips`, divided by the mean weight: a little biased, of far less variance, and never outside the rewards.

    Parameters
    ----------
    rewards, logged, target, groups, level, seed : as `ips`

    Raises
    ------
    DataError
        As `ips`, or the target policy would have done nothing of what was done.
    """
    earned, weights = _checked(rewards, logged, target, level)
    if not weights.any():
        raise DataError("snips: the target policy gives every logged action probability 0; nothing can be told")
    return _estimate(weights * earned, weights, weights, _groups(groups, len(earned)), level, seed)


def doubly_robust(
    rewards: npt.ArrayLike,
    logged: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    predicted: npt.ArrayLike,
    expected: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> OffPolicyEstimate:
    """A model's expectation, corrected by `ips` of what it gets wrong: right where either of the two is.

    Parameters
    ----------
    rewards, logged, target, groups, level, seed : as `ips`
    predicted : shape `(n,)`
        The reward that a model expects of what was done, fitted on other events than these (cross-fitting).
    expected : shape `(n,)`
        What it expects of the target policy: the mean over all actions by their probabilities.

    Raises
    ------
    DataError
        As `ips`, or `predicted` or `expected` is not `(n,)` of finite numbers.
    """
    earned, weights = _checked(rewards, logged, target, level)
    foreseen, hoped = np.asarray(predicted, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    for name, given in (("predicted", foreseen), ("expected", hoped)):
        if given.shape != earned.shape or not np.isfinite(given).all():
            raise DataError(f"{name}: shape {given.shape}; expected {earned.shape}, all finite")
    return _estimate(
        hoped + weights * (earned - foreseen), np.ones(len(earned)), weights, _groups(groups, len(earned)), level, seed
    )


def _estimate(above: F64, below: F64, weights: F64, groups: I64 | None, level: float, seed: int) -> OffPolicyEstimate:
    """The ratio of two means, and its bootstrapped interval."""
    squares = float((weights**2).sum())
    effective = float(weights.sum()) ** 2 / squares if squares else 0.0
    if groups is not None:
        above, below = (np.bincount(groups, weights=part).astype(np.float64) for part in (above, below))
    n = len(above)
    rng = np.random.default_rng([seed, 2])
    step = max(1, _CELLS // n)
    drawn = []
    for start in range(0, _DRAWS, step):
        size = min(step, _DRAWS - start)
        times = np.stack([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(size)]).astype(np.float64)
        under = times @ below
        drawn.append(np.divide(times @ above, under, out=np.full(size, np.nan), where=under > 0))
    low, high = np.nanquantile(np.concatenate(drawn), [(1 - level) / 2, (1 + level) / 2])
    return OffPolicyEstimate(float(above.sum() / below.sum()), float(low), float(high), effective)


def _groups(groups: npt.ArrayLike | None, n: int) -> I64 | None:
    """The groups, numbered from 0 without a gap."""
    if groups is None:
        return None
    given = np.asarray(groups)
    if given.shape != (n,) or given.dtype.kind not in "iu":
        raise DataError(f"off-policy: groups {given.dtype} of shape {given.shape}; expected whole numbers ({n},)")
    numbered: I64 = np.unique(given, return_inverse=True)[1].astype(np.int64)
    return numbered


def _checked(rewards: npt.ArrayLike, logged: npt.ArrayLike, target: npt.ArrayLike, level: float) -> tuple[F64, F64]:
    """The rewards and the weights."""
    earned, did, would = (np.asarray(given, dtype=np.float64) for given in (rewards, logged, target))
    if earned.ndim != 1 or not len(earned) or did.shape != earned.shape or would.shape != earned.shape:
        raise DataError(
            f"off-policy: rewards {earned.shape}, logged {did.shape}, target {would.shape}; expected (n,) each, n of 1 "
            "or more"
        )
    if not np.isfinite(earned).all():
        first = int((~np.isfinite(earned)).argmax())
        raise DataError(f"off-policy: reward {earned[first]} at event {first} is not finite")
    if not ((did > 0) & (did <= 1)).all():
        first = int((~((did > 0) & (did <= 1))).argmax())
        raise DataError(f"off-policy: logged probability {did[first]} at event {first}; expected above 0, up to 1")
    if not ((would >= 0) & (would <= 1)).all():
        first = int((~((would >= 0) & (would <= 1))).argmax())
        raise DataError(f"off-policy: target probability {would[first]} at event {first}; expected 0 to 1")
    if not 0 < level < 1:
        raise DataError(f"off-policy: level={level}; expected between 0 and 1")
    return earned, would / did
