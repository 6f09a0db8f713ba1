"""Offers: what could stand on a shelf, for all shoppers at once, best first; an empty line offers nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.pages.shop import ShopFacts
from mmreco.protocols import Recommends

__all__ = ["BOUGHT", "Offer", "Offers"]

BOUGHT = ("purchase", "buy", "order", "transaction")
"""Names of events that are purchases; in a log without any of them every event is taken for one."""

_LOOKED_AT = 10  # latest items among which a shelf finds what it starts from
_BECAUSE = 2  # shelves that start from an item of the history

Similar = Callable[[I64, int], Ranking]
Complements = Callable[[Interactions, int], Ranking]


@dataclass(frozen=True, eq=False)
class Offer:
    """What could fill one shelf of `n` shoppers.

    Parameters
    ----------
    kind : see `mmreco.pages.KINDS`
    ranking : `n` questions
    subjects : shape `(n,)`, int64
        The item row that each line starts from, -1 for none.
    places : `n` names, "" where none is known
    events : what each shopper did with the subject, e.g. "view"; empty where nothing is known of it
    """

    kind: str
    ranking: Ranking
    subjects: I64
    places: tuple[str, ...]
    events: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Offers:
    """Makes offers out of a model, a dataset and the facts of the shop; `width` items a shopper."""

    model: Recommends
    dataset: Dataset
    facts: ShopFacts
    similar: Similar | None
    complements: Complements | None
    width: int

    def for_you(self, histories: Interactions) -> Offer:
        """The model's answer; nothing for those without a history."""
        ranking = self.model.recommend(Request(histories, k=self.width))
        return _offer("for_you", _emptied(ranking, histories.lengths == 0))

    def because(self, histories: Interactions) -> list[Offer]:
        """Alike to one of the latest items, the ones of the weightiest events; at most two such shelves."""
        starts = _anchors(histories, _BECAUSE)  # (n, 2)
        return [
            replace(self.like(rows, "because"), events=_weightiest(histories, rows))
            for rows in starts.T
            if (rows >= 0).any()
        ]

    def like(self, rows: I64, kind: str) -> Offer:
        """Alike to these items, shape `(n,)`; nothing where the row is -1."""
        distinct = np.unique(rows[rows >= 0])
        if not len(distinct):
            return _offer(kind, _nothing(len(rows), self.width))
        if self.similar is not None:
            found = self.similar(distinct, self.width)
        else:
            found = self.model.recommend(Request(self._alone(distinct), k=self.width))
        place = np.where(rows >= 0, np.searchsorted(distinct, rows), 0)
        ranking = _emptied(Ranking(found.rows[place], found.scores[place]), rows < 0)
        return _offer(kind, ranking, rows)

    def new(self, histories: Interactions) -> Offer:
        """The new items, the nearest to the shopper's taste first; the newest first for a stranger."""
        newest = self.newest(len(histories)).ranking
        if not len(self.facts.newest) or not histories.n_events:
            return _offer("new", newest)
        found = self.model.recommend(Request(histories, k=self.width, candidates=self.facts.new))
        poor = (found.rows[:, : min(3, self.width)] < 0).any(axis=1) | (histories.lengths == 0)
        rows = np.where(poor[:, None], newest.rows, found.rows)
        return _offer("new", Ranking(rows, np.where(poor[:, None], newest.scores, found.scores)))

    def newest(self, n: int) -> Offer:
        """The new items, the newest first."""
        return _offer("newest", _same(self.facts.newest, n, self.width))

    def popular(self, n: int) -> Offer:
        """What most shoppers choose."""
        return _offer("popular", _same(self.facts.popular, n, self.width))

    def near(self, histories: Interactions) -> Offer:
        """What most shoppers of the same place choose; nothing where it is not known."""
        if not self.facts.near:
            return _offer("near", _nothing(len(histories), self.width))
        users = histories.users.array.to_pylist()
        places = tuple(self.facts.places.get(user, "") for user in users)
        none = np.zeros(0, dtype=np.int64)
        lists = [self.facts.near.get(place, none) for place in places]
        return _offer("near", _listed(lists, self.width), places=places)

    def again(self, histories: Interactions) -> Offer:
        """What the shopper buys again and again, the oftenest first; nothing in a shop where nobody does."""
        if not self.facts.repeats:
            return _offer("again", _nothing(len(histories), self.width))
        bought = [number for number, name in enumerate(histories.event_names) if name in BOUGHT]
        lists = []
        for line in range(len(histories)):
            events = slice(int(histories.starts[line]), int(histories.starts[line + 1]))
            rows = histories.items_flat[events]
            if bought:
                rows = rows[np.isin(histories.event_types[events], bought)]
            items, last, counts = np.unique(rows[::-1], return_index=True, return_counts=True)
            lists.append(items[np.lexsort((last, -counts))])
        return _offer("again", _listed(lists, self.width))

    def recent(self, histories: Interactions) -> Offer:
        """The latest items of the history, the latest first."""
        lists = [latest(histories.history(line), self.width) for line in range(len(histories))]
        return _offer("recent", _listed(lists, self.width))

    def completes(self, carts: Interactions, kind: str) -> Offer:
        """What goes with the whole cart; nothing for an empty one, or where nothing tells what goes together."""
        if self.complements is None:
            return _offer(kind, _nothing(len(carts), self.width))
        return _offer(kind, _emptied(self.complements(carts, self.width), carts.lengths == 0))

    def _alone(self, rows: I64) -> Interactions:
        """A history of one item for each of `rows`."""
        lines = np.arange(len(rows))
        return Interactions.from_events(IdMap.of(map(str, lines)), self.dataset.items, lines, rows)


def latest(rows: I64, n: int) -> I64:
    """The `n` different items that came last, the latest first."""
    backwards = rows[::-1]
    first = np.sort(np.unique(backwards, return_index=True)[1])[:n]
    return backwards[first]


def _anchors(histories: Interactions, n: int) -> I64:
    """The items that shelves start from, shape `(n_users, n)`: of the latest ones those of the weightiest events."""
    out = np.full((len(histories), n), -1, dtype=np.int64)
    for line in range(len(histories)):
        events = slice(int(histories.starts[line]), int(histories.starts[line + 1]))
        rows, weights = histories.items_flat[events], histories.weights[events]
        near = latest(rows, _LOOKED_AT)
        worth = np.array([weights[rows == row].max() for row in near.tolist()])
        chosen = near[np.argsort(-worth, kind="stable")][:n]
        out[line, : len(chosen)] = chosen
    return out


def _weightiest(histories: Interactions, rows: I64) -> tuple[str, ...]:
    """The weightiest event of each shopper with the item at the row, "" for none."""
    names = []
    for line, row in enumerate(rows.tolist()):
        own = np.arange(histories.starts[line], histories.starts[line + 1])
        own = own[histories.items_flat[own] == row]
        best = own[histories.weights[own].argmax()] if len(own) else -1
        names.append(histories.event_names[int(histories.event_types[best])] if best >= 0 else "")
    return tuple(names)


def _offer(kind: str, ranking: Ranking, subjects: I64 | None = None, places: Sequence[str] = ()) -> Offer:
    n = len(ranking)
    own = np.full(n, -1, dtype=np.int64) if subjects is None else subjects
    return Offer(kind, ranking, own, tuple(places) or ("",) * n)


def _nothing(n: int, width: int) -> Ranking:
    return Ranking(np.full((n, width), -1, dtype=np.int64), np.full((n, width), -np.inf, dtype=np.float32))


def _emptied(ranking: Ranking, lines: np.ndarray) -> Ranking:
    if not lines.any():
        return ranking
    scores = np.where(lines[:, None], np.float32(-np.inf), ranking.scores)
    return Ranking(np.where(lines[:, None], -1, ranking.rows), scores)


def _same(rows: I64, n: int, width: int) -> Ranking:
    return _listed([rows] * n, width)


def _listed(lists: Sequence[I64], width: int) -> Ranking:
    """These item rows, best first, as a ranking whose scores are the places."""
    rows = np.full((len(lists), width), -1, dtype=np.int64)
    for line, one in enumerate(lists):
        rows[line, : min(width, len(one))] = one[:width]
    places: F32 = np.arange(width, 0, -1, dtype=np.float32)
    return Ranking(rows, np.where(rows >= 0, places, np.float32(-np.inf)))
