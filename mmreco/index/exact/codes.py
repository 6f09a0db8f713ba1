"""A first pass over vectors of one byte a number, which proves that the exact best are among what it chose.

Weber, Schek, Blott, "A quantitative analysis and performance study for similarity-search methods in high-dimensional
spaces", 1998 (the VA-file). One query is a pass over memory, so a quarter of the bytes takes a fraction of the time.
How far a vector is from its code bounds what a product can be off by (Cauchy-Schwarz). The first candidates are scored
exactly; either nothing that was left out can reach the last of them, or the pass says that it does not know.
Deviates: inner products, and the query is rounded as well, so that FAISS multiplies whole numbers.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from mmreco.arrays import F32, I64
from mmreco.index import faiss_import
from mmreco.index.exact.pairs import scored

__all__ = ["Codes", "worth"]

_LARGE = 1 << 26  # numbers of all vectors from which one query takes so long that a byte each is worth it
_SHARD = 1 << 25  # numbers a thread passes over
_ROWS = 1 << 15  # vectors that are rounded together
_WIDTH = 32  # numbers that FAISS multiplies at once; odd ends take it ten times as long
_MORE, _LEAST = 4, 256  # candidates scored exactly: so many for each asked, and so many
_MOST = 127  # of a code
_SMALLEST, _LARGEST = 1e-25, 1e25  # lengths of query times vector, outside of which float32 is not to be trusted


def worth(faiss: Any, n: int, dim: int, memory: int | None) -> bool:
    """Whether `n` vectors are so many that one query is quicker through codes, and the codes fit into `memory`."""
    if faiss is None or not hasattr(faiss.ScalarQuantizer, "QT_8bit_direct_signed"):
        return False
    return n * dim >= _LARGE and (memory is None or n * _padded(dim) <= memory)


class Codes:
    """The vectors, shape `(n, dim)`, as whole numbers from -127 to 127 in units of each dimension.

    Parameters
    ----------
    faiss : the module
    vectors : shape `(n, dim)`, float32, finite

    Attributes
    ----------
    nbytes : of the codes
    """

    def __init__(self, faiss: Any, vectors: F32) -> None:
        n, dim = vectors.shape
        self._faiss, self._vectors = faiss, vectors
        parts = [vectors[start : start + _ROWS] for start in range(0, n, _ROWS)]
        lowest = np.min([part.min(axis=0) for part in parts], axis=0)
        highest = np.max([part.max(axis=0) for part in parts], axis=0)
        self._middle = (lowest / 2 + highest / 2).astype(np.float32)  # (dim,)
        self._unit = np.maximum(((highest / 2 - lowest / 2) / _MOST).astype(np.float32), np.float32(1e-30))  # (dim,)
        self._shards: list[Any] = []
        self._starts: list[int] = []
        self._off = self._long = 0.0  # no vector is further from what its code stands for; no code is longer
        rows = max(_ROWS, _SHARD // dim // _ROWS * _ROWS)
        for start in range(0, n, rows):
            shard = faiss.IndexScalarQuantizer(
                _padded(dim), faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
            )
            for at in range(start, min(n, start + rows), _ROWS):
                part = vectors[at : min(at + _ROWS, start + rows)]
                codes = np.clip(np.rint((part - self._middle) / self._unit), -_MOST, _MOST)  # (c, dim)
                self._off = max(self._off, _longest(part - self._middle - codes * self._unit))
                self._long = max(self._long, _longest(codes))
                shard.add_sa_codes(_bytes(codes, _padded(dim)))
            self._shards.append(shard)
            self._starts.append(start)
        spread = self._long * float(self._unit.max())
        self._reach = float(np.linalg.norm(self._middle.astype(np.float64))) + spread + self._off  # no vector is longer
        self.nbytes = n * _padded(dim)

    def best(self, query: F32, k: int) -> I64 | None:
        """The rows of the `k` best for one query, shape `(1, k)`, in no order; None where that cannot be proven.

        Parameters
        ----------
        query : shape `(1, dim)`
        k : 1 or more, below the number of vectors
        """
        exact = query[0].astype(np.float64)
        length = float(np.linalg.norm(exact))
        if not _SMALLEST < length * self._reach < _LARGEST:
            return None
        scaled = exact * self._unit  # (dim,)
        unit = float(np.abs(scaled).max()) / _MOST
        asked = np.rint(scaled / unit) if unit else scaled  # (dim,)
        width = min(len(self._vectors), _MORE * k + _LEAST)
        products, rows = self._passed(asked, width)
        scores = scored(self._vectors, query, rows[None])[0]  # (width,)
        if width < len(self._vectors):
            left_out = float(exact @ self._middle) + unit * float(products.min())
            left_out += float(np.linalg.norm(scaled - unit * asked)) * self._long + length * self._off
            rounding = np.sqrt(len(asked)) * 2.0**-20  # of all sums in float32, many times over
            left_out += rounding * length * self._reach
            if not left_out < np.partition(scores, width - k)[width - k]:
                return None
        return np.asarray(rows[np.argpartition(scores, width - k)[width - k :]][None], dtype=np.int64)

    def _passed(self, asked: npt.NDArray[np.float64], width: int) -> tuple[F32, I64]:
        """The `width` codes of the greatest product with a query's: the products, whole numbers, and the rows."""
        query = np.zeros((1, _padded(len(asked))), dtype=np.float32)
        query[0, : len(asked)] = asked
        threads = min(faiss_import.parts(self._vectors.size), len(self._shards))
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                found = list(pool.map(lambda shard: self._alone(shard, query, width), self._shards))
        else:
            found = [self._alone(shard, query, width) for shard in self._shards]
        products = np.concatenate([own for own, _ in found])
        rows = np.concatenate([start + own for start, (_, own) in zip(self._starts, found, strict=True)])
        chosen = np.argpartition(products, len(products) - width)[len(products) - width :]
        return products[chosen], rows[chosen]

    def _alone(self, shard: Any, query: F32, width: int) -> tuple[F32, I64]:
        threads = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(1)  # of the thread that calls
        try:
            products, rows = shard.search(query, min(width, shard.ntotal))
        finally:
            self._faiss.omp_set_num_threads(threads)
        return products[0], rows[0]


def _padded(dim: int) -> int:
    return -(-dim // _WIDTH) * _WIDTH


def _longest(vectors: F32) -> float:
    return float(np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64).max()))


def _bytes(codes: F32, width: int) -> npt.NDArray[np.uint8]:
    """As FAISS keeps them: 128 stands for 0."""
    out = np.full((len(codes), width), 128, dtype=np.uint8)
    out[:, : codes.shape[1]] = (codes + 128).astype(np.uint8)
    return out
