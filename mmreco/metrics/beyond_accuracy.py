"""What a ranking does to the catalogue and to its crowd: coverage, inequality, novelty, popularity, serendipity.

Sources: Fleder, Hosanagar, "Blockbuster culture's next rise or fall", 2009 (Gini); Zhou et al., "Solving the apparent
diversity-accuracy dilemma of recommender systems", 2010 (novelty); Yin et al., "Challenging the long tail
recommendation", 2012, and Abdollahpouri et al., "The unfairness of popularity bias in recommendation", 2019
(popularity); Ge, Delgado-Battenfeld, Jannach, "Beyond accuracy: evaluating recommender systems by coverage and
serendipity", 2010.
"""

import numpy as np

from mmreco.arrays import F32, F64, I64
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError
from mmreco.metrics.relevance import divided, item_exposure, relevance, require_rows

__all__ = [
    "coverage",
    "gini",
    "inequality",
    "mean_value",
    "novelty",
    "most_popular_unseen",
    "popularity",
    "popularity_lift",
    "self_information",
    "serendipity",
    "shares",
]


def coverage(ranking: Ranking, n_items: int) -> float:
    """The share of the catalogue's `n_items` that `ranking` answers at least one question with.

    Raises
    ------
    DataError
        `n_items` is below 1 or the ranking holds a row beyond it.
    """
    return float(np.count_nonzero(item_exposure(ranking, n_items)) / n_items)


def gini(ranking: Ranking, n_items: int) -> float:
    """How unequally the answers of `ranking` fall on the `n_items`: 0 alike or not at all, near 1 on one item.

    Raises
    ------
    DataError
        `n_items` is below 1 or the ranking holds a row beyond it.
    """
    return inequality(item_exposure(ranking, n_items))


def inequality(counts: I64) -> float:
    """The Gini coefficient of how often each item was answered, shape `(n_items,)`; 0 where none was."""
    rising = np.sort(counts).astype(np.float64)
    total, n_items = rising.sum(), len(rising)
    if not total:
        return 0.0
    place = np.arange(1, n_items + 1)
    return float((2 * place - n_items - 1) @ rising / (n_items * total))


def shares(seen: Interactions) -> F64:
    """The share of the users in `seen` that have each item, shape `(n_items,)`.

    Raises
    ------
    DataError
        `seen` has no users.
    """
    return _owners("shares", seen) / len(seen)


def self_information(seen: Interactions) -> F64:
    """How surprising it is, in bits, that a user has each item, shape `(n_items,)`.

    An item that a share `p` of the users in `seen` has is worth `-log2(p)`; one that nobody has, as much as if one of
    one more user had it.

    Raises
    ------
    DataError
        `seen` has no users.
    """
    users = _owners("novelty", seen)
    bits: F64 = np.where(users > 0, -np.log2(np.maximum(users, 1) / len(seen)), np.log2(len(seen) + 1))
    return bits


def mean_value(ranking: Ranking, values: F64 | F32) -> F64:
    """The mean of `values`, shape `(n_items,)`, over each answer of `ranking`, shape `(n,)`; NaN where there is none.

    Raises
    ------
    DataError
        The ranking holds a row beyond `values`.
    """
    require_rows(ranking, len(values))
    there = ranking.rows >= 0
    return divided(np.where(there, values[ranking.rows], 0.0).sum(axis=1), there.sum(axis=1))


def novelty(ranking: Ranking, seen: Interactions) -> F64:
    """The mean self-information, in bits, of each answer of `ranking`, shape `(n,)`; NaN where there is none.

    See `self_information`.

    Raises
    ------
    DataError
        The ranking holds a row that is not in `seen.items`, or `seen` has no users.
    """
    return mean_value(ranking, self_information(seen))


def popularity(ranking: Ranking, seen: Interactions) -> F64:
    """The mean share of the users in `seen` that have what `ranking` answers, shape `(n,)`; NaN where there is nothing.

    Known as the average recommendation popularity, ARP.

    Raises
    ------
    DataError
        The ranking holds a row that is not in `seen.items`, or `seen` has no users.
    """
    return mean_value(ranking, shares(seen))


def popularity_lift(ranking: Ranking, histories: Interactions, values: F64) -> F64:
    """How much more popular a user's answers are than their history, shape `(n,)`; 0 is alike, 1 is twice as popular.

    Parameters
    ----------
    ranking : `n` questions
    histories : the `n` users' own
    values : shape `(n_items,)`
        The popularity of each item, as `shares` gives it.

    Returns
    -------
    shape `(n,)`
        NaN where there is no answer, or no history, or one that nobody else has.

    Raises
    ------
    DataError
        `histories` has not as many users as `ranking` has questions, or a row lies beyond `values`.
    """
    if len(histories) != len(ranking):
        raise DataError(f"histories of {len(histories)} users for {len(ranking)} questions; expected one a question")
    if len(values) != len(histories.items):
        raise DataError(f"popularity of {len(values)} items, histories over {len(histories.items)}; expected as many")
    own = np.bincount(histories.users_flat, weights=values[histories.items_flat], minlength=len(histories))
    usual = divided(own, histories.lengths)
    usual = np.where(usual > 0, usual, np.nan)
    return mean_value(ranking, values) / usual - 1


def most_popular_unseen(histories: Interactions, popularity: F64 | I64, k: int) -> Ranking:
    """The `k` most popular items that each user does not have: what anybody would be shown.

    Parameters
    ----------
    histories : `n` users
    popularity : shape `(n_items,)`
        How popular each item is; equals come lower row first.
    k : 1 or more

    Raises
    ------
    DataError
        `popularity` has not one value an item.
    """
    n_items = len(histories.items)
    if len(popularity) != n_items:
        raise DataError(f"popularity of {len(popularity)} items, histories over {n_items}; expected as many")
    longest = int(histories.lengths.max(initial=0))
    order = np.lexsort((np.arange(n_items), -np.asarray(popularity)))[: k + longest]  # enough for anybody
    values = np.asarray(popularity, dtype=np.float32)[order]
    place = np.full(n_items, -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    scores = np.broadcast_to(values, (len(histories), len(order))).copy()  # (n, k + longest)
    met = place[histories.items_flat]
    scores[histories.users_flat[met >= 0], met[met >= 0]] = -np.inf
    return Ranking.from_scores(scores, k, rows=np.broadcast_to(order, scores.shape))


def serendipity(ranking: Ranking, targets: Interactions, expected: Ranking) -> F64:
    """The share of the `k` places that hold a target which the `expected` answer does not hold, shape `(n,)`.

    Parameters
    ----------
    ranking, targets : as everywhere here
    expected : as many questions
        What needs no model to think of, e.g. `obvious`.

    Raises
    ------
    DataError
        `targets` or `expected` has not as many users as `ranking` has questions.
    IncompatibleError
        `expected` is of another width.
    """
    if len(expected) != len(ranking):
        raise DataError(f"expected answers to {len(expected)} questions for {len(ranking)}; give as many")
    if expected.k != ranking.k:
        raise IncompatibleError(f"expected answers {expected.k} wide, ranking {ranking.k}; cut both alike with top(k)")
    hits, wanted = relevance(ranking, targets)
    n_items = max(1, len(targets.items))
    line = np.arange(len(ranking))[:, None] * n_items
    known = np.isin(line + ranking.rows, (line + expected.rows)[expected.rows >= 0])  # (n, k)
    return np.where(wanted > 0, (hits & ~known).sum(axis=1) / ranking.k, np.nan)


def _owners(what: str, seen: Interactions) -> I64:
    """Users an item, shape `(n_items,)`."""
    if not len(seen):
        raise DataError(f"{what}: `seen` has no users; pass the training histories")
    owners = np.unique(seen.users_flat * len(seen.items) + seen.items_flat) % max(1, len(seen.items))
    return np.bincount(owners, minlength=len(seen.items)).astype(np.int64)
