"""What a candidate would do to the likeness between a page and the shopper's own mix if it came next.

Source: Steck, "Calibrated recommendations", 2018: the Kullback-Leibler divergence of the page's mix from that of the
history, the page's with a little of the history's lent to it (alpha 0.01). Deviates: all items of a page weigh alike,
and a page that nothing else orders has the best of its items first (`mmreco.rerank.page`).

What all candidates of a page have in common does not order them and is left out: of the divergence
`sum_v wanted_v log(wanted_v / lent_v)` with a candidate added, only what the candidate's own values change in `lent_v`.
"""

import numpy as np

from mmreco.arrays import F32, F64, I64

__all__ = ["Mix", "wanted_mix"]

_ALPHA = 0.01


class Mix:
    """The mix of a page so far, and how much nearer to the wanted one each candidate would bring it.

    Parameters
    ----------
    wanted : shape `(c,)`
        The mix of the history, adding up to 1; all zeros where it is unknown.
    values : shape `(w, m)`, int64
        The values of each candidate, from 0 to `c - 1`, no value twice; -1 at the end where there are fewer.
    counts : shape `(m,)`, int64
        How many values each candidate has.
    """

    def __init__(self, wanted: F64, values: I64, counts: I64) -> None:
        w, m = values.shape
        # Only values that the history has count, numbered from 0 to `owned - 1`; `owned` is of all other values.
        own = np.flatnonzero(wanted)
        owned = len(own)
        number = np.full(len(wanted) + 1, owned)
        number[own] = np.arange(owned)
        numbers = number.take(values, mode="wrap")  # (w, m); -1 is the last
        self.numbers = np.ascontiguousarray(numbers.T)
        self.counts = counts
        # A candidate's value brings as much as the same value of any other with as many: `worth[count - 1, number]`.
        self.cells = numbers + (owned + 1) * (np.maximum(counts, 1) - 1)
        self.adds = (1 - _ALPHA) / np.arange(1, w + 1)[:, None]
        self.wanted = wanted[own]
        self.wanted_each = np.repeat(self.wanted[None], w, axis=0)
        self.grown = np.empty((w, owned))
        self.worth = np.zeros((w, owned + 1), dtype=np.float32)
        self.worth_owned = self.worth[:, :-1]
        self.brings, self.sum = np.empty((w, m), dtype=np.float32), np.empty(m, dtype=np.float32)
        self.lends = _ALPHA * self.wanted
        self.lent = np.append(self.lends, 1.0)  # `lent` times the size, before the next item
        self.lent_owned = self.lent[:-1]
        self.size = 1  # of the page with the next item
        self.unknown = None if np.count_nonzero(counts) == m else np.flatnonzero(counts == 0)

    def nearer(self) -> F32:
        """How much less the divergence is with each candidate, in nats, but for a number, shape `(m,)`."""
        np.divide(self.adds, self.lent_owned, out=self.grown)
        np.log1p(self.grown, out=self.grown)
        np.multiply(self.wanted_each, self.grown, out=self.grown)
        self.worth_owned[...] = self.grown
        self.worth.take(self.cells, out=self.brings, mode="clip")
        nearer: F32 = np.add.reduce(self.brings, axis=0, out=self.sum)
        if self.unknown is not None:
            nearer[self.unknown] = self._unchanged()
        return nearer

    def _unchanged(self) -> float:
        """What `nearer` is for candidates of no value, which leave the mix as it is."""
        size, lent = self.size, self.lent_owned
        given = lent - self.lends * size
        same = given * (size / max(size - 1, 1)) + self.lends * size
        return float(sum((self.wanted * np.log(same / lent)).tolist()))

    def choose(self, chosen: int) -> None:
        """Add the candidate that was chosen."""
        count = int(self.counts[chosen])
        if count:
            self.lent[self.numbers[chosen]] += (1 - _ALPHA) / count
            np.add(self.lent_owned, self.lends, out=self.lent_owned)
            self.size += 1


def wanted_mix(values: I64, counts: I64, weights: F32, c: int) -> F64:
    """The mix of a history, shape `(c,)`, adding up to 1; all zeros where it is unknown.

    Parameters
    ----------
    values : shape `(w, e)`, int64
        The values of each event's item, from 0 to `c - 1`; -1 at the end where there are fewer. The values of an item
        share its weight.
    counts : shape `(e,)`, int64
        How many they are.
    weights : shape `(e,)`
        A value that the history speaks against in sum counts nothing.
    c : 1 or more
        Values there are.
    """
    values = values.T  # (e, w)
    share = np.repeat(1 / np.maximum(counts, 1) * weights, counts)
    wanted = np.maximum(np.bincount(values[values >= 0], weights=share, minlength=c), 0)
    total = wanted.sum()
    mix: F64 = wanted / total if total > 0 else np.zeros(c)
    return mix
