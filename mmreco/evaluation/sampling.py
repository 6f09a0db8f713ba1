"""Sampled metrics, for comparison with papers that report them: targets among a few drawn items, not among all."""

import numpy as np

from mmreco.arrays import I64, Bool
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError

__all__ = ["drawn"]

_SLACK = 8  # further draws, since some meet the same item


def drawn(
    histories: Interactions, targets: Interactions, n: int, rng: np.random.Generator, *, where: Bool | None = None
) -> Bool:
    """The items to rank for each user, shape `(users, n_items)`: their targets, and `n` drawn evenly from the rest.

    The rest is neither in their history nor among their targets. `rng` is read a user at a time, so that batches of any
    size draw alike.

    Raises
    ------
    DataError
        A user has fewer than `n` items left to draw from.
    """
    n_items = len(targets.items)
    allowed = np.arange(n_items) if where is None else np.flatnonzero(where)
    users, places = _taken(histories, targets, allowed)
    taken = np.bincount(users, minlength=len(targets))
    left = len(allowed) - taken
    if len(left) and int(left.min()) < n:
        user = int(left.argmin())
        raise DataError(
            f"sampled={n}: user {targets.users.ids([user])[0]!r} has {left[user]} items that are neither history nor "
            "target; expected as many at least"
        )
    ranks = _subsets(left, n, rng)  # (users, n), among those left
    apart, lines = len(allowed) + 1, np.arange(len(targets))[:, None]
    starts = np.cumsum(taken) - taken
    below = places - (np.arange(len(users)) - starts[users]) + users * apart  # rising, user by user
    before = np.searchsorted(below, ranks + lines * apart, side="right") - starts[:, None]  # taken before each
    chosen = np.zeros((len(targets), n_items), dtype=np.bool_)
    chosen[lines, allowed[ranks + before]] = True
    chosen[targets.users_flat, targets.items_flat] = True
    return chosen


def _taken(histories: Interactions, targets: Interactions, allowed: I64) -> tuple[I64, I64]:
    """Each user's own items that are allowed, once each and in order: the user, and the place in `allowed`."""
    n_items = len(targets.items)
    pairs = [log.users_flat * n_items + log.items_flat for log in (histories, targets)]
    users, items = np.divmod(np.unique(np.concatenate(pairs)), max(1, n_items))
    place = np.full(n_items, -1, dtype=np.int64)
    place[allowed] = np.arange(len(allowed))
    there = place[items] >= 0
    return users[there], place[items[there]]


def _subsets(left: I64, n: int, rng: np.random.Generator) -> I64:
    """`n` different numbers below each of `left`, shape `(users, n)`: the first different ones of a few more draws."""
    width = n + n // 4 + _SLACK
    luck = rng.random((len(left), width))
    draws = np.minimum((luck * left[:, None]).astype(np.int64), left[:, None] - 1)
    order = np.argsort(draws, axis=1, kind="stable")
    rising = np.take_along_axis(draws, order, axis=1)
    again = np.zeros(draws.shape, dtype=np.bool_)
    np.put_along_axis(again, order[:, 1:], rising[:, 1:] == rising[:, :-1], axis=1)
    first = ~again & (np.cumsum(~again, axis=1) <= n)
    subsets = np.empty((len(left), n), dtype=np.int64)
    enough = first.sum(axis=1) == n
    subsets[enough] = draws[enough][first[enough]].reshape(-1, n)
    for user in np.flatnonzero(~enough):  # few are left, so many draws met again
        own = np.random.default_rng(int(luck[user, 0] * 2**53))
        subsets[user] = own.choice(int(left[user]), n, replace=False)
    return subsets
