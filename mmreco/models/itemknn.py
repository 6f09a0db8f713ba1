"""ItemKNN: who liked this also liked that.

Sources: Sarwar, Karypis, Konstan, Riedl, "Item-based collaborative filtering recommendation algorithms", 2001;
Deshpande, Karypis, "Item-based top-N recommendation algorithms", 2004, whose model is followed: the similarity of the
items' columns of the user-item matrix, the `neighbours` nearest kept for each item, and a history's score for an item
is the sum over its own items, each times its weight. The decay is that of Ding, Li, "Time weight collaborative
filtering", 2005: old events of a history say less of what it wants now, and the similarities stay as they are. For the
similarities see `mmreco.models.similarity`.

Deviations: similarities are not normalised a row, as the second paper also tries; and items that no neighbour speaks
for come after all others, by popularity, so that an empty history has an answer.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.models.base import ScoreModel, State
from mmreco.models.popular import share_of_users
from mmreco.models.similarity import Compared, Similarity, neighbourhood_checked
from mmreco.models.sparse_state import sparse_from_state, sparse_state
from mmreco.models.time_decay import half_life_checked, recent, times_needed
from mmreco.splitting import Holdout

__all__ = ["ItemKNN", "kept", "nearest"]

_CELLS = 1 << 22  # similarities held at a time


@final
@dataclass(kw_only=True, eq=False)
class ItemKNN(ScoreModel):
    """Items that share users with the items of the history; exact and sparse.

    Parameters
    ----------
    neighbours : 1 or more
        Similar items kept for each item.
    shrinkage : 0 or more
        How much evidence a similarity needs: added to its denominator.
    similarity : "cosine", "pearson" or "jaccard"
        How similar two items' users are: by weight, by weight less what popularity explains, or as sets.
    half_life_days : above 0, optional
        An event of a history counts half for every so many days before its last one. None: all count the same.

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["hat", "scarf"], ["coat"]], items=shop)
    >>> model = ItemKNN().fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=Interactions.from_histories([["hat"]], items=shop), k=1).ids(shop)
    [['scarf']]
    """

    _CLOSED_FORM: ClassVar[bool] = True

    neighbours: int = 100
    shrinkage: float = 10.0
    similarity: Similarity = "cosine"
    half_life_days: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        neighbourhood_checked(self.neighbours, self.shrinkage, self.similarity)
        half_life_checked(self.half_life_days)

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Find each item's nearest neighbours, a block of items at a time.

        Raises
        ------
        DataError
            `half_life_days` is given and `train` carries no times.
        """
        train = dataset.interactions
        times_needed(train, self.half_life_days)
        self.similarity_ = nearest(train, self.neighbours, self.shrinkage, self.similarity)
        self.fallback_ = share_of_users(train) - 1  # below 0, so below every neighbour's word

    def score(self, histories: Interactions) -> F32:
        """Summed similarity to the items of each of `histories`, shape `(n, n_items)`; below 0 where there is none.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        scores = (recent(histories, self.half_life_days) @ self.similarity_).toarray()  # (n, n_items)
        return np.where(scores > 0, scores, self.fallback_)

    def _state(self) -> State:
        return {**sparse_state(self.similarity_), "fallback": self.fallback_}

    def _restore(self, state: State) -> None:
        self.similarity_ = sparse_from_state(state, len(self.items_))
        self.fallback_ = state["fallback"]


def nearest(train: Interactions, neighbours: int, shrinkage: float, similarity: Similarity) -> sp.csr_array:
    """Each item's most similar other items with their similarity: sparse, `(n_items, n_items)`, all above 0."""
    n_items = len(train.items)
    items = Compared.of(train.matrix().T.tocsr(), similarity)  # (n_items, n)
    step = max(1, _CELLS // max(1, n_items))
    parts = []
    for start in range(0, n_items, step):
        stop = min(start + step, n_items)
        block = items.like(items, start, stop, similarity, shrinkage)  # (b, n_items)
        block[np.arange(stop - start), np.arange(start, stop)] = -np.inf  # not its own neighbour
        parts.append(kept(Ranking.from_scores(block, min(neighbours, n_items)), n_items))
    stacked: Any = sp.vstack(parts, format="csr") if parts else sp.csr_array((0, 0), dtype=np.float32)
    return sp.csr_array(stacked)


def kept(best: Ranking, width: int) -> sp.csr_array:
    """Rankings over `width` rows as a sparse matrix of their scores, shape `(n, width)`."""
    there = best.rows >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return sp.csr_array((best.scores[there], best.rows[there], starts), shape=(len(best), width))
