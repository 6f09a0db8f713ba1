"""Random: items by chance. The floor under every figure: what does not beat it has learnt nothing."""

import hashlib
from dataclasses import dataclass
from typing import final

import numpy as np

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.models.base import ScoreModel, State
from mmreco.splitting import Holdout

__all__ = ["Random"]


@final
@dataclass(kw_only=True, eq=False)
class Random(ScoreModel):
    """Items in an order drawn from the seed and the history: the same history gets the same answer.

    Parameters
    ----------
    seed : 0 or more

    Raises
    ------
    DataError
        `seed` is below 0.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> asked = Interactions.from_histories([["hat"], ["hat"]], items=shop)
    >>> first, second = Random(seed=1).fit(Dataset.from_interactions(asked)).recommend(histories=asked, k=2).ids(shop)
    >>> first == second
    True
    """

    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed < 0:
            raise DataError(f"seed={self.seed}: expected 0 or more")

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Learn nothing but which items there are."""

    def score(self, histories: Interactions) -> F32:
        """Uniform numbers from 0 to 1 for each of `histories`, shape `(n, n_items)`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        scores = np.empty((len(histories), len(self.items_)), dtype=np.float32)
        for row in range(len(histories)):
            digest = hashlib.blake2b(histories.history(row).tobytes(), digest_size=16).digest()
            drawn = np.random.default_rng([self.seed, *np.frombuffer(digest, dtype=np.uint32).tolist()])
            drawn.random(out=scores[row], dtype=np.float32)
        return scores

    def _state(self) -> State:
        return {}

    def _restore(self, state: State) -> None:
        pass
