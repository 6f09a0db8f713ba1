"""How far a page would be from the shopper's own mix if a candidate came next.

Source: Steck, "Calibrated recommendations", 2018: the Kullback-Leibler divergence of the page's mix from that of the
history, the page's with a little of the history's lent to it (alpha 0.01). Deviates: all items of a page weigh alike,
and a page that nothing else orders has the best of its items first (`mmreco.rerank.ordering`).
"""

import numpy as np

from mmreco.arrays import F32, F64, I64, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.interactions import Interactions
from mmreco.rerank.columns import Codes, codes
from mmreco.rerank.options import Calibration

__all__ = ["Mix", "mix_of"]

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
        n, m, _ = values.shape
        there: Bool = np.asarray(values >= 0)
        self.values = np.maximum(values, 0)
        self.part = there / np.maximum(there.sum(axis=2, keepdims=True), 1)  # (n, m, w)
        self.known: Bool = np.asarray(there.any(axis=2))  # (n, m)
        self.wanted = wanted
        self.given = np.zeros_like(wanted)
        self.size = np.zeros(n)
        with np.errstate(divide="ignore"):
            logs = np.where(wanted > 0, np.log(wanted), 0.0)
        self._entropy = (wanted * logs).sum(axis=1)  # (n,)
        # Only values that the history has count; of these the list is short, whatever `w` is.
        line, column, place = np.nonzero(there)
        value = values[line, column, place]
        own = wanted[line, value]
        short = own > 0
        self._cell = (line * m + column)[short]
        self._line, self._value, self._own = line[short], value[short], own[short]
        self._adds = (1 - _ALPHA) * self.part[line, column, place][short]

    def divergence(self) -> F32:
        """The divergence of each page with each candidate added, in nats, shape `(n, m)`; 0 for an unknown mix."""
        size = self.size + 1
        lent = (1 - _ALPHA) * self.given / size[:, None] + _ALPHA * self.wanted  # (n, c)
        grown = np.log1p(self._adds / (size[self._line] * lent[self._line, self._value]))
        change = np.bincount(self._cell, weights=self._own * grown, minlength=self.known.size)
        apart = self._apart(lent)[:, None] - change.reshape(self.known.shape)
        if not self.known.all():  # a candidate of no value leaves the mix as it is
            same = (1 - _ALPHA) * self.given / np.maximum(self.size, 1)[:, None] + _ALPHA * self.wanted
            apart = np.where(self.known, apart, self._apart(same)[:, None])
        divergence: F32 = apart.astype(np.float32)
        return divergence

    def _apart(self, lent: F64) -> F64:
        logs = np.log(np.where(self.wanted > 0, lent, 1.0))
        apart: F64 = self._entropy - (self.wanted * logs).sum(axis=1)
        return apart

    def choose(self, lines: I64, columns: I64) -> None:
        """Add what these questions have chosen, shape `(c,)` each."""
        np.add.at(self.given, (lines[:, None], self.values[lines, columns]), self.part[lines, columns])
        self.size[lines] += self.known[lines, columns]


def mix_of(calibration: Calibration, catalogue: Catalogue, histories: Interactions, met: I64, place: I64) -> Mix:
    """The mix of pages that are still empty, wanted as the histories of their shoppers have it.

    Parameters
    ----------
    met : shape `(r,)`
        The item rows of all candidates.
    place : shape `(n, m)`
        Where each candidate is among them.
    """
    bought, event = np.unique(histories.items_flat, return_inverse=True)
    coded: Codes = codes(catalogue, calibration.column, np.concatenate([met, bought]))
    own = coded.values[len(met) :][event]  # (e, w)
    there = own >= 0
    share = there / np.maximum(there.sum(axis=1, keepdims=True), 1) * histories.weights[:, None]
    wanted = np.zeros((len(histories), max(1, len(coded.names))))
    owner = np.broadcast_to(histories.users_flat[:, None], own.shape)
    np.add.at(wanted, (owner[there], own[there]), share[there])
    total = wanted.sum(axis=1, keepdims=True)
    wanted = np.divide(wanted, total, out=np.zeros_like(wanted), where=total > 0)
    return Mix(wanted, coded.values[: len(met)][place])
