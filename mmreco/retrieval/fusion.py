"""One order out of what several sides say: reciprocal ranks, or a weighted sum whose weights may be learnt.

Cormack, Clarke, Buettcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods", 2009.
Bruch, Gai, Ingber, "An analysis of fusion functions for hybrid retrieval", 2023, find a weighted sum of normalised
scores better once there are a few judgements to fit it to. Here a meaning's cosine is measured against what the same
query has with the catalogue at large, so that it means the same for every query and model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mmreco.arrays import F32, I64, frozen
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError

__all__ = ["WEIGHTS", "Candidates", "Fusion", "reciprocal_ranks"]

# What each sign is worth without judgements; names ending in a number are the same sign of further encoders.
WEIGHTS: Mapping[str, float] = {
    "exact": 100.0,
    "all_words": 5.0,
    "words": 10.0,
    "letters": 5.0,
    "meaning": 1.0,
    "feedback": 0.0,  # counts once learnt
    "reader": 0.5,
    "taste": 2.0,
}
_FIXED = ("exact",)  # is called so: never learnt, always first
_APART = ("taste",)  # of the shopper, whom judgements do not know
_STRENGTH = 1000.0  # of the ridge, in judgements


@dataclass(frozen=True, eq=False, repr=False)
class Candidates:
    """Items that may answer each query, with the evidence for each.

    Parameters
    ----------
    rows : shape `(n, c)`, int64
        Item rows, -1 where a query has fewer.
    features : shape `(n, c, m)`, float32
        Signs, larger is better; 0 says nothing.
    names : `m` names

    Raises
    ------
    DataError
        The shapes disagree, or a feature is NaN or infinite.
    """

    rows: I64
    features: F32
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", frozen(self.rows, np.int64))
        object.__setattr__(self, "features", frozen(self.features, np.float32))
        if self.features.shape != (*self.rows.shape, len(self.names)):
            raise DataError(
                f"candidates: rows {self.rows.shape}, features {self.features.shape}, {len(self.names)} names; "
                "expected (n, c), (n, c, m) and m"
            )
        if not np.isfinite(self.features).all():
            raise DataError("candidates: a feature is NaN or infinite; expected numbers, 0 for nothing known")

    def __repr__(self) -> str:
        return f"Candidates({len(self.rows)} queries x {self.rows.shape[1]}: {', '.join(self.names)})"

    def feature(self, name: str) -> F32:
        """The sign `name` of all candidates, shape `(n, c)`; zeros where there is no such sign."""
        if name not in self.names:
            return np.zeros(self.rows.shape, dtype=np.float32)
        return np.asarray(self.features[:, :, self.names.index(name)])

    def with_feature(self, name: str, values: F32) -> "Candidates":
        """The candidates with one sign more, `name`, whose `values` have shape `(n, c)`.

        Raises
        ------
        DataError
            `values` has another shape, or is NaN or infinite.
        """
        if values.shape != self.rows.shape:
            raise DataError(f"feature {name}: shape {values.shape}; expected {self.rows.shape}")
        return Candidates(self.rows, np.concatenate([self.features, values[:, :, None]], axis=2), (*self.names, name))


@dataclass(frozen=True)
class Fusion:
    """The weight of each signal: a candidate's score is the weighted sum of its signals.

    Parameters
    ----------
    weights : by the name of the sign, optional
        Signs that are not named count as in `WEIGHTS`.

    Raises
    ------
    DataError
        A weight is not a finite number.

    Examples
    --------
    >>> signs = np.array([[[0.9, 0.0], [0.2, 3.0]]], dtype=np.float32)
    >>> candidates = Candidates(np.array([[7, 4]]), signs, ("words", "meaning"))
    >>> Fusion().rank(candidates, k=1).rows, Fusion({"meaning": 4.0}).rank(candidates, k=1).rows
    (array([[7]]), array([[4]]))
    """

    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, weight in self.weights.items():
            if not np.isfinite(weight):
                raise DataError(f"Fusion: the weight of {name} is {weight}; expected a finite number")
        object.__setattr__(self, "weights", dict(self.weights))

    def weight(self, name: str) -> float:
        """What the sign `name` is worth."""
        return float(self.weights.get(name, WEIGHTS.get(name.rstrip("0123456789"), 0.0)))

    def score(self, candidates: Candidates) -> F32:
        """The score of each of `candidates`, shape `(n, c)`; -inf where there is none."""
        worth = np.array([self.weight(name) for name in candidates.names], dtype=np.float32)
        scores = np.asarray(candidates.features @ worth, dtype=np.float32)  # (n, c)
        scores[candidates.rows < 0] = -np.inf
        return scores

    def rank(self, candidates: Candidates, k: int) -> Ranking:
        """The `k` best of `candidates` for each query.

        Raises
        ------
        DataError
            `k` is below 1.
        """
        return Ranking.from_scores(self.score(candidates), k, rows=candidates.rows)

    def fit(self, candidates: Candidates, relevance: F32) -> "Fusion":
        """The weights that order judged candidates best: a ridge regression on differences inside each query.

        Each sign counts in units of its weight so far, so that all are regularised alike. No weight falls
        below 0. What is called exactly so stays first, and the shopper's taste keeps its weight.

        Parameters
        ----------
        candidates : of `n` queries
        relevance : shape `(n, c)`
            How well each candidate answers, larger is better; NaN where nobody judged. Clicks: 1 for what was taken,
            0 for what stood above it.

        Raises
        ------
        DataError
            `relevance` has another shape, or no query has two candidates judged differently.
        """
        if relevance.shape != candidates.rows.shape:
            raise DataError(f"relevance of shape {relevance.shape}; expected {candidates.rows.shape}")
        learnt = [name for name in candidates.names if name not in (*_FIXED, *_APART)]
        columns = [candidates.names.index(name) for name in learnt]
        units = np.array([abs(self.weight(name)) or 1.0 for name in learnt], dtype=np.float32)
        judged = (candidates.rows >= 0) & np.isfinite(relevance)
        lines, targets = [], []
        for query in range(len(relevance)):
            of = judged[query]
            if of.sum() < 2 or np.ptp(relevance[query, of]) == 0:
                continue
            signs = candidates.features[query][of][:, columns] * units
            lines.append(signs - signs.mean(axis=0))
            targets.append(relevance[query, of] - relevance[query, of].mean())
        if not lines:
            raise DataError("Fusion: no query with candidates judged differently; expected at least one")
        from sklearn.linear_model import Ridge

        rule = Ridge(alpha=_STRENGTH, fit_intercept=False, positive=True)
        found = rule.fit(np.concatenate(lines), np.concatenate(targets)).coef_ * units
        total = float(np.abs(found).sum())
        if total == 0:
            return self
        scale = sum(self.weight(name) for name in learnt) / total  # so that taste and exact names keep their place
        return replace(
            self, weights={**self.weights, **{n: float(w * scale) for n, w in zip(learnt, found, strict=True)}}
        )

    def to_json(self) -> dict[str, Any]:
        """The weights as plain JSON values."""
        return {"weights": dict(self.weights)}

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Fusion":
        """The fusion that `to_json` wrote as `about`.

        Raises
        ------
        IncompatibleError
            It is something else.
        """
        weights = about.get("weights")
        if about.keys() != {"weights"} or not isinstance(weights, dict):
            raise IncompatibleError("no Fusion of this version; fit and save again")
        return cls({str(name): float(weight) for name, weight in weights.items()})


def reciprocal_ranks(
    rankings: Sequence[Ranking], k: int, *, weights: F32 | None = None, constant: float = 60.0
) -> Ranking:
    """The `k` best of several rankings of the same questions: each item gains `weight / (constant + rank)` from each.

    Parameters
    ----------
    rankings : one or more of `n` questions
    k : 1 or more
    weights : shape `(len(rankings), n)`, optional
        How much each ranking counts for each question, e.g. how much of the query each side knows; 1 where omitted.
    constant : above 0, optional
        The larger, the less the first ranks stand out.

    Raises
    ------
    DataError
        There is no ranking, they have different numbers of questions, or a shape or number is out of range.

    Examples
    --------
    >>> first = Ranking.from_scores(np.array([[3.0, 2.0, 1.0]]), k=3)
    >>> second = Ranking.from_scores(np.array([[0.0, 2.0, 1.0]]), k=3)
    >>> reciprocal_ranks([first, second], k=3).rows
    array([[1, 0, 2]])
    """
    if not rankings or len({len(ranking) for ranking in rankings}) != 1:
        raise DataError(f"rankings of {[len(ranking) for ranking in rankings]} questions; expected one or more alike")
    if not constant > 0 or k < 1:
        raise DataError(f"k={k}, constant={constant}: expected 1 or more, and above 0")
    n = len(rankings[0])
    shares = np.ones((len(rankings), n), dtype=np.float32) if weights is None else np.asarray(weights, dtype=np.float32)
    if shares.shape != (len(rankings), n):
        raise DataError(f"weights of shape {shares.shape}; expected ({len(rankings)}, {n})")
    gains = [
        np.where(ranking.rows >= 0, share[:, None] / (constant + 1 + np.arange(ranking.k)), 0)
        for ranking, share in zip(rankings, shares, strict=True)
    ]
    rows = np.concatenate([ranking.rows for ranking in rankings], axis=1)  # (n, all)
    gained = np.concatenate(gains, axis=1)
    best_rows = np.full((n, k), -1, dtype=np.int64)
    best = np.full((n, k), -np.inf, dtype=np.float32)
    for query in range(n):
        distinct, place = np.unique(rows[query], return_inverse=True)
        sums = np.bincount(place, weights=gained[query]).astype(np.float32)
        sums[(distinct < 0) | (sums <= 0)] = -np.inf
        one = Ranking.from_scores(sums[None], k, rows=distinct[None])
        best_rows[query], best[query] = one.rows[0], one.scores[0]
    return Ranking(best_rows, best)
