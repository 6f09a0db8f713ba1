"""How a state answers: what next, what is like this, who is like this."""

from dataclasses import dataclass, replace

import numpy as np

from mmreco.arrays import I64, Bool
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.errors import DataError
from mmreco.live.state import State
from mmreco.models.base import Model
from mmreco.models.hybrid import fused_by_rank
from mmreco.protocols import Recommends

__all__ = ["LiveModel", "alike_by_behaviour", "alike_by_content", "fused", "lines", "popular", "recommended"]


@dataclass(frozen=True, eq=False)
class LiveModel:
    """A state as a model over its whole catalogue: for explanations and pages, which ask any model."""

    state: State

    def recommend(self, request: Request, /) -> Ranking:
        """The `request.k` best items for each history; nothing that was removed."""
        return recommended(self.state, replace(request, candidates=self.state.among(request.candidates)))[0]


def recommended(state: State, request: Request) -> tuple[Ranking, Bool]:
    """The answer to each history, over the catalogue; and which lines are merely what is popular, shape `(n,)`."""
    if state.model is None:
        return popular(state, request), np.ones(len(request), dtype=np.bool_)
    items = state.model_items if state.space is None else state.space.index.ids
    narrowed = _narrowed(request, items)
    silent = narrowed.histories.lengths == 0
    if not silent.any():
        return _asked_of_model(state, narrowed), silent
    rows = np.full((len(request), request.k), -1, dtype=np.int64)
    scores = np.full((len(request), request.k), -np.inf, dtype=np.float32)
    for those, answer in ((np.flatnonzero(silent), popular), (np.flatnonzero(~silent), _asked_of_model)):
        if len(those):
            part = answer(state, (request if answer is popular else narrowed).take(those))
            rows[those], scores[those] = part.rows, part.scores
    return Ranking(rows, scores), silent


def _asked_of_model(state: State, request: Request) -> Ranking:
    space = state.space
    if space is not None:
        return space.model.recommend_from(space.index, request, items=space.index if space.grown else None)
    if state.model is None:
        raise DataError("recommend: the model was trained on no events; observe some, then refit")
    return _answer_of(state.model, request, len(state.model_items))


def _answer_of(model: Recommends, request: Request, n_items: int) -> Ranking:
    """What a model answers, which may be somebody else's and not keep the promise.

    Raises
    ------
    DataError
        It is no `Ranking`, of another shape than was asked for, or of items that there are not.
    """
    ranking = model.recommend(request)
    expected = (len(request), request.k)
    if not isinstance(ranking, Ranking) or ranking.rows.shape != expected:
        given = f"rows of shape {ranking.rows.shape}" if isinstance(ranking, Ranking) else f"a {type(ranking).__name__}"
        raise DataError(f"{type(model).__name__}.recommend answered {given}; expected a Ranking of shape {expected}")
    if ranking.rows.size and int(ranking.rows.max()) >= n_items:
        raise DataError(f"{type(model).__name__}.recommend answered row {int(ranking.rows.max())} of {n_items} items")
    return ranking


def _narrowed(request: Request, items: IdMap) -> Request:
    """The request over the first items of the catalogue, which are those the model or its index has."""
    candidates = None if request.candidates is None else request.candidates[..., : len(items)]
    exclude = None if request.exclude is None else _first(request.exclude, items)
    return replace(request, histories=_first(request.histories, items), candidates=candidates, exclude=exclude)


def _first(log: Interactions, items: IdMap) -> Interactions:
    if log.items is items:
        return log
    inside = log.items_flat < len(items)
    return replace(log if inside.all() else log.keep(inside), items=items)


def popular(state: State, request: Request) -> Ranking:
    """What most people turned to, a line a question; the same for all that may be answered the same."""
    n_items, candidates = len(state.items), request.candidates
    excluded = request.excluded
    if (candidates is None or candidates.ndim == 1) and (excluded is None or not excluded.n_events):
        one = state.popularity.best(request.k, candidates, n_items)
        return lines(one, np.zeros(len(request), dtype=np.int64))
    found = []
    for line in range(len(request)):
        own = (
            np.ones(n_items, dtype=np.bool_)
            if candidates is None
            else np.array(np.broadcast_to(candidates, (len(request), n_items))[line])
        )
        if excluded is not None:
            own[excluded.history(line)] = False
        found.append(state.popularity.best(request.k, own, n_items))
    return _stacked(found, request.k)


def alike_by_behaviour(state: State, rows: I64, k: int, candidates: Bool | None) -> Ranking:
    """The items most like each of `rows`, shape `(n,)`, by what users did with them."""
    n = len(state.model_items) if state.space is None else len(state.space)
    known = np.flatnonzero(rows < n)
    own = candidates if candidates is None or candidates.ndim == 1 else candidates[known]
    own = None if own is None else own[..., :n]
    if state.space is not None:
        index = state.space.directions
        itself = Interactions.from_events(state.items.take(rows[known]), index.ids, np.arange(len(known)), rows[known])
        found = index.search(index.vectors_of(rows[known]), k, where=own, exclude=itself)
    elif isinstance(state.model, Model):
        found = state.model.similar(rows[known], k, candidates=own)
    else:
        alone = Interactions.from_events(
            state.items.take(rows[known]), state.model_items, np.arange(len(known)), rows[known]
        )
        found = (
            state.model.recommend(Request(alone, k=k, candidates=own))
            if state.model is not None
            else _empty(len(known), k)
        )
    return _spread(found, known, len(rows), k)


def alike_by_content(state: State, rows: I64, k: int, candidates: Bool | None) -> Ranking:
    """The items most like each of `rows`, shape `(n,)`, by what they say and look like; several encoders by rank."""
    lists = []
    for index in state.content.values():
        places = index.places[rows]
        known = np.flatnonzero(places >= 0)
        own = candidates if candidates is None or candidates.ndim == 1 else candidates[known]
        itself = Interactions.from_events(
            state.items.take(rows[known]), index.items, np.arange(len(known)), rows[known]
        )
        found = index.search(index.index.vectors_of(places[known]), k, candidates=own, exclude=itself)
        lists.append(_spread(found, known, len(rows), k))
    return fused(lists, len(rows), k)


def fused(lists: list[Ranking], n: int, k: int) -> Ranking:
    """Several rankings of one request put together by reciprocal ranks; the one there is, as it is."""
    if not lists:
        return _empty(n, k)
    return lists[0] if len(lists) == 1 else fused_by_rank(lists, k)


def lines(ranking: Ranking, place: I64) -> Ranking:
    """The lines of a ranking at these places; the place after the last is a line of nothing."""
    nothing = _empty(1, ranking.k)
    return Ranking(
        np.concatenate([ranking.rows, nothing.rows])[place], np.concatenate([ranking.scores, nothing.scores])[place]
    )


def _empty(n: int, k: int) -> Ranking:
    return Ranking(np.full((n, k), -1, dtype=np.int64), np.full((n, k), -np.inf, dtype=np.float32))


def _spread(found: Ranking, at: I64, n: int, k: int) -> Ranking:
    """The lines of `found` at the places `at` of `n` lines, the others empty."""
    place = np.full(n, len(found), dtype=np.int64)
    place[at] = np.arange(len(found))
    return lines(found, place) if len(found) else _empty(n, k)


def _stacked(found: list[Ranking], k: int) -> Ranking:
    if not found:
        return _empty(0, k)
    return Ranking(np.concatenate([one.rows for one in found]), np.concatenate([one.scores for one in found]))
