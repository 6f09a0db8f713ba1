"""How good a ranking is: pure functions of a `Ranking` and the items that were wanted.

Each of the per-user metrics takes `ranking` (`n` questions, `k` wide) and `targets` (`n` users, the items each of them
wanted; order, weight and repeats do not count) and returns float64 of shape `(n,)`: NaN for a user without
targets, who can be answered neither well nor badly. Relevance is binary. For another cut-off pass
`ranking.top(k)`.

Sources: Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002 (NDCG); Voorhees,
"The TREC-8 question answering track report", 1999 (MRR); Zhou et al., "Solving the apparent diversity-accuracy
dilemma of recommender systems", 2010 (novelty); Fleder, Hosanagar, "Blockbuster culture's next rise or fall",
2009 (Gini).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmreco.arrays import I64, Bool
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError

__all__ = [
    "PER_USER",
    "average_precision",
    "coverage",
    "f1",
    "gini",
    "hit_rate",
    "ndcg",
    "novelty",
    "per_user",
    "precision",
    "recall",
    "reciprocal_rank",
]

F64 = npt.NDArray[np.float64]


def recall(ranking: Ranking, targets: Interactions) -> F64:
    """The share of a user's targets that are in the answer.

    Divided by the number of distinct targets, also where these are more than `k`.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> wanted = Interactions.from_histories([["hat", "coat"], []], items=shop)
    >>> recall(Ranking(np.array([[0, 1], [0, 1]]), np.array([[2.0, 1.0], [2.0, 1.0]])), wanted)
    array([0.5, nan])
    """
    return _recall(*_judged(ranking, targets))


def precision(ranking: Ranking, targets: Interactions) -> F64:
    """The share of the `k` places that hold a target; an empty place counts as a miss.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _precision(*_judged(ranking, targets))


def f1(ranking: Ranking, targets: Interactions) -> F64:
    """The harmonic mean of precision and recall; 0 where both are.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _f1(*_judged(ranking, targets))


def hit_rate(ranking: Ranking, targets: Interactions) -> F64:
    """1 where any target is in the answer, else 0.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _hit_rate(*_judged(ranking, targets))


def ndcg(ranking: Ranking, targets: Interactions) -> F64:
    """Discounted gain over that of the best possible answer of width `k`.

    A target in place `p` (from 1) gains `1 / log2(1 + p)`; the best answer begins with `min(k, targets)` targets.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _ndcg(*_judged(ranking, targets))


def reciprocal_rank(ranking: Ranking, targets: Interactions) -> F64:
    """`1 / p` for the place `p` (from 1) of the first target, 0 where there is none; its mean is MRR.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _reciprocal_rank(*_judged(ranking, targets))


def average_precision(ranking: Ranking, targets: Interactions) -> F64:
    """Precision at the place of each target found, summed, over `min(k, targets)`; its mean is MAP.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _average_precision(*_judged(ranking, targets))


def per_user(ranking: Ranking, targets: Interactions, names: Sequence[str] | None = None) -> dict[str, F64]:
    """Several metrics of one ranking by name, all those of `PER_USER` when `names` is omitted.

    Raises
    ------
    DataError
        A name is none of `PER_USER`, or `targets` has not as many users as `ranking` has questions.
    """
    asked = list(PER_USER) if names is None else list(names)
    unknown = [name for name in asked if name not in PER_USER]
    if unknown:
        raise DataError(f"metric {unknown[0]!r}: expected one of {', '.join(PER_USER)}")
    hits, wanted = _judged(ranking, targets)
    return {name: PER_USER[name](hits, wanted) for name in asked}


def coverage(ranking: Ranking, n_items: int) -> float:
    """The share of the catalogue's `n_items` that at least one question was answered with.

    Raises
    ------
    DataError
        `n_items` is below 1 or the ranking holds a row beyond it.
    """
    return float(np.count_nonzero(_answered(ranking, n_items)) / n_items)


def gini(ranking: Ranking, n_items: int) -> float:
    """How unequally the answers fall on the `n_items`: 0 when all alike, near 1 when on one item; 0 when none at all.

    Raises
    ------
    DataError
        `n_items` is below 1 or the ranking holds a row beyond it.
    """
    counts = np.sort(_answered(ranking, n_items)).astype(np.float64)
    if not counts.sum():
        return 0.0
    place = np.arange(1, n_items + 1)
    return float((2 * place - n_items - 1) @ counts / (n_items * counts.sum()))


def novelty(ranking: Ranking, seen: Interactions) -> F64:
    """The mean self-information, in bits, of a user's answers, shape `(n,)`; NaN where there is none.

    An item that a share `p` of the users in `seen` has is worth `-log2(p)`; one that nobody has, as much as if one of
    one more user had it.

    Raises
    ------
    DataError
        The ranking holds a row that is not in `seen.items`, or `seen` has no users.
    """
    if not len(seen):
        raise DataError("novelty: `seen` has no users; pass the training histories")
    _answered(ranking, len(seen.items))
    owners = np.unique(seen.users_flat * len(seen.items) + seen.items_flat) % len(seen.items)
    users = np.bincount(owners, minlength=len(seen.items))  # users an item, (n_items,)
    bits = np.where(users > 0, -np.log2(np.maximum(users, 1) / len(seen)), np.log2(len(seen) + 1))
    there = ranking.rows >= 0
    return _divided(np.where(there, bits[ranking.rows], 0.0).sum(axis=1), there.sum(axis=1))


# ---- hits, shape (n, k): whether each answer is a target; wanted, shape (n,): how many distinct targets there are


def _recall(hits: Bool, wanted: I64) -> F64:
    return _divided(hits.sum(axis=1), wanted)


def _precision(hits: Bool, wanted: I64) -> F64:
    return _asked(hits.sum(axis=1) / hits.shape[1], wanted)


def _f1(hits: Bool, wanted: I64) -> F64:
    # 2PR / (P + R) with P = h / k and R = h / w
    return _asked(2 * hits.sum(axis=1) / (hits.shape[1] + wanted), wanted)


def _hit_rate(hits: Bool, wanted: I64) -> F64:
    return _asked(np.asarray(hits.any(axis=1)), wanted)


def _ndcg(hits: Bool, wanted: I64) -> F64:
    k = hits.shape[1]
    gains = 1 / np.log2(np.arange(2, k + 2))  # (k,)
    ideal = np.concatenate([[0.0], np.cumsum(gains)])[np.minimum(wanted, k)]  # (n,)
    return _divided(hits @ gains, ideal)


def _reciprocal_rank(hits: Bool, wanted: I64) -> F64:
    return _asked(np.where(hits.any(axis=1), 1 / (1 + hits.argmax(axis=1)), 0.0), wanted)


def _average_precision(hits: Bool, wanted: I64) -> F64:
    k = hits.shape[1]
    at_place = np.cumsum(hits, axis=1) / np.arange(1, k + 1)  # (n, k)
    return _divided((at_place * hits).sum(axis=1), np.minimum(wanted, k))


PER_USER: dict[str, Callable[[Bool, I64], F64]] = {
    "ndcg": _ndcg,
    "recall": _recall,
    "precision": _precision,
    "f1": _f1,
    "hit_rate": _hit_rate,
    "mrr": _reciprocal_rank,
    "map": _average_precision,
}
"""The per-user metrics by the name they have in reports."""


def _judged(ranking: Ranking, targets: Interactions) -> tuple[Bool, I64]:
    """Whether each answer is a target, shape `(n, k)`, and how many distinct targets each user has, `(n,)`."""
    if len(ranking) != len(targets):
        raise DataError(f"targets of {len(targets)} users for {len(ranking)} questions; expected one user a question")
    n_items = max(1, len(targets.items))
    if ranking.rows.size and int(ranking.rows.max()) >= n_items:
        raise IncompatibleError(
            f"ranking answers row {int(ranking.rows.max())}, targets are over {len(targets.items)} items; "
            "make both over the same catalogue"
        )
    keys = np.unique(targets.users_flat * n_items + targets.items_flat)
    wanted = np.bincount(keys // n_items, minlength=len(targets)).astype(np.int64)
    if not len(keys):
        return np.zeros(ranking.rows.shape, dtype=bool), wanted
    asked = np.arange(len(ranking))[:, None] * n_items + ranking.rows  # (n, k)
    hits = keys[np.searchsorted(keys, asked).clip(max=len(keys) - 1)] == asked
    return hits & (ranking.rows >= 0), wanted


def _answered(ranking: Ranking, n_items: int) -> I64:
    if n_items < 1 or (ranking.rows.size and int(ranking.rows.max()) >= n_items):
        raise DataError(f"n_items={n_items}: expected 1 or more, and more than every row of the ranking")
    return np.bincount(ranking.rows[ranking.rows >= 0], minlength=n_items).astype(np.int64)


def _divided(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> F64:
    quotient: F64 = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    return quotient


def _asked(values: npt.NDArray[Any], wanted: I64) -> F64:
    return np.where(wanted > 0, values, np.nan)
