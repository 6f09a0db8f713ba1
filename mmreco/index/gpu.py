"""Structures of FAISS that are searched on GPUs, and stored, grown and written on the CPU.

FAISS' indexes there answer at most 2,048 items and bear one search at a time (Johnson, Douze, Jegou, "Billion-scale
similarity search with GPUs", 2017, and FAISS' own notes). Graphs on a GPU are CAGRA's (Ootomo et al., "CAGRA: highly
parallel graph construction and approximate nearest neighbor search for GPUs", 2023), in FAISS' build with cuVS. Filters
are `mmreco.index.filtering`'s: on most builds a GPU ignores FAISS' own.
"""

from threading import Lock
from typing import Any, Self

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.errors import DataError
from mmreco.index.faiss_training import within
from mmreco.index.structure import Structure

__all__ = ["GpuGraph", "GpuStructure", "available", "kind"]

_MOST = 2_048  # answers a query
_CAGRA = "CAGRA"  # our word for a graph of so many links; FAISS' factory has none


def available(faiss: Any) -> int:
    """How many GPUs this build of FAISS can use; 0 for a build for the CPU."""
    return int(faiss.get_num_gpus()) if faiss is not None and hasattr(faiss, "StandardGpuResources") else 0


def kind(factory: str) -> type[Structure]:
    """What holds a structure of this factory string on GPUs."""
    return GpuGraph if factory.startswith(_CAGRA) else GpuStructure


class _OnGpu(Structure):
    """What GPUs have in common: one search at a time, and 2,048 answers."""

    def __init__(self, faiss: Any, index: Any, factory: str) -> None:
        self._turn = Lock()
        self._there = self._moved(faiss, index)
        super().__init__(faiss, index, factory)
        self.most = _MOST
        self._parted = False

    def _moved(self, faiss: Any, index: Any) -> Any:
        """A copy of `index` on the GPUs."""
        raise NotImplementedError


class GpuStructure(_OnGpu):
    """A structure whose lists or vectors lie on the GPUs, parted among them where there are several, in halves.

    Raises
    ------
    RuntimeError
        FAISS has no such structure on a GPU, or the GPU no room for it.
    """

    def _moved(self, faiss: Any, index: Any) -> Any:
        if isinstance(within(faiss, index), faiss.IndexHNSW):
            raise RuntimeError(f"only the graphs of CAGRA are walked on a GPU, say quality='{_CAGRA}32'")
        options = faiss.GpuMultipleClonerOptions()
        options.useFloat16, options.shard = True, True
        many = available(faiss)
        self._resources = [faiss.StandardGpuResources() for _ in range(many)]  # memory of its own for each GPU
        self._set = faiss.GpuParameterSpace()
        return faiss.index_cpu_to_gpu_multiple_py(self._resources, index, co=options, gpus=list(range(many)))

    def _ask(self, queries: F32, k: int, search: int) -> I64:
        with self._turn:
            if self.kind == "lists":
                self._set.set_index_parameter(self._there, "nprobe", min(search, self._lists))
            return np.asarray(self._there.search(queries, k)[1], dtype=np.int64)


class GpuGraph(_OnGpu):
    """A graph that cuVS builds and walks on the first GPU; FAISS walks its copy on a CPU as well.

    Raises
    ------
    RuntimeError
        This FAISS is built without cuVS, or the GPU has no room.
    """

    @classmethod
    def build(cls, faiss: Any, factory: str, vectors: F32) -> Self:
        """The graph of these vectors, `factory` as in "CAGRA32", of 32 links an item.

        Raises
        ------
        DataError
            `factory` names no number of links.
        """
        links = factory.removeprefix(_CAGRA)
        if not links.isdecimal() or int(links) < 2:
            raise DataError(f"quality={factory!r}: expected a number of links after {_CAGRA}, as in '{_CAGRA}32'")
        _require_cuvs(faiss)
        config = faiss.GpuIndexCagraConfig()
        config.graph_degree, config.intermediate_graph_degree = int(links), 2 * int(links)
        resources = faiss.StandardGpuResources()
        index = faiss.GpuIndexCagra(resources, vectors.shape[1], faiss.METRIC_INNER_PRODUCT, config)
        index.train(vectors)
        return cls(faiss, faiss.index_gpu_to_cpu(index), factory)

    def _moved(self, faiss: Any, index: Any) -> Any:
        _require_cuvs(faiss)
        self._resources = faiss.StandardGpuResources()
        return faiss.index_cpu_to_gpu(self._resources, 0, index)

    def _ask(self, queries: F32, k: int, search: int) -> I64:
        options = self._faiss.SearchParametersCagra()
        options.itopk_size = search  # for CAGRA what efSearch is for a graph on a CPU
        with self._turn:
            rows = np.array(self._there.search(queries, k, params=options)[1], dtype=np.int64)
        rows[rows >= len(self)] = -1  # a place without an answer may hold any number, an item may come twice
        order = np.argsort(rows, axis=1, kind="stable")
        ascending = np.take_along_axis(rows, order, axis=1)
        line, again = np.nonzero(ascending[:, 1:] == ascending[:, :-1])
        rows[line, order[line, again + 1]] = -1
        return rows


def _require_cuvs(faiss: Any) -> None:
    if not hasattr(faiss, "GpuIndexCagra"):
        raise RuntimeError("FAISS is built without cuVS; pip install 'mmreco[cuvs]'")
