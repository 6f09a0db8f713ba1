"""ItemKNN: who liked this also liked that.

Sources: Sarwar, Karypis, Konstan, Riedl, "Item-based collaborative filtering recommendation algorithms", 2001;
Deshpande, Karypis, "Item-based top-N recommendation algorithms", 2004, whose model is followed: the cosine between the
items' columns of the user-item matrix, the `neighbours` nearest kept for each item, and a history's score for an item
is the sum over its own items, each times its weight. The shrinkage is that of Ferrari Dacrema, Cremonesi, Jannach,
"Are we really making much progress?", 2019: a constant in the cosine's denominator.

Deviations: similarities are not normalised a row, as the second paper also tries; and items that no neighbour speaks
for come after all others, by popularity, so that an empty history has an answer.
"""

from dataclasses import dataclass
from typing import Self, final

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32, frozen
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.models.base import ScoreModel, State

__all__ = ["ItemKNN"]

_CELLS = 1 << 22  # similarities held at a time


@final
@dataclass(kw_only=True, eq=False)
class ItemKNN(ScoreModel):
    """Items that the same users turned to, by shrunk cosine; exact and sparse.

    Parameters
    ----------
    neighbours : 1 or more
        Similar items kept for each item.
    shrinkage : 0 or more
        How much evidence a similarity needs: added to the product of the two lengths.

    Raises
    ------
    DataError
        A parameter lies outside its range.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["hat", "scarf"], ["coat"]], items=shop)
    >>> ItemKNN().fit(log).recommend(Interactions.from_histories([["hat"]], items=shop), k=1).ids(shop)
    [['scarf']]
    """

    neighbours: int = 100
    shrinkage: float = 10.0

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise DataError(f"neighbours={self.neighbours}: expected 1 or more")
        if not 0 <= self.shrinkage < np.inf:
            raise DataError(f"shrinkage={self.shrinkage}: expected a number of 0 or more")

    def fit(self, train: Interactions) -> Self:
        """Find each item's nearest neighbours, a block of items at a time."""
        by_user = train.matrix()  # (n, n_items)
        by_item = by_user.T.tocsr()  # (n_items, n)
        n_items = len(train.items)
        lengths = np.sqrt(by_item.multiply(by_item).sum(axis=1))  # (n_items,)
        step = max(1, _CELLS // max(1, n_items))
        parts = []
        for start in range(0, n_items, step):
            block = (by_item[start : start + step] @ by_user).toarray()  # (b, n_items)
            with np.errstate(divide="ignore", invalid="ignore"):  # items without events
                block /= lengths[start : start + step, None] * lengths + self.shrinkage
            block[~(block > 0)] = -np.inf
            block[np.arange(len(block)), np.arange(start, start + len(block))] = -np.inf  # not its own neighbour
            parts.append(_kept(Ranking.from_scores(block, min(self.neighbours, n_items)), n_items))
        self.similarity_ = sp.vstack(parts, format="csr") if parts else sp.csr_array((0, 0), dtype=np.float32)
        users = (by_item > 0).sum(axis=1)  # users an item, (n_items,)
        self.fallback_ = frozen(users / (len(train) + 1) - 1, np.float32)  # below 0, so below every neighbour's word
        self.items_ = train.items
        return self

    def score(self, histories: Interactions) -> F32:
        """Summed similarity to the items of each history, shape `(n, n_items)`; below 0 where there is none.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        scores = (histories.matrix() @ self.similarity_).toarray()  # (n, n_items)
        return np.where(scores > 0, scores, self.fallback_)

    def _state(self) -> State:
        s = self.similarity_
        return {
            "data": s.data,
            "indices": s.indices.astype(np.int64),
            "indptr": s.indptr.astype(np.int64),
            "fallback": self.fallback_,
        }

    def _restore(self, state: State) -> None:
        n = len(self.items_)
        self.similarity_ = sp.csr_array((state["data"], state["indices"], state["indptr"]), shape=(n, n))
        self.fallback_ = state["fallback"]


def _kept(best: Ranking, n_items: int) -> sp.csr_array:
    """The rankings of a block of items as sparse rows."""
    there = best.rows >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return sp.csr_array((best.scores[there], best.rows[there], starts), shape=(len(best), n_items))
