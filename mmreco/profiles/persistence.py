"""Persistence: what a shopper merely carries on with in a session, told from what was chosen anew.

Who looks at shoes looks at more shoes for a while, which says less of a taste than coming back to shoes another day.
How strongly a facet is carried on is learnt from all shoppers: by how much more often an event has the value of the one
before it inside a session than across two sessions. An event is then one of a mixture: with chance `kept` the value
before is kept, otherwise a value is drawn from the shopper's own mix.
"""

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F64, I64
from mmreco.data.interactions import Interactions

__all__ = ["chosen_anew"]

_SESSION = 1_800_000  # milliseconds of silence, after which a session has ended
_ENOUGH = 100  # pairs of events, below which nothing is learnt


def chosen_anew(log: Interactions, times: I64, parts: sp.csr_array, share: F64) -> F64:
    """The chance that each event's value was not carried on from the event before it, shape `(e,)`.

    Parameters
    ----------
    log : `n` users
    times : shape `(e,)`
        Milliseconds.
    parts : sparse, shape `(e, v)`
        The share of each event that each value has; a line adds up to 1, or to 0 where nothing is known.
    share : shape `(n, v)`
        The shopper's mix as far as it is known.
    """
    anew = np.ones(log.n_events)
    users = log.users_flat
    same_user = users[1:] == users[:-1]
    inside = same_user & (np.diff(times) <= _SESSION)
    has = np.asarray(parts.sum(axis=1)).ravel() > 0
    both = has[1:] & has[:-1]
    alike = np.asarray(parts[1:].multiply(parts[:-1]).sum(axis=1)).ravel()
    within, across = both & inside, both & same_user & ~inside
    if min(np.count_nonzero(within), np.count_nonzero(across)) < _ENOUGH:
        return anew
    usual = float(alike[across].mean())
    kept = (float(alike[within].mean()) - usual) / max(1 - usual, 1e-9)
    if kept <= 0:
        return anew
    lines = np.repeat(np.arange(log.n_events), np.diff(parts.indptr))
    likely = np.bincount(lines, weights=parts.data * share[users[lines], parts.indices], minlength=log.n_events)
    drawn = (1 - kept) * likely
    fresh = np.divide(drawn, kept + drawn, out=np.zeros_like(drawn), where=kept + drawn > 0)
    anew[1:] = np.where(within, 1 - alike * (1 - fresh[1:]), 1.0)
    return anew
