"""What a model that learns by gradient keeps aside, to see when to stop."""

import numpy as np

from mmreco.data.interactions import Interactions
from mmreco.splitting import Holdout
from mmreco.splitting.held_events import asked_when_wanted, drawn_events, last_baskets

__all__ = ["held_out", "validations_per_epoch"]

_VALIDATORS = 10_000  # users validated on at most
_SHARE = 0.2  # of a user's events, where their order does not count
_ENOUGH = 50  # users that validation needs to tell passes apart
_LOOK, _LOOKS = 250_000, 4  # events between two looks at least, about; looks a pass at most


def held_out(train: Interactions, seed: int, *, ordered: bool = True) -> tuple[Interactions, Holdout | None]:
    """`train` without some events of every tenth user, and those events; all of it and None where too few.

    Parameters
    ----------
    train : `n` users
    seed : 0 or more
        Draws the users, and the events where no order counts.
    ordered : optional
        Whether it is the last event, or basket, of each, or a fifth of their events whenever they were.
    """
    last, after = last_baskets(train, 1)
    left = train.lengths - (np.bincount(train.users_flat[last | after], minlength=len(train)) if ordered else 1)
    if ordered:
        left[np.bincount(train.users_flat[last], minlength=len(train)) == 0] = 0
    able = np.flatnonzero(left > 1)  # whoever is held out still has two events to learn from
    count = min(_VALIDATORS, len(able) // 10)
    if count < _ENOUGH:
        return train, None
    chosen = np.sort(np.random.default_rng(seed).choice(able, count, replace=False))
    theirs = np.isin(train.users_flat, chosen)
    held, away = last & theirs, after & theirs
    if not ordered:
        held, away = np.zeros_like(held), np.zeros_like(away)
        held[theirs] = drawn_events(train.take(chosen), _SHARE, seed)
    rest, targets = train.keep(~held & ~away), train.keep(held)
    histories, wanted = rest.take(chosen), targets.take(chosen)
    return rest, asked_when_wanted(histories, wanted) if ordered else Holdout(histories, wanted)


def validations_per_epoch(train: Interactions) -> int:
    """How often a pass over `train` stops for a look at validation."""
    return min(max(1, round(train.n_events / _LOOK)), _LOOKS)
