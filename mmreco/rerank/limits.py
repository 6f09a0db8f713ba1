"""Caps and minimums: which candidates the rules of the shop leave for the next place."""

import numpy as np

from mmreco.arrays import F32, I64, Bool

__all__ = ["Cap", "Minimum", "narrowed"]

_UNLIMITED = np.iinfo(np.int64).max


class Cap:
    """At most `most` items of one value on a page.

    Parameters
    ----------
    values : shape `(n, m, w)`, int64
        The values of each candidate, from 0, no value twice; -1 for none.
    most : 1 or more
    """

    def __init__(self, values: I64, most: int) -> None:
        n, m, w = values.shape
        codes = int(values.max(initial=-1)) + 2  # the last is of -1
        own = np.where(values < 0, codes - 1, values) + codes * np.arange(n)[:, None, None]
        self.cells = np.ascontiguousarray(own.transpose(2, 0, 1))  # (w, n, m): where in `room` each value is counted
        self.of_place = self.cells.reshape(w, n * m)
        self.room = np.full(n * codes, most, dtype=np.int64)  # how many more items of each value of each question
        self.room[codes - 1 :: codes] = _UNLIMITED

    def choose(self, chosen: I64, shut: F32) -> None:
        """Count what each question has chosen, and shut its candidates of values that are full now.

        Parameters
        ----------
        chosen : shape `(n,)`
            Places among the `n * m` candidates of all questions.
        shut : shape `(n, m)`
            0 where a candidate may come next, else -inf; changed here.
        """
        cells = self.of_place.take(chosen, axis=1)  # (w, n)
        room = self.room[cells] - 1
        self.room[cells] = room
        full = room <= 0
        if np.count_nonzero(full):
            reached = np.flatnonzero(full.any(axis=0))
            shut[reached] += np.where((self.room[self.cells[:, reached]] <= 0).any(axis=0), -np.inf, np.float32(0))


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

    def choose(self, chosen: I64) -> None:
        """Count what each question has chosen, shape `(n,)`; see `Cap.choose`."""
        self.missing -= self.marked.ravel()[chosen]


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
