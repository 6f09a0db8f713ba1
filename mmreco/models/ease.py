"""EASE: each item predicted from all others by one ridge regression, in closed form.

Source: Steck, "Embarrassingly shallow autoencoders for sparse data", 2019. Followed to the letter: with `P` the inverse
of `X'X + l2 I`, the weights are `-P[i, j] / P[j, j]`, zero on the diagonal, and a history is scored by `x W`.

Deviations: `X` holds the summed weights of the events, which are the paper's ones and zeros where nothing repeats and
all kinds of events weigh 1; and a history that says nothing (no item, or none that anybody clicked) gets what is
popular.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from mmreco.arrays import F32, frozen
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.models.base import ScoreModel, State
from mmreco.models.popular import share_of_users
from mmreco.splitting import Holdout

__all__ = ["EASE"]

_LIMIT = 20_000  # items; their matrix and its float32 copy take 8 + 4 bytes a cell, 4.8 GB at the limit
_CELLS = 1 << 24  # numbers copied at a time


@final
@dataclass(kw_only=True, eq=False)
class EASE(ScoreModel):
    """Weights between all pairs of items, by ridge regression; for up to 20,000 items.

    Memory is 12 bytes a pair of items while fitting and 4 after, for any number of users; time grows with the
    cube of the items. For more items there is `SLIM`.

    Parameters
    ----------
    l2 : above 0
        The ridge, on the scale of the number of users an item has.

    Raises
    ------
    DataError
        `l2` is not above 0.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["hat", "scarf"], ["coat"]], items=shop)
    >>> model = EASE(l2=1.0).fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=Interactions.from_histories([["hat"]], items=shop), k=1).ids(shop)
    [['scarf']]
    """

    _CLOSED_FORM: ClassVar[bool] = True

    l2: float = 500.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.l2 < np.inf:
            raise DataError(f"l2={self.l2}: expected a number above 0")

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Solve for the weights.

        Raises
        ------
        DataError
            There are more than 20,000 items.
        """
        train = dataset.interactions
        n_items = len(train.items)
        if n_items > _LIMIT:
            gigabytes = 12 * n_items**2 / 1e9
            raise DataError(
                f"EASE: {n_items} items, whose weights would take {gigabytes:.0f} GB; expected {_LIMIT} or fewer: "
                "use SLIM, which keeps only the neighbours of each item"
            )
        inverse = self._inverse(train)  # (n_items, n_items), symmetric
        weights = np.empty((n_items, n_items), dtype=np.float32)
        diagonal = inverse.diagonal().copy()
        for start, stop in _blocks(n_items):
            weights[start:stop] = -inverse[start:stop] / diagonal
        np.fill_diagonal(weights, 0)
        self.weights_ = frozen(weights, np.float32)
        self.fallback_ = share_of_users(train)

    def score(self, histories: Interactions) -> F32:
        """The `histories` times the weights, shape `(n, n_items)`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        scores: F32 = histories.matrix() @ self.weights_  # (n, n_items)
        scores[~scores.any(axis=1)] = self.fallback_
        return scores

    def _inverse(self, train: Interactions) -> npt.NDArray[np.float64]:
        by_user = train.matrix().astype(np.float64)  # (n, n_items)
        by_item = by_user.T.tocsr()
        n_items = len(train.items)
        gram = np.empty((n_items, n_items))
        for start, stop in _blocks(n_items):
            gram[start:stop] = (by_item[start:stop] @ by_user).toarray()
        gram[np.diag_indices(n_items)] += self.l2
        # Symmetric, so the transposed view is the same matrix in the order LAPACK works in place on.
        if n_items:
            root, failed = lapack.dpotrf(gram.T, lower=1, overwrite_a=1)
            _, failed = lapack.dpotri(root, lower=1, overwrite_c=1) if not failed else (root, failed)
            if failed:
                raise DataError(f"EASE: the weights of these events are too far apart for l2={self.l2}; expected more")
        for start, stop in _blocks(n_items):  # only one half was computed: `gram[i, j]` with j >= i
            gram[start:stop, :start] = gram[:start, start:stop].T
            square = gram[start:stop, start:stop]
            gram[start:stop, start:stop] = np.triu(square) + np.triu(square, 1).T
        return gram

    def _state(self) -> State:
        return {"weights": self.weights_, "fallback": self.fallback_}

    def _restore(self, state: State) -> None:
        self.weights_, self.fallback_ = state["weights"], state["fallback"]


def _blocks(n: int) -> list[tuple[int, int]]:
    step = max(1, _CELLS // max(1, n))
    return [(start, min(start + step, n)) for start in range(0, n, step)]
