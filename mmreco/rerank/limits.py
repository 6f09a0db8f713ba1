"""Caps and minimums: which candidates the rules of the shop leave for the next place."""

import numpy as np

from mmreco.arrays import I64, Bool

__all__ = ["Cap", "Minimum", "narrowed"]


class Cap:
    """At most `most` items of one value on a page.

    Parameters
    ----------
    values : shape `(n, m, w)`, int64
        The values of each candidate, from 0; -1 for none.
    most : 1 or more
    """

    def __init__(self, values: I64, most: int) -> None:
        self.values, self.most = values, most
        self.counts = np.zeros((len(values), int(values.max(initial=-1)) + 2), dtype=np.int64)  # the last is of -1
        self.open = np.ones(values.shape[:2], dtype=np.bool_)

    def choose(self, lines: I64, columns: I64) -> None:
        """Count what these questions have chosen, shape `(c,)` each."""
        chosen = self.values[lines, columns]  # (c, w)
        np.add.at(self.counts, (lines[:, None], chosen), 1)
        self.counts[:, -1] = 0  # unknown values are not limited
        reached = lines[(self.counts[lines[:, None], chosen] >= self.most).any(axis=1)]
        if len(reached):
            full = self.counts[reached] >= self.most  # (r, codes)
            place = np.arange(len(reached))[:, None, None]
            self.open[reached] = np.logical_not(full[place, self.values[reached]].any(axis=2))

    def allowed(self) -> Bool:
        """Which candidates may come next, shape `(n, m)`."""
        return self.open


class Minimum:
    """At least `least` items of the marked ones on a page.

    Parameters
    ----------
    marked : shape `(n, m)`, bool
        Which candidates count.
    least : 0 or more
    """

    def __init__(self, marked: Bool, least: int) -> None:
        self.marked = marked
        self.missing = np.full(len(marked), least, dtype=np.int64)

    def choose(self, lines: I64, columns: I64) -> None:
        """Count what these questions have chosen, shape `(c,)` each."""
        self.missing[lines] -= self.marked[lines, columns]


def narrowed(allowed: Bool, minimums: list[Minimum], places: int) -> Bool:
    """The candidates that may come next if every minimum is to be met in the `places` left, shape `(n, m)`.

    Where none of them would help, all stay: a minimum gives way, a cap does not.
    """
    owed = np.zeros(len(allowed), dtype=np.int64)
    helps = np.zeros_like(allowed)
    for minimum in minimums:
        open_ = minimum.missing > 0
        reachable = open_ & (allowed & minimum.marked).any(axis=1)
        owed += np.where(reachable, minimum.missing, 0)
        helps |= reachable[:, None] & minimum.marked
    pressed = owed >= places
    narrow = allowed & (helps | ~pressed[:, None])
    return np.where(narrow.any(axis=1, keepdims=True), narrow, allowed)
