"""Sampled metrics, for comparison with papers that report them: targets among a few drawn items, not among all."""

import numpy as np

from mmreco.arrays import I64, Bool
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError

__all__ = ["drawn"]


def drawn(
    histories: Interactions, targets: Interactions, n: int, seeds: list[list[int]], *, where: Bool | None = None
) -> Bool:
    """Which items are ranked for each user, shape `(users, n_items)`: his targets, and `n` drawn evenly from the rest.

    The rest is neither in his history nor among his targets. Each user has a seed of his own, so that batches of any
    size draw alike.

    Raises
    ------
    DataError
        A user has fewer than `n` items left to draw from.
    """
    n_items = len(targets.items)
    allowed = np.arange(n_items) if where is None else np.flatnonzero(where)
    chosen = np.zeros((len(targets), n_items), dtype=np.bool_)
    for user, seed in enumerate(seeds):
        own = np.union1d(histories.history(user), targets.history(user))
        taken = np.flatnonzero(np.isin(allowed, own)) if where is not None else own  # places in `allowed`
        left = len(allowed) - len(taken)
        if left < n:
            raise DataError(
                f"sampled={n}: user {targets.users.ids([user])[0]!r} has {left} items that are neither history nor "
                "target; expected as many at least"
            )
        chosen[user, allowed[_without(taken, left, n, np.random.default_rng(seed))]] = True
    chosen[targets.users_flat, targets.items_flat] = True
    return chosen


def _without(taken: I64, left: int, n: int, rng: np.random.Generator) -> I64:
    """`n` different numbers of `0..left + len(taken) - 1` that are not `taken`, which rise."""
    ranks = rng.choice(left, n, replace=False, shuffle=False)
    before = np.searchsorted(taken - np.arange(len(taken)), ranks, side="right")  # of those taken
    numbers: I64 = ranks + before
    return numbers
