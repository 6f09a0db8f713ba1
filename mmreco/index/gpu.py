"""A structure of FAISS that is searched on GPUs, and kept, grown and written on the CPU.

FAISS' indexes there ignore selectors without a word, answer at most 2,048 items, and bear one search at a time
(Johnson, Douze, Jegou, "Billion-scale similarity search with GPUs", 2017, and FAISS' own notes). So nothing is left to
a selector: more is fetched than asked for, and where that does not do the caller scans exactly.
"""

import logging
from threading import Lock
from typing import Any

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.index.structure import Structure

__all__ = ["GpuStructure", "available"]

_MOST = 2_048  # answers a query

_log = logging.getLogger(__name__)


def available(faiss: Any) -> int:
    """How many GPUs this build of FAISS can use; 0 for a build for the CPU."""
    return int(faiss.get_num_gpus()) if faiss is not None and hasattr(faiss, "StandardGpuResources") else 0


class GpuStructure(Structure):
    """A structure whose lists or vectors lie on the GPUs, parted among them where there are several, in halves.

    Raises
    ------
    RuntimeError
        FAISS has no such structure on a GPU, or the GPU no room for it.
    """

    def __init__(self, faiss: Any, index: Any, factory: str) -> None:
        super().__init__(faiss, index, factory)
        if self.kind == "graph":
            raise RuntimeError("graphs are not walked on a GPU")
        self._most = _MOST
        options = faiss.GpuMultipleClonerOptions()
        options.useFloat16, options.shard = True, True
        many = available(faiss)
        self._resources = [faiss.StandardGpuResources() for _ in range(many)]  # memory of its own for each GPU
        self._there = faiss.index_cpu_to_gpu_multiple_py(self._resources, index, co=options, gpus=list(range(many)))
        self._set = faiss.GpuParameterSpace()
        self._turn = Lock()

    def _obeys_selectors(self) -> bool:
        return False

    def _ask(self, queries: F32, k: int, options: Any) -> I64:
        with self._turn:
            if options is not None:  # lists are the only kind with any
                self._set.set_index_parameter(self._there, "nprobe", int(options.nprobe))
            return np.asarray(self._there.search(queries, k)[1], dtype=np.int64)
