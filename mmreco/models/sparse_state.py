"""Sparse matrices among the named arrays that a model saves."""

import numpy as np
import scipy.sparse as sp

from mmreco.models.base import State

__all__ = ["sparse_from_state", "sparse_state"]

_PARTS = ("data", "indices", "indptr")


def sparse_state(matrix: sp.csr_array, prefix: str = "") -> State:
    """The parts of a matrix as named arrays."""
    return {
        f"{prefix}data": matrix.data,
        f"{prefix}indices": matrix.indices.astype(np.int64),
        f"{prefix}indptr": matrix.indptr.astype(np.int64),
    }


def sparse_from_state(state: State, n_columns: int, prefix: str = "") -> sp.csr_array:
    """The matrix whose parts `sparse_state` named."""
    data, indices, indptr = (state[f"{prefix}{part}"] for part in _PARTS)
    return sp.csr_array((data, indices, indptr), shape=(len(indptr) - 1, n_columns))
