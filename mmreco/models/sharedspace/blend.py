"""Which evidence counts how much: weights that a fit finds by asking its own log, zero where something brings nothing.

Every kind of evidence is an inner product of something of a user and something of an item, so their weighted sum is one
as well. The weights are found by NDCG@10 on what is held out, one at a time, beginning with what the towers say alone
or, where that ranks better, with the weights under which what is held out is likeliest; another weight is taken only
where it gains half a percent.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from mmreco.arrays import F32, F64, I64, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.index.vector import VectorIndex
from mmreco.metrics.relevance import relevance
from mmreco.splitting import Holdout

__all__ = ["Evidence", "Pool", "likeliest", "ndcg_of", "pooled", "scores_of", "weighed"]

_K = 10
_POOL = 150  # items that each kind of evidence brings to a user's pool
_STEPS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # in standard deviations of what the towers say
_GAIN = 0.005  # relative
_ROUNDS = 4
_LEAST = 0.1  # of the base's weight in the likeliest ones
_L2 = 1e-3
_ITERATIONS = 60


class Evidence(NamedTuple):
    """One kind: `users`, shape `(n, width)`, and `items`, `(n_items, width)`; it may speak against where `signed`."""

    users: F32
    items: F32
    signed: bool = False


class Pool(NamedTuple):
    """Items that may be answered to each of `n` users, `(n, p)` and -1 in the padding, and what is said of them.

    `features`, shape `(kinds, n, p)`; `right`, `(n, p)`, says which are targets; `wanted`, `(n,)`, counts these.
    """

    rows: I64
    features: F32
    right: Bool
    wanted: I64


def pooled(kinds: Sequence[Evidence], asked: Holdout, *, seen: bool = False) -> Pool:
    """The best items of each kind of evidence for these users, without what they had, or with all of it if `seen`."""
    items, histories = asked.histories.items, asked.histories
    lists = []
    for kind in kinds:
        index = VectorIndex(Embeddings(items, np.ascontiguousarray(kind.items)), device="cpu")
        width = min(_POOL, len(items))
        lists.append(index.search(np.ascontiguousarray(kind.users), width, exclude=histories).rows)
    if seen:
        lists.append(_padded(histories))
    rows = np.sort(np.concatenate(lists, axis=1), axis=1)
    rows[:, 1:][rows[:, 1:] == rows[:, :-1]] = -1
    rows = -np.sort(-rows, axis=1)
    rows = rows[:, : max(1, int((rows >= 0).any(axis=0).sum()))]
    features = np.zeros((len(kinds), *rows.shape), dtype=np.float32)
    for kind, feature in zip(kinds, features, strict=True):
        for line, (user, own) in enumerate(zip(kind.users, rows, strict=True)):
            feature[line] = kind.items[own] @ user
    right, wanted = relevance(Ranking(rows, np.where(rows >= 0, 0, -np.inf).astype(np.float32)), asked.targets)
    return Pool(rows, features, right, wanted)


def weighed(pool: Pool, signed: Sequence[bool], base: int) -> F64:
    """A weight for each kind of evidence, shape `(kinds,)`; that of `base` alone where nothing else brings anything."""
    there = pool.rows >= 0
    spread = np.array([max(float(feature[there].std()), 1e-9) for feature in pool.features])
    alone = np.zeros(len(spread))
    alone[base] = 1.0
    starts = [alone]
    asked = pool.right.any(axis=1)
    if asked.any():
        unit = np.asarray(pool.features[:, asked] / spread[:, None, None], dtype=np.float32)
        likely = likeliest(np.ascontiguousarray(unit.transpose(1, 2, 0)), pool.right[asked], there[asked])
        likely = np.where(signed, likely, np.maximum(likely, 0))
        starts.append(likely / max(abs(likely[base]), _LEAST))
    begun = [ndcg_of(scores_of(pool, start * spread[base] / spread), pool) for start in starts]
    weights = starts[1] if len(starts) > 1 and begun[1] > begun[0] * (1 + _GAIN) else alone
    scores = scores_of(pool, weights * spread[base] / spread)
    best = max(ndcg_of(scores, pool), 0.0)
    for _ in range(_ROUNDS):
        before = best
        for kind in range(len(spread)):
            if kind == base:
                continue
            feature = pool.features[kind] * np.float32(spread[base] / spread[kind])
            for step in (*_STEPS, *(-s for s in _STEPS[1:] if signed[kind])):
                tried = scores + np.float32(step - weights[kind]) * feature
                found = ndcg_of(tried, pool)
                if found > best * (1 + _GAIN):
                    best, scores, weights[kind] = found, tried, step
        if best == before:
            break
    found_weights: F64 = weights * spread[base] / spread
    return found_weights


def likeliest(features: F32, right: Bool, there: Bool) -> F64:
    """The weights under which the targets are likeliest in a softmax over the pool, each user counting alike.

    Parameters
    ----------
    features : shape `(n, p, f)`
    right, there : shape `(n, p)`
        Which items are targets, and which are items at all.
    """
    x = torch.from_numpy(np.ascontiguousarray(features))
    barred = torch.zeros(right.shape).masked_fill(~torch.from_numpy(there), float("-inf"))
    wanted = torch.from_numpy(right).float()
    wanted = wanted / wanted.sum(dim=1, keepdim=True)
    weights = torch.zeros(x.shape[2], requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logs = torch.log_softmax(x @ weights + barred, dim=1)
        value = -(wanted * logs.masked_fill(wanted == 0, 0)).sum(dim=1).mean() + _L2 * (weights**2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    found: F64 = weights.detach().numpy().astype(np.float64)
    return found


def scores_of(pool: Pool, weights: F64) -> F32:
    """The scores of a pool, shape `(n, p)`, under a weight for each kind, `(kinds,)`; -inf in the padding."""
    scores: F32 = np.einsum("f,fnp->np", weights.astype(np.float32), pool.features)
    scores[pool.rows < 0] = -np.inf
    return scores


def ndcg_of(scores: F32, pool: Pool) -> float:
    """NDCG@10 of a pool in the order of these scores, shape `(n, p)`."""
    width = min(_K, scores.shape[1])
    top = np.argpartition(-scores, width - 1, axis=1)[:, :width]
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    right = np.take_along_axis(pool.right, np.take_along_axis(top, order, axis=1), axis=1)
    discount = 1 / np.log2(np.arange(2, width + 2))
    ideal = np.cumsum(discount)[np.clip(pool.wanted, 1, width) - 1]
    return float(((right * discount).sum(axis=1) / ideal).mean())


def _padded(histories: Interactions) -> I64:
    width = int(histories.lengths.max(initial=0))
    rows = np.full((len(histories), width), -1, dtype=np.int64)
    rows[np.arange(width) < histories.lengths[:, None]] = histories.items_flat
    return rows
