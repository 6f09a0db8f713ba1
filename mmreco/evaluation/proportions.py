"""Shares of users and what chance does to them: intervals of one share, of a difference, and whether a split is right.

Sources: Wilson, "Probable inference, the law of succession, and statistical inference", 1927; Newcombe, "Interval
estimation for the difference between independent proportions", 1998, method 10; Pearson's chi-square, 1900; Fabijan et
al., "Diagnosing sample ratio mismatch in online controlled experiments", 2019.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, norm

from mmreco.errors import DataError

__all__ = ["Interval", "difference", "sample_ratio", "wilson"]


class Interval(NamedTuple):
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float


def wilson(hits: int, n: int, *, level: float = 0.95) -> Interval:
    """The share `hits / n` with Wilson's interval, which holds near 0 and 1 and for few; NaN to 0 to 1 where `n` is 0.

    Raises
    ------
    DataError
        `hits` is not 0 to `n`, or `level` is not between 0 and 1.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.8, 0.49, 0.943]
    """
    if not 0 <= hits <= n or not 0 < level < 1:
        raise DataError(f"wilson: {hits} of {n} at level={level}; expected 0 to n hits and a level between 0 and 1")
    if not n:
        return Interval(float("nan"), 0.0, 1.0)
    z = float(norm.ppf((1 + level) / 2))
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == n else min(1.0, middle + half)
    return Interval(share, float(low), float(high))


def difference(hits: int, n: int, base_hits: int, base_n: int, *, level: float = 0.95) -> Interval:
    """The share `hits / n` less `base_hits / base_n`, with Newcombe's interval from the two of Wilson.

    Parameters
    ----------
    hits, n : successes, and tries, of the one
    base_hits, base_n : of the other, which is taken away
    level : between 0 and 1
        Of the interval.

    Raises
    ------
    DataError
        As `wilson`.

    Examples
    --------
    >>> [round(end, 4) for end in difference(56, 70, 48, 80)]
    [0.2, 0.0524, 0.3339]
    """
    one, base = wilson(hits, n, level=level), wilson(base_hits, base_n, level=level)
    value = one.value - base.value
    if not n or not base_n:
        return Interval(float("nan"), -1.0, 1.0)
    below = np.hypot(one.value - one.low, base.high - base.value)
    above = np.hypot(one.high - one.value, base.value - base.low)
    return Interval(value, float(value - below), float(value + above))


def sample_ratio(counts: npt.ArrayLike, shares: npt.ArrayLike) -> float:
    """The chance of a split at least this far from the shares, if users are assigned as said: Pearson's chi-square.

    Far below 0.001 something is wrong with the assignment or with the log, and no figure of the experiment counts.

    Parameters
    ----------
    counts : shape `(m,)`
        Users a variant.
    shares : shape `(m,)`
        Above 0; scaled to sum up to 1.

    Raises
    ------
    DataError
        There are not as many counts as shares, a count is below 0, or a share is not above 0.

    Examples
    --------
    >>> round(sample_ratio([5_000, 5_000], [0.5, 0.5]), 3), sample_ratio([5_300, 4_700], [0.5, 0.5]) < 0.001
    (1.0, True)
    """
    seen, wanted = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if seen.ndim != 1 or seen.shape != wanted.shape or (seen < 0).any() or not (wanted > 0).all():
        raise DataError(f"sample ratio: counts {seen.tolist()} for shares {wanted.tolist()}; expected (m,) each")
    expected = wanted / wanted.sum() * seen.sum()
    if len(seen) < 2 or not seen.sum():
        return 1.0
    return float(chi2.sf(((seen - expected) ** 2 / expected).sum(), len(seen) - 1))
