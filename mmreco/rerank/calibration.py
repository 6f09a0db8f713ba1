"""How far a page would be from the shopper's own mix if a candidate came next.

Source: Steck, "Calibrated recommendations", 2018: the Kullback-Leibler divergence of the page's mix from that of the
history, the page's with a little of the history's lent to it (alpha 0.01). Deviates: all items of a page weigh alike.
"""

import numpy as np

from mmreco.arrays import F32, F64, I64

__all__ = ["Mix"]

_ALPHA = 0.01


class Mix:
    """The mix of each page so far, and what each candidate would make of it.

    Parameters
    ----------
    wanted : shape `(n, c)`
        The mix of the history, adding up to 1; all zeros where it is unknown.
    values : shape `(n, m, w)`, int64
        The values of each candidate, from 0; -1 for none.
    """

    def __init__(self, wanted: F64, values: I64) -> None:
        self.there = values >= 0
        self.values = np.maximum(values, 0)
        self.part = (self.there / np.maximum(self.there.sum(axis=2, keepdims=True), 1)).astype(np.float64)
        self.wanted = wanted
        self.given = np.zeros_like(wanted)
        self.size = np.zeros(len(wanted))
        self._lines = np.arange(len(wanted))[:, None, None]
        self._own = np.where(self.there, wanted[self._lines, self.values], 0.0)  # (n, m, w)

    def divergence(self) -> F32:
        """The divergence of each page with each candidate added, in nats, shape `(n, m)`; 0 for an unknown mix."""
        size = self.size[:, None] + 1
        base = self._apart(size)  # (n,)
        lines = self._lines
        with np.errstate(divide="ignore", invalid="ignore"):
            before = (1 - _ALPHA) * self.given[lines, self.values] / size[:, :, None] + _ALPHA * self._own
            after = before + (1 - _ALPHA) * self.part / size[:, :, None]
            change = np.where(self._own > 0, self._own * (np.log(before) - np.log(after)), 0.0).sum(axis=2)
        unknown = self._apart(np.maximum(self.size[:, None], 1))  # a candidate of no value leaves the mix as it is
        apart = np.where(self.there.any(axis=2), base[:, None] + change, unknown[:, None])
        divergence: F32 = apart.astype(np.float32)
        return divergence

    def _apart(self, size: F64) -> F64:
        with np.errstate(divide="ignore", invalid="ignore"):
            lent = (1 - _ALPHA) * self.given / size + _ALPHA * self.wanted
            parts = self.wanted * (np.log(self.wanted) - np.log(lent))
        apart: F64 = np.where(self.wanted > 0, parts, 0.0).sum(axis=1)
        return apart

    def choose(self, lines: I64, columns: I64) -> None:
        """Add what these questions have chosen, shape `(c,)` each."""
        np.add.at(self.given, (lines[:, None], self.values[lines, columns]), self.part[lines, columns])
        self.size[lines] += self.there[lines, columns].any(axis=1)
