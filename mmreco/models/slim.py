"""SLIM: each item predicted from a few others, sparsely; what EASE is for catalogues too large for it.

Source: Ning, Karypis, "SLIM: sparse linear methods for top-N recommender systems", 2011. An item's column of the
user-item matrix is regressed on those of its `neighbours` nearest items (the paper's fsSLIM, whose selection by cosine
is followed), by an elastic net whose weights are 0 or more: half the squared error, plus `l2 / 2` times the squared
weights, plus `l1` times the weights.

Deviations: the regressions are solved by coordinate descent on the items' inner products, many items side by side,
until no weight moves by more than a ten-thousandth; and items that no weight speaks for come after all others, by
popularity.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32, I64, Bool
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.models.base import ScoreModel, State
from mmreco.models.itemknn import nearest
from mmreco.models.popular import share_of_users
from mmreco.models.sparse_state import sparse_from_state, sparse_state
from mmreco.splitting import Holdout

__all__ = ["SLIM"]

_logger = logging.getLogger(__name__)

_DENSE = 8_192  # items up to which all inner products are held: 256 MB
_SPARSE = 1 << 28  # pairs of events of one user up to which those that are not 0 are held: 2 GB at most
_CELLS = 1 << 21  # inner products processed together
_SWEEPS = 100
_MOVED = 1e-4
_SHRINKAGE = 10.0  # of the cosine that selects; see ItemKNN


@final
@dataclass(kw_only=True, eq=False)
class SLIM(ScoreModel):
    """Sparse weights between items, each learnt from the item's nearest; for catalogues of any size.

    Parameters
    ----------
    neighbours : 1 or more
        Other items each item may be predicted from.
    l1 : 0 or more
        The more, the fewer of them are; on the scale of the number of users an item has.
    l2 : above 0
        The ridge, on the same scale.

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["hat", "scarf"], ["coat"]], items=shop)
    >>> model = SLIM().fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=Interactions.from_histories([["hat"]], items=shop), k=1).ids(shop)
    [['scarf']]
    """

    _CLOSED_FORM: ClassVar[bool] = True

    neighbours: int = 100
    l1: float = 0.5
    l2: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.neighbours < 1:
            raise DataError(f"neighbours={self.neighbours}: expected 1 or more")
        if not 0 <= self.l1 < np.inf:
            raise DataError(f"l1={self.l1}: expected a number of 0 or more")
        if not 0 < self.l2 < np.inf:
            raise DataError(f"l2={self.l2}: expected a number above 0")

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Select each item's nearest and solve its regression on them, a block of items at a time."""
        train = dataset.interactions
        n_items = len(train.items)
        chosen = nearest(train, self.neighbours, _SHRINKAGE, "cosine")  # (n_items, n_items)
        products = _Products(train.matrix())
        rows, columns, values = [], [], []
        unsettled = 0
        for targets, others, there in _blocks(chosen):
            square, line = products.of(targets, others, there)  # (b, w, w), (b, w)
            weights, settled = _regressed(square, line, self.l1, self.l2)
            unsettled += int((~settled).sum())
            kept = weights > 0
            rows.append(others[kept])
            columns.append(np.broadcast_to(targets[:, None], others.shape)[kept])
            values.append(weights[kept])
        if unsettled:
            _logger.warning(
                "SLIM: the weights of %d of %d items still moved after %d sweeps, so they are approximate; raise l2",
                unsettled,
                n_items,
                _SWEEPS,
            )
        places = (np.concatenate([*rows, _NONE]), np.concatenate([*columns, _NONE]))
        learnt = np.concatenate([*values, np.zeros(0, dtype=np.float32)])
        self.weights_ = sp.coo_array((learnt, places), shape=(n_items, n_items)).tocsr()
        self.fallback_ = share_of_users(train) - 1  # below 0, so below every neighbour's word

    def score(self, histories: Interactions) -> F32:
        """The `histories` times the weights, shape `(n, n_items)`; below 0 where there is no weight.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        scores = (histories.matrix() @ self.weights_).toarray()  # (n, n_items)
        return np.where(scores > 0, scores, self.fallback_)

    def _state(self) -> State:
        return {**sparse_state(self.weights_), "fallback": self.fallback_}

    def _restore(self, state: State) -> None:
        self.weights_ = sparse_from_state(state, len(self.items_))
        self.fallback_ = state["fallback"]


_NONE = np.zeros(0, dtype=np.int64)


def _blocks(chosen: sp.csr_array) -> Iterator[tuple[I64, I64, Bool]]:
    """Items `(b,)` that have neighbours, these `(b, w)` padded with 0, and which of them are there."""
    lengths = np.diff(chosen.indptr)
    targets = np.flatnonzero(lengths)
    targets = targets[np.argsort(lengths[targets], kind="stable")]  # alike in length, so little is padding
    start = 0
    while start < len(targets):
        step = max(1, _CELLS // int(lengths[targets[-1]]) ** 2)
        block = targets[start : start + step]
        start += step
        width = np.arange(lengths[block[-1]])
        there = width < lengths[block][:, None]  # (b, w)
        places = np.where(there, chosen.indptr[block][:, None] + width, 0)
        yield block, np.where(there, chosen.indices[places], 0).astype(np.int64), there


class _Products:
    """Inner products of items' columns: all of them where they fit, dense or sparse, else those asked for."""

    def __init__(self, by_user: sp.csr_array) -> None:
        self._by_item = by_user.T.tocsr()
        self._dense: F32 | None = None
        self._sparse: Any = None
        if by_user.shape[1] <= _DENSE:
            self._dense = (self._by_item @ by_user).toarray()
        elif np.square(np.diff(by_user.indptr), dtype=np.float64).sum() <= _SPARSE:
            self._sparse = (self._by_item @ by_user).tocsr()
            self._place = np.full(by_user.shape[1], -1)  # of an item among those asked for

    def of(self, targets: I64, others: I64, there: Bool) -> tuple[F32, F32]:
        """Of each target's others among themselves, `(b, w, w)`, and with the target, `(b, w)`; 0 for padding."""
        if self._dense is not None:
            square = self._dense[others[:, :, None], others[:, None, :]]
            line = self._dense[targets[:, None], others]
            return square * (there[:, :, None] & there[:, None, :]), line * there
        square = np.zeros((*others.shape, others.shape[1]), dtype=np.float32)
        line = np.zeros(others.shape, dtype=np.float32)
        for row, (target, own, w) in enumerate(zip(targets, others, there.sum(axis=1), strict=True)):
            among = self._among(np.append(own[:w], target))  # (w + 1, w + 1)
            square[row, :w, :w], line[row, :w] = among[:w, :w], among[w, :w]
        return square, line

    def _among(self, items: I64) -> F32:
        """Of these `w` items with each other, shape `(w, w)`."""
        if self._sparse is None:
            columns: Any = self._by_item[items]
            return (columns @ columns.T).toarray()  # type: ignore[no-any-return]
        rows = self._sparse[items]
        self._place[items] = np.arange(len(items))
        place = self._place[rows.indices]
        self._place[items] = -1
        found = np.zeros((len(items), len(items)), dtype=np.float32)
        known = place >= 0
        found[np.repeat(np.arange(len(items)), np.diff(rows.indptr))[known], place[known]] = rows.data[known]
        return found


def _regressed(square: F32, line: F32, l1: float, l2: float) -> tuple[F32, Bool]:
    """The elastic nets' weights, shape `(b, w)`, and whether each net has come to rest, `(b,)`."""
    weights = np.zeros_like(line)
    left = line.copy()  # what the weights do not explain yet
    lengths = np.diagonal(square, axis1=1, axis2=2)  # (b, w)
    for _ in range(_SWEEPS):
        moved = np.zeros(len(line), dtype=np.float32)
        for column in range(line.shape[1]):
            old, length = weights[:, column], lengths[:, column]
            new = np.maximum(left[:, column] + length * old - l1, 0) / (length + l2)  # (b,)
            change = new - old
            left -= change[:, None] * square[:, column]
            weights[:, column] = new
            np.maximum(moved, np.abs(change), out=moved)
        if moved.max(initial=0) < _MOVED:
            break
    return weights, moved < _MOVED
