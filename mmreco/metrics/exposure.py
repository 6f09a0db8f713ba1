"""Which items are shown: exposure by brand, age or popularity, for all or groups of users, and narrowing over time.

Sources: Singh, Joachims, "Fairness of exposure in rankings", 2018 (exposure falls with the place as the gain of DCG
does); Efron, "Bootstrap methods: another look at the jackknife", 1979, users being drawn anew; Jost, "Entropy and
diversity", 2006 (the effective number of categories).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from mmreco.arrays import F64, I64, frozen
from mmreco.data.catalogue import Catalogue
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.metrics.relevance import require_rows
from mmreco.metrics.segments import item_segments

__all__ = [
    "Exposure",
    "ItemGroups",
    "age_groups",
    "column_groups",
    "effective_categories",
    "exposure",
    "exposure_gap",
    "popularity_groups",
]

_DAY = 86_400_000_000  # microseconds
_DRAWS = 1000
_COLUMNS = ("users", "group", "share", "low", "high", "gap")


@dataclass(frozen=True, eq=False, repr=False)
class ItemGroups:
    """Which group each item is of.

    Parameters
    ----------
    names : one name a group
    of_item : shape `(n_items,)`, int64
        The group of each item; -1 for none.
    """

    names: tuple[str, ...]
    of_item: I64

    def __post_init__(self) -> None:
        object.__setattr__(self, "of_item", frozen(self.of_item, np.int64))
        if self.of_item.size and not -1 <= self.of_item.min() <= self.of_item.max() < len(self.names):
            raise DataError(f"groups: a number outside -1..{len(self.names) - 1}, the groups there are")

    def __repr__(self) -> str:
        return f"ItemGroups({len(self.of_item)} items in {len(self.names)} groups)"


@dataclass(frozen=True, eq=False, repr=False)
class Exposure:
    """The share of all attention that each group of items gets, with intervals.

    Parameters
    ----------
    names : one name a group
    share : shape `(g,)`, float64
        Of all exposure of items that have a group; adds up to 1.
    low, high : shape `(g,)`, float64
        The interval of 95 %, users being drawn anew.
    catalogue_share : shape `(g,)`, float64
        The share of the items: what the group would get if all were shown alike.
    """

    names: tuple[str, ...]
    share: F64
    low: F64
    high: F64
    catalogue_share: F64

    def __post_init__(self) -> None:
        for name in ("share", "low", "high", "catalogue_share"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float64))

    def __repr__(self) -> str:
        return f"Exposure({', '.join(f'{n}: {s:.3f}' for n, s in zip(self.names, self.share.tolist(), strict=True))})"

    def frame(self) -> pa.Table:
        """A row a group: `group`, `share`, `low`, `high`, `catalogue_share`."""
        columns = {name: getattr(self, name) for name in ("share", "low", "high", "catalogue_share")}
        return pa.table({"group": list(self.names), **columns})


def exposure(ranking: Ranking, groups: ItemGroups, *, seed: int = 0) -> Exposure:
    """The share of exposure that each group of items gets in these answers.

    A place `p` (from 1) is worth `1 / log2(1 + p)`.

    Parameters
    ----------
    ranking : `n` answers
    groups : of the items
    seed : 0 or more
        Of the users drawn for the intervals.

    Raises
    ------
    DataError
        The ranking holds a row beyond the groups, or nothing in it has a group.

    Examples
    --------
    >>> halves = ItemGroups(("old", "new"), np.array([0, 0, 1]))
    >>> exposure(Ranking(np.array([[0, 2], [1, 2]]), np.array([[2.0, 1.0], [2.0, 1.0]])), halves)
    Exposure(old: 0.613, new: 0.387)
    """
    per_user = _per_user(ranking, groups)  # (n, g)
    total = per_user.sum()
    if not total:
        raise DataError("exposure: no answer is of an item that has a group; there is nothing to share out")
    low, high = np.quantile(_redrawn(per_user, seed), (0.025, 0.975), axis=0)
    items = np.bincount(groups.of_item[groups.of_item >= 0], minlength=len(groups.names))
    return Exposure(groups.names, per_user.sum(axis=0) / total, low, high, items / max(1, int(items.sum())))


def exposure_gap(ranking: Ranking, groups: ItemGroups, users: I64, names: Sequence[str], *, seed: int = 0) -> pa.Table:
    """How exposure differs between groups of users, a row a pair of user group and item group.

    Columns: `users`, `group`, `share`, `low`, `high` (of 95 %) and `gap`, the share less that of all other users.

    Parameters
    ----------
    ranking, groups, seed : as `exposure`
    users : shape `(n,)`, int64
        The group of each question; -1 for none.
    names : one name a group of users

    Raises
    ------
    DataError
        There is not one group a question, or the ranking holds a row beyond the groups of items.
    """
    given = np.asarray(users, dtype=np.int64)
    if given.shape != (len(ranking),):
        raise DataError(f"users: groups of shape {given.shape} for {len(ranking)} questions; expected one a question")
    per_user = _per_user(ranking, groups)
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        inside = per_user[given == number]
        others = per_user[(given != number) & (given >= 0)]
        if not inside.sum():
            continue
        share = inside.sum(axis=0) / inside.sum()
        rest = others.sum(axis=0) / others.sum() if others.sum() else np.full(len(share), np.nan)
        low, high = np.quantile(_redrawn(inside, seed), (0.025, 0.975), axis=0)
        rows += [
            dict(zip(_COLUMNS, (name, group, share[g], low[g], high[g], share[g] - rest[g]), strict=True))
            for g, group in enumerate(groups.names)
        ]
    return pa.Table.from_pylist(rows)


def effective_categories(ranking: Ranking, bags: Any) -> F64:
    """How many categories a user's answers are spread over, shape `(n,)`: 1 when all are of one; NaN for none.

    The exponential of the entropy of the mix. Its fall from week to week is how far a shop narrows what is shown.

    Parameters
    ----------
    ranking : `n` questions
    bags : shape `(n_items, c)`, dense or sparse
        Which categories an item has, e.g. `Attributes.matrix()`; an item of several is shared out among them.

    Raises
    ------
    DataError
        The ranking holds a row beyond `bags`.
    """
    require_rows(ranking, int(bags.shape[0]))
    lines, places = np.nonzero(ranking.rows >= 0)
    kinds = sp.csr_array(bags)[ranking.rows[lines, places]]
    each = np.asarray(kinds.sum(axis=1)).ravel()
    weights = np.divide(1, each, out=np.zeros(len(each)), where=each > 0)
    gather = sp.csr_array((weights, (lines, np.arange(len(lines)))), shape=(len(ranking), len(lines)))
    mix = np.asarray((gather @ kinds).toarray(), dtype=np.float64)
    total = mix.sum(axis=1, keepdims=True)
    mix = np.divide(mix, total, out=np.zeros_like(mix), where=total > 0)
    entropy = -(mix * np.log(np.where(mix > 0, mix, 1))).sum(axis=1)
    return np.where(total[:, 0] > 0, np.exp(entropy), np.nan)


# ---- groups


def column_groups(catalogue: Catalogue, column: str, *, most: int = 20) -> ItemGroups:
    """Items of `catalogue` by the value of `column`, e.g. "brand": the `most` commonest values, and "other".

    Raises
    ------
    DataError
        There is no such column, or `most` is below 1.
    """
    if most < 1:
        raise DataError(f"most={most}: expected 1 or more groups")
    values = [None if value is None else str(value) for value in catalogue.column(column)]
    counts: dict[str, int] = {}
    for value in values:
        if value is not None:
            counts[value] = counts.get(value, 0) + 1
    names = sorted(counts, key=lambda value: (-counts[value], value))
    kept = {value: number for number, value in enumerate(names[:most])}
    rest = len(kept)
    numbers = [-1 if value is None else kept.get(value, rest) for value in values]
    return ItemGroups((*kept, "other") if len(names) > most else tuple(kept), np.asarray(numbers, dtype=np.int64))


def age_groups(catalogue: Catalogue, *, days: Sequence[float] = (30, 90, 365), column: str = "created") -> ItemGroups:
    """Items by their age, counted from the newest: "up to 30 days", ..., "older".

    Parameters
    ----------
    catalogue : `n` items
    days : ends of the groups, rising
    column : when an item was listed

    Raises
    ------
    DataError
        There is no such column, it holds no times, or `days` do not rise.
    """
    limits = list(days)
    if not limits or sorted(set(limits)) != limits:
        raise DataError(f"days={limits}: expected rising numbers of days")
    if column not in catalogue.table.column_names:
        raise DataError(f"catalogue: no column {column!r}; there are {', '.join(catalogue.table.column_names)}")
    array = catalogue.table[column].combine_chunks()
    if not (pa.types.is_timestamp(array.type) or pa.types.is_date(array.type)):
        raise DataError(f"column {column!r} holds {array.type}; expected times")
    kind = pa.timestamp("us", tz="UTC") if getattr(array.type, "tz", None) else pa.timestamp("us")
    unknown = array.is_null().to_numpy(zero_copy_only=False)
    moments = array.cast(kind).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    newest = moments[~unknown].max(initial=0)
    numbers = np.searchsorted(limits, (newest - moments) / _DAY, side="left")
    names = (*(f"up to {day:g} days" for day in limits), "older")
    return ItemGroups(names, np.where(unknown, -1, numbers))


def popularity_groups(train: Interactions) -> ItemGroups:
    """The items of `train` as "head", "tail" and "cold"; see `item_segments`."""
    segments = item_segments(train)
    numbers = np.full(len(train.items), -1, dtype=np.int64)
    for number, mask in enumerate(segments.values()):
        numbers[mask] = number
    return ItemGroups(tuple(segments), numbers)


def _per_user(ranking: Ranking, groups: ItemGroups) -> F64:
    """The exposure that each group gets from each user, shape `(n, g)`."""
    require_rows(ranking, max(1, len(groups.of_item)))
    numbers = np.where(ranking.rows >= 0, groups.of_item[np.maximum(ranking.rows, 0)], -1)
    worth = np.broadcast_to(1 / np.log2(np.arange(2, ranking.k + 2)), numbers.shape)
    lines, _ = np.nonzero(numbers >= 0)
    out = np.zeros((len(ranking), len(groups.names)))
    np.add.at(out, (lines, numbers[numbers >= 0]), worth[numbers >= 0])
    return out


def _redrawn(per_user: F64, seed: int) -> F64:
    """The shares with users drawn anew, shape `(draws, g)`."""
    rng = np.random.default_rng(seed)
    n = len(per_user)
    shares = np.empty((_DRAWS, per_user.shape[1]))
    for draw in range(_DRAWS):
        total = rng.multinomial(n, np.full(n, 1 / n)) @ per_user
        shares[draw] = total / max(total.sum(), np.finfo(float).tiny)
    return shares
