"""BPR: factors that put what a user turned to above what they did not.

Source: Rendle, Freudenthaler, Gantner, Schmidt-Thieme, "BPR: Bayesian personalized ranking from implicit feedback",
2009. Followed: triples of a user, an item of theirs and another item, drawn evenly over all pairs of user and item;
stochastic ascent on the log-likelihood that the first item wins, less the L2 penalty; an item has factors and a bias.

Deviations: triples are taken a batch at a time, with the gradients of what a batch holds twice summed; a pair is drawn
as often as its events weigh on average, and where that is below 0 its item is the one that loses; and user factors are
thrown away: whoever asks is folded in by Newton's method on the same objective with the items as they are, each of
their items against the same drawn `_AGAINST` others.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32, I64, Bool
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.models.factor_model import FactorModel, buckets
from mmreco.models.parameters import require, require_counts, require_positive
from mmreco.progress import progress as shown_progress
from mmreco.splitting import Holdout

__all__ = ["BPR"]

_BATCH = 2_048
_START = 0.1  # spread of the factors drawn at first
_AGAINST = 100  # items that a history's own are compared with when it is folded in
_STEPS = 5  # of Newton's method
_TRIES = 5  # draws of an item that the user has not; who has nearly all is spared after that


@final
@dataclass(kw_only=True, eq=False)
class BPR(FactorModel):
    """Matrix factorisation trained to rank, by pairs; unseen users are folded in.

    Parameters
    ----------
    dim : 1 or more
        Width of the vectors; the items' bias comes on top.
    l2 : above 0
        The penalty on every vector and bias, a step.
    learning_rate : above 0
    epochs : 1 or more
        Passes over the pairs of user and item.
    seed : 0 or more

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat", "boots"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["coat", "boots"]] * 20, items=shop)
    >>> model = BPR(dim=4, epochs=60).fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=Interactions.from_histories([["hat"]], items=shop), k=1).ids(shop)
    [['scarf']]
    """

    dim: int = 64
    l2: float = 0.01
    learning_rate: float = 0.05
    epochs: int = 40
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "dim", "epochs")
        require_positive(self, "l2", "learning_rate")
        require(self.seed >= 0, "seed", self.seed, "0 or more")

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Climb from drawn factors, a pass over all pairs at a time.

        Parameters
        ----------
        dataset, validation : as `Model.fit`; `validation` is not used
        progress : optional
            Whether to show a bar, a step a pass.
        """
        train = dataset.interactions
        rng = np.random.default_rng(self.seed)
        pairs = train.mean_weights()
        n, n_items = pairs.shape
        users = rng.normal(0, _START, (n, self.dim)).astype(np.float32)
        items = rng.normal(0, _START, (n_items, self.dim + 1)).astype(np.float32)  # the bias in the last column
        items[:, -1] = 0
        owners = np.repeat(np.arange(n), np.diff(pairs.indptr))  # (e,)
        liked = pairs.indices.astype(np.int64)
        keys = owners * n_items + liked  # rising, so that a pair is found by bisection
        for _ in shown_progress(range(self.epochs), description="BPR", shown=progress):
            order = _drawn(pairs.data, rng)
            for start in range(0, len(order), _BATCH):
                events = order[start : start + _BATCH]
                others, there = _others(owners[events], keys, n_items, rng)
                events, others = events[there], others[there]
                wanted = pairs.data[events] > 0
                better, worse = np.where(wanted, liked[events], others), np.where(wanted, others, liked[events])
                self._step(users, items, owners[events], better, worse)
        self._learnt(train, items)

    def _step(self, users: F32, items: F32, rows: I64, better: I64, worse: I64) -> None:
        """One batch of triples, in place."""
        if not len(rows):
            return
        theirs = np.concatenate([users[rows], np.ones((len(rows), 1), dtype=np.float32)], axis=1)  # (b, f + 1)
        apart = items[better] - items[worse]  # (b, f + 1)
        wrong = _logistic(-(theirs * apart).sum(axis=1))[:, None]  # (b, 1)
        both = np.concatenate([better, worse])
        pushed = np.concatenate([wrong * theirs, -wrong * theirs]) - self.l2 * items[both]
        _add(users, rows, self.learning_rate * (wrong * apart[:, :-1] - self.l2 * users[rows]))
        _add(items, both, self.learning_rate * pushed)

    def _folded(self, histories: Interactions) -> F32:
        items = self.factors_  # (n_items, f + 1), the bias in the last column
        drawn = np.random.default_rng(self.seed).permutation(len(items))[:_AGAINST]
        folded = np.zeros((len(histories), items.shape[1]), dtype=np.float32)
        folded[:, -1] = 1
        for rows, columns, values in buckets(
            _binary(histories.keep(histories.weights > 0).matrix()), max(items.shape[1], _AGAINST)
        ):
            folded[rows, :-1] = self._newton(items[columns], values > 0, items[drawn], _apart(columns, values, drawn))
        return folded

    def _newton(self, own: F32, there: Bool, against: F32, fair: Bool) -> F32:
        """The user factors that best put `own`, `(b, w, f + 1)`, above `against`, `(m, f + 1)`, shape `(b, f)`.

        `there`, `(b, w)`, and `fair`, `(b, m)`, say which of them count.
        """
        biases, own = own[:, :, -1], np.ascontiguousarray(own[:, :, :-1])
        other_biases, others = against[:, -1], np.ascontiguousarray(against[:, :-1])
        evenly = (fair / np.maximum(fair.sum(axis=1, keepdims=True), 1)).astype(np.float32)  # (b, m)
        share = there[:, :, None] * evenly[:, None, :]  # (b, w, m), a mean over the others
        penalty = (self.l2 * there.sum(axis=1)).astype(np.float32)  # (b,), as often as the user would be drawn
        users = np.zeros((len(own), own.shape[2]), dtype=np.float32)  # (b, f)
        ridge = penalty[:, None, None] * np.eye(own.shape[2])
        for _ in range(_STEPS):
            scores = np.matmul(own, users[:, :, None])[:, :, 0] + biases  # (b, w)
            rivals = np.matmul(others, users[:, :, None])[:, :, 0] + other_biases  # (b, m)
            wrong = _logistic(rivals[:, None, :] - scores[:, :, None])  # (b, w, m)
            push, bend = wrong * share, wrong * (1 - wrong) * share
            slope = np.matmul(push.sum(axis=2)[:, None, :], own) - np.matmul(push.sum(axis=1)[:, None, :], others)
            slope = slope[:, 0] - penalty[:, None] * users  # (b, f)
            mixed = np.matmul(own.swapaxes(1, 2), np.matmul(bend, others))  # (b, f, f)
            left = np.matmul(own.swapaxes(1, 2) * bend.sum(axis=2)[:, None, :], own)
            right = np.matmul(others.T * bend.sum(axis=1)[:, None, :], others)
            bent = left + right - mixed - mixed.swapaxes(1, 2) + ridge
            users += np.linalg.solve(bent, slope[:, :, None].astype(np.float64))[:, :, 0].astype(np.float32)
        return users


def _binary(matrix: sp.csr_array) -> sp.csr_array:
    matrix.sort_indices()
    ones = np.ones(len(matrix.data), dtype=np.float32)
    return sp.csr_array((ones, matrix.indices, matrix.indptr), shape=matrix.shape)


def _drawn(weights: F32, rng: np.random.Generator) -> I64:
    """As many pairs as there are, each as often as it weighs, whichever way."""
    heavy = np.abs(weights.astype(np.float64))
    if not heavy.any():
        return np.zeros(0, dtype=np.int64)
    if (heavy == heavy[0]).all():
        evenly: I64 = rng.integers(len(heavy), size=len(heavy))
        return evenly
    upto = np.cumsum(heavy)
    chosen: I64 = np.searchsorted(upto, rng.random(len(heavy)) * upto[-1], side="right")
    return np.minimum(chosen, len(heavy) - 1)


def _others(rows: I64, keys: I64, n_items: int, rng: np.random.Generator) -> tuple[I64, Bool]:
    """An item that each of these users has not, drawn evenly, shape `(b,)`, and whether one was found."""
    drawn = rng.integers(n_items, size=len(rows))
    for _ in range(_TRIES):
        had = _among(rows * n_items + drawn, keys)
        if not had.any():
            break
        drawn[had] = rng.integers(n_items, size=int(had.sum()))
    return drawn, ~_among(rows * n_items + drawn, keys)


def _among(asked: I64, keys: I64) -> Bool:
    found: Bool = keys[np.minimum(np.searchsorted(keys, asked), len(keys) - 1)] == asked
    return found


def _apart(columns: I64, values: F32, drawn: I64) -> Bool:
    """Which of the drawn items each history has not, shape `(b, m)`."""
    own = np.where(values > 0, columns, -1)
    apart: Bool = ~(own[:, :, None] == drawn).any(axis=1)
    return apart


def _add(vectors: F32, rows: I64, changes: F32) -> None:
    """Add `changes`, shape `(b, f)`, to `vectors[rows]`; what is there twice is added twice."""
    order = np.argsort(rows, kind="stable")
    known, starts = np.unique(rows[order], return_index=True)
    vectors[known] += np.add.reduceat(changes[order], starts, axis=0)


def _logistic(x: F32) -> F32:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)), dtype=np.float32)  # never overflowing
