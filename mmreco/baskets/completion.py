"""CartCompletion: the next item of a cart, from what baskets held before and what its shopper bought before.

Sources: Paudel, Christoffel, Newell, Bernstein, "Updatable, accurate, diverse, and scalable recommendations for
interactive applications", 2017, whose RP3beta is followed on baskets: a walk from an item to a basket that has it and
on to another item, discounted by that item's popularity; Hu, He, Gao, Zhang, "Modeling personalized item frequency
information for next-basket recommendation", 2020, for how much a shopper's own purchases count, old baskets less.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F64, frozen
from mmreco.baskets.associations import incidence
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError

__all__ = ["CartCompletion"]

_BLOCK = 1024  # questions answered together


@dataclass(frozen=True, eq=False, repr=False)
class CartCompletion:
    """How items lead to one another in baskets.

    Made by `fit`.

    Parameters
    ----------
    items : IdMap of `n` items
    transitions : sparse, shape `(n, n)`
        From an item of the cart to what completes it.
    popularity : shape `(n,)`, float64
        The share of the baskets that have each item; decides where nothing else does.
    own_weight, past_weight, decay : see `fit`
    """

    items: IdMap
    transitions: Any
    popularity: F64
    own_weight: float
    past_weight: float
    decay: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "popularity", frozen(self.popularity, np.float64))

    @classmethod
    def fit(
        cls,
        carts: Interactions,
        *,
        beta: float = 0.3,
        neighbours: int = 300,
        own_weight: float = 0.3,
        past_weight: float = 0.1,
        decay: float = 0.9,
    ) -> "CartCompletion":
        """Learn from baskets, one a user, as `baskets` gives them.

        Parameters
        ----------
        beta : 0 or more
            How much popular items are discounted.
        neighbours : 1 or more
            Items kept that each leads to.
        own_weight, past_weight : 0 or more
            How much it counts that the shopper bought an item before, and that his purchases lead to it, beside what
            the cart leads to.
        decay : above 0, up to 1
            What an event before the last one counts, and so on back.

        Raises
        ------
        DataError
            A parameter lies outside its range.
        """
        if min(beta, own_weight, past_weight) < 0 or neighbours < 1 or not 0 < decay <= 1:
            raise DataError(
                f"beta={beta}, own_weight={own_weight}, past_weight={past_weight}, neighbours={neighbours}, "
                f"decay={decay}: expected 0 or more, neighbours 1 or more, decay above 0 up to 1"
            )
        bought = incidence(carts).astype(np.float64)
        counts = np.asarray(bought.sum(axis=0)).ravel()
        sizes = np.asarray(bought.sum(axis=1)).ravel()
        away = sp.diags_array(1 / np.maximum(counts, 1)) @ bought.T
        walk = (away @ (sp.diags_array(1 / np.maximum(sizes - 1, 1)) @ bought)).tocsr()
        walk.setdiag(0)
        walk = walk @ sp.diags_array(np.maximum(counts, 1) ** -beta * np.mean(np.maximum(counts, 1)) ** beta)
        return cls(
            carts.items,
            _strongest(walk.tocsr(), neighbours),
            counts / max(1, len(carts)),
            own_weight,
            past_weight,
            decay,
        )

    def __repr__(self) -> str:
        return f"CartCompletion({len(self.items)} items)"

    def complete(self, carts: Interactions, k: int = 10, *, past: Interactions | None = None) -> Ranking:
        """The `k` items that complete each cart, best first; nothing that is in it.

        Parameters
        ----------
        carts : `n` carts; one may be empty
        past : `n` users, optional
            What the shopper of each cart bought before, oldest first.

        Raises
        ------
        DataError
            `k` is below 1, or `past` has not as many users as there are carts.
        IncompatibleError
            The carts or the past are over other items.
        """
        for name, given in (("carts", carts), ("past", past)):
            if given is not None and given.items != self.items:
                raise IncompatibleError(f"cart: {name} over {len(given.items)} items, fitted on {len(self.items)}")
        if past is not None and len(past) != len(carts):
            raise DataError(f"cart: past of {len(past)} users for {len(carts)} carts; expected as many")
        parts = [Ranking(np.zeros((0, k)), np.zeros((0, k)))]
        for start in range(0, len(carts), _BLOCK):
            lines = np.arange(start, min(start + _BLOCK, len(carts)))
            parts.append(self._block(carts.take(lines), k, None if past is None else past.take(lines)))
        return Ranking(np.concatenate([p.rows for p in parts]), np.concatenate([p.scores for p in parts]))

    def _block(self, carts: Interactions, k: int, past: Interactions | None) -> Ranking:
        scores = (_shares(incidence(carts)) @ self.transitions).toarray()
        if past is not None:
            recent = _recent(past, self.decay)
            scores += self.past_weight * (_shares(recent) @ self.transitions).toarray()
            scores += self.own_weight * recent.toarray()
        scores += 1e-6 * self.popularity
        scores[carts.users_flat, carts.items_flat] = -np.inf
        return Ranking.from_scores(scores.astype(np.float32), k)


def _recent(past: Interactions, decay: float) -> sp.csr_array:
    """How often and how lately each shopper bought each item, `(n, n_items)`; the last event counts 1."""
    back = past.starts[1:][past.users_flat] - 1 - np.arange(past.n_events)
    flat = sp.coo_array((decay**back, (past.users_flat, past.items_flat)), shape=(len(past), len(past.items)))
    return flat.tocsr()


def _shares(matrix: sp.csr_array) -> sp.csr_array:
    total = np.asarray(matrix.sum(axis=1)).ravel()
    return sp.csr_array(sp.diags_array(np.divide(1, total, out=np.zeros(len(total)), where=total > 0)) @ matrix)


def _strongest(matrix: sp.csr_array, most: int) -> sp.csr_array:
    line = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.data, line))
    place = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
    kept = order[place < most]
    return sp.csr_array((matrix.data[kept], (line[kept], matrix.indices[kept])), shape=matrix.shape)
