"""FAISS' flat scan, for the questions it answers faster than `Scan`: one query, and very many.

One query is a pass over memory, which FAISS makes with one thread whatever the machine has; here every thread takes a
part of the vectors. From so many queries on that FAISS multiplies matrices, it is as quick as anything; in between it
is several times slower than a matrix product (measured in benchmarks/).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mmreco.arrays import F32, I64

__all__ = ["best", "worth"]

_WIDE = 1_024  # candidates up to which its heap is quick for one query,
_WIDE_EACH = 128  # and for each of many
_PART = 1 << 22  # numbers worth a thread of their own: 16 MB


def worth(faiss: Any, queries: F32, k: int) -> bool:
    """Whether FAISS is the fastest for the `k` best of all items."""
    if len(queries) == 1:
        return k <= _WIDE
    return k <= _WIDE_EACH and queries.size >= int(faiss.cvar.distance_compute_blas_threshold)


def best(faiss: Any, vectors: F32, queries: F32, k: int) -> I64:
    """The rows of about the `k` best for each query, shape `(b, k or more)`, in no order, -1 where there are fewer."""
    parts = min(faiss.omp_get_max_threads(), vectors.size // _PART) if len(queries) == 1 else 1
    if parts < 2:
        return _knn(faiss, vectors, queries, k)
    ends = np.linspace(0, len(vectors), parts + 1, dtype=np.int64).tolist()
    with ThreadPoolExecutor(parts) as pool:
        found = pool.map(lambda a, b: a + _knn(faiss, vectors[a:b], queries, k), ends[:-1], ends[1:])
        return np.concatenate(list(found), axis=1)


def _knn(faiss: Any, vectors: F32, queries: F32, k: int) -> I64:
    metric = faiss.METRIC_INNER_PRODUCT
    return np.asarray(faiss.knn(queries, vectors, min(k, len(vectors)), metric=metric)[1], dtype=np.int64)
