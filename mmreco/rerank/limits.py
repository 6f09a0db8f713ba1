"""Caps and minimums: which candidates the rules of the shop leave for the next place of a page."""

import numpy as np

from mmreco.arrays import F32, I64, Bool

__all__ = ["Cap", "Minimum", "narrowed"]


class Cap:
    """At most `most` items of one value on a page.

    Parameters
    ----------
    values : shape `(w, m)`, int64
        The values of each candidate, no value twice; -1 at the end where there are fewer.
    most : 1 or more
    """

    def __init__(self, values: I64, most: int) -> None:
        self.values, self.most = values, most
        self.room: dict[int, int] = {}  # how many more items of each value on the page

    def choose(self, chosen: int, shut: F32) -> None:
        """Count the candidate that was chosen, and shut those of values that are full now.

        Parameters
        ----------
        chosen : its place among the candidates
        shut : shape `(m,)`
            0 where a candidate may come next, else -inf; changed here.
        """
        for value in self.values[:, chosen].tolist():
            if value < 0:
                return
            room = self.room.get(value, self.most) - 1
            self.room[value] = room
            if not room:
                shut[(self.values == value).any(axis=0)] = -np.inf


class Minimum:
    """At least `least` items of the marked ones on a page.

    Parameters
    ----------
    marked : shape `(m,)`, bool
        Which candidates count.
    least : 0 or more
    """

    def __init__(self, marked: Bool, least: int) -> None:
        self.marked = marked
        self.missing = least  # how many more of them

    def choose(self, chosen: int) -> None:
        """Count the candidate that was chosen."""
        if self.missing and self.marked[chosen]:
            self.missing -= 1


def narrowed(allowed: Bool, minimums: list[Minimum], places: int) -> Bool:
    """The candidates that may come next if every minimum is to be met in the `places` left, shape `(m,)`.

    Where none of them would help, all stay: a minimum gives way, a cap does not.
    """
    owed, helps = 0, np.zeros_like(allowed)
    for minimum in minimums:
        if minimum.missing and (allowed & minimum.marked).any():
            owed += minimum.missing
            helps |= minimum.marked
    narrow = allowed & helps
    return narrow if owed >= places and narrow.any() else allowed
