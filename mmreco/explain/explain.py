"""explain: the events, contents, facts and rules behind an answer, each measured by asking the model without it."""

from collections.abc import Mapping, Sequence

import numpy as np

from mmreco.arguments import require_whole, require_width
from mmreco.arrays import F32, I64, Bool
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError
from mmreco.explain.explanation import CarryingEvent, Explanation, OrderExplanation
from mmreco.explain.facts import common_facts, good_phrases
from mmreco.explain.leave_out import Carriers, LeaveOut, carriers, every_unit
from mmreco.protocols import Recommends

__all__ = ["explain", "why_above"]


def explain(
    model: Recommends,
    dataset: Dataset,
    histories: Interactions,
    item_rows: Sequence[int] | I64,
    *,
    k: int = 10,
    max_events: int = 3,
    without_modality: Mapping[str, Recommends] | None = None,
    without_rule: Mapping[str, Recommends] | None = None,
) -> list[Explanation]:
    """Why each item is recommended to each history: one explanation a question.

    The events named are the smallest set found without which the item is not among the first `k`, or, where there is
    no such set of `max_events`, the set that lowers it most. What is left out of the history does not come back as an
    answer. An item that is bought or looked at several times counts once.

    Parameters
    ----------
    model : answers the questions; nothing else is asked of it
    dataset : the catalogue and the log that the model was fitted on
    histories : `n` users
    item_rows : shape `(n,)`
        The item to explain to each. It need not be among the first `k`.
    max_events : 1 to 5
        Items of the history that are named at most.
    without_modality : optional
        The same model without the text, the pictures, ..., by the name of what it lacks.
    without_rule : optional
        What recommends without a rule of the shop, by the rule's name.
    k : 1 or more
        Width of the list in which an item counts as recommended.

    Raises
    ------
    DataError
        There are not as many items as histories, a row is outside the catalogue, or a number is out of range.
    IncompatibleError
        The histories are over other items than the dataset.

    Examples
    --------
    >>> from mmreco import IdMap, ItemKNN
    >>> shop = IdMap.of(["hat", "cap", "shoe", "sock"])
    >>> log = Interactions.from_histories([["hat", "cap"], ["shoe", "sock"]] * 3, items=shop)
    >>> model = ItemKNN().fit(Dataset.from_interactions(log))
    >>> asked = Interactions.from_histories([["sock", "hat"]], items=shop)
    >>> explain(model, Dataset.from_interactions(log), asked, [1], k=1)[0].sentences()[0]
    'Recommended because you chose “hat”.'
    """
    rows = _checked(dataset, histories, item_rows)
    width = require_width(k)
    max_events = require_whole("max_events", max_events)
    if max_events > 5:
        raise DataError(f"max_events={max_events}: expected 1 to 5")
    explanations = []
    for line, item in enumerate(rows.tolist()):
        history = histories.take([line])
        asked = LeaveOut.of(model, history, item, width)
        found = carriers(asked, item, max_events)
        events = _events(asked, found, item)
        named = [event.row for event in events]
        rank, score = int(found.whole.ranks[0]), float(found.whole.scores[0])
        explanations.append(
            Explanation(
                catalogue=dataset.catalogue,
                item=item,
                k=width,
                rank=rank,
                score=score,
                events=events,
                rank_without=_rank_without(asked, found, events, item),
                modalities=_shares(score, {n: _score(m, asked, item) for n, m in (without_modality or {}).items()}),
                facts=common_facts(dataset, item, named),
                phrases=good_phrases(dataset, item, named),
                rules=_moved(rank, asked, item, without_rule or {}),
            )
        )
    return explanations


def why_above(
    model: Recommends,
    dataset: Dataset,
    histories: Interactions,
    above: Sequence[int] | I64,
    below: Sequence[int] | I64,
    *,
    max_events: int = 3,
) -> list[OrderExplanation]:
    """Why item `above` stands above item `below` for each history: the events that make the margin, each measured.

    Parameters
    ----------
    model, dataset : as `explain`
    histories : `n` users
    above, below : shape `(n,)`
        Item rows. Where `below` stands higher in truth, no event is named.
    max_events : 1 or more
        Items of the history that are named at most.

    Raises
    ------
    DataError, IncompatibleError
        As `explain`.
    """
    first, second = _checked(dataset, histories, above), _checked(dataset, histories, below)
    if (first == second).any():
        raise DataError("why_above: an item cannot stand above itself; give two different items a history")
    max_events = require_whole("max_events", max_events)
    out = []
    for line, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        asked = LeaveOut.among(model, histories.take([line]), [a, b])
        units = asked.units
        margins = _margins(asked, a, b, every_unit(len(units)))
        drops = margins[0] - margins[1:]
        carrying = [u for u in np.argsort(-drops, kind="stable").tolist() if drops[u] > 0][:max_events]
        chosen: list[int] = carrying if margins[0] > 0 else []
        all_out = np.zeros((1, len(units)), dtype=bool)
        all_out[0, chosen] = True
        left = float(_margins(asked, a, b, all_out)[0])
        if not left < margins[0]:  # together they do nothing
            chosen = []
        named = units[chosen].tolist()
        theirs = {fact.column for fact in common_facts(dataset, b, named)}
        facts = tuple(fact for fact in common_facts(dataset, a, named) if fact.column not in theirs)
        events = tuple((int(units[u]), float(drops[u])) for u in chosen)
        out.append(OrderExplanation(dataset.catalogue, a, b, float(margins[0]), events, left, facts))
    return out


def _events(asked: LeaveOut, found: Carriers, item: int) -> tuple[CarryingEvent, ...]:
    """The carrying events that passed their check: alone or with the others, the item stands lower without them."""
    if not found.without.margins[0] < found.whole.margins[0]:
        return ()
    drops = found.whole.scores[0] - found.alone.scores
    beyond = np.flatnonzero(np.isneginf(found.alone.scores))
    if len(beyond):
        masks = every_unit(len(asked.units))[1:][[found.units[place] for place in beyond]]
        drops[beyond] = found.whole.scores[0] - asked.scores(item, masks)
    events, units = [], asked.units
    for place, unit in enumerate(found.units):
        alone = found.alone.margins[place] < found.whole.margins[0]
        together = found.put_back is not None and found.without.margins[0] < found.put_back.margins[place]
        if alone or together:
            row = int(units[unit])
            latest = int(np.flatnonzero(asked.history.items_flat == row)[-1])
            name = asked.history.event_names[int(asked.history.event_types[latest])]
            events.append(CarryingEvent(row, name, int(found.alone.ranks[place]), float(drops[place])))
    return tuple(events)


def _rank_without(asked: LeaveOut, found: Carriers, events: Sequence[CarryingEvent], item: int) -> int:
    """The item's rank without all of `events`; asked again where some of the set did not pass."""
    if not events:
        return int(found.whole.ranks[0])
    if len(events) == len(found.units):
        return int(found.without.ranks[0])
    left_out = np.isin(asked.units, [event.row for event in events])[None, :]
    return int(asked.effects(item, left_out).ranks[0])


def _score(model: Recommends, asked: LeaveOut, item: int) -> float:
    """The item's score by another model, the history whole."""
    nothing = np.zeros((1, len(asked.units)), dtype=bool)
    return float(LeaveOut(model, asked.history, asked.k, asked.candidates, asked.width).scores(item, nothing)[0])


def _shares(score: float, without: Mapping[str, float]) -> dict[str, float]:
    """The share of each modality of what they all bring; those that bring nothing are left out."""
    drops = {name: score - other for name, other in without.items() if np.isfinite(other) and score > other}
    total = sum(drops.values())
    return {name: drop / total for name, drop in drops.items()}


def _moved(rank: int, asked: LeaveOut, item: int, without: Mapping[str, Recommends]) -> dict[str, int]:
    """The item's rank without each rule, where it is another."""
    moved = {}
    for name, model in without.items():
        nothing = np.zeros((1, len(asked.units)), dtype=bool)
        other = LeaveOut(model, asked.history, asked.k, asked.candidates, asked.width).effects(item, nothing)
        if int(other.ranks[0]) != rank:
            moved[name] = int(other.ranks[0])
    return moved


def _margins(asked: LeaveOut, a: int, b: int, left_out: Bool) -> F32:
    """The score of `a` less that of `b` in each variant; as far as can be where only one of them is answered."""
    rows, scores = asked.answers(left_out)
    of = {item: np.where(rows == item, scores, np.float32(-np.inf)).max(axis=1) for item in (a, b)}
    with np.errstate(invalid="ignore"):
        margins = of[a] - of[b]
    return np.asarray(np.nan_to_num(margins, nan=0.0), dtype=np.float32)


def _checked(dataset: Dataset, histories: Interactions, item_rows: Sequence[int] | I64) -> I64:
    if histories.items != dataset.items:
        raise IncompatibleError(
            f"histories over {len(histories.items)} items, the dataset has {len(dataset.items)}, and not the same; "
            "make them with Interactions.from_histories(..., items=dataset.items)"
        )
    rows = np.asarray(item_rows)
    if rows.shape != (len(histories),) or (len(rows) and rows.dtype.kind not in "iu"):
        raise DataError(f"items: {rows.dtype} of shape {rows.shape}; expected one row a history, ({len(histories)},)")
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(dataset):
        raise DataError(f"items: rows {rows.min()}..{rows.max()}; expected 0..{len(dataset) - 1}")
    return rows.astype(np.int64)
