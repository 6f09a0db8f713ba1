"""What a model that learns by gradient keeps aside, to see when to stop."""

import numpy as np

from mmreco.data.interactions import Interactions
from mmreco.data.split import Holdout, leave_last_out

__all__ = ["held_out", "looks"]

_VALIDATORS = 10_000  # users validated on at most
_ENOUGH = 50  # users that validation needs to tell passes apart
_LOOK, _LOOKS = 250_000, 4  # events between two looks at least, about; looks a pass at most


def held_out(train: Interactions, seed: int) -> tuple[Interactions, Holdout | None]:
    """`train` without the last event of every tenth user, and those events; all of it and None where too few."""
    able = np.flatnonzero(train.lengths > 2)  # whoever is held out still has two events to learn from
    count = min(_VALIDATORS, len(able) // 10)
    if count < _ENOUGH:
        return train, None
    chosen = np.sort(np.random.default_rng(seed).choice(able, count, replace=False))
    last = np.zeros(train.n_events, dtype=np.bool_)
    last[train.starts[chosen + 1] - 1] = True
    return train.keep(~last), leave_last_out(train.take(chosen))[1]


def looks(train: Interactions) -> int:
    """How often a pass over `train` stops for a look at validation."""
    return min(max(1, round(train.n_events / _LOOK)), _LOOKS)
