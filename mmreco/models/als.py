"""ALS: items and users as factors of what was done and not done, unequally sure.

Source: Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets", 2008. Followed: every pair of
user and item is an observation, 1 where there was an event and 0 elsewhere, with confidence `1 + alpha r` for events
of summed weight `r`; users and items are solved in turn, each row's normal equations exactly, with the dense part
`Y'Y` shared by all rows.

Deviations: the user factors are thrown away, since whoever asks, trained on or not, is folded in by the very same
equations; and a history without items gets what is popular.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.models.factor_model import FactorModel, buckets
from mmreco.models.parameters import require, require_counts, require_positive
from mmreco.progress import progress as shown_progress
from mmreco.splitting import Holdout

__all__ = ["ALS"]

_START = 0.1  # spread of the factors drawn at first


@final
@dataclass(kw_only=True, eq=False)
class ALS(FactorModel):
    """Matrix factorisation of implicit feedback by alternating least squares; unseen users are folded in exactly.

    Parameters
    ----------
    dim : 1 or more
        Width of the vectors.
    l2 : above 0
        The penalty on every vector's squared length.
    alpha : above 0
        How much surer an event of weight 1 is than none at all.
    iterations : 1 or more
        Times that users and then items are solved.
    seed : 0 or more

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["hat", "scarf"], ["coat"]], items=shop)
    >>> model = ALS(dim=2).fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=Interactions.from_histories([["hat"]], items=shop), k=1).ids(shop)
    [['scarf']]
    """

    dim: int = 64
    l2: float = 10.0
    alpha: float = 1.0
    iterations: int = 15
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "dim", "iterations")
        require_positive(self, "l2", "alpha")
        require(self.seed >= 0, "seed", self.seed, "0 or more")

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Solve users and items in turn.

        Parameters
        ----------
        dataset, validation : as `Model.fit`; `validation` is not used
        progress : optional
            Whether to show a bar, a step an iteration.
        """
        train = dataset.interactions
        by_user = train.matrix()  # (n, n_items)
        by_item = by_user.T.tocsr()
        shape = (len(train.items), self.dim)
        items = np.random.default_rng(self.seed).normal(0, _START, shape).astype(np.float32)
        items[np.diff(by_item.indptr) == 0] = 0  # what their equations say, from the start
        for _ in shown_progress(range(self.iterations), description="ALS", shown=progress):
            users = self._solved(by_user, items)
            items = self._solved(by_item, users)
        self._learnt(train, items)

    def _folded(self, histories: Interactions) -> F32:
        held: tuple[F32, F32] | None = self.__dict__.get("_shared_of_items")
        if held is None or held[0] is not self.factors_:
            held = self.__dict__["_shared_of_items"] = (self.factors_, self._shared(self.factors_))
        return self._solved(histories.matrix(), self.factors_, held[1])

    def _shared(self, others: F32) -> F32:
        """What all equations over these vectors have in common, shape `(f, f)`."""
        return np.asarray(others.T @ others + self.l2 * np.eye(others.shape[1], dtype=np.float32), dtype=np.float32)

    def _solved(self, matrix: sp.csr_array, others: F32, shared: F32 | None = None) -> F32:
        """The vectors of the rows of `matrix`, shape `(n, f)`, given those of its columns."""
        if shared is None:
            shared = self._shared(others)
        solved = np.zeros((matrix.shape[0], others.shape[1]), dtype=np.float32)
        for rows, columns, values in buckets(matrix, others.shape[1]):
            vectors = others[columns]  # (b, w, f)
            surer = self.alpha * np.abs(values)  # (b, w); below 0 the surer that it is not wanted
            left = shared + np.matmul((surer[:, :, None] * vectors).swapaxes(1, 2), vectors)  # (b, f, f)
            right = np.matmul(((values > 0) * (1 + surer))[:, None, :], vectors)[:, 0]  # (b, f)
            solved[rows] = np.linalg.solve(left.astype(np.float64), right[:, :, None].astype(np.float64))[:, :, 0]
        return solved
