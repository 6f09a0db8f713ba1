"""Repeat: what the user had already, and then what is popular.

In shops where people buy the same again (food, music, filters), it is hard to beat. Sources: Anderson, Kumar, Tomkins,
Vassilvitskii, "The dynamics of repeat consumption", 2014, who find recency and frequency to be the two signals; Hu,
He, Gao, Zhang, "Modeling personalized item frequency information for next-basket recommendation", 2020, whose
PersonTopFreq is `by="frequency"`. Deviates by letting the other signal decide among equals.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, final, get_args

import numpy as np

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.models.base import ScoreModel, State
from mmreco.models.popular import share_of_users
from mmreco.splitting import Holdout

__all__ = ["Repeat"]

_By = Literal["recency", "frequency"]


@final
@dataclass(kw_only=True, eq=False)
class Repeat(ScoreModel):
    """The items of the history itself, latest or most frequent first; useful with `exclude_seen=False` only.

    With `exclude_seen=True` nothing of the history may be answered, and what is left is what is popular.

    Parameters
    ----------
    by : "recency" or "frequency"
        What comes first; the other decides among equals.

    Raises
    ------
    DataError
        `by` is neither.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "hat", "coat"]], items=shop)
    >>> model = Repeat(by="frequency").fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=log, k=2, exclude_seen=False).ids(shop)
    [['hat', 'coat']]
    """

    _CLOSED_FORM: ClassVar[bool] = True

    by: _By = "recency"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by not in get_args(_By):
            raise DataError(f"by={self.by!r}: expected one of {', '.join(get_args(_By))}")

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Count the users of every item, for histories that have nothing more to say."""
        train = dataset.interactions
        self.fallback_ = share_of_users(train)

    def score(self, histories: Interactions) -> F32:
        """1 and more for the items of each of `histories`, below 1 for all others, shape `(n, n_items)`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        scores = np.tile(self.fallback_, (len(histories), 1))  # (n, n_items)
        users, items = histories.users_flat, histories.items_flat
        place = np.arange(histories.n_events) - histories.starts[users]  # (e,), 0 for a user's oldest event
        latest = np.zeros(scores.shape, dtype=np.float32)
        np.maximum.at(latest, (users, items), place)
        times = np.zeros(scores.shape, dtype=np.float32)
        np.add.at(times, (users, items), 1)
        first, second = (latest, times) if self.by == "recency" else (times, latest)
        had = times > 0
        scores[had] = 1 + first[had] + second[had] / (1 + np.repeat(histories.lengths, had.sum(axis=1)))
        return scores

    def _state(self) -> State:
        return {"fallback": self.fallback_}

    def _restore(self, state: State) -> None:
        self.fallback_ = state["fallback"]
