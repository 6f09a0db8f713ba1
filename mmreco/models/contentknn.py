"""ContentKNN: what is like what you had, by text and picture; behaviour is not used.

Sources: Pazzani, Billsus, "Content-based recommendation systems", 2007; Rocchio, "Relevance feedback in information
retrieval", 1971: a history is the mean of its items' vectors, and items are ranked by the cosine to it.

Deviations: no item is taken for disliked, so Rocchio's negative part is missing; and several modalities are put side by
side, each of the same length, so that the cosine is the mean over those that both sides have.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32, frozen
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.models.base import State, VectorModel
from mmreco.models.time_decay import half_life_checked, recent
from mmreco.splitting import Holdout

__all__ = ["ContentKNN"]


@final
@dataclass(kw_only=True, eq=False)
class ContentKNN(VectorModel):
    """Items whose content is nearest to the mean of the history's; reaches items that nobody clicked yet.

    Parameters
    ----------
    half_life_days : above 0, optional
        An event of a history counts half for every so many days before its last one. None: all count the same.

    Raises
    ------
    DataError
        `half_life_days` is not above 0.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> shop = IdMap.of(["red hat", "red scarf", "blue coat"])
    >>> colours = Embeddings(shop, np.array([[1, 0], [0.9, 0.1], [0, 1]], dtype=np.float32))
    >>> log = Interactions.from_histories([["red hat"]], items=shop)
    >>> dataset = Dataset.from_interactions(log).with_content({"text": colours})
    >>> ContentKNN().fit(dataset).recommend(histories=log, k=1).ids(shop)
    [['red scarf']]
    """

    half_life_days: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        half_life_checked(self.half_life_days)

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Take the vectors of the dataset's content; items missing from all of it are answered last.

        Raises
        ------
        DataError
            The dataset has no content.
        """
        parts = [_unit(vectors.aligned(dataset.items)[0]) for vectors in dataset.content.values() if len(vectors)]
        if not parts:
            raise DataError(
                "ContentKNN: the dataset has no content to compare; expected dataset.with_content({'text': Embeddings})"
            )
        self.embeddings_ = Embeddings(dataset.items, _unit(np.concatenate(parts, axis=1)))

    def user_vectors(self, histories: Interactions) -> F32:
        """The mean item vector of each of `histories`, turned to unit length, shape `(n, dim)`; zero without any.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        weights: sp.csr_array = recent(histories, self.half_life_days)
        return _unit(np.asarray(weights @ self.embeddings_.vectors, dtype=np.float32))

    def _state(self) -> State:
        return {"vectors": self.embeddings_.vectors}

    def _restore(self, state: State) -> None:
        self.embeddings_ = Embeddings(self.items_, state["vectors"])


def _unit(vectors: F32) -> F32:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    turned: F32 = frozen(vectors / np.where(lengths > 0, lengths, 1), np.float32)
    return turned
