"""The shopper's taste in a search: what they like moves what matches, the more the more a query leaves open.

Bi, Ai, Croft, "Learning a fine-grained review-based transformer model for personalized product search", 2021, find that
personal signs help some queries and harm others; Ai, Hill, Vishwanathan, Croft, "A zero attention model for
personalized product search", 2019, let each query say how much of them it wants. Here that is not learnt but counted:
a query that many items match leaves much to taste, one that names an item leaves nothing.
"""

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.errors import DataError
from mmreco.protocols import HoldsVectors
from mmreco.retrieval.fusion import Candidates

__all__ = ["openness", "with_taste"]

_MEANT = 0.25  # of a query that no item matches by all its words: it was understood by its meaning alone
_OPEN = 0.05  # the share of the catalogue from which on a query is as open as can be


def openness(candidates: Candidates, n_items: int) -> F32:
    """How much each query leaves to taste, shape `(n,)`, 0 to 1; 0 where an item is called exactly so.

    It grows with the number of candidates that hold all the query's words, by its logarithm: one match leaves
    nothing open, as many as a twentieth of the catalogue or as there are candidates leave all.

    Parameters
    ----------
    candidates : with the signs `exact` and `all_words` of a `HybridSearch`
    n_items : 1 or more

    Raises
    ------
    DataError
        `n_items` is below 1.
    """
    if n_items < 1:
        raise DataError(f"n_items={n_items}: expected 1 or more")
    matches = (candidates.feature("all_words") > 0).sum(axis=1)  # (n,)
    most = max(2.0, min(_OPEN * n_items, 100.0))
    share = np.log(np.maximum(matches, 1)) / np.log(most)
    share = np.where(matches == 0, _MEANT, np.clip(share, 0, 1))
    named = (candidates.feature("exact") > 0).any(axis=1)
    return np.where(named, 0, share).astype(np.float32)


def with_taste(
    candidates: Candidates, users: F32, items: HoldsVectors, rows: I64 | None = None, *, n_items: int
) -> Candidates:
    """The candidates with one sign more, `taste`: how near each is to the shopper, beside the query's other candidates.

    Parameters
    ----------
    candidates : of `n` queries, by a `HybridSearch`
    users : shape `(n, dim)`
        The vector of whoever asks, e.g. `model.user_vectors(histories)`; zeros for one of whom nothing is known.
    items : vectors of the same space
    rows : shape `(len(items.ids),)`, optional
        The catalogue's row of each of `items`; the first ones when omitted.
    n_items : of the catalogue

    Raises
    ------
    DataError
        There are not as many users as queries, or the vectors have another width than the items.
    """
    if users.shape != (len(candidates.rows), items.dim):
        raise DataError(f"users of shape {users.shape}; expected ({len(candidates.rows)}, {items.dim})")
    places = candidates.rows  # (n, c)
    if rows is not None:
        place_of = np.full(n_items, -1, dtype=np.int64)
        place_of[rows] = np.arange(len(rows))
        places = np.where(places >= 0, place_of[places], -1)
    there = (places >= 0) & (places < len(items.ids))
    liking = np.zeros(there.shape, dtype=np.float32)
    lines = np.nonzero(there)[0]
    liking[there] = np.einsum("pd,pd->p", users[lines], items.vectors_of(places[there]))
    some = np.maximum(there.sum(axis=1, keepdims=True), 1)
    mean = np.where(there, liking, 0).sum(axis=1, keepdims=True) / some
    spread = np.sqrt(np.where(there, (liking - mean) ** 2, 0).sum(axis=1, keepdims=True) / some)
    standing = np.where(there & (spread > 1e-6), (liking - mean) / np.maximum(spread, 1e-6), 0)
    return candidates.with_feature("taste", (standing * openness(candidates, n_items)[:, None]).astype(np.float32))
