"""FactorModel: what models of users and items as vectors of factors share; a history is folded in when asked.

No vector of a user is kept. Whoever asks is a history, trained on or not, and the vector is computed from the items in
it, so unseen users and new events need no retraining.
"""

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32, I64, frozen
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.models.base import State, VectorModel
from mmreco.models.popular import share_of_users

__all__ = ["QUIET", "FactorModel", "buckets"]

_CELLS = 1 << 22  # numbers gathered at a time
QUIET = 1e-4  # length of the popularity coordinate: enough to order by, too little to matter in a cosine


class FactorModel(VectorModel):
    """Items as factors, histories folded in; a history that says nothing is answered by popularity.

    The item vectors have one coordinate more than there are factors: the item's popularity, small. Vectors of histories
    are 0 there, except for those that are 0 everywhere else.
    """

    factors_: F32
    embeddings_: Embeddings

    @abstractmethod
    def _folded(self, histories: Interactions) -> F32:
        """The factors of each history, shape `(n, f)`; zero where it says nothing."""

    def user_vectors(self, histories: Interactions) -> F32:
        """The vectors of `n` `histories`, folded in, shape `(n, dim)`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        folded = self._folded(histories)  # (n, f)
        silent = ~folded.any(axis=1, keepdims=True)
        return np.concatenate([folded, silent], axis=1).astype(np.float32)

    def _learnt(self, train: Interactions, factors: F32) -> None:
        """Keep the item factors, shape `(n_items, f)`."""
        popularity = QUIET * share_of_users(train)[:, None]
        self.items_ = train.items
        self._keep(np.concatenate([factors, popularity], axis=1))

    def _keep(self, vectors: F32) -> None:
        self.embeddings_ = Embeddings(self.items_, vectors)
        self.factors_ = frozen(self.embeddings_.vectors[:, :-1], np.float32)

    def _state(self) -> State:
        return {"vectors": self.embeddings_.vectors}

    def _restore(self, state: State) -> None:
        self._keep(state["vectors"])


def buckets(matrix: sp.csr_array, dim: int) -> Iterator[tuple[I64, I64, F32]]:
    """The rows of a sparse matrix that are not empty, those of about one length together.

    Yields
    ------
    rows, columns, values
        Shapes `(b,)`, `(b, w)` and `(b, w)`, padded at the end with column 0 and value 0. The width depends on the
        row's own length alone, so that its arithmetic is the same in any company; `b * max(w, dim) * dim` is bounded.
    """
    lengths = np.diff(matrix.indptr)
    rows = np.flatnonzero(lengths)
    widths = _width(lengths[rows])
    for width in np.unique(widths):
        alike = rows[widths == width]
        step = max(1, _CELLS // (max(int(width), dim) * dim))
        for start in range(0, len(alike), step):
            part = alike[start : start + step]
            there = np.arange(width) < lengths[part][:, None]  # (b, w)
            places = np.where(there, matrix.indptr[part][:, None] + np.arange(width), 0)
            columns = np.where(there, matrix.indices[places], 0).astype(np.int64)
            yield part, columns, np.where(there, matrix.data[places], 0).astype(np.float32)


def _width(lengths: I64) -> I64:
    """The next of 4, 6, 8, 12, 16, 24 ... : at most a half is padding, in few kinds."""
    power = 2 ** np.ceil(np.log2(np.maximum(lengths, 4))).astype(np.int64)
    return np.where(lengths <= power * 3 // 4, np.maximum(power * 3 // 4, 4), power)
