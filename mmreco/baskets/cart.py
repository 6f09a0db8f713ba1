"""The whole cart as a question: what completes it."""

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32
from mmreco.baskets.relations import ItemRelations
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import IncompatibleError

__all__ = ["cart_panel"]


def cart_panel(relations: ItemRelations, carts: Interactions, k: int = 10) -> Ranking:
    """What goes with all of each cart, best first: nothing that is in it, and nothing that would replace what is.

    An item's score is the sum over the cart of how well it goes with each of its items.

    Parameters
    ----------
    relations : which pairs of items go together, and which replace each other
    carts : `n` carts, over the same items
    k : 1 or more

    Raises
    ------
    DataError
        `k` is below 1.
    IncompatibleError
        The carts are over other items.
    """
    if carts.items != relations.items:
        raise IncompatibleError(
            f"cart: carts over {len(carts.items)} items, relations of {len(relations.items)}; "
            "make the carts over the items of the relations"
        )
    n_items = len(carts.items)
    found = np.unique(carts.items_flat)
    wide = relations.complements(found, min(50, n_items))
    replacing = relations.substitutes(found, min(50, n_items))
    goes = _sparse(wide, n_items, values=wide.scores)
    replaces = _sparse(replacing, n_items, values=np.ones_like(replacing.scores))
    place = np.searchsorted(found, carts.items_flat)
    holds = sp.csr_array(
        (np.ones(carts.n_events, dtype=np.float32), place, carts.starts), shape=(len(carts), len(found))
    )
    scores = (holds @ goes).toarray().astype(np.float32)
    scores[scores <= 0] = -np.inf
    scores[(holds @ replaces).toarray() > 0] = -np.inf
    scores[carts.users_flat, carts.items_flat] = -np.inf
    return Ranking.from_scores(scores, k)


def _sparse(ranking: Ranking, n_items: int, values: F32) -> sp.csr_array:
    there = ranking.rows >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return sp.csr_array((values[there], ranking.rows[there], starts), shape=(len(ranking), n_items))
