"""Inner products of many vectors with a few queries, each thread with its own part of the vectors.

A product with so narrow a matrix is a pass over memory, but OpenBLAS copies the vectors first (on many processors), and
its threads, once woken, spin for some 20 ms at the expense of whoever computes next. Neither happens in small products,
so a large one is made of those: up to twice as fast (measured in benchmarks/). Which side the queries stand on matters
as much, and differs between its kernels (those for Haswell want them on the left, those for Skylake-X on the right), so
it is tried.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from time import perf_counter

import numpy as np

from mmreco.arrays import F32
from mmreco.index import faiss_import

__all__ = ["products"]

_FEW = 16  # queries up to which it pays
_SMALL = 250_000  # multiplications below which OpenBLAS neither copies nor shares its work
_ALONE = 1 << 22  # multiplications at a time where there are no threads to share with
_TRIED, _TRIES = 1 << 16, 3  # vectors both sides are tried with, more than lie in a cache, and how often


@contextmanager
def products(queries: F32, n: int) -> Iterator[Callable[[F32, F32], F32]]:
    """What multiplies vectors, shape `(c, dim)`, with the queries, `(b, dim)`, and answers `(c, b)` numbers.

    It is given contiguous memory for so many, and answers with that, in whichever order of the two.

    Parameters
    ----------
    queries : shape `(b, dim)`, float32
    n : vectors in all
    """
    b, dim = queries.shape
    turned = np.ascontiguousarray(queries.T)  # (dim, b)
    if b > _FEW or faiss_import.faiss() is None:  # by which it is known how many threads there are
        yield lambda vectors, into: np.matmul(vectors, turned, out=into)
        return
    left = b > 1 and _left_is_quicker()
    # where OpenBLAS has one thread too nothing is shared, and from the left nothing is copied
    way = _left(queries, _ALONE if faiss_import.parts(1 << 60) == 1 else _SMALL) if left else _right(turned)

    def shaped(into: F32) -> F32:
        return into.reshape(b, len(into)).T if left else into

    parts = faiss_import.parts(n * dim)
    if parts == 1:
        yield lambda vectors, into: way(vectors, shaped(into))
        return
    with ThreadPoolExecutor(parts) as pool:

        def by_parts(vectors: F32, into: F32) -> F32:
            result, ends = shaped(into), np.linspace(0, len(vectors), parts + 1, dtype=np.int64).tolist()
            list(pool.map(lambda lo, hi: way(vectors[lo:hi], result[lo:hi]), ends[:-1], ends[1:]))
            return result

        yield by_parts


def _right(turned: F32) -> Callable[[F32, F32], F32]:
    """`vectors @ queries` into `(c, b)` numbers, which lie vector by vector."""
    dim, b = turned.shape
    piece = max(1, _SMALL // (b * dim))

    def multiplied(vectors: F32, into: F32) -> F32:
        whole = len(vectors) // piece * piece
        np.matmul(vectors[:whole].reshape(-1, piece, dim), turned, out=into[:whole].reshape(-1, piece, b))
        np.matmul(vectors[whole:], turned, out=into[whole:])
        return into

    return multiplied


def _left(queries: F32, small: int) -> Callable[[F32, F32], F32]:
    """`queries @ vectors` into `(c, b)` numbers, which lie query by query, so many multiplications at a time."""
    b, dim = queries.shape
    piece = max(1, small // (b * dim))

    def multiplied(vectors: F32, into: F32) -> F32:
        whole, result = len(vectors) // piece * piece, into.T  # (b, c)
        pieces = result[:, :whole].reshape(b, -1, piece).transpose(1, 0, 2)
        np.matmul(queries, vectors[:whole].reshape(-1, piece, dim).transpose(0, 2, 1), out=pieces)
        np.matmul(queries, vectors[whole:].T, out=result[:, whole:])
        return into

    return multiplied


@cache
def _left_is_quicker() -> bool:
    """Whether this machine's BLAS multiplies few queries sooner from the left; some forty milliseconds, once."""
    queries, vectors = np.ones((4, 128), dtype=np.float32), np.ones((_TRIED, 128), dtype=np.float32)
    into = np.empty((_TRIED, 4), dtype=np.float32)
    turned = into.reshape(4, _TRIED).T
    left, right = _left(queries, _SMALL), _right(np.ascontiguousarray(queries.T))
    seconds: dict[Callable[[F32, F32], F32], list[float]] = {left: [], right: []}
    for _ in range(_TRIES):
        for way, memory in ((left, turned), (right, into)):
            start = perf_counter()
            way(vectors, memory)
            seconds[way].append(perf_counter() - start)
    return min(seconds[left]) < min(seconds[right])
