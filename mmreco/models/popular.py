"""Popular: the items with most behaviour first; of the kinds a history turns to, where kinds are known.

What every other model has to beat. Sources: Cremonesi, Koren, Turrin, "Performance of recommender algorithms on
top-N recommendation tasks", 2010 (TopPop); Ji, Sun, Zhang, Li, "A re-visit of the popularity baseline in recommender
systems", 2020, for the decay: what sold long ago says little of what sells now.

Deviations: the decay is a half-life instead of a window; and by category an item is scored as a draw in two steps,
first a category as often as the history turns to it, then an item of it by popularity.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, final

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32, I64, frozen
from mmreco.data.attributes import Attributes
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.models.base import ScoreModel, State
from mmreco.models.parameters import require
from mmreco.models.time_decay import half_life_checked, times_needed, weights_since_newest
from mmreco.splitting import Holdout

__all__ = ["Popular", "share_of_users"]


@final
@dataclass(kw_only=True, eq=False)
class Popular(ScoreModel):
    """The most popular items, by summed weight or by users; optionally within the history's categories.

    Parameters
    ----------
    half_life_days : above 0, optional
        An event counts half for every so many days before the newest of the log. None: all count the same.
    by : "weight" or "users"
        By weight fifty events of one user count fifty times. By users each counts once an item, so one that never
        stops clicking decides nothing.
    within : a column of the catalogue, e.g. "category", optional
        A history gets what is popular among the kinds of its own items, and after these the rest.

    Raises
    ------
    DataError
        `half_life_days` is not above 0, or `by` is neither.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["coat", "hat"], ["coat"]], items=shop)
    >>> model = Popular().fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=Interactions.from_histories([[]], items=shop), k=2).ids(shop)
    [['coat', 'hat']]
    """

    _CLOSED_FORM: ClassVar[bool] = True

    half_life_days: float | None = None
    by: Literal["weight", "users"] = "weight"
    within: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        half_life_checked(self.half_life_days)
        require(self.by in ("weight", "users"), "by", self.by, "'weight' or 'users'")

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Count the events.

        Raises
        ------
        DataError
            `half_life_days` is given and the events carry no times, or there is no column `within`.
        """
        train = dataset.interactions
        times_needed(train, self.half_life_days)
        items, weights = train.items_flat, weights_since_newest(train, self.half_life_days)
        if self.by == "users":
            items, weights = _people(train, self.half_life_days)
        totals = np.bincount(items, weights=weights, minlength=len(train.items))
        self.popularity_ = frozen(totals, np.float32)
        self.kinds_: sp.csr_array | None = None
        if self.within is not None:
            self.kinds_ = Attributes.from_catalogue(dataset.catalogue, columns=[self.within], at_least=1).matrix()

    def score(self, histories: Interactions) -> F32:
        """The popularity of every item, shape `(n, n_items)`; the same for each of `histories` unless kinds are known.

        With kinds, the chance that a draw from the history's kinds is this item, and below 0 outside of them.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        kinds = self.kinds_
        if kinds is None:
            return np.broadcast_to(self.popularity_, (len(histories), len(self.items_)))
        within = kinds.multiply(self.popularity_[:, None]).tocsr()  # (n_items, kinds)
        totals = within.sum(axis=0)
        within = within.multiply(1 / np.where(totals > 0, totals, 1)).tocsr()  # popularity inside a kind
        turned = histories.matrix() @ kinds  # (n, kinds)
        mass = turned.sum(axis=1)
        shares = turned.multiply(1 / np.where(mass > 0, mass, 1)[:, None]).tocsr()
        scores = (shares @ within.T).toarray()  # (n, n_items)
        outside = self.popularity_ / (self.popularity_.max(initial=0) + 1) - 1  # (n_items,), from -1 to below 0
        found: F32 = np.where(scores > 0, scores, outside).astype(np.float32)
        return found

    def _state(self) -> State:
        kinds = self.kinds_
        if kinds is None:
            return {"popularity": self.popularity_}
        pairs = {"kind_flat": kinds.indices.astype(np.int64), "kind_starts": kinds.indptr.astype(np.int64)}
        return {"popularity": self.popularity_, "kinds": np.array([kinds.shape[1]]), **pairs}

    def _restore(self, state: State) -> None:
        self.popularity_ = state["popularity"]
        self.kinds_ = None
        if "kinds" in state:
            ones = np.ones(len(state["kind_flat"]), dtype=np.float32)
            shape = (len(self.items_), int(state["kinds"][0]))
            self.kinds_ = sp.csr_array((ones, state["kind_flat"], state["kind_starts"]), shape=shape)


def _people(train: Interactions, half_life_days: float | None) -> tuple[I64, F32]:
    """A line for each user and item that met: the item, and how much the last time they did still counts."""
    train = train.keep(train.weights > 0)
    counts = weights_since_newest(replace(train, weights=np.ones_like(train.weights)), half_life_days)
    order = np.lexsort((-counts, train.items_flat, train.users_flat))  # the last of a user and an item first
    users, items = train.users_flat[order], train.items_flat[order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    return items[first], counts[order][first]


def share_of_users(train: Interactions) -> F32:
    """How many of the users turned to each item, from 0 to below 1, shape `(n_items,)`.

    What models fall back on where a history tells them nothing.
    """
    wanted = train.keep(train.weights > 0).matrix()
    users = np.bincount(wanted.indices, minlength=len(train.items))  # each user once an item
    return frozen(users / (len(train) + 1), np.float32)
