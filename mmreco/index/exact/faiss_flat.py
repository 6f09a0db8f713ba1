"""FAISS' flat scan, for the questions it answers faster than `Scan`: one query, and very many.

One query is a pass over memory, which FAISS makes with one thread, and three times slower where it may use more; here
every thread takes a part of the vectors. From so many queries on that FAISS multiplies matrices, it is as quick as
anything; in between it is several times slower than matrix products (measured in benchmarks/).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.index import faiss_import

__all__ = ["best", "worth"]

_WIDE = 1_024  # candidates up to which its heap is quick for one query,
_WIDE_EACH = 128  # and for each of many


def worth(faiss: Any, queries: F32, k: int) -> bool:
    """Whether FAISS is the fastest for the `k` best of all items."""
    if len(queries) == 1:
        return k <= _WIDE
    return k <= _WIDE_EACH and queries.size >= int(faiss.cvar.distance_compute_blas_threshold)


def best(faiss: Any, vectors: F32, queries: F32, k: int) -> I64:
    """The rows of about the `k` best for each query, shape `(b, k or more)`, in no order, -1 where there are fewer."""
    if len(queries) > 1:
        return _knn(faiss, vectors, queries, k)
    parts = faiss_import.parts(vectors.size)
    if parts == 1:
        return _alone(faiss, vectors, queries, k)
    ends = np.linspace(0, len(vectors), parts + 1, dtype=np.int64).tolist()
    with ThreadPoolExecutor(parts) as pool:
        rows = pool.map(lambda a, b: a + _alone(faiss, vectors[a:b], queries, k), ends[:-1], ends[1:])
        return np.concatenate(list(rows), axis=1)


def _alone(faiss: Any, vectors: F32, queries: F32, k: int) -> I64:
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # of the thread that calls
    try:
        return _knn(faiss, vectors, queries, k)
    finally:
        faiss.omp_set_num_threads(threads)


def _knn(faiss: Any, vectors: F32, queries: F32, k: int) -> I64:
    metric = faiss.METRIC_INNER_PRODUCT
    return np.asarray(faiss.knn(queries, vectors, min(k, len(vectors)), metric=metric)[1], dtype=np.int64)
