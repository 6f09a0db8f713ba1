"""CartCompletion: the next item of a cart, from what baskets held before and what its shopper bought before.

Sources: Steck, "Embarrassingly shallow autoencoders for sparse data", 2019, followed on baskets instead of users: the
ridge regression of each item on all others of a basket, in closed form; Hu, He, Gao, Zhang, "Modeling personalized item
frequency information for next-basket recommendation", 2020, for the weight of what a shopper bought before. Deviates:
bought before counts once, however often and long ago, beside the cart's best answer, which counts 1.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from mmreco.arguments import require_kind, require_mask, require_number
from mmreco.arrays import F32, F64, Bool, frozen
from mmreco.baskets.associations import incidence
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError

__all__ = ["CartCompletion"]

_BLOCK = 1024  # questions answered together
_POPULAR = 1e-4  # what popularity counts: it decides where nothing else does


@dataclass(frozen=True, eq=False, repr=False)
class CartCompletion:
    """Which items complete a cart, learnt from baskets.

    Made by `fit`; `dataclasses.replace(model, own_weight=...)` changes the weight without learning again.

    Parameters
    ----------
    items : IdMap of `n` items
    weights : shape `(n, n)`, float32
        From an item of the cart, the line, to what completes it.
    popularity : shape `(n,)`, float64
        The share of the baskets that have each item.
    own_weight : 0 or more
        See `fit`.
    """

    items: IdMap
    weights: F32
    popularity: F64
    own_weight: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights, np.float32))
        object.__setattr__(self, "popularity", frozen(self.popularity, np.float64))
        object.__setattr__(self, "own_weight", require_number("own_weight", self.own_weight, least=0))

    @classmethod
    def fit(cls, carts: Interactions, *, l2: float = 25.0, own_weight: float = 0.2) -> "CartCompletion":
        """Learn from baskets, one a user, as `baskets` gives them.

        Parameters
        ----------
        carts : one a user
        l2 : above 0
            The ridge penalty: baskets that a pair must be met in to count.
        own_weight : 0 or more
            How much it counts that the shopper bought an item before, beside the cart's best answer, which counts 1.

        Raises
        ------
        DataError
            A parameter is outside its range.

        Notes
        -----
        Time grows with the cube of the items, memory with the square: 10,000 items need 1 GB and a minute of a core.
        """
        l2 = require_number("l2", l2, above=0)
        require_kind("CartCompletion.fit", carts, Interactions)
        bought = incidence(carts).astype(np.float64)
        gram = (bought.T @ bought).toarray()
        counts = gram.diagonal().copy()
        gram[np.diag_indices_from(gram)] += l2
        inverse = scipy.linalg.inv(gram, overwrite_a=True, check_finite=False)
        weights = -inverse / inverse.diagonal()
        np.fill_diagonal(weights, 0)
        return cls(carts.items, weights.astype(np.float32), counts / max(1, len(carts)), own_weight)

    def __repr__(self) -> str:
        return f"CartCompletion({len(self.items)} items)"

    def complete(
        self, carts: Interactions, k: int = 10, *, past: Interactions | None = None, candidates: Bool | None = None
    ) -> Ranking:
        """The `k` items that complete each cart, best first; nothing that is in it.

        Parameters
        ----------
        carts : `n` carts; one may be empty
        past : `n` users, optional
            What the shopper of each cart bought before.
        candidates : shape `(n_items,)`, bool, optional
            Which items may be answered.
        k : 1 or more
            Items for each cart.

        Raises
        ------
        DataError
            `k` is below 1, `past` has not as many users as there are carts, or `candidates` is not a mask of the items.
        IncompatibleError
            The carts or the past are over other items.
        """
        for name, given in (("carts", carts), ("past", past)):
            if given is not None and given.items != self.items:
                raise IncompatibleError(f"cart: {name} over {len(given.items)} items, fitted on {len(self.items)}")
        if past is not None and len(past) != len(carts):
            raise DataError(f"cart: past of {len(past)} users for {len(carts)} carts; expected as many")
        if candidates is not None:
            candidates = require_mask("candidates", candidates, len(self.items))
        parts = [Ranking.from_scores(np.zeros((0, len(self.items)), dtype=np.float32), k)]
        for start in range(0, len(carts), _BLOCK):
            lines = np.arange(start, min(start + _BLOCK, len(carts)))
            parts.append(self._block(carts.take(lines), k, None if past is None else past.take(lines), candidates))
        return Ranking(np.concatenate([p.rows for p in parts]), np.concatenate([p.scores for p in parts]))

    def _block(self, carts: Interactions, k: int, past: Interactions | None, candidates: Bool | None) -> Ranking:
        scores = incidence(carts) @ self.weights  # (b, n)
        best = scores.max(axis=1, keepdims=True, initial=0)
        scores = np.divide(scores, best, out=np.zeros_like(scores), where=best > 0)
        if past is not None:
            scores[past.users_flat, past.items_flat] += np.float32(self.own_weight)  # once, however often
        scores += (_POPULAR * self.popularity).astype(np.float32)
        scores[carts.users_flat, carts.items_flat] = -np.inf
        if candidates is not None:
            scores[:, ~candidates] = -np.inf
        return Ranking.from_scores(scores, k)
