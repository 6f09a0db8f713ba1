"""UserKNN: what people like you turned to.

Sources: Resnick, Iacovou, Suchak, Bergstrom, Riedl, "GroupLens", 1994; Herlocker, Konstan, Borchers, Riedl, "An
algorithmic framework for performing collaborative filtering", 1999: the `neighbours` most similar users, each item
scored by what they did with it times how similar they are. For the similarities see `mmreco.models.similarity`.

Deviations: there are no ratings to predict, so scores are sums and not means; users are compared by history alone, so
a user of the training set is their own nearest neighbour (their items are seen, and so left out of the answer); and
items that no neighbour speaks for come after all others, by popularity.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.models.base import ScoreModel, State
from mmreco.models.itemknn import kept
from mmreco.models.popular import share_of_users
from mmreco.models.similarity import Compared, Similarity, neighbourhood_checked
from mmreco.models.sparse_state import sparse_from_state, sparse_state
from mmreco.models.time_decay import half_life_checked, recent, times_needed
from mmreco.splitting import Holdout

__all__ = ["UserKNN"]

_CELLS = 1 << 22  # similarities held at a time


@final
@dataclass(kw_only=True, eq=False)
class UserKNN(ScoreModel):
    """Items of the users with the most similar histories; exact and sparse. The model stores the log.

    Parameters
    ----------
    neighbours : 1 or more
        Similar users asked.
    shrinkage : 0 or more
        How much evidence a similarity needs: added to its denominator.
    similarity : "cosine", "pearson" or "jaccard"
        How similar two users' items are: by weight, by weight less what a long history explains, or as sets.
    half_life_days : above 0, optional
        An event counts half for every so many days before the last one of the same user. None: all count the same.

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["coat"]], items=shop)
    >>> model = UserKNN().fit(Dataset.from_interactions(log))
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
        """Keep what every user did.

        Raises
        ------
        DataError
            `half_life_days` is given and `train` carries no times.
        """
        train = dataset.interactions
        times_needed(train, self.half_life_days)
        self._keep(recent(train, self.half_life_days))
        self.fallback_ = share_of_users(train) - 1  # below 0, so below every neighbour's word

    def score(self, histories: Interactions) -> F32:
        """Summed similarity of the neighbours of each of `histories` who have each item, shape `(n, n_items)`.

        Below 0 where none has.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        asked = Compared.of(recent(histories, self.half_life_days), self.similarity)  # (n, n_items)
        n_users = self.log_.shape[0]
        scores = np.empty((len(histories), len(self.items_)), dtype=np.float32)
        step = max(1, _CELLS // max(1, n_users))
        for start in range(0, len(histories), step):
            stop = min(start + step, len(histories))
            alike = self._users.like(asked, start, stop, self.similarity, self.shrinkage)  # (b, n_users)
            scores[start:stop] = (kept(Ranking.from_scores(alike, self.neighbours), n_users) @ self.log_).toarray()
        return np.where(scores > 0, scores, self.fallback_)

    def _keep(self, log: sp.csr_array) -> None:
        self.log_ = log  # (n_users, n_items)
        self._users = Compared.of(log, self.similarity)

    def _state(self) -> State:
        return {**sparse_state(self.log_), "fallback": self.fallback_}

    def _restore(self, state: State) -> None:
        self._keep(sparse_from_state(state, len(self.items_)))
        self.fallback_ = state["fallback"]
