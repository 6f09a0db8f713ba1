"""PureSVD: the strongest directions of the user-item matrix, unknown being 0.

Source: Cremonesi, Koren, Turrin, "Performance of recommender algorithms on top-N recommendation tasks", 2010: with `V`
the right singular vectors, a history `x` is scored `x V V'`, which folds unseen users in by itself.

Deviations: the directions are found by the randomised method of Halko, Martinsson, Tropp, "Finding structure with
randomness", 2011, as scikit-learn has it, with enough passes to be exact for practical purposes; and a history that
says nothing gets what is popular.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.models.factor_model import FactorModel
from mmreco.splitting import Holdout

__all__ = ["PureSVD"]

_PASSES = 10


@final
@dataclass(kw_only=True, eq=False)
class PureSVD(FactorModel):
    """A history projected on the strongest directions of all histories; sparse, and quick.

    Parameters
    ----------
    dim : 1 or more
        Directions kept; fewer where there are fewer users or items.
    seed : 0 or more
        Of the random start, which hardly matters.

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["hat", "scarf"], ["coat"]], items=shop)
    >>> model = PureSVD(dim=1).fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=Interactions.from_histories([["hat"]], items=shop), k=1).ids(shop)
    [['scarf']]
    """

    _CLOSED_FORM: ClassVar[bool] = True

    dim: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dim < 1:
            raise DataError(f"dim={self.dim}: expected 1 or more")
        if self.seed < 0:
            raise DataError(f"seed={self.seed}: expected 0 or more")

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Find the directions."""
        train = dataset.interactions
        from sklearn.utils.extmath import randomized_svd  # heavy

        matrix = train.matrix().astype(np.float64)  # (n, n_items)
        kept = min(self.dim, *matrix.shape)
        directions = np.zeros((self.dim, len(train.items)), dtype=np.float32)
        if kept and matrix.nnz:
            _, strengths, found = randomized_svd(
                matrix, kept, n_iter=_PASSES, power_iteration_normalizer="QR", random_state=self.seed
            )
            directions[:kept] = np.where(strengths[:, None] > 1e-9 * strengths[0], found, 0)
        self._learnt(train, directions.T)

    def _folded(self, histories: Interactions) -> F32:
        return np.asarray(histories.matrix() @ self.factors_, dtype=np.float32)
