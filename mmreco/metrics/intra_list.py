"""How unlike each other a user's answers are, and whether they keep the proportions of their own past.

Sources: Ziegler et al., "Improving recommendation lists through topic diversification", 2005 (intra-list similarity);
Steck, "Calibrated recommendations", 2018.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from mmreco.arrays import F64
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.metrics.relevance import require_rows

__all__ = ["diversity", "miscalibration"]

_ALPHA = 0.01  # how much of the user's own mix is lent to the answer's, so that no category divides by 0

Rows = npt.NDArray[Any] | sp.csr_array


def diversity(ranking: Ranking, vectors: Rows) -> F64:
    """The mean of `1 - cosine` over all pairs of a user's answers, shape `(n,)`: 0 when all are alike.

    Parameters
    ----------
    ranking : `n` questions
    vectors : shape `(n_items, dim)`, dense or sparse
        What an item is: an `Embeddings.aligned` array, or the bags of `Attributes.matrix()`, of which the cosine of
        two items in one category each is 1 or 0. An item whose line is all zeros is left out.

    Returns
    -------
    shape `(n,)`
        NaN for a user with fewer than two answers that have a vector.

    Raises
    ------
    DataError
        The ranking holds a row beyond `vectors`.

    Notes
    -----
    Exact and without going over pairs: the squared length of the sum of `m` unit vectors is `m` and twice the cosines
    of their pairs.
    """
    chosen = _answers(ranking, int(vectors.shape[0]))
    met = np.unique(chosen.indices)  # only the answered part of the catalogue is read
    chosen = chosen[:, met]
    some: Any = vectors[met].astype(np.float64)
    lengths = np.sqrt(np.asarray((some * some).sum(axis=1))).ravel()
    scale = sp.diags_array(np.divide(1, lengths, out=np.zeros(len(met)), where=lengths > 0))
    total = chosen @ (scale @ some)  # (n, dim)
    squared = np.asarray((total * total).sum(axis=1)).ravel()
    m = chosen @ (lengths > 0).astype(np.float64)
    alike = np.divide(squared - m, m * (m - 1), out=np.full(len(m), np.nan), where=m > 1)
    return np.asarray(1 - alike, dtype=np.float64)


def miscalibration(ranking: Ranking, histories: Interactions, bags: Rows) -> F64:
    """How far the categories of a user's answers are from those of their history, in nats, shape `(n,)`; 0 is alike.

    The Kullback-Leibler divergence of the answer's mix from the history's, Steck's `C_KL` with `alpha` 0.01; a history
    counts its events by their weights, and an item with several categories is shared out among them. At most 4.6.

    Parameters
    ----------
    ranking : `n` questions
    histories : the `n` users' own
    bags : shape `(n_items, c)`, dense or sparse
        Which categories an item has, e.g. `Attributes.matrix()`.

    Returns
    -------
    shape `(n,)`
        NaN for a user whose history, or whose answer, has no category.

    Raises
    ------
    DataError
        `histories` has not as many users as `ranking` has questions, or `bags` not one line an item.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> shop = IdMap.of(["hat", "cap", "shoe"])
    >>> own = Interactions.from_histories([["hat", "shoe"]], items=shop)
    >>> answer = Ranking(np.array([[1, 2]]), np.array([[2.0, 1.0]]))
    >>> miscalibration(answer, own, np.array([[1, 0], [1, 0], [0, 1]]))
    array([0.])
    """
    if len(histories) != len(ranking):
        raise DataError(f"histories of {len(histories)} users for {len(ranking)} questions; expected one a question")
    n_items = int(bags.shape[0])
    if n_items != len(histories.items):
        raise DataError(f"categories of {n_items} items, histories over {len(histories.items)}; expected as many")
    kinds: Any = sp.csr_array(bags).astype(np.float64)  # type: ignore[call-overload,unused-ignore]
    each = np.asarray(kinds.sum(axis=1)).ravel()  # (n_items,)
    kinds = sp.diags_array(np.divide(1, each, out=np.zeros(n_items), where=each > 0)) @ kinds
    own, given = _mix(histories.matrix() @ kinds), _mix(_answers(ranking, n_items) @ kinds)  # (n, c)
    shift_towards = (1 - _ALPHA) * given + _ALPHA * own
    ratio = np.divide(own, shift_towards, out=np.ones_like(own), where=own > 0)
    apart = np.where(own > 0, own * np.log(ratio), 0.0).sum(axis=1)  # NaN where either side has no category
    known = (own.sum(axis=1) > 0) & (given.sum(axis=1) > 0)
    return np.where(known, np.maximum(apart, 0.0), np.nan)


def _answers(ranking: Ranking, n_items: int) -> sp.csr_array:
    """Which items each question was answered with, as a sparse `(n, n_items)` matrix of ones."""
    require_rows(ranking, n_items)
    there = ranking.rows >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    columns = ranking.rows[there]
    return sp.csr_array((np.ones(len(columns)), columns, starts), shape=(len(ranking), n_items))


def _mix(counts: Any) -> F64:
    """Shares of one, a line a user; all zeros where there is nothing to share."""
    dense = np.asarray(counts.toarray(), dtype=np.float64)
    total = dense.sum(axis=1, keepdims=True)
    shared: F64 = np.divide(dense, total, out=np.zeros_like(dense), where=total > 0)
    return shared
