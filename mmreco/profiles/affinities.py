"""Affinities: what each shopper prefers more than others do, with the events that show it.

Source: Zhai, Lafferty, "A study of smoothing methods for language models applied to ad hoc information retrieval",
2001, for Dirichlet smoothing: a shopper's share of a value is drawn towards the shop's, more so with fewer events.
Ours, chosen by how well the first event of a session is foretold from the sessions before: an event counts by the
root of its weight, and by the chance that it was not merely carried on with (`mmreco.profiles.persistence`).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from mmreco.arguments import require_number
from mmreco.arrays import F64, I64, frozen
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError
from mmreco.models.time_decay import since_last
from mmreco.profiles.facets import Facet
from mmreco.profiles.persistence import chosen_anew

__all__ = ["Affinities", "affinities", "evidence"]

_DAY = 86_400_000  # milliseconds


@dataclass(frozen=True, eq=False, repr=False)
class Affinities:
    """How much `n` shoppers prefer each of the `v` values of a facet.

    Parameters
    ----------
    users : IdMap of `n` users
    values : `v` names
    share : shape `(n, v)`, float64
        The smoothed share of a shopper's events that each value has; a line adds up to 1.
    lift : shape `(n, v)`, float64
        How many times that is the shop's share: 1 is usual.
    events : shape `(n, v)`, float64
        How many events it rests on; an item of several values is shared out among them.
    """

    users: IdMap
    values: tuple[str, ...]
    share: F64
    lift: F64
    events: F64

    def __post_init__(self) -> None:
        for name in ("share", "lift", "events"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float64))

    def __repr__(self) -> str:
        return f"Affinities({len(self.users)} users x {len(self.values)} values)"

    def first(self) -> I64:
        """The value each shopper prefers most, shape `(n,)`; -1 for one without any event that has a value."""
        return np.where(self.events.sum(axis=1) > 0, self.share.argmax(axis=1), -1)

    def top(self, k: int = 3) -> pa.Table:
        """The `k` largest shares of each shopper, a row each: `user_id`, `value`, `share`, `lift`, `events`.

        Values without an event of the shopper are left out.
        """
        order = np.argsort(-self.share, axis=1, kind="stable")[:, :k]
        lines = np.repeat(np.arange(len(self.users)), order.shape[1])
        columns = order.ravel()
        there = self.events[lines, columns] > 0
        lines, columns = lines[there], columns[there]
        return pa.table(
            {
                "user_id": self.users.array.take(pa.array(lines)),
                "value": [self.values[c] for c in columns.tolist()],
                "share": self.share[lines, columns],
                "lift": self.lift[lines, columns],
                "events": self.events[lines, columns],
            }
        )


def affinities(
    log: Interactions, facet: Facet, *, prior: float = 2.0, half_life_days: float | None = None
) -> Affinities:
    """What each shopper of the log prefers on this facet.

    Parameters
    ----------
    facet : of `facets`, over the items of the log
    log : `n` users
        Events count by the roots of their weights, scaled so that a shopper's add up to how many they are; a value that
        they speak against in sum counts nothing. Where there are times, an event of the same value as the one before
        it in a session counts less, the more so the more all shoppers carry on with this facet in their sessions.
    prior : 0 or more
        How many events of the shop's own mix are added to a shopper's.
    half_life_days : above 0, optional
        An event counts half for every so many days before the shopper's last one.

    Raises
    ------
    IncompatibleError
        The facet is of other items than the log.
    DataError
        `prior` is below 0, or `half_life_days` is given and the log has no times.
    """
    if facet.items != log.items:
        raise IncompatibleError(
            f"affinities: a facet of {len(facet.items)} items, a log over {len(log.items)}; take both from one dataset"
        )
    prior = require_number("prior", prior, least=0)
    weights = np.sign(log.weights) * np.sqrt(np.abs(log.weights.astype(np.float64)))
    if half_life_days is not None:
        weights = weights * _recent(log, half_life_days)
    lines = log.users_flat
    parts = facet.matrix[log.items_flat]  # (e, v)
    known = np.asarray(parts.sum(axis=1)).ravel() > 0
    ones = _sums(lines, parts, np.ones(log.n_events), len(log))
    usual = ones.sum(axis=0) / max(ones.sum(), 1)

    def smoothed(anew: F64) -> F64:
        weighed = np.maximum(_sums(lines, parts, weights * anew, len(log)), 0)
        total, many = weighed.sum(axis=1, keepdims=True), np.bincount(lines, weights=anew * known, minlength=len(log))
        mix = np.divide(weighed * many[:, None], total, out=np.zeros_like(weighed), where=total > 0)
        below = mix.sum(axis=1, keepdims=True) + prior
        out: F64 = np.broadcast_to(usual, mix.shape).copy()
        np.divide(mix + prior * usual, below, out=out, where=below > 0)
        return out

    share = smoothed(np.ones(log.n_events))
    if log.times is not None:
        share = smoothed(chosen_anew(log, log.times, parts, share))
    lift = np.divide(share, usual, out=np.zeros_like(share), where=usual > 0)
    return Affinities(log.users, facet.values, share, lift, ones)


def evidence(log: Interactions, facet: Facet, user: int, value: int) -> I64:
    """The places in the log, oldest first, of the events of a user with this value of the facet."""
    events = np.arange(log.starts[user], log.starts[user + 1])
    has = facet.matrix[log.items_flat[events]][:, [value]].toarray().ravel() > 0
    places: I64 = events[has]
    return places


def _sums(lines: I64, parts: sp.csr_array, weights: F64, n: int) -> F64:
    gather = sp.csr_array((weights, (lines, np.arange(len(lines)))), shape=(n, len(lines)))
    return np.asarray((gather @ parts).toarray(), dtype=np.float64)


def _recent(log: Interactions, half_life_days: float) -> F64:
    if log.times is None:
        raise DataError("affinities: half_life_days is given and the log has no times")
    half_life_days = require_number("half_life_days", half_life_days, above=0)
    recent: F64 = 0.5 ** (since_last(log) / _DAY / half_life_days)
    return recent
