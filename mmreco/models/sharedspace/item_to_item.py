"""What all pairs of items say of each other, as vectors of low rank: the evidence of a whole history, without order.

The user-item matrix of ones, its columns divided by a power of the items' users, is taken apart into its strongest
directions, each shrunk by `s^2 / (s^2 + l2)`. That is ridge regression from items to items (the one of EASE without its
empty diagonal) at low rank, and its score is an inner product: the sum of what a history's items say, and what an item
is said by.

Sources: Jin et al., "Towards a better understanding of linear models for recommendation", 2021 (low-rank regression in
closed form); Nikolakopoulos et al., "EigenRec", 2019 (columns scaled by popularity). Deviates by letting old events
fade, and by bringing a history to unit length.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from mmreco.arrays import F32
from mmreco.data.interactions import Interactions

__all__ = ["ItemToItem"]

_RANK = 128
_SCALED = -0.2  # power of an item's users by which its column is multiplied
_SHRUNK_AT = 31  # the direction, by strength from 0, that shrinking halves
_PASSES = 4


@dataclass(frozen=True, eq=False)
class ItemToItem:
    """Two vectors an item: what it says of others when it stands in a history, and what says it.

    Parameters
    ----------
    says, said : shape `(n_items, rank)`
    """

    says: F32
    said: F32

    @classmethod
    def fit(cls, log: Interactions, *, seed: int = 0) -> "ItemToItem":
        """Learn from who had what, however often; events of weight 0 say nothing."""
        matrix = log.keep(log.weights > 0).matrix()
        matrix.data[:] = 1
        scale = np.maximum(matrix.sum(axis=0), 1) ** _SCALED  # (n_items,)
        rank = min(_RANK, min(matrix.shape) - 1)
        if rank < 1 or not matrix.nnz:
            nothing = np.zeros((len(log.items), 1), dtype=np.float32)
            return cls(nothing, nothing)
        scaled = (matrix @ sp.diags_array(scale)).astype(np.float64)
        _, strengths, found = randomized_svd(
            scaled, rank, n_iter=_PASSES, power_iteration_normalizer="QR", random_state=seed
        )
        squares = strengths**2
        shrunk = np.sqrt(squares / (squares + squares[min(_SHRUNK_AT, rank - 1)]))
        directions = found.T * shrunk  # (n_items, rank)
        return cls((directions * scale[:, None]).astype(np.float32), (directions / scale[:, None]).astype(np.float32))

    def read(self, histories: Interactions, fading: float | None) -> F32:
        """What each history says, shape `(n, rank)`, unit length; zero for an empty one.

        Parameters
        ----------
        histories : `n` users
        fading : milliseconds after which an event says half as much; None lets none fade
        """
        says = np.sign(histories.weights)  # a dislike speaks against what is like it
        if fading is not None and histories.times is not None and histories.n_events:
            latest = np.repeat(histories.times[np.maximum(histories.starts[1:], 1) - 1], histories.lengths)
            says = says * (0.5 ** ((latest - histories.times) / fading)).astype(np.float32)
        old = histories.items_flat < len(self.says)  # what came later says nothing
        flat = sp.coo_array(
            (says[old], (histories.users_flat[old], histories.items_flat[old])), shape=(len(histories), len(self.says))
        )
        told = flat.tocsr() @ self.says  # (n, rank)
        lengths = np.linalg.norm(told, axis=1, keepdims=True)
        unit: F32 = np.divide(told, lengths, out=np.zeros_like(told), where=lengths > 0)
        return unit.astype(np.float32, copy=False)
