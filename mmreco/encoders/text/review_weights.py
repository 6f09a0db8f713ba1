"""How much a review counts: by its age, and by how many found it helpful."""

import numpy as np

from mmreco.arrays import F32, F64, require_finite
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError

__all__ = ["require_review_vectors", "review_weights"]

_DAY = 86_400_000  # milliseconds


def review_weights(reviews: Reviews, half_life_days: float) -> F64:
    """How much each review counts, shape `(r,)`; 1 for the newest that nobody found helpful.

    It is halved every `half_life_days` before the newest review of all, and `1 + log(1 + helpful)` times as much for
    those who found it helpful.

    Raises
    ------
    DataError
        `half_life_days` is not above 0.
    """
    if not half_life_days > 0:
        raise DataError(f"half_life_days={half_life_days}: expected above 0")
    weights = 1 + np.log1p(reviews.helpful.astype(np.float64))
    if reviews.times is not None and len(reviews):
        age = (int(reviews.times.max()) - reviews.times) / _DAY  # days
        weights *= np.exp2(-np.minimum(age / half_life_days, 100.0))  # at the end still above 0
    return weights


def require_review_vectors(vectors: F32, r: int, dim: int) -> None:
    """Nothing, where the vectors are finite and of shape `(r, dim)`.

    Raises
    ------
    DataError
        They are not.
    """
    if vectors.ndim != 2 or vectors.shape != (r, dim):
        raise DataError(f"review vectors of shape {vectors.shape}; expected ({r}, {dim})")
    require_finite(vectors, "review vectors")
