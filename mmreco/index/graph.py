"""Approximate search by a graph: FAISS' HNSW, with filters and exclusions that still find what exists.

Source: Malkov, Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs", 2018; with inner products on it as Morozov, Babenko, "Non-metric similarity graphs for
maximum inner product search", 2018. Negative result: the coordinate that turns inner products into distances
(Bachrach et al., 2014) ruins the graph when lengths differ: recall@10 of 0.84 where this one has 0.97 or more.
"""

from pathlib import Path
from typing import Any

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.errors import DataError, IncompatibleError
from mmreco.index.question import Question

__all__ = ["Graph"]

_LINKS = 32  # M: neighbours of a node
_EFFORT_BUILD = 40  # efConstruction
_EFFORT = 96  # efSearch: nodes kept in sight while searching
_WORTH = 64  # items an exact scan looks at in the time of one unit of effort (measured in benchmarks/)


class Graph:
    """An HNSW graph over `vectors`, shape `(n, dim)`, held by FAISS on the CPU."""

    def __init__(self, faiss: Any, index: Any) -> None:
        self._faiss = faiss
        self._index = index

    @classmethod
    def build(cls, faiss: Any, vectors: F32) -> "Graph":
        """The graph of these vectors; the same for the same vectors and one thread."""
        index = faiss.IndexHNSWFlat(vectors.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _EFFORT_BUILD
        index.add(vectors)
        return cls(faiss, index)

    @property
    def bytes(self) -> int:
        """Memory of the graph and its copy of the vectors, about."""
        return int(self._index.ntotal) * (int(self._index.d) * 4 + _LINKS * 2 * 4)

    def best(self, asked: Question, k: int) -> I64 | None:
        """Rows, shape `(b, k)`, of about the `k` best allowed items, in no order, -1 where the graph found fewer.

        Exclusions are not looked at. None where an exact scan of what is allowed is quicker.
        """
        effort = int(max(_EFFORT, k) * asked.n_items / asked.n_allowed)
        if effort * _WORTH > asked.n_allowed:
            return None
        options = self._faiss.SearchParametersHNSW()
        options.efSearch = effort
        if asked.where is not None:
            bitmap = np.packbits(asked.where, bitorder="little")
            selector = self._faiss.IDSelectorBitmap(len(bitmap), self._faiss.swig_ptr(bitmap))  # holds a bare pointer
            options.sel = selector
        _, rows = self._index.search(asked.queries, k, params=options)
        return np.asarray(rows, dtype=np.int64)

    def write(self, path: Path) -> None:
        """Write the graph to one file."""
        self._faiss.write_index(self._index, str(path))

    @classmethod
    def read(cls, faiss: Any, path: Path, vectors: F32) -> "Graph":
        """The graph that `write` wrote over these vectors.

        Raises
        ------
        DataError
            The file is no FAISS index.
        IncompatibleError
            It is an index of another kind, size or width.
        """
        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            raise DataError(f"{path}: not a FAISS index ({str(error)[-120:]}); build the index again") from error
        right = isinstance(index, faiss.IndexHNSWFlat) and index.metric_type == faiss.METRIC_INNER_PRODUCT
        if not right or (index.ntotal, index.d) != vectors.shape:
            raise IncompatibleError(
                f"{path}: {type(index).__name__} of {index.ntotal} x {index.d}; expected an inner-product HNSW graph "
                f"over {len(vectors)} x {vectors.shape[1]}"
            )
        return cls(faiss, index)
