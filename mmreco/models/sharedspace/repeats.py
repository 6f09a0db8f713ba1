"""What a user had before: how much it is wanted again, from how often and how long ago it was had, and what it is.

Milk is bought again, a lamp is not: how often an item is had again counts too. A correction of the scores of the user's
own items, a few dozen each, added exactly on top of whatever an index answers. Its weights are learnt on what is held
out: the chance that each item of a pool is a target, by a softmax. What all own items have in common is then lowered as
long as the ranking is as good: of two lists that are, the one with more that is new serves better.

Sources: Anderson et al., "The dynamics of repeat consumption", 2014 (frequency and recency are the two signals); Hu et
al., "Modeling personalized item frequency information for next-basket recommendation", 2020; Benson, Kumar, Tomkins,
"Modeling user consumption sequences", 2016 (each item is had again at a rate of its own). Deviates by counting baskets,
not days, as how long ago, and by adding to what else is known of the item.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmreco.arrays import F32, F64, I64
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.encoders.baskets import Baskets
from mmreco.models.sharedspace.blend import Pool, likeliest, ndcg_of

__all__ = ["Owned", "Repeats", "had_again", "merged", "owned"]

_ENOUGH = 20  # targets had before, from which there is something to learn
_PRIOR = 10.0  # baskets in which an item was had again as often as others are
_AS_GOOD = 0.005  # of NDCG@10 that may go for more that is new
_LOWER, _STEP = 12, 0.25  # how often, and by how much of a logit, what own items have in common is lowered at most


class Owned(NamedTuple):
    """Pairs of a user and an item had before, `(p,)` each, by user and item, and `features`, shape `(p, 4)`.

    The features: 1, the logarithm of the baskets that held the item, that of 1 + the baskets since the last of them,
    and what `had_again` says of the item.
    """

    users: I64
    items: I64
    features: F32

    def allowed(self, request: Request) -> "Owned":
        """Those that may be answered."""
        there = np.ones(len(self.items), dtype=np.bool_)
        if request.candidates is not None:
            mask = request.candidates
            there = mask[self.items] if mask.ndim == 1 else mask[self.users, self.items]
        if request.exclude is not None:
            n_items = max(1, len(request.histories.items))
            barred = request.exclude.users_flat * n_items + request.exclude.items_flat
            there = there & ~np.isin(self.users * n_items + self.items, barred)
        return Owned(self.users[there], self.items[there], self.features[there])


class _Pairs(NamedTuple):
    """Users and items, `(p,)` each, how many baskets held the item, and how many came after the first and the last."""

    users: I64
    items: I64
    times: I64
    after_first: I64
    after_last: I64


def _pairs(histories: Interactions) -> _Pairs:
    baskets = Baskets.of(histories.keep(histories.weights > 0))
    basket = np.repeat(np.arange(len(baskets)), baskets.sizes)
    n_items = max(1, len(histories.items))
    keys = baskets.users[basket] * n_items + baskets.items
    both = np.unique(np.stack([keys, basket], axis=1), axis=0)  # (p, 2)
    keys, first, times = np.unique(both[:, 0], return_index=True, return_counts=True)
    own = keys // n_items
    last = baskets.user_starts[own + 1] - 1
    return _Pairs(own, keys % n_items, times, last - both[first, 1], last - both[first + times - 1, 1])


def had_again(log: Interactions) -> F32:
    """How much more often than others each item is had again, shape `(n_items,)`: the logarithm, 0 where unknown.

    Of all baskets of users who had it before, how many hold it; events of weight 0 or below do not count.
    """
    pairs, n_items = _pairs(log), len(log.items)
    again = np.bincount(pairs.items, weights=pairs.times - 1, minlength=n_items)
    chances = np.bincount(pairs.items, weights=pairs.after_first, minlength=n_items)
    usual = float(again.sum() / max(1.0, chances.sum()))
    if not usual:
        return np.zeros(n_items, dtype=np.float32)
    rates: F32 = np.log((again / usual + _PRIOR) / (chances + _PRIOR)).astype(np.float32)
    return rates


def owned(histories: Interactions, again: F32) -> Owned:
    """What each user had; events of weight 0 or below do not count. `again` is as `had_again` gives it."""
    pairs = _pairs(histories)
    old = pairs.items < len(again)  # nobody knows of what came later whether it is had again
    rates = np.where(old, again[np.where(old, pairs.items, 0)], 0) if len(again) else np.zeros(len(old))
    features = np.stack([np.ones(len(old)), np.log(pairs.times), np.log1p(pairs.after_last), rates], axis=1)
    return Owned(pairs.users, pairs.items, features.astype(np.float32))


@dataclass(frozen=True)
class Repeats:
    """The weights of the features of `Owned`, in the unit of the scores they are added to."""

    weights: tuple[float, ...]

    @classmethod
    def fit(cls, pool: Pool, weights: F64, had: Owned) -> "Repeats | None":
        """Learnt on a pool that holds all items had; None where hardly anything is had again.

        Parameters
        ----------
        pool : candidates with their evidence, and which of them came
        weights : of the pool's kinds of evidence
        had : what each user had, how often and when
        """
        features = np.zeros((*pool.rows.shape, had.features.shape[1]), dtype=np.float32)
        line, place = _found(pool.rows, had)
        features[line, place] = had.features
        if int((pool.right & (features[..., 0] > 0)).sum()) < _ENOUGH:
            return None
        base = np.einsum("f,fnp->np", weights.astype(np.float32), pool.features)
        spread = np.float32(max(float(base[pool.rows >= 0].std()), 1e-9))
        asked = np.flatnonzero(pool.right.any(axis=1))
        both = np.concatenate([base[asked, :, None] / spread, features[asked]], axis=2)
        scale, *found = (float(w) for w in likeliest(both, pool.right[asked], pool.rows[asked] >= 0))
        if scale <= 1e-3:
            return None
        scores = base * np.float32(scale / spread) + features @ np.array(found, dtype=np.float32)  # (n, p) logits
        scores[pool.rows < 0] = -np.inf
        lowered = np.arange(_LOWER + 1) * _STEP  # (l,) logits
        ranked = [ndcg_of(scores - np.float32(low) * features[..., 0], pool) for low in lowered]
        found[0] -= float(max(lowered[np.array(ranked) >= max(ranked) * (1 - _AS_GOOD)]))
        return cls(tuple(w * float(spread) / scale for w in found))

    def added(self, had: Owned) -> F32:
        """What is added to the score of each pair, shape `(p,)`."""
        return had.features @ np.array(self.weights, dtype=np.float32)


def merged(ranking: Ranking, had: Owned, scores: F32, k: int) -> Ranking:
    """The `k` best of a ranking and of pairs with these scores, `(p,)`, that are not in it."""
    order = np.lexsort((had.items, -scores, had.users))
    users = had.users[order]
    place = np.arange(len(users)) - np.searchsorted(users, users)
    best = order[place < k]
    rows = np.full((len(ranking), k), -1, dtype=np.int64)
    own = np.full((len(ranking), k), -np.inf, dtype=np.float32)
    rows[had.users[best], place[place < k]] = had.items[best]
    own[had.users[best], place[place < k]] = scores[best]
    rows, own = np.concatenate([ranking.rows, rows], axis=1), np.concatenate([ranking.scores, own], axis=1)
    first = np.lexsort((rows, -own), axis=1)[:, :k]
    return Ranking(np.take_along_axis(rows, first, axis=1), np.take_along_axis(own, first, axis=1))


def _found(rows: I64, had: Owned) -> tuple[I64, I64]:
    """Where in the pool, line and place, each pair stands."""
    line = had.users
    n_items = int(max(rows.max(initial=0), had.items.max(initial=0))) + 1
    keys = (np.arange(len(rows))[:, None] * n_items + rows).ravel()
    keys[(rows < 0).ravel()] = -1
    order = np.argsort(keys, kind="stable")
    place = order[np.searchsorted(keys, line * n_items + had.items, sorter=order)]
    return line, place - line * rows.shape[1]
