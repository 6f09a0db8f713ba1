"""Sampled metrics, for comparison with papers that report them: targets among a few drawn items, not among all."""

import numpy as np

from mmreco.arrays import Bool
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError

__all__ = ["among", "drawn"]


def drawn(
    histories: Interactions, targets: Interactions, n: int, rng: np.random.Generator, *, where: Bool | None = None
) -> Bool:
    """Which items are ranked for each user, shape `(users, n_items)`: his targets, and `n` drawn evenly from the rest.

    The rest is neither in his history nor among his targets. `rng` is read a user at a time, so that
    batches of any size draw alike.

    Raises
    ------
    DataError
        A user has fewer than `n` items left to draw from.
    """
    n_items = len(targets.items)
    luck = rng.random((len(targets), n_items))
    if where is not None:
        luck[:, ~where] = np.inf
    luck[histories.users_flat, histories.items_flat] = np.inf
    luck[targets.users_flat, targets.items_flat] = np.inf
    left = np.isfinite(luck).sum(axis=1)
    if len(left) and int(left.min()) < n:
        raise DataError(
            f"sampled={n}: user {targets.users.ids([int(left.argmin())])[0]!r} has {int(left.min())} items "
            "that are neither history nor target; expected as many at least"
        )
    chosen = np.zeros(luck.shape, dtype=np.bool_)
    if n and len(luck):
        np.put_along_axis(chosen, np.argpartition(luck, n - 1, axis=1)[:, :n], True, axis=1)
    chosen[targets.users_flat, targets.items_flat] = True
    return chosen


def among(ranking: Ranking, chosen: Bool, k: int) -> Ranking:
    """The first `k` of a ranking's answers that are `chosen`, shape `(n, n_items)`, in their order."""
    kept = (ranking.rows >= 0) & np.take_along_axis(chosen, np.maximum(ranking.rows, 0), axis=1)
    order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
    there = np.take_along_axis(kept, order, axis=1)
    rows = np.where(there, np.take_along_axis(ranking.rows, order, axis=1), -1)
    scores = np.where(there, np.take_along_axis(ranking.scores, order, axis=1), np.float32(-np.inf))
    short = k - rows.shape[1]
    if short > 0:
        rows = np.pad(rows, ((0, 0), (0, short)), constant_values=-1)
        scores = np.pad(scores, ((0, 0), (0, short)), constant_values=-np.inf)
    return Ranking(rows, scores)
