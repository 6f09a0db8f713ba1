"""What was bought together, and how much more often than chance would have it.

Source: Agrawal, Imieliński, Swami, "Mining association rules between sets of items in large databases", 1993 (support
and confidence); Brin, Motwani, Ullman, Tsur, "Dynamic itemset counting", 1997 (lift). Pairs only, not larger sets.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from mmreco.arguments import require_kind, require_number, require_whole, require_width, row_numbers
from mmreco.arrays import F64, I64, frozen
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError

__all__ = ["Associations", "baskets", "bought_together", "incidence"]


@dataclass(frozen=True, eq=False, repr=False)
class Associations:
    """What goes with `n` items, `k` each, with the evidence.

    Parameters
    ----------
    ranking : `n` questions, `k` wide
        Its scores are what the pairs were ordered by.
    support : shape `(n, k)`, int64
        In how many baskets both were; 0 where the answer is short.
    confidence : shape `(n, k)`, float64
        The share of the baskets with the first item that have the second as well; it has a direction.
    lift : shape `(n, k)`, float64
        How many times that share is the second item's share of all baskets: 1 is chance.
    """

    ranking: Ranking
    support: I64
    confidence: F64
    lift: F64

    def __post_init__(self) -> None:
        object.__setattr__(self, "support", frozen(self.support, np.int64))
        object.__setattr__(self, "confidence", frozen(self.confidence, np.float64))
        object.__setattr__(self, "lift", frozen(self.lift, np.float64))

    def __repr__(self) -> str:
        return f"Associations({len(self.ranking)} items x {self.ranking.k})"


def baskets(log: Interactions, *, gap_minutes: float = 30.0, event: str | None = None) -> Interactions:
    """The baskets of a log as histories of their own: a user's events with no longer pause between them.

    Parameters
    ----------
    log : with times
    gap_minutes : 0 or more
        A longer pause begins a new basket. 0 keeps only what has one time together, as on an invoice.
    event : optional
        Only events of this kind, e.g. "purchase".

    Returns
    -------
    Interactions of one "user" a basket, in the order of users, then time
        Its id is that of the user, "#" and the basket's number from 0.

    Raises
    ------
    DataError
        The log has no times, there is no such kind of event, or `gap_minutes` is below 0.
    """
    require_kind("baskets", log, Interactions)
    if log.times is None:
        raise DataError("baskets: the log has no times; give its events a timestamp to find what was bought together")
    gap_minutes = require_number("gap_minutes", gap_minutes, least=0)
    if event is not None:
        if event not in log.event_names:
            raise DataError(f"baskets: no event {event!r}; there are {', '.join(log.event_names)}")
        log = log.keep(log.event_types == log.event_names.index(event))
    times = np.asarray(log.times)
    users = log.users_flat
    opens = np.ones(log.n_events, dtype=np.bool_)
    opens[1:] = (np.diff(users) != 0) | (np.diff(times) > gap_minutes * 60_000)
    firsts = np.flatnonzero(opens)
    owner = users[firsts]
    begins = np.searchsorted(owner, np.arange(len(log)), side="left")
    numbers = np.arange(len(firsts)) - begins[owner]
    names = log.users.ids(owner)
    ids = IdMap.of([f"{name}#{number}" for name, number in zip(names, numbers.tolist(), strict=True)])
    return Interactions.from_events(
        ids, log.items, np.cumsum(opens) - 1, log.items_flat, times=times, weights=log.weights
    )


def bought_together(
    carts: Interactions,
    rows: I64,
    k: int = 10,
    *,
    least_support: int = 3,
    shrinkage: float = 5.0,
    owners: I64 | None = None,
) -> Associations:
    """What was in the same baskets as each of these items, by lift.

    Parameters
    ----------
    carts : a basket a user, as `baskets` gives them
        Repeats in a basket count once.
    rows : shape `(n,)`, int64
        Item rows.
    k : 1 or more
    least_support : 1 or more
        Pairs in fewer baskets are not answered.
    shrinkage : 0 or more
        Baskets of chance that are mixed into each pair: rare pairs need more evidence to come first.
    owners : shape `(n_baskets,)`, int64, optional
        Whose each basket is, as numbers. With them `least_support` counts distinct people, not baskets.

    Raises
    ------
    DataError
        `k` or `least_support` is below 1, `shrinkage` below 0, a row is outside the items, or there are not as many
        owners as baskets.

    Examples
    --------
    >>> shop = IdMap.of(["tea", "mug", "lamp"])
    >>> carts = Interactions.from_histories([["tea", "mug"], ["tea", "mug"], ["lamp"], ["tea"]], items=shop)
    >>> pairs = bought_together(carts, np.array([1]), k=1, least_support=2)
    >>> pairs.ranking.ids(shop), pairs.confidence.tolist()
    ([['tea']], [[1.0]])
    """
    width = require_width(k, len(carts.items))
    least_support = require_whole("least_support", least_support)
    shrinkage = require_number("shrinkage", shrinkage, least=0)
    asked = row_numbers("bought_together: rows", rows, len(carts.items))
    if owners is not None and owners.shape != (len(carts),):
        raise DataError(f"owners of shape {owners.shape} for {len(carts)} baskets; expected ({len(carts)},)")
    bought = incidence(carts)
    counts = np.asarray(bought.sum(axis=0)).ravel()  # (n_items,)
    n = max(1, bought.shape[0])
    out_rows = np.full((len(asked), width), -1, dtype=np.int64)
    scores = np.full((len(asked), width), -np.inf, dtype=np.float32)
    support = np.zeros((len(asked), width), dtype=np.int64)
    together = (bought[:, asked].T @ bought).tocsr()  # (n, n_items)
    for line, row in enumerate(asked.tolist()):
        found = together.indices[together.indptr[line] : together.indptr[line + 1]]
        both = together.data[together.indptr[line] : together.indptr[line + 1]]
        evidence = both if owners is None else _people(carts, owners, row)[found]
        fine = (found != row) & (evidence >= least_support)
        found, both = found[fine], both[fine]
        expected = counts[row] * counts[found] / n
        order = np.lexsort((found, -(both + shrinkage) / (expected + shrinkage)))[:width]
        out_rows[line, : len(order)] = found[order]
        scores[line, : len(order)] = ((both + shrinkage) / (expected + shrinkage))[order]
        support[line, : len(order)] = both[order]
    own, other = counts[asked][:, None], counts[np.maximum(out_rows, 0)]
    confidence = np.divide(support, own, out=np.zeros(support.shape), where=own > 0)
    lift = np.divide(confidence * n, other, out=np.zeros(support.shape), where=other > 0)
    return Associations(Ranking(out_rows, scores), support, confidence, lift)


def _people(carts: Interactions, owners: I64, row: int) -> I64:
    """How many people had each item in one basket with this one, shape `(n_items,)`."""
    own = carts.take(np.unique(carts.users_flat[carts.items_flat == row]))
    named = owners[carts.users.rows(own.users.array)][own.users_flat]
    pairs = np.unique(named * len(carts.items) + own.items_flat)
    return np.bincount(pairs % len(carts.items), minlength=len(carts.items))


def incidence(carts: Interactions) -> sp.csr_array:
    """1 where a basket has an item: sparse, shape `(n, n_items)`."""
    matrix = carts.matrix()
    matrix.data[:] = 1
    return matrix
