"""Embeddings: vectors with the ids they belong to, and the mark of the encoder that made them."""

from dataclasses import dataclass

import numpy as np

from mmreco.arrays import F32, Bool, frozen, require_finite
from mmreco.data.ids import IdMap
from mmreco.errors import DataError

__all__ = ["Embeddings"]


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """One float32 vector an id.

    Parameters
    ----------
    ids : IdMap of `n` ids
        Whose vectors these are. Items without the content (no picture, say) are simply not in it.
    vectors : shape `(n, dim)`, float32
        Finite, C-contiguous; copied only if it is neither float32 nor contiguous. May be memory-mapped.
    fingerprint : optional
        What made the vectors (model, weights' hash, preprocessing), so that two of them are never mixed.

    Raises
    ------
    DataError
        `vectors` is not `(n, dim)` with `dim` >= 1, or holds NaN or infinity (the first row is named).

    Examples
    --------
    >>> titles = Embeddings(IdMap.of(["a", "b"]), np.eye(2, dtype=np.float32))
    >>> titles.aligned(IdMap.of(["b", "c"]))[1]
    array([ True, False])
    """

    ids: IdMap
    vectors: F32
    fingerprint: str = ""

    def __post_init__(self) -> None:
        vectors = frozen(self.vectors, np.float32)
        if vectors.ndim != 2 or len(vectors) != len(self.ids) or vectors.shape[1] < 1:
            raise DataError(f"embeddings: vectors of shape {vectors.shape} for {len(self.ids)} ids; expected (n, dim)")
        require_finite(vectors, "embeddings")
        object.__setattr__(self, "vectors", vectors)

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Embeddings({len(self)} x {self.dim})"

    def aligned(self, items: IdMap) -> tuple[F32, Bool]:
        """The vectors in the order of `items`, shape `(len(items), dim)`, and which of them exist.

        An item without a vector gets zeros and False.
        """
        rows = self.ids.rows(items.array, missing="mark")
        known = rows >= 0
        out = np.zeros((len(items), self.dim), dtype=np.float32)
        out[known] = self.vectors[rows[known]]
        return out, known
