"""How sure a difference is: bootstrap intervals over users, paired tests, and Holm's correction for many of them.

Sources: Efron, "Bootstrap methods: another look at the jackknife", 1979; Smucker, Allan, Carterette, "A comparison of
statistical significance tests for information retrieval evaluation", 2007 (the paired randomisation test); Holm, "A
simple sequentially rejective multiple test procedure", 1979.
"""

import numpy as np
import numpy.typing as npt

from mmreco.arrays import F64
from mmreco.errors import DataError

__all__ = ["bootstrap", "holm", "paired"]

_CELLS = 1 << 22  # draws times users held at a time


def bootstrap(values: npt.ArrayLike, *, level: float = 0.95, draws: int = 2_000, seed: int = 0) -> F64:
    """The interval of each mean over users drawn again with replacement, shape `(m, 2)`: lower and upper end.

    Parameters
    ----------
    values : shape `(m, n)`
        A line a model, a column a user; the users drawn are the same for every line. NaN is not counted.
    level : between 0 and 1, exclusive
        The percentile interval holds this share of the means drawn.
    draws : 1 or more
    seed : 0 or more

    Raises
    ------
    DataError
        `values` is not `(m, n)` with a user at least, or `level` or `draws` is out of range.
    """
    given = _lines("bootstrap", values)
    if not 0 < level < 1 or draws < 1:
        raise DataError(
            f"bootstrap: level={level}, draws={draws}; expected a level between 0 and 1, and a draw or more"
        )
    n = given.shape[1]
    there = ~np.isnan(given)
    filled = np.where(there, given, 0.0)
    rng = np.random.default_rng([seed, 1])
    means = np.empty((draws, len(given)))
    step = max(1, _CELLS // n)
    for start in range(0, draws, step):
        b = min(step, draws - start)
        users = rng.integers(n, size=(b, n)) + np.arange(b)[:, None] * n
        times = np.bincount(users.ravel(), minlength=b * n).reshape(b, n).astype(np.float64)  # how often each was drawn
        counted = times @ there.T.astype(np.float64)  # (b, m)
        means[start : start + b] = np.divide(
            times @ filled.T, counted, out=np.full(counted.shape, np.nan), where=counted > 0
        )
    ends = np.full((len(given), 2), np.nan)
    some = there.any(axis=1)
    ends[some] = np.nanquantile(means[:, some], [(1 - level) / 2, (1 + level) / 2], axis=0).T
    return ends


def paired(values: npt.ArrayLike, *, draws: int = 20_000, seed: int = 0) -> F64:
    """How often chance alone would set each two lines as far apart, shape `(m, m)`: p-values, 1 on the diagonal.

    The paired randomisation test, two-sided: if two models were alike, each user's two figures could as well be
    swapped. The same swaps serve all pairs. A p-value is at least `1 / (draws + 1)`.

    Parameters
    ----------
    values : shape `(m, n)`
        A line a model, a column a user; no NaN.
    draws : 1 or more
    seed : 0 or more

    Raises
    ------
    DataError
        `values` is not `(m, n)` with a user at least, holds NaN, or `draws` is below 1.
    """
    given = _lines("paired", values)
    if np.isnan(given).any():
        lacking = int(np.isnan(given).any(axis=0).sum())
        raise DataError(f"paired: {lacking} of {given.shape[1]} users with a NaN; compare those whom all models have")
    if draws < 1:
        raise DataError(f"paired: draws={draws}; expected 1 or more")
    m, n = given.shape
    centred = given - given.mean(axis=0)  # what all have in common cancels in every difference, but not in rounding
    sums = centred.sum(axis=1)
    observed = np.abs(sums[:, None] - sums)  # (m, m)
    slack = 1e-6 * float(np.abs(centred).sum(axis=1).max())  # what single precision may lose
    rng = np.random.default_rng([seed, 2])
    reached = np.zeros((m, m), dtype=np.int64)
    step = max(1, _CELLS // max(n, m * m))
    for start in range(0, draws, step):
        b = min(step, draws - start)
        bits = np.unpackbits(np.frombuffer(rng.bytes(b * ((n + 7) // 8)), dtype=np.uint8).reshape(b, -1), axis=1)
        signs = bits[:, :n].astype(np.float32) * 2 - 1  # (b, n)
        drawn = signs @ centred.T.astype(np.float32)  # (b, m)
        apart = np.abs(drawn[:, :, None] - drawn[:, None, :])  # (b, m, m)
        reached += (apart >= observed - slack).sum(axis=0)
    return np.asarray((1 + reached) / (1 + draws), dtype=np.float64)


def holm(p: npt.ArrayLike) -> F64:
    """The p-values of a family of tests, corrected so that any false alarm among them is as rare as the level says.

    The smallest of `m` is multiplied by `m`, the next by `m - 1`, and so on; none falls below one before it.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    given = np.asarray(p, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    raised = given[order] * np.arange(len(given), 0, -1)
    out = np.empty_like(given)
    out[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return out


def _lines(what: str, values: npt.ArrayLike) -> F64:
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 2 or not given.shape[1]:
        raise DataError(f"{what}: values of shape {given.shape}; expected (models, users) with a user at least")
    return given
