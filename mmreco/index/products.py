"""Inner products of many vectors with a few queries, each thread with its own part of the vectors.

A product with so narrow a matrix is a pass over memory, but OpenBLAS copies the vectors first (on many processors), and
its threads, once woken, spin for some 20 ms at the expense of whoever computes next. Neither happens in small products,
so a large one is made of those: up to twice as fast (measured in benchmarks/).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from mmreco.arrays import F32
from mmreco.index import binding

__all__ = ["products"]

_FEW = 16  # queries up to which it pays
_SMALL = 250_000  # multiplications below which OpenBLAS neither copies nor shares its work


@contextmanager
def products(queries: F32, n: int) -> Iterator[Callable[[F32, F32], F32]]:
    """What multiplies vectors, shape `(c, dim)`, with the queries, `(b, dim)`, into `(c, b)` numbers and answers those.

    Parameters
    ----------
    n : vectors in all
    """
    turned = np.ascontiguousarray(queries.T)  # (dim, b)
    dim, b = turned.shape
    if b > _FEW or binding.faiss() is None:  # by which it is known how many threads there are
        yield lambda vectors, into: np.matmul(vectors, turned, out=into)
        return
    piece = max(1, _SMALL // (b * dim))

    def in_pieces(vectors: F32, into: F32) -> F32:
        whole = len(vectors) // piece * piece
        np.matmul(vectors[:whole].reshape(-1, piece, dim), turned, out=into[:whole].reshape(-1, piece, b))
        np.matmul(vectors[whole:], turned, out=into[whole:])
        return into

    parts = binding.parts(n * dim)
    if parts == 1:
        yield in_pieces
        return
    with ThreadPoolExecutor(parts) as pool:

        def by_parts(vectors: F32, into: F32) -> F32:
            ends = np.linspace(0, len(vectors), parts + 1, dtype=np.int64).tolist()
            list(pool.map(lambda lo, hi: in_pieces(vectors[lo:hi], into[lo:hi]), ends[:-1], ends[1:]))
            return into

        yield by_parts
