"""Popularity: how many people turned to each item, kept up to date event by event, and the best of it at once."""

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from mmreco.arrays import F32, I64, Bool, frozen
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking

__all__ = ["Popularity"]

_CHUNK = 4_096  # rows of the order looked through at a time


@dataclass(frozen=True, eq=False)
class Popularity:
    """Distinct people an item: those of the trained log, and those who came after it.

    Parameters
    ----------
    trained : shape `(n,)`, float32
        What the items are ordered by before anything is observed; items that came later are not among them.
    until : the number of the newest event that counts
    least : 1 or more
        Items fewer people turned to are ordered as those that nobody did, so that no few people show in the order.
    """

    trained: F32
    until: int = 0
    least: int = 1
    _later: dict[int, list[int]] = field(default_factory=dict)  # by item row, the numbers of the events that count

    @classmethod
    def of(cls, log: Interactions, opening: F32 | None = None, *, least: int = 1) -> "Popularity":
        """What people of this log turned to; an event that weighs 0 or less is no such turn.

        Parameters
        ----------
        log : of all people
        opening : shape `(n_items,)`, below 1, optional
            What orders items that as many people turned to, where nobody has turned to any, say.
        least : 1 or more
            People that must have turned to an item for it to be popular.
        """
        width, turned = max(1, len(log.items)), log.weights > 0
        people = np.unique(log.users_flat[turned] * width + log.items_flat[turned]) % width
        counts = np.bincount(people, minlength=len(log.items)).astype(np.float32)
        return cls(frozen(counts if opening is None else counts + opening, np.float32), least=least)

    def add(self, item: int, number: int) -> None:
        """Count one person more for the item at this row; one writer at a time."""
        self._later.setdefault(item, []).append(number)

    def up_to(self, number: int) -> "Popularity":
        """The same, with the events up to this number."""
        later = replace(self, until=number)
        for name in ("_order", "_most"):  # of what was trained on alone, and as it was
            if name in self.__dict__:
                later.__dict__[name] = self.__dict__[name]
        return later

    def best(self, k: int, candidates: Bool | None, n_items: int) -> Ranking:
        """The `k` items most people turned to among the candidates, shape `(n_items,)`; one line.

        Lower rows come first among equals; items nobody turned to come last.
        """
        changed = np.array(sorted(row for row in list(self._later) if self._since(row)), dtype=np.int64)
        newcomers = np.arange(len(self.trained), n_items)
        newcomers = newcomers if candidates is None else newcomers[candidates[newcomers]]
        wanted = np.unique(np.concatenate([self._first(k, candidates, changed), changed, newcomers[:k]]))
        wanted = wanted[wanted < n_items]
        if candidates is not None:
            wanted = wanted[candidates[wanted]]
        scores = np.array([self._score(int(row)) for row in wanted], dtype=np.float32)
        return Ranking.from_scores(scores[None], k, rows=wanted[None])

    def has_popular(self, n_items: int) -> bool:
        """Whether anything counts as popular, or nothing has to."""
        later = (row for row in list(self._later) if row < n_items)
        return self.least <= 1 or self._most >= self.least or any(self._score(row) >= self.least for row in later)

    def counts(self, n_items: int) -> F32:
        """Distinct people an item, shape `(n_items,)`."""
        counts = np.zeros(n_items, dtype=np.float32)
        counts[: len(self.trained)] = self.trained
        for row in list(self._later):
            if row < n_items:
                counts[row] += self._since(row)
        return counts

    @cached_property
    def _most(self) -> float:
        return float(self.trained.max(initial=0.0))

    @cached_property
    def _order(self) -> I64:
        return np.argsort(-np.where(self.trained < self.least, self.trained % 1, self.trained), kind="stable")

    def _since(self, row: int) -> int:
        return bisect_right(self._later.get(row, []), self.until)

    def _score(self, row: int) -> float:
        people = (float(self.trained[row]) if row < len(self.trained) else 0.0) + self._since(row)
        return people if people >= self.least else people % 1  # what orders a shop where nobody did anything stays

    def _first(self, k: int, candidates: Bool | None, changed: I64) -> I64:
        """The first `k` candidates in the trained order, and as many more as may have been overtaken."""
        wanted, found, count = k + len(changed), [], 0
        for start in range(0, len(self._order), _CHUNK):
            part = self._order[start : start + _CHUNK]
            part = part if candidates is None else part[candidates[part]]
            found.append(part[: wanted - count])
            count += len(found[-1])
            if count >= wanted:
                break
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
