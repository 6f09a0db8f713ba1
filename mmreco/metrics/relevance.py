"""What every metric begins with: which answers are right, and which items were answered."""

from typing import Any

import numpy as np
import numpy.typing as npt

from mmreco.arrays import F64, I64, Bool
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError

__all__ = ["item_exposure", "divided", "relevance", "require_rows"]


_FEW = 4  # targets a user, up to which comparing is quicker than searching


def relevance(ranking: Ranking, targets: Interactions) -> tuple[Bool, I64]:
    """Whether each answer is a target, shape `(n, k)`, and how many distinct targets each user has, `(n,)`.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    IncompatibleError
        The ranking holds a row beyond the items of `targets`.
    """
    if len(ranking) != len(targets):
        raise DataError(f"targets of {len(targets)} users for {len(ranking)} questions; expected one user a question")
    n_items = max(1, len(targets.items))
    if ranking.rows.size and int(ranking.rows.max()) >= n_items:
        raise IncompatibleError(
            f"ranking answers row {int(ranking.rows.max())}, targets are over {len(targets.items)} items; "
            "make both over the same catalogue"
        )
    if int(targets.lengths.max(initial=0)) <= _FEW:
        return _one_by_one(ranking, targets)
    keys = np.unique(targets.users_flat * n_items + targets.items_flat)
    wanted = np.bincount(keys // n_items, minlength=len(targets)).astype(np.int64)
    if not len(keys):
        return np.zeros(ranking.rows.shape, dtype=bool), wanted
    asked = np.arange(len(ranking))[:, None] * n_items + ranking.rows  # (n, k)
    hits = keys[np.searchsorted(keys, asked).clip(max=len(keys) - 1)] == asked
    return hits & (ranking.rows >= 0), wanted


def _one_by_one(ranking: Ranking, targets: Interactions) -> tuple[Bool, I64]:
    """As `judged`, quicker where nobody has many targets: each is compared with all answers."""
    own = np.full((len(targets), max(1, int(targets.lengths.max(initial=0)))), -2, dtype=np.int64)  # no row is -2
    own[targets.users_flat, np.arange(targets.n_events) - targets.starts[targets.users_flat]] = targets.items_flat
    own.sort(axis=1)
    own[:, 1:][own[:, 1:] == own[:, :-1]] = -2  # repeats count once
    hits = np.zeros(ranking.rows.shape, dtype=np.bool_)
    for column in own.T:
        hits |= ranking.rows == column[:, None]
    return hits, np.asarray((own >= 0).sum(axis=1), dtype=np.int64)


def item_exposure(ranking: Ranking, n_items: int) -> I64:
    """How many questions were answered with each item, shape `(n_items,)`.

    Raises
    ------
    DataError
        `n_items` is below 1 or the ranking holds a row beyond it.
    """
    require_rows(ranking, n_items)
    return np.bincount(ranking.rows[ranking.rows >= 0], minlength=n_items).astype(np.int64)


def require_rows(ranking: Ranking, n_items: int) -> None:
    """Check that every row of a ranking is one of `n_items`.

    Raises
    ------
    DataError
        `n_items` is below 1 or the ranking holds a row beyond it.
    """
    if n_items < 1 or (ranking.rows.size and int(ranking.rows.max()) >= n_items):
        raise DataError(f"n_items={n_items}: expected 1 or more, and more than every row of the ranking")


def divided(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> F64:
    """The quotients, shape `(n,)`; NaN where `below` is 0."""
    quotient: F64 = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    return quotient
