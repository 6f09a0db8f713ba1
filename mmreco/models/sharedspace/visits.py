"""What is asked in the middle of a visit: what comes right after, which need not be what is wanted over the horizon.

A question is in a visit where it is asked within half an hour of the user's newest event, the usual bound of a session.
Its weights are found by the last such question of each user within the latest horizon, told all that came before it.
Where they do not answer these better than the weights of the horizon, or too few were asked, there are none. The number
of passes is found by both questions, too: what is wanted over the horizon is learnt in few, what comes right after in
many, and more than it needs hardly hurts the former.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmreco.arrays import I64, Bool
from mmreco.data.interactions import Interactions
from mmreco.models.sharedspace.blend import Evidence, ndcg_of, pooled, scores_of, weighed
from mmreco.models.sharedspace.cold_start import some
from mmreco.splitting import Holdout
from mmreco.splitting.held_events import asked_when_wanted

__all__ = ["VisitWeights", "asked_in_visits", "in_visit"]

_VISIT = 30 * 60_000  # milliseconds
_ENOUGH = 50  # users to ask
_GAIN = 0.005  # relative, of NDCG@10


@dataclass(frozen=True)
class VisitWeights:
    """How much each kind of evidence counts in a visit.

    Parameters
    ----------
    following, later : of the two user vectors of the towers
    pairs, unfaded : of what pairs of items say, with old events fading and with none
    trend : of what is added to the score of each item outside a visit
    seasons : of what is wanted at which time of the year
    """

    following: float
    later: float
    pairs: float
    unfaded: float = 0.0
    trend: float = 0.0
    seasons: float = 0.0

    @classmethod
    def found(cls, kinds: Sequence[Evidence], outside: Sequence[float], asked: Holdout) -> "VisitWeights | None":
        """The weights that answer `asked` best; None where those of `outside` a visit are as good.

        Parameters
        ----------
        kinds : evidence in the order of the parameters of the class
            One whose items say nothing has no weight.
        outside : the weight of each outside a visit
        asked : questions in visits
        """
        speaking = [kind for kind, of in enumerate(kinds) if of.items.size and of.items.any() and of.users.any()]
        pool = pooled([kinds[kind] for kind in speaking], asked)
        before = np.array(outside, dtype=np.float64)[speaking]
        inside = weighed(pool, [False] * len(speaking), 0)
        scores, there = [scores_of(pool, of) for of in (before, inside)], pool.rows >= 0
        if ndcg_of(scores[1], pool) <= ndcg_of(scores[0], pool) * (1 + _GAIN):
            return None
        same = float(scores[0][there].std() / max(float(scores[1][there].std()), 1e-9))  # one unit for both
        weights = [0.0] * len(kinds)
        for kind, weight in zip(speaking, inside, strict=True):
            weights[kind] = float(weight) * same
        return cls(*weights)


def in_visit(histories: Interactions, at: I64 | None) -> Bool:
    """Which questions are asked in a visit, shape `(n,)`; none where `at`, `(n,)` milliseconds, is not known."""
    near = np.zeros(len(histories), dtype=np.bool_)
    there = histories.lengths > 0
    if at is None or histories.times is None:
        return near
    near[there] = at[there] - histories.times[histories.starts[1:][there] - 1] <= _VISIT
    return near


def asked_in_visits(log: Interactions, moment: int, most: int, seed: int) -> Holdout | None:
    """The last question in a visit from `moment`, milliseconds, on, of up to `most` users; None with too few."""
    times = log.times
    if times is None:
        return None
    wanted = np.flatnonzero((times >= moment) & (log.weights > 0))
    users = log.users_flat
    moments = np.cumsum(log.begins_moment) - 1  # (e,)
    first = np.flatnonzero(log.begins_moment)[moments[wanted]]  # the first event of the moment of each
    before = np.maximum(first - 1, 0)
    near = (first > log.starts[users[wanted]]) & (times[wanted] - times[before] <= _VISIT)
    asked = np.full(len(log), -1, dtype=np.int64)
    np.maximum.at(asked, users[wanted[near]], moments[wanted[near]])
    rows = np.flatnonzero(asked >= 0)
    if len(rows) < _ENOUGH:
        return None
    rows = some(rows, most, np.random.default_rng(seed))
    due = asked[users]
    histories, targets = log.keep(moments < due), log.keep((moments == due) & (log.weights > 0))
    return asked_when_wanted(histories.take(rows), targets.take(rows))
