"""What a candidate would do to the likeness between a page and the shopper's own mix if it came next.

Source: Steck, "Calibrated recommendations", 2018: the Kullback-Leibler divergence of the page's mix from that of the
history, the page's with a little of the history's lent to it (alpha 0.01). Deviates: all items of a page weigh alike,
and a page that nothing else orders has the best of its items first (`mmreco.rerank.ordering`).

What all candidates of a question have in common does not order them and is left out: of the divergence
`sum_v wanted_v log(wanted_v / lent_v)` with a candidate added, only what the candidate's own values change in `lent_v`.
"""

import numpy as np

from mmreco.arrays import F32, F64, I64, Bool
from mmreco.data.interactions import Interactions

__all__ = ["Mix", "wanted_mix"]

_ALPHA = 0.01


class Mix:
    """The mix of each page so far, and how much nearer to the wanted one each candidate would bring it.

    Parameters
    ----------
    wanted : shape `(n, c)`
        The mix of the history, adding up to 1; all zeros where it is unknown.
    values : shape `(n, m, w)`, int64
        The values of each candidate, from 0, no value twice; -1 for none.
    """

    def __init__(self, wanted: F64, values: I64) -> None:
        n, m, w = values.shape
        c = wanted.shape[1]
        there: Bool = np.asarray(values >= 0)
        many = np.maximum(there.sum(axis=2), 1)  # (n, m)
        # Only values that the history has count. They are numbered over all questions, `owned` of them; the last number
        # is of all other values.
        own = wanted > 0
        self.line, _ = np.nonzero(own)  # (owned,)
        self.wanted = wanted[own]
        number = np.where(own.ravel(), np.cumsum(own) - 1, len(self.line))
        numbered = np.where(there, number[np.maximum(values, 0) + c * np.arange(n)[:, None, None]], len(self.line))
        self.of_place = np.ascontiguousarray(numbered.transpose(2, 0, 1)).reshape(w, n * m)
        self.part = ((1 - _ALPHA) / many).ravel()  # (n * m,): what a candidate adds to each of its values
        self.known: Bool = there.any(axis=2).ravel()
        self.all_known = bool(self.known.all())
        # A candidate's value brings as much as the same value of any other with as many: `worth[number, many - 1]`.
        self.cells = self.of_place.reshape(w, n, m) * w + (many - 1)  # (w, n, m)
        self.adds = (1 - _ALPHA) / np.arange(1, w + 1)
        self.worth = np.zeros((len(self.line) + 1, w), dtype=np.float32)
        self.worth_owned = self.worth[:-1]
        self.size = np.ones(n)  # of each page with the next item
        self.lends = _ALPHA * self.wanted
        self.lent = np.append(self.lends, 1.0)  # (owned + 1,): `lent` times the size, before the next item
        self.lent_owned = self.lent[:-1]

    def nearer(self) -> F32:
        """How much less the divergence is with each candidate, in nats, but for a number a question, shape `(n, m)`."""
        grown = np.log1p(self.adds / self.lent_owned[:, None])
        np.multiply(self.wanted[:, None], grown, out=self.worth_owned, casting="same_kind")
        nearer: F32 = np.add.reduce(self.worth.take(self.cells), axis=0)
        return nearer if self.all_known else np.where(self.known.reshape(nearer.shape), nearer, self._unchanged())

    def _unchanged(self) -> F32:
        """What `nearer` is for candidates of no value, which leave the mix as it is, shape `(n, 1)`."""
        size, lent = self.size[self.line], self.lent_owned
        given = lent - self.lends * size
        same = given * (size / np.maximum(size - 1, 1)) + self.lends * size
        logs = self.wanted * np.log(same / lent)
        return np.bincount(self.line, weights=logs, minlength=len(self.size)).astype(np.float32)[:, None]

    def choose(self, chosen: I64) -> None:
        """Add what each question has chosen, shape `(n,)`, as places among the `n * m` candidates of all questions."""
        known = self.known[chosen]
        self.lent[self.of_place.take(chosen, axis=1)] += self.part[chosen]
        self.lent_owned += self.lends if self.all_known else self.lends * known[self.line]
        self.size += known


def wanted_mix(histories: Interactions, values: I64, c: int) -> F64:
    """The mix of each history, shape `(n, c)`, adding up to 1; all zeros where it is unknown.

    Parameters
    ----------
    histories : `n` users
    values : shape `(e, w)`, int64
        The values of each event's item, from 0 to `c - 1`; -1 for none. The values of an item share its weight.
    c : 1 or more
        Values there are.
    """
    n = len(histories)
    there = values >= 0
    share = there / np.maximum(there.sum(axis=1, keepdims=True), 1) * histories.weights[:, None]
    cells = values + c * histories.users_flat[:, None]
    wanted = np.bincount(cells[there], weights=share[there], minlength=n * c).astype(np.float64).reshape(n, c)
    total = wanted.sum(axis=1, keepdims=True)
    mix: F64 = np.divide(wanted, total, out=np.zeros_like(wanted), where=total > 0)
    return mix
