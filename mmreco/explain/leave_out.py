"""Leaving out: the same question asked again without some items of its history, many at a time.

What an item of a history is worth is not guessed from similarities: the model is asked without it. Items are left out
alone; of a long history runs of neighbouring items first, and then the items of the runs that matter most. What sets
would do is first thought through, as if effects added up, and the most promising are then asked. Of sets that do, the
one that recommends the item best by itself is taken: without it the item goes, and with nothing but it the item comes.

Source: Tran, Ghazimatin, Saha Roy, "Counterfactual explanations for neural recommenders", 2021, and Ghazimatin et al.,
"PRINCE", 2020: the smallest set of a user's own actions without which the item would not be recommended. Deviates by
asking the model itself instead of influence functions, so that it holds for any model. Tan et al., "Learning and
evaluating graph neural network explanations based on counterfactual and factual reasoning", 2022: a good reason is
necessary and sufficient.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import combinations

import numpy as np

from mmreco.arrays import F32, I64, Bool, frozen
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.request import Request
from mmreco.protocols import Recommends

__all__ = ["Carriers", "Effects", "LeaveOut", "carriers", "every_unit"]

_LATEST = 256  # different items of a history that are looked at, the latest
_RECENT, _RUNS = 16, 16  # of a longer history the latest items stand for themselves, the others in so many runs
_ALONE = 28  # items that are left out alone, of the runs that matter most
_WEIGHTY = {2: 28, 3: 28, 4: 16, 5: 12}  # of them, those whose sets of this size are thought through
_TRIED = 8  # sets of a size that the model is asked without


@dataclass(frozen=True, eq=False)
class Effects:
    """Where an item stands in each of `v` variants of a question.

    Parameters
    ----------
    ranks : shape `(v,)`, int64
        From 1; one more than the width of the answer where the item is not in it.
    scores : shape `(v,)`, float32
        Of the item; -inf where it is not in the answer.
    margins : shape `(v,)`, float32
        The item's score less the `k`-th best score of the others; below 0 where it is not among the first `k`, and
        then at most so much where it is not in the answer.
    """

    ranks: I64
    scores: F32
    margins: F32

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranks", frozen(self.ranks, np.int64))
        object.__setattr__(self, "scores", frozen(self.scores, np.float32))
        object.__setattr__(self, "margins", frozen(self.margins, np.float32))

    def at(self, lines: Sequence[int]) -> "Effects":
        """These variants alone."""
        rows = np.asarray(lines, dtype=np.int64)
        return Effects(self.ranks[rows], self.scores[rows], self.margins[rows])

    def joined(self, more: "Effects") -> "Effects":
        """These variants, then those of `more`."""
        return Effects(
            np.concatenate([self.ranks, more.ranks]),
            np.concatenate([self.scores, more.scores]),
            np.concatenate([self.margins, more.margins]),
        )


@dataclass(frozen=True, eq=False)
class LeaveOut:
    """One user's question, which can be asked without any part of the history.

    Parameters
    ----------
    model : what is asked
    history : of 1 user
    k : 1 or more
        The width of the answer that is explained.
    candidates : shape `(n_items,)`, bool
        What may be answered. Items of the history stay out of the answers that are given without them.
    width : `k` or more
        Places that are looked at.
    """

    model: Recommends
    history: Interactions
    k: int
    candidates: Bool
    width: int

    @classmethod
    def of(cls, model: Recommends, history: Interactions, item: int, k: int) -> "LeaveOut":
        """The question of this history, narrowed to the best items and `item` where that is far down."""
        candidates = np.ones(len(history.items), dtype=bool)
        candidates[history.items_flat] = False
        candidates[item] = True
        width = min(5 * k, len(candidates))
        asked = cls(model, history, k, candidates, width)
        rows = asked.by_run[0][0]
        if (rows == item).any():
            return asked
        candidates = np.zeros_like(candidates)
        candidates[rows[rows >= 0]] = True
        candidates[item] = True
        return replace(asked, candidates=candidates, width=width + 1)

    @classmethod
    def among(cls, model: Recommends, history: Interactions, items: Sequence[int]) -> "LeaveOut":
        """The question of this history with these items as all that may be answered."""
        candidates = np.zeros(len(history.items), dtype=bool)
        candidates[list(items)] = True
        return cls(model, history, 1, candidates, len(items))

    @cached_property
    def units(self) -> I64:
        """The different items of the history, shape `(m,)`, oldest first, the latest 256 of them."""
        return _latest(self.history.items_flat)

    @cached_property
    def runs(self) -> I64:
        """The run that each unit is in, shape `(m,)`, from 0: by itself, or of a long history with its neighbours."""
        m = len(self.units)
        age = np.arange(m)[::-1]
        if m <= _RECENT + _RUNS:
            return age[::-1]
        return np.where(age < _RECENT, age, _RECENT + np.maximum(age - _RECENT, 0) * _RUNS // (m - _RECENT))

    @cached_property
    def by_run(self) -> tuple[I64, F32]:
        """The item rows and scores with the whole history, then without each run, `(1 + runs, width)`."""
        masks = self.runs == np.arange(self.runs.max(initial=-1) + 1)[:, None]
        return self.answers(np.vstack([np.zeros((1, len(self.units)), dtype=bool), masks]))

    def answers(self, left_out: Bool) -> tuple[I64, F32]:
        """The item rows and scores `(v, width)` without the `units` where `left_out`, shape `(v, m)`, is true."""
        histories = _without(self.history, self.units, left_out)
        ranking = self.model.recommend(Request(histories, k=self.width, exclude_seen=False, candidates=self.candidates))
        return ranking.rows, ranking.scores

    def scores(self, item: int, left_out: Bool) -> F32:
        """The score of `item` alone in each of the `v` variants, shape `(v,)`."""
        only = np.zeros(len(self.history.items), dtype=bool)
        only[item] = True
        return replace(self, candidates=only, width=1).answers(left_out)[1][:, 0]

    def effects(self, item: int, left_out: Bool) -> Effects:
        """Where `item` stands in each of the `v` variants; see `answers`."""
        rows, scores = self.answers(left_out)
        return _effects(rows, scores, item, self.k)


@dataclass(frozen=True, eq=False)
class Carriers:
    """The units that carry an item, those that do most by themselves first, and what was measured without them.

    Parameters
    ----------
    units : places among the units of the question
    whole : with the whole history, one line
    alone : without each of `units` alone, a line each
    put_back : without all of `units` but one, a line each; None where each of them lowers the item alone
    without : without all of `units`, one line
    """

    units: tuple[int, ...]
    whole: Effects
    alone: Effects
    put_back: Effects | None
    without: Effects


def carriers(asked: LeaveOut, item: int, max_events: int) -> Carriers:
    """A smallest set of units without which `item` is not among the first `k`; else one that lowers it most.

    Units are left out alone; where that is not enough pairs are, then threes, ... : of each size the eight sets that
    would lower it most if the effects of units added up, as they do in linear models. Where several do, the one with
    which alone the item stands best is chosen.

    Parameters
    ----------
    asked : what answers when units of the history are left out
    item : its row
    max_events : 1 to 5
        Units of a set at most.
    """
    m = len(asked.units)
    units, rows, scores = _left_out_alone(asked, item)
    first = _effects(rows, scores, item, asked.k)
    whole, singles = first.at([0]), first.at(range(1, len(units) + 1))
    if not m:
        return Carriers((), whole, singles, None, whole)
    sets: list[tuple[int, ...]] = [(place,) for place in range(len(units))]  # places among the units left out alone
    tried = singles
    changed = _changed(rows, scores)
    for size in range(2, max_events + 1):
        if (tried.ranks > asked.k).any() or size > len(units):
            break
        larger = _promising(changed, rows[0] == item, size, asked.k)
        sets, tried = (
            sets + larger,
            tried.joined(asked.effects(item, _masks([units[list(one)].tolist() for one in larger], m))),
        )
    order = np.lexsort((tried.margins, tried.ranks <= asked.k))
    found = tried.ranks[order] > asked.k
    enough = (order[found] if found.any() else order)[:_TRIED]
    best, places = _most_sufficient(asked, item, units, [sets[line] for line in enough], enough)
    chosen = tuple(units[places].tolist())
    alone, put_back = singles.at(places), None
    if not (alone.margins < whole.margins).all():
        put_back = asked.effects(item, _masks([[u for u in chosen if u != unit] for unit in chosen], m))
    return Carriers(chosen, whole, alone, put_back, tried.at([best]))


def _most_sufficient(
    asked: LeaveOut, item: int, units: I64, sets: Sequence[tuple[int, ...]], lines: I64
) -> tuple[int, list[int]]:
    """Of `sets` the one with which alone the item stands best, as its line, and its places in that order."""
    if len(sets) == 1 and len(sets[0]) == 1:
        return int(lines[0]), list(sets[0])
    singles = sorted({(place,) for one in sets for place in one if len(one) > 1})
    kept = _masks([units[list(one)].tolist() for one in (*sets, *singles)], len(asked.units))
    margins = asked.effects(item, ~kept).margins
    best = int(np.argmax(margins[: len(sets)]))
    by_itself = dict(zip(singles, margins[len(sets) :].tolist(), strict=True))
    return int(lines[best]), sorted(sets[best], key=lambda place: -by_itself.get((place,), 0.0))


def _left_out_alone(asked: LeaveOut, item: int) -> tuple[I64, I64, F32]:
    """The units that are left out alone, `(u,)`, and the answers `(1 + u, width)` with all and without each of them."""
    m, run = len(asked.units), asked.runs
    rows, scores = asked.by_run
    if m <= _RECENT + _RUNS:
        return run, rows, scores
    age = np.arange(m)[::-1]
    effects = _effects(rows, scores, item, asked.k)
    effect = effects.margins[1:]
    weighty = np.lexsort((age, effect[run]))[:_ALONE]
    single = np.bincount(run)[run[weighty]] == 1
    known, asked_for = weighty[single], weighty[~single]
    if (effects.ranks[1 + run[known]] > asked.k).any():
        asked_for = asked_for[:0]  # one item does it alone: there is no smaller set
    else:
        asked_for = asked_for[effect[run[asked_for]] < effects.margins[0]]
    lines = np.concatenate([[0], 1 + run[known]])
    units = np.concatenate([known, asked_for])
    if not len(asked_for):
        return units, rows[lines], scores[lines]
    more_rows, more_scores = asked.answers(_masks(asked_for[:, None].tolist(), m))
    return units, np.concatenate([rows[lines], more_rows]), np.concatenate([scores[lines], more_scores])


def _effects(rows: I64, scores: F32, item: int, k: int) -> Effects:
    """Where the item stands in answers `(v, width)`."""
    found = rows == item  # (v, width)
    there, place = found.any(axis=1), found.argmax(axis=1)
    line = np.arange(len(rows))
    own = np.where(there, scores[line, place], np.float32(-np.inf))
    edge = np.where(there & (place < k), k, k - 1)  # the k-th of the others
    rival = scores[line, np.minimum(edge, rows.shape[1] - 1)]
    below = np.where(there, own, scores[:, -1])  # not in the answer: below its last item
    with np.errstate(invalid="ignore"):
        margins = np.where(np.isneginf(rival), np.where(there, np.inf, -np.inf), below - rival)
    return Effects(np.where(there, place + 1, rows.shape[1] + 1), own, margins)


def _changed(rows: I64, scores: F32) -> F32:
    """Scores of the items of line 0, `(1 + m, width)`; those that are not in a line's answer have its last score."""
    order = np.argsort(rows[0], kind="stable")
    place = np.minimum(np.searchsorted(rows[0], rows, sorter=order), len(order) - 1)
    place = order[place]  # (1 + m, width)
    there = rows[0][place] == rows
    last = np.where(np.isneginf(scores), np.inf, scores).min(axis=1, keepdims=True)
    found = np.repeat(np.where(np.isinf(last), 0, last), rows.shape[1], axis=1).astype(np.float32)
    line = np.broadcast_to(np.arange(len(rows))[:, None], rows.shape)
    found[line[there], place[there]] = np.where(np.isneginf(scores[there]), found[line[there], 0], scores[there])
    return found


def _promising(changed: F32, item: Bool, size: int, k: int) -> list[tuple[int, ...]]:
    """The sets of this size without which the item would be lowest, if effects added up."""
    effect = changed[1:] - changed[0]  # (m, width)
    ahead = effect[:, item][:, 0] - effect[:, ~item].mean(axis=1)
    weighty = np.argsort(ahead, kind="stable")[: _WEIGHTY[size]]
    sets = weighty[_sets(len(weighty), size)]  # (sets, size)
    would = changed[0] + effect[sets[:, 0]]  # (sets, width)
    for place in range(1, size):
        would += effect[sets[:, place]]
    own, rivals = would[:, item][:, 0], would[:, ~item]
    edge = max(0, rivals.shape[1] - k)  # the k-th of the others from above
    order = np.argsort(own - np.partition(rivals, edge, axis=1)[:, edge], kind="stable")[:_TRIED]
    return [tuple(chosen) for chosen in sets[order].tolist()]


@cache
def _sets(n: int, size: int) -> I64:
    """All sets of `size` of `n` places, shape `(sets, size)`."""
    return frozen(list(combinations(range(n), size)), np.int64)


def every_unit(m: int) -> Bool:
    """Nothing left out, then each of `m` units alone, shape `(m + 1, m)`."""
    return np.vstack([np.zeros((1, m), dtype=bool), np.eye(m, dtype=bool)])


def _masks(sets: Sequence[Sequence[int]], m: int) -> Bool:
    masks = np.zeros((len(sets), m), dtype=bool)
    for line, chosen in enumerate(sets):
        masks[line, list(chosen)] = True
    return masks


def _latest(items_flat: I64) -> I64:
    """The different items, in the order of their latest event."""
    backwards = items_flat[::-1]
    first = np.sort(np.unique(backwards, return_index=True)[1])[:_LATEST]
    return backwards[first][::-1]


def _without(history: Interactions, units: I64, left_out: Bool) -> Interactions:
    """The history once a variant, without the events on what is left out; the users are "0", "1", ..."""
    order = np.argsort(units)
    known = np.isin(history.items_flat, units)
    unit = np.zeros(history.n_events, dtype=np.int64)
    unit[known] = order[np.searchsorted(units, history.items_flat[known], sorter=order)]
    kept = ~(left_out[:, unit] & known)  # (v, e)
    event = np.nonzero(kept)[1]
    starts = np.zeros(len(left_out) + 1, dtype=np.int64)
    np.cumsum(kept.sum(axis=1), out=starts[1:])
    return history.regrouped(_numbers(len(left_out)), starts, event)


@cache
def _numbers(n: int) -> IdMap:
    return IdMap.of([str(number) for number in range(n)])
