"""What a space is taught and asked: the next basket alone, or also what comes within a horizon.

A shop asks what somebody wants over the coming days, not the next click. Where the log has dates the horizon is as long
as its latest tenth of events (fifth, three tenths, until there are 200 users to ask), and the same moment parts what is
learnt from what is asked when a fit looks how well it does.
"""

from typing import Literal, NamedTuple

import numpy as np

from mmreco.arrays import F32, I64, Bool
from mmreco.data.interactions import Interactions
from mmreco.data.moment import newest
from mmreco.encoders.baskets import Baskets
from mmreco.errors import DataError
from mmreco.splitting import Holdout
from mmreco.splitting.held_events import asked_when_wanted

__all__ = ["Drawn", "Target", "asks_next", "dated", "drawn_later", "drawn_next", "horizon_of", "later_half", "reach_of"]

Target = Literal["auto", "next", "horizon"]

_LATEST = (0.1, 0.2, 0.3)  # share of the events that lies within the horizon before the log's end: the first that does
_ENOUGH, _LEAST = 200, 50  # users there are to ask; with fewer than the second nobody is asked
_NEXT, _LATER = 4, 2  # targets drawn for a step, from the next basket and from the horizon


class Drawn(NamedTuple):
    """Targets, `(p,)` each: the step each is of, its item row, and how much it counts, below 0 against the item."""

    steps: I64
    items: I64
    weights: F32


def dated(log: Interactions) -> bool:
    """Whether times are dates, not numbers counted from each user's first event on."""
    if log.times is None or not log.n_events:
        return False
    firsts = log.times[log.starts[:-1][log.lengths > 0]]
    return bool((firsts == log.times.min()).mean() < 0.5)


def horizon_of(log: Interactions, target: Target) -> int | None:
    """How far a dated log is looked ahead in, milliseconds; None where only the next basket counts."""
    if target == "next" or not dated(log):
        return None
    moment = _moment(log)
    if moment is None or log.times is None:
        return None
    end = newest(log.times)
    return (end if end >= moment else int(log.times.max())) - moment + 1


def asks_next(asked: Holdout) -> bool:
    """Whether nobody is asked for more than one basket."""
    return bool((Baskets.of(asked.targets).counts <= 1).all())


def later_half(log: Interactions) -> tuple[Interactions, Holdout]:
    """A log that has a horizon without what lies within the last one, and what its users did in that."""
    moment = _moment(log)
    if moment is None or log.times is None:
        raise DataError(f"{log!r} has no horizon; expected one that `horizon_of` finds")
    before = log.times < moment
    targets, histories = log.keep(~before & (log.weights > 0)), log.keep(before)
    both = np.flatnonzero((targets.lengths > 0) & (histories.lengths > 0))
    asked = asked_when_wanted(histories.take(both), targets.take(both), at=moment)
    return histories.take(np.flatnonzero(histories.lengths)), asked


def _moment(log: Interactions) -> int | None:
    """Where the horizon before the log's end begins; None where too few users have done something on both sides."""
    times, found = log.times, {}
    assert times is not None
    for share in _LATEST:
        moment = int(np.quantile(times, 1 - share, method="lower"))
        before = times < moment
        sides = [
            np.bincount(log.users_flat[side], minlength=len(log)) for side in (before, ~before & (log.weights > 0))
        ]
        both = int(((sides[0] > 0) & (sides[1] > 0)).sum()) if (sides[0] > 1).any() else 0
        if both >= _ENOUGH:
            return moment
        found[both] = moment
    return found[max(found)] if max(found) >= _LEAST else None


def drawn_next(baskets: Baskets, steps: I64, rng: np.random.Generator) -> Drawn:
    """Up to four events of the basket after each of `steps`, `(s,)`; what weighs nothing is never one."""
    after = steps + 1
    sizes = baskets.sizes[after]
    begun = (rng.random(len(steps)) * sizes).astype(np.int64)
    turn = np.arange(_NEXT)
    events = baskets.starts[after][:, None] + (begun[:, None] + turn) % sizes[:, None]  # (s, 4)
    return _taught(baskets, events, turn < sizes[:, None])


def drawn_later(baskets: Baskets, steps: I64, reach: I64, rng: np.random.Generator) -> Drawn:
    """Two events of the baskets from the one after each of `steps`, `(s,)`, to the one `reach`, `(s,)`."""
    which = (rng.random((len(steps), _LATER)) * np.maximum(reach - steps, 1)[:, None]).astype(np.int64)
    basket = steps[:, None] + 1 + which
    events = baskets.starts[basket] + (rng.random(basket.shape) * baskets.sizes[basket]).astype(np.int64)
    return _taught(baskets, events, np.ones(events.shape, dtype=np.bool_))


def reach_of(baskets: Baskets, ahead: int) -> I64:
    """The user's last basket within `ahead` milliseconds after each, shape `(b,)`; the basket itself where none is."""
    assert baskets.times is not None
    since = baskets.times - (baskets.times.min() if len(baskets) else 0)
    lane = int(since.max(initial=0)) + ahead + 1  # users stand one after the other on one line
    line = baskets.users * lane + since
    reach: I64 = np.searchsorted(line, line + ahead, side="right") - 1
    return reach


def _taught(baskets: Baskets, events: I64, there: Bool) -> Drawn:
    weights = baskets.weights[events]
    there = there & (weights != 0)
    steps = np.broadcast_to(np.arange(len(events))[:, None], events.shape)
    return Drawn(steps[there], baskets.items[events[there]], weights[there])
