"""Groups of shoppers for a campaign: the most valuable, those who like a thing, those who are like given ones."""

import numpy as np
import pyarrow as pa

from mmreco.arguments import require_number, require_vectors, require_width, row_numbers
from mmreco.arrays import F32, F64, I64
from mmreco.errors import DataError
from mmreco.profiles.affinities import Affinities

__all__ = ["high_value", "interested", "lookalikes"]

_BLOCK = 4096  # shoppers compared together


def high_value(rfm: pa.Table, *, share: float = 0.1) -> I64:
    """The rows of the shoppers who spent most, best first: the top `share` of all who ever bought.

    By money where it is known, else by frequency; equals by the later visit.

    Parameters
    ----------
    rfm : as `recency_frequency_money` gives it
    share : above 0, up to 1

    Raises
    ------
    DataError
        `share` is outside its range.
    """
    share = require_number("share", share, above=0, most=1)
    frequency = rfm["frequency"].to_numpy()
    money = (
        rfm["money"].to_numpy(zero_copy_only=False).astype(np.float64) if rfm["money"].null_count == 0 else frequency
    )
    recency = np.nan_to_num(rfm["recency"].to_numpy(zero_copy_only=False).astype(np.float64), nan=np.inf)
    order = np.lexsort((np.arange(len(money)), recency, -money))
    most = round(share * int((frequency > 0).sum()))
    chosen: I64 = order[frequency[order] > 0][:most]
    return chosen


def interested(found: Affinities, value: str, *, n: int = 1000, least_events: float = 2) -> I64:
    """The rows of the `n` shoppers who prefer this value most, by lift, best first.

    Parameters
    ----------
    found : what shoppers prefer, as `affinities` gives it
    value : one of its values, e.g. "dress"
    n : 1 or more
    least_events : 0 or more
        Events of that value a shopper must have.

    Raises
    ------
    DataError
        There is no such value, or `n` is below 1.
    """
    if value not in found.values:
        raise DataError(f"value {value!r}: expected one of {', '.join(found.values[:10])}, ...")
    least_events = require_number("least_events", least_events, least=0)
    column = found.values.index(value)
    lift = np.where(found.events[:, column] >= least_events, found.lift[:, column], -np.inf)
    order = np.argsort(-lift, kind="stable")[: require_width(n)]
    chosen: I64 = order[lift[order] > -np.inf]
    return chosen


def lookalikes(vectors: F32, seeds: I64, n: int = 1000) -> tuple[I64, F64]:
    """The rows of the `n` shoppers most like the seeds, best first, and how like they are; no seed among them.

    A shopper's likeness is the mean cosine to the 5 seeds nearest to them, or to all of them where they are fewer: a
    seed list of several kinds of people is not averaged away.

    Parameters
    ----------
    vectors : shape `(n_users, dim)`
        Of any model, e.g. `VectorModel.user_vectors`; lines of zeros are like nobody.
    seeds : rows of `vectors`
    n : 1 or more
        Shoppers wanted.

    Raises
    ------
    DataError
        There is no seed, a seed is outside the vectors, or `n` is below 1.
    """
    width = require_width(n)
    vectors = require_vectors("lookalikes: vectors", vectors)
    rows = np.unique(row_numbers("lookalikes: seeds", seeds, len(vectors)))
    if not len(rows):
        raise DataError(f"lookalikes: no seeds for {len(vectors)} shoppers; expected rows of the vectors")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, lengths, out=np.zeros(vectors.shape, dtype=np.float32), where=lengths > 0)
    near = min(5, len(rows))
    likeness = np.empty(len(unit))
    for start in range(0, len(unit), _BLOCK):
        cosines = unit[start : start + _BLOCK] @ unit[rows].T
        likeness[start : start + _BLOCK] = np.partition(cosines, -near, axis=1)[:, -near:].mean(axis=1)
    likeness[rows] = -np.inf
    order = np.argsort(-likeness, kind="stable")[: min(width, len(unit) - len(rows))]
    return order.astype(np.int64), likeness[order]
