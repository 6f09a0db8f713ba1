"""ChosenByMany: which items at least so many distinct people chose as well as another, so that no few people show."""

from dataclasses import dataclass

import numpy as np

from mmreco.arrays import I64, Bool
from mmreco.data.interactions import Interactions

__all__ = ["ChosenByMany"]


@dataclass(frozen=True, eq=False)
class ChosenByMany:
    """Pairs of items of a log, by how many people chose both.

    Parameters
    ----------
    log : what users did
    least : 1 or more
        Distinct people from whom on a pair counts.
    people : shape `(e,)`, int64
        The users of each item's events, item by item.
    starts : shape `(n_items + 1,)`, int64
        Where each item's begin.
    """

    log: Interactions
    least: int
    people: I64
    starts: I64

    @classmethod
    def of(cls, log: Interactions, least: int) -> "ChosenByMany":
        """The pairs of a log."""
        counts = np.bincount(log.items_flat, minlength=len(log.items))
        people = log.users_flat[np.argsort(log.items_flat, kind="stable")]
        return cls(log, least, people, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))

    def beside(self, rows: I64) -> Bool:
        """Whether enough people chose each item as well as each of these, shape `(n, n_items)`; `rows` has `n`."""
        many = np.zeros((len(rows), len(self.log.items)), dtype=np.bool_)
        for line, row in enumerate(rows.tolist()):
            choosers = np.unique(self.people[self.starts[row] : self.starts[row + 1]])
            if len(choosers) < self.least:
                continue
            theirs = self.log.take(choosers)
            pairs = np.unique(theirs.users_flat * len(self.log.items) + theirs.items_flat)  # a person counts once
            many[line] = np.bincount(pairs % len(self.log.items), minlength=len(self.log.items)) >= self.least
        return many
