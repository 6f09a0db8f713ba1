"""The vectors a space answers with: what the towers say, what pairs of items say, and what is wanted now, side by side.

One vector a user and one an item, whose inner product is the weighted sum of all evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mmreco.arrays import F32, I64, Bool
from mmreco.data.interactions import Interactions
from mmreco.models.sharedspace.blend import Evidence, pooled, weighed
from mmreco.models.sharedspace.item_to_item import ItemToItem
from mmreco.models.sharedspace.repeats import Repeats, had_again, owned
from mmreco.models.sharedspace.seasons import asked_at, seasons, time_of_year
from mmreco.models.sharedspace.trends import trends
from mmreco.models.sharedspace.visits import VisitWeights, in_visit
from mmreco.splitting import Holdout

__all__ = ["ASKED", "Answers", "Weights"]

ASKED = 1_000
"""Users that weights are found by."""

_FADING = 2  # horizons in which an event comes to say half as much


@dataclass(frozen=True)
class Weights:
    """How much each kind of evidence counts.

    Parameters
    ----------
    following, later : of the two user vectors of the towers
    pairs : of what pairs of items say, the older an event the less of it
    trends : of each column of `trends`
    repeats : of what the user had before; None where nobody has anything again
    horizon : milliseconds, or None
    seasons : of what is wanted at which time of the year
    visit : what counts in their place where a visit goes on; None where the same does
    unfaded : of what pairs of items say of all events alike, where `pairs` lets old ones fade
    """

    following: float = 1.0
    later: float = 0.0
    pairs: float = 0.0
    trends: tuple[float, ...] = ()
    repeats: Repeats | None = None
    horizon: int | None = None
    seasons: float = 0.0
    visit: VisitWeights | None = None
    unfaded: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether the towers alone answer."""
        if self.visit is not None:
            return False
        beside = (self.pairs, self.unfaded, *self.trends, self.seasons)
        return not any(beside) and 0 in (self.following, self.later)

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> "Weights":
        """The weights that `asdict` made plain."""
        repeats = about["repeats"]
        own = None if repeats is None else Repeats((*repeats["weights"], 0.0)[:4])  # three in artefacts of before
        visit = None if about.get("visit") is None else VisitWeights(**about["visit"])
        return cls(**{**about, "trends": tuple(about["trends"]), "repeats": own, "visit": visit})

    @classmethod
    def found(
        cls, log: Interactions, asked: Holdout, *, users: Sequence[F32], places: F32, horizon: int | None, seed: int
    ) -> "Weights":
        """The weights with which the past, `log`, foretells best what `asked` holds.

        Parameters
        ----------
        log : the past
        asked : histories, and what came after each
        users : one or two user vectors of each asked, `(n, dim)`; the last is what the towers would answer with
        places : shape `(n_items, dim)`
        horizon : milliseconds that the targets lie ahead at most; None where they are what came next
        seed : 0 or more
            Of the items that targets are compared with.
        """
        pairs = ItemToItem.fit(log, seed=seed)
        known = log.counts() > 0
        columns = trends(log, horizon)
        columns[~known] = columns[known].min(axis=0)
        everybody = np.ones((len(asked), 1), dtype=np.float32)
        kinds = {name: Evidence(of, places) for name, of in zip(("following", "later"), users, strict=False)}
        base = len(kinds) - 1
        kinds["pairs"] = Evidence(pairs.read(asked.histories, _fading(horizon)), pairs.said)
        if horizon is not None:
            kinds["unfaded"] = Evidence(pairs.read(asked.histories, None), pairs.said)
        for number, column in enumerate(columns.T):
            kinds[f"trend {number}"] = Evidence(everybody, column[:, None], signed=True)
        seasonal, at = seasons(log, horizon), asked_at(asked.histories, asked.at)
        if seasonal is not None and at is not None:
            kinds["seasons"] = Evidence(time_of_year(at), seasonal)
        of, signed = list(kinds.values()), [kind.signed for kind in kinds.values()]
        found = weighed(pooled(of, asked), signed, base)
        repeats = Repeats.fit(pooled(of, asked, seen=True), found, owned(asked.histories, had_again(log)))
        weights = dict(zip(kinds, found.tolist(), strict=True))
        own = tuple(weights.pop(f"trend {number}") for number in range(columns.shape[1]))
        return cls(**{"later": 0.0, **weights}, trends=own, repeats=repeats, horizon=horizon)


@dataclass(frozen=True, eq=False)
class Answers:
    """What stands beside the towers' vectors, and how all of it is weighed.

    Parameters
    ----------
    weights : see `Weights`
    pairs : what items say of each other
    trend : shape `(n_items,)`
        What is added to the score of each item, whoever asks.
    cold_trend : what is added to that of an item without events
    seasonal : shape `(n_items, 12)`
        What each time of the year adds, see `seasons`; of no column where it does not count.
    """

    weights: Weights
    pairs: ItemToItem
    trend: F32
    cold_trend: float
    seasonal: F32

    @classmethod
    def of(cls, log: Interactions, weights: Weights, seed: int) -> "Answers":
        """The evidence of a log, under weights found before."""
        columns = trends(log, weights.horizon)
        trend = columns @ np.array(weights.trends or (0.0,) * columns.shape[1], dtype=np.float32)
        seasonal = seasons(log, weights.horizon) if weights.seasons else None
        if seasonal is None:
            seasonal = np.zeros((len(trend), 0), dtype=np.float32)
        return cls(weights, ItemToItem.fit(log, seed=seed), trend, 0.0, seasonal)

    @classmethod
    def of_state(cls, weights: Weights, state: Mapping[str, npt.NDArray[Any]]) -> "Answers":
        """What `state` gave."""
        pairs = ItemToItem(state["answers.says"], state["answers.said"])
        trend = state["answers.trend"]
        seasonal = state.get("answers.seasonal", np.zeros((len(trend), 0), dtype=np.float32))
        return cls(weights, pairs, trend, float(state["answers.cold_trend"][0]), seasonal)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All but the weights, as named arrays."""
        seasonal = {"answers.seasonal": self.seasonal} if self.seasonal.size else {}
        return seasonal | {
            "answers.says": self.pairs.says,
            "answers.said": self.pairs.said,
            "answers.trend": self.trend,
            "answers.cold_trend": np.array([self.cold_trend]),
        }

    def with_cold(self, cold_trend: float, cold: Bool) -> "Answers":
        """The same with another trend for the items without events, those in the mask `cold`."""
        trend = self.trend.copy()
        trend[cold] = cold_trend
        return replace(self, trend=trend, cold_trend=cold_trend)

    def outside_visits(self) -> "Answers":
        """The same with no weights of visits."""
        return replace(self, weights=replace(self.weights, visit=None))

    def items(self, places: F32) -> F32:
        """The vectors of the known items, `(n_items, width)`, whose first columns are their places."""
        return np.concatenate([places, self.pairs.said, self.trend[:, None], self.seasonal], axis=1)

    def new_items(self, places: F32) -> F32:
        """The vectors of items that came later: no pair says anything of them, and no season."""
        n = len(places)
        said, seasonal = (np.zeros((n, of.shape[1]), dtype=np.float32) for of in (self.pairs.said, self.seasonal))
        return np.concatenate([places, said, np.full((n, 1), self.cold_trend, dtype=np.float32), seasonal], axis=1)

    def users(self, following: F32, later: F32, histories: Interactions, at: I64 | None = None) -> F32:
        """The vectors of users, `(n, width)`, by where the towers see them, `(n, dim)` each.

        `at`, shape `(n,)`, is when each is asked about; just after the newest event of each history when omitted.
        """
        weights, moments = self.weights, asked_at(histories, at)
        told, unfaded = self._told(histories)
        turn = np.zeros((len(histories), self.seasonal.shape[1]), dtype=np.float32)
        if turn.size and moments is not None:
            turn = time_of_year(moments)
        each = np.tile(np.array(self._usual, dtype=np.float32), (len(histories), 1))  # (n, 6)
        if weights.visit is not None:
            each[in_visit(histories, moments)] = astuple(weights.visit)
        follows, comes, pairs, alike, trend, season = np.hsplit(each, each.shape[1])  # (n, 1) each
        said = pairs * told + alike * unfaded
        return np.concatenate([follows * following + comes * later, said, trend, season * turn], axis=1)

    def with_visits(self, log: Interactions, asked: Holdout, following: F32, later: F32, places: F32) -> Weights:
        """The weights with those that answer best what was `asked` in visits.

        Parameters
        ----------
        log : the past, of which the evidence is
        asked : questions in visits
        following, later : where the towers see the users asked, `(n, dim)` each
        places : shape `(n_items, dim)`
        """
        moments, known = asked_at(asked.histories, asked.at), log.counts() > 0
        trend = np.where(known, self.trend, self.trend[known].min())
        kinds = [Evidence(following, places), Evidence(later, places)]
        kinds += [Evidence(told, self.pairs.said) for told in self._told(asked.histories, always=True)]
        kinds.append(Evidence(np.ones((len(asked), 1), dtype=np.float32), trend[:, None]))
        if self.seasonal.size and moments is not None:
            kinds.append(Evidence(time_of_year(moments), self.seasonal))
        return replace(self.weights, visit=VisitWeights.found(kinds, self._usual[: len(kinds)], asked))

    @property
    def _usual(self) -> tuple[float, ...]:
        """The weights outside a visit, in the order of `VisitWeights`."""
        of = self.weights
        return of.following, of.later, of.pairs, of.unfaded, 1.0, of.seasons

    def _told(self, histories: Interactions, *, always: bool = False) -> tuple[F32, F32]:
        """What histories say by pairs, `(n, rank)` each: with old events fading, and with none where that counts."""
        weights = self.weights
        told = self.pairs.read(histories, _fading(weights.horizon))
        if always or weights.unfaded or (weights.visit is not None and weights.visit.unfaded):
            return told, self.pairs.read(histories, None)
        return told, told


def _fading(horizon: int | None) -> float | None:
    """Milliseconds in which an event of a history comes to say half as much of other items; None where none fades."""
    return None if horizon is None else _FADING * horizon
