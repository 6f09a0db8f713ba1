"""FAISS' index of some vectors: made by its factory, trained on a sample, filled."""

from typing import Any

import numpy as np

from mmreco.arrays import F32
from mmreco.errors import DataError
from mmreco.index.reordering import nearby

__all__ = ["reason", "trained", "within"]

_CODE_WORDS = 256
_ROUNDS = 10  # of training code words; 25 find the same
_CARE = 100  # candidates among which a graph's links are chosen (efConstruction); FAISS takes 40


def trained(faiss: Any, factory: str, vectors: F32) -> Any:
    """The index that the factory string names, over these vectors; the same for the same vectors and one thread.

    Raises
    ------
    DataError
        FAISS does not understand the factory string, or cannot train it on so few vectors.
    """
    try:
        index = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    except (RuntimeError, MemoryError) as error:
        raise DataError(
            f"quality={factory!r}: neither a word of the index nor a factory string of FAISS "
            f"({reason(error)}); expected 'exact', 'high', 'fast', 'small' or, say, 'IVF1024,SQ8'; "
            "'CAGRA32' needs a GPU"
        ) from error
    inner = within(faiss, index)
    if isinstance(inner, faiss.IndexHNSW):
        inner.hnsw.efConstruction = _CARE
    if isinstance(inner, faiss.IndexIVFPQ):
        inner.do_polysemous_training = False  # most of the time of training, for a search we do not use
        inner.pq.cp.niter, inner.pq.cp.max_points_per_centroid = _ROUNDS, 64
    try:
        index.train(_sample(faiss, inner, vectors))
        if index is inner and isinstance(inner, faiss.IndexHNSW):
            order = nearby(faiss, vectors)
            index = faiss.IndexIDMap(inner)
            index.add_with_ids(vectors[order], order)
        else:
            index.add(vectors)
    except (RuntimeError, MemoryError) as error:
        raise DataError(
            f"quality={factory!r}: cannot be built over {len(vectors)} vectors ({reason(error)}); "
            "take another quality, or leave it out"
        ) from error
    return index


def within(faiss: Any, index: Any) -> Any:
    """The index behind a transformation of the vectors or behind an order of its own, or the index itself."""
    outer = isinstance(index, (faiss.IndexPreTransform, faiss.IndexIDMap))
    return faiss.downcast_index(index.index) if outer else index


def _sample(faiss: Any, inner: Any, vectors: F32) -> F32:
    """As many vectors as training can use, drawn evenly; the same each time."""
    clusters = max(_CODE_WORDS, int(inner.nlist)) if isinstance(inner, faiss.IndexIVF) else _CODE_WORDS
    most = 64 * clusters
    if len(vectors) <= most:
        return vectors
    rows = np.random.default_rng(0).choice(len(vectors), most, replace=False)
    return np.ascontiguousarray(vectors[np.sort(rows)])


def reason(error: RuntimeError | MemoryError) -> str:
    """What FAISS complains of, without its source line."""
    return str(error).rpartition(": ")[2].strip()[-160:]
