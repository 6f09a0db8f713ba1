"""How well a ranking predicts: per-user accuracy, shape `(n,)`, NaN for a user without targets."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmreco.arrays import F64, I64, Bool
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.metrics.relevance import divided, relevance

__all__ = [
    "PER_USER",
    "auc",
    "average_precision",
    "f1",
    "hit_rate",
    "ndcg",
    "per_user",
    "precision",
    "recall",
    "reciprocal_rank",
]


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
    return _recall(*relevance(ranking, targets))


def precision(ranking: Ranking, targets: Interactions) -> F64:
    """The share of the `k` places that hold a target; an empty place counts as a miss.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _precision(*relevance(ranking, targets))


def f1(ranking: Ranking, targets: Interactions) -> F64:
    """The harmonic mean of precision and recall; 0 where both are.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _f1(*relevance(ranking, targets))


def hit_rate(ranking: Ranking, targets: Interactions) -> F64:
    """1 where any target is in the answer, else 0.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _hit_rate(*relevance(ranking, targets))


def ndcg(ranking: Ranking, targets: Interactions) -> F64:
    """Discounted gain over that of the best possible answer of width `k`.

    A target in place `p` (from 1) gains `1 / log2(1 + p)`; the best answer begins with `min(k, targets)` targets.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _ndcg(*relevance(ranking, targets))


def reciprocal_rank(ranking: Ranking, targets: Interactions) -> F64:
    """`1 / p` for the place `p` (from 1) of the first target, 0 where there is none; its mean is MRR.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _reciprocal_rank(*relevance(ranking, targets))


def average_precision(ranking: Ranking, targets: Interactions) -> F64:
    """Precision at the place of each target found, summed, over `min(k, targets)`; its mean is MAP.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions.
    """
    return _average_precision(*relevance(ranking, targets))


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
    hits, wanted = relevance(ranking, targets)
    return {name: PER_USER[name](hits, wanted) for name in asked}


def auc(ranking: Ranking, targets: Interactions, candidates: I64 | int) -> F64:
    """The share of a user's pairs of a target and another candidate in which the target is ahead.

    Equal scores count half. What the ranking does not hold comes after all it holds, in no order: the figure is
    exact for a ranking of all candidates, and for a shorter one what is expected if the rest came by chance.

    Parameters
    ----------
    ranking, targets : as everywhere here
    candidates : shape `(n,)`, or one number for all
        How many items could have been answered, targets included; a target that could not counts as last.

    Raises
    ------
    DataError
        `targets` has not as many users as `ranking` has questions, or a user has fewer candidates than targets and
        other answers together.

    Notes
    -----
    Source: Hanley, McNeil, "The meaning and use of the area under a ROC curve", 1982; for short rankings Schröder
    et al., "Setting goals and choosing metrics for recommender system evaluations", 2011 (limited AUC).

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> wanted = Interactions.from_histories([["scarf"]], items=shop)
    >>> auc(Ranking(np.array([[0, 1, 2]]), np.array([[3.0, 2.0, 1.0]])), wanted, 3)
    array([0.5])
    """
    hits, wanted = relevance(ranking, targets)
    others = (ranking.rows >= 0) & ~hits  # (n, k)
    rivals = np.broadcast_to(np.asarray(candidates, dtype=np.int64), wanted.shape) - wanted  # (n,)
    short = rivals < others.sum(axis=1)
    if short.any():
        line = int(short.argmax())
        raise DataError(
            f"auc: {int(rivals[line] + wanted[line])} candidates for question {line}, which has {int(wanted[line])} "
            f"targets and {int(others[line].sum())} other answers; expected as many at least"
        )
    n, k = hits.shape
    ahead = np.zeros((n, k + 1), dtype=np.int64)  # other answers in the first p places
    np.cumsum(others, axis=1, out=ahead[:, 1:])
    first = np.ones((n, k), dtype=bool)  # of a run of equal scores
    first[:, 1:] = ranking.scores[:, 1:] != ranking.scores[:, :-1]
    last = np.ones((n, k), dtype=bool)
    last[:, :-1] = first[:, 1:]
    place = np.arange(k)
    begin = np.maximum.accumulate(np.where(first, place, 0), axis=1)
    end = np.minimum.accumulate(np.where(last, place, k)[:, ::-1], axis=1)[:, ::-1] + 1
    passed = (np.take_along_axis(ahead, begin, axis=1) + np.take_along_axis(ahead, end, axis=1)) / 2
    won = ((rivals[:, None] - passed) * hits).sum(axis=1)
    won += (wanted - hits.sum(axis=1)) * (rivals - ahead[:, -1]) / 2  # targets not answered, rivals not answered
    return divided(won, wanted * rivals)


# ---- hits, shape (n, k): whether each answer is a target; wanted, shape (n,): how many distinct targets there are


def _recall(hits: Bool, wanted: I64) -> F64:
    return divided(hits.sum(axis=1), wanted)


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
    return divided(hits @ gains, ideal)


def _reciprocal_rank(hits: Bool, wanted: I64) -> F64:
    return _asked(np.where(hits.any(axis=1), 1 / (1 + hits.argmax(axis=1)), 0.0), wanted)


def _average_precision(hits: Bool, wanted: I64) -> F64:
    k = hits.shape[1]
    at_place = np.cumsum(hits, axis=1) / np.arange(1, k + 1)  # (n, k)
    return divided((at_place * hits).sum(axis=1), np.minimum(wanted, k))


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


def _asked(values: npt.NDArray[Any], wanted: I64) -> F64:
    return np.where(wanted > 0, values, np.nan)
