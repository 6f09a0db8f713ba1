"""Which events of a log are held out: the last ones, the last baskets, some by chance; and when they are asked."""

import numpy as np

from mmreco.arrays import I64, Bool
from mmreco.data.interactions import Interactions
from mmreco.splitting.split import Holdout

__all__ = ["asked_when_wanted", "baskets_left", "drawn_events", "last_baskets", "last_events"]


def last_events(events: Interactions, n: int) -> Bool:
    """Which events are among their user's last `n`, shape `(e,)`."""
    last: Bool = np.repeat(events.starts[1:], events.lengths) - np.arange(events.n_events) <= n
    return last


def baskets_left(events: Interactions) -> I64:
    """How many baskets of its user each event is from the end, shape `(e,)`; 1 for all events of the last moment.

    Without times every event is a basket of its own.
    """
    if events.times is None or not events.n_events:
        return np.repeat(events.starts[1:], events.lengths) - np.arange(events.n_events)
    users = events.users_flat
    number = np.cumsum(events.begins_moment)
    latest = np.zeros(len(events), dtype=np.int64)
    np.maximum.at(latest, users, number)
    return latest[users] - number + 1


def last_baskets(events: Interactions, n: int) -> tuple[Bool, Bool]:
    """Which events are of their user's last `n` baskets, and which others come no earlier than those, `(e,)` each.

    Baskets are of events of a weight above 0; of a user who has no more than `n` of them none is held.
    """
    wanted = events.weights > 0
    left = np.zeros(events.n_events, dtype=np.int64)
    left[wanted] = baskets_left(events.keep(wanted))
    baskets = np.zeros(len(events), dtype=np.int64)
    np.maximum.at(baskets, events.users_flat, left)
    held: Bool = wanted & (left <= n) & (baskets > n)[events.users_flat]
    moments = np.cumsum(events.begins_moment)
    first = np.full(len(events), np.iinfo(np.int64).max)
    np.minimum.at(first, events.users_flat[held], moments[held])
    after: Bool = ~held & (moments >= first[events.users_flat])
    return held, after


def drawn_events(events: Interactions, share: float, seed: int) -> Bool:
    """A random `share` of each user's events, at least one and never all, shape `(e,)`."""
    held = np.minimum(np.maximum(np.rint(share * events.lengths), 1), events.lengths - 1)  # (n,)
    luck = np.random.default_rng(seed).random(events.n_events)
    order = np.lexsort((luck, events.users_flat))
    place = np.empty(events.n_events, dtype=np.int64)  # of each event among its user's, by luck
    place[order] = np.arange(events.n_events) - events.starts[events.users_flat]
    chosen: Bool = place < held[events.users_flat]
    return chosen


def asked_when_wanted(histories: Interactions, targets: Interactions, *, at: int | None = None) -> Holdout:
    """These users asked at one moment, or each when the first of the targets came, where that is known."""
    if at is not None:
        return Holdout(histories, targets, np.full(len(targets), at, dtype=np.int64))
    if targets.times is None or not (targets.lengths > 0).all():
        return Holdout(histories, targets)
    return Holdout(histories, targets, targets.times[targets.starts[:-1]])
