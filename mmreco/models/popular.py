"""Popular: the same items for everybody, those with most behaviour first. What every other model has to beat."""

from dataclasses import dataclass
from typing import Self, final

import numpy as np

from mmreco.arrays import F32, frozen
from mmreco.data.interactions import Interactions
from mmreco.models.base import ScoreModel, State

__all__ = ["Popular"]


@final
@dataclass(kw_only=True, eq=False)
class Popular(ScoreModel):
    """Items by the summed weight of their events, whoever asks.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["coat", "hat"], ["coat"]], items=shop)
    >>> Popular().fit(log).recommend(Interactions.from_histories([[]], items=shop), k=2).ids(shop)
    [['coat', 'hat']]
    """

    def fit(self, train: Interactions) -> Self:
        """Count the events of `train`."""
        totals = np.bincount(train.items_flat, weights=train.weights, minlength=len(train.items))
        self.popularity_ = frozen(totals, np.float32)
        self.items_ = train.items
        return self

    def score(self, histories: Interactions) -> F32:
        """The popularity of every item, the same for each history, shape `(n, n_items)`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        return np.broadcast_to(self.popularity_, (len(histories), len(self.items_)))

    def _state(self) -> State:
        return {"popularity": self.popularity_}

    def _restore(self, state: State) -> None:
        self.popularity_ = state["popularity"]
