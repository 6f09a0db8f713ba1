"""A structure of FAISS over some vectors: a graph, lists, or whatever a factory string names.

Sources: HNSW is Malkov, Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs", 2018, with inner products on it as Morozov, Babenko, "Non-metric similarity graphs for
maximum inner product search", 2018; lists and product codes are Jegou, Douze, Schmid, "Product quantization for
nearest neighbor search", 2011. How many lists are visited depends on the query, as in Li, Zhang, Andersen, He,
"Improving approximate nearest neighbor search through learned adaptive early termination", 2020; deviates by one share
of the way to the last list looked at instead of a learnt model. Negative result: the coordinate that turns inner
products into distances (Bachrach et al., 2014) ruins the graph when lengths differ: recall@10 of 0.84 where this one
has 0.97 or more.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mmreco.arrays import F32, I64
from mmreco.index.faiss_files import read_index
from mmreco.index.faiss_training import trained, within
from mmreco.index.reordering import LANDMARKS, together

__all__ = ["Effort", "Structure"]

_NEAR = 0.6  # of the way from the nearest centre to the last one looked at: lists up to there are visited
_FEWEST = 4  # lists to look at, as of two only the nearer would be visited
_MOST = 4_096  # candidates it is asked for
_MEASURED = 11  # candidates for which effort is measured: ten, and the item that is looked for
_TOGETHER = 64  # queries from which a graph is asked for them in an order of its own


@dataclass(frozen=True)
class Effort:
    """How hard a structure looks, and how many candidates an answer it is asked for.

    Parameters
    ----------
    search : nodes that a walk through a graph keeps in view (efSearch) or lists visited (nprobe)
    fetch : candidates for each item of the answer, to be scored exactly
    """

    search: int
    fetch: float = 1.0


class Structure:
    """A FAISS index over `n` vectors, holding positions 0 to `n - 1`; never changed once made."""

    def __init__(self, faiss: Any, index: Any, factory: str) -> None:
        self._faiss = faiss
        self._index = index
        self.factory = factory
        self._n = int(index.ntotal)
        self._wrapped = isinstance(index, faiss.IndexPreTransform)
        self._mapped = isinstance(index, faiss.IndexIDMap)
        self._inner = inner = within(faiss, index)
        graph, lists = isinstance(inner, faiss.IndexHNSW), isinstance(inner, faiss.IndexIVF)
        self.kind = "graph" if graph else "lists" if lists else "other"
        self._lists = int(inner.nlist) if lists else 1
        self._centres = inner.quantizer if lists else inner  # what finds the lists that are near
        self._parted = lists and inner is index and self._centres.metric_type == faiss.METRIC_INNER_PRODUCT
        self._last: tuple[int, Any] = (-1, None)  # an effort and its options
        self.most = _MOST

    @classmethod
    def build(cls, faiss: Any, factory: str, vectors: F32) -> Self:
        """The structure of these vectors; the same for the same vectors and one thread.

        Raises
        ------
        DataError
            FAISS does not understand the factory string, or cannot train it on so few vectors.
        """
        return cls(faiss, trained(faiss, factory, vectors), factory)

    def grown(self, vectors: F32) -> Self:
        """Another structure that holds these vectors as well, at the positions that follow."""
        index = self._faiss.deserialize_index(self.serialised())  # also of a mapped one
        if self._mapped:
            index.add_with_ids(vectors, np.arange(len(self), len(self) + len(vectors)))
        else:
            index.add(vectors)
        return type(self)(self._faiss, index, self.factory)

    @property
    def grows(self) -> bool:
        """Whether vectors can be added to it; a graph that a GPU built has no levels to add them by."""
        return not getattr(self._inner, "base_level_only", False)

    def __len__(self) -> int:
        return self._n

    @cached_property
    def bytes(self) -> int:
        """Memory of the structure, about."""
        n = len(self)
        if self.kind == "graph":
            hnsw = self._inner.hnsw
            links = hnsw.neighbors.size() * 4 + hnsw.offsets.size() * 8 + hnsw.levels.size() * 4
            links += n * 8 * self._mapped
            return int(links + n * self._faiss.downcast_index(self._inner.storage).sa_code_size())
        if self.kind == "lists":
            return int(n * (self._inner.code_size + 8) + self._lists * self._inner.d * 4)
        try:
            return int(n * self._index.sa_code_size())
        except RuntimeError:  # graphs of other kinds do not say
            return int(self._faiss.serialize_index(self._index).nbytes)

    @property
    def efforts(self) -> tuple[int, ...]:
        """The steps of `Effort.search` worth trying, least first."""
        if self.kind == "graph":
            return (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1_024)
        if self.kind == "lists":
            steps = {step for power in range(self._lists.bit_length()) for step in (1 << power, 3 << power >> 1)}
            least = min(_FEWEST, self._lists) if self._parted else 1
            return tuple(sorted(step for step in steps | {self._lists} if least <= step <= self._lists))
        return (1,)

    def search(self, k: int, effort: Effort, wanted: float) -> int:
        """How hard `best` must look so that of `k` candidates the `wanted` best are right as often as was measured.

        Nodes that a walk through a graph keeps in view, or lists to visit; 0 where all vectors are compared.
        """
        if self.kind == "graph":
            return max(effort.search, k)
        if self.kind == "lists":
            return math.ceil(effort.search * max(1.0, float((wanted / effort.fetch / _MEASURED) ** 0.8)))
        return 0

    def looked_at(self, search: int) -> float:
        """About how many items are compared with a query, of lists and what looks at all."""
        return self._n * (min(search, self._lists) / self._lists if self.kind == "lists" else 1.0)

    def best(self, queries: F32, k: int, search: int) -> I64:
        """Positions, shape `(b, k)`, of about the `k` best vectors, best first, -1 where there are fewer."""
        if not self._mapped or len(queries) < _TOGETHER:
            return self._ask(queries, k, search)
        order, rows = together(self._faiss, queries, self._landmarks), np.empty((len(queries), k), dtype=np.int64)
        rows[order] = self._ask(queries[order], k, search)
        return rows

    @cached_property
    def _landmarks(self) -> F32:
        places = np.unique(np.linspace(0, len(self) - 1, LANDMARKS).astype(np.int64))
        return np.asarray(self._inner.reconstruct_batch(places), dtype=np.float32)

    def _options(self, search: int) -> Any:
        last = self._last
        if last[0] == search:
            return last[1]  # making them takes as long as a tenth of a search
        options = None
        if self.kind == "graph":
            options = self._faiss.SearchParametersHNSW()
            options.efSearch = search
        elif self.kind == "lists":
            options = self._faiss.SearchParametersIVF()
            options.nprobe = min(search, self._lists)
        self._last = search, options
        return options

    def _ask(self, queries: F32, k: int, search: int) -> I64:
        options = self._options(search)
        if not self._parted or search >= self._lists:  # else the lists to visit can be chosen
            return self._all(queries, k, options)
        rows = self._near(queries, k, search, options)
        if rows.item(-1) < 0 if len(rows) == 1 else (rows[:, -1] < 0).any():
            short = np.flatnonzero(rows[:, -1] < 0)
            rows[short] = self._all(queries[short], k, options)
        return rows

    def _all(self, queries: F32, k: int, options: Any) -> I64:
        """What FAISS finds."""
        if self._wrapped and options is not None:
            outer = self._faiss.SearchParametersPreTransform()
            outer.index_params = options
            options = outer
        rows, scores = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k), dtype=np.float32)
        pointer = self._faiss.swig_ptr  # `search` would look at the queries again, for a twentieth of a walk
        self._index.search_c(len(queries), pointer(queries), k, pointer(scores), pointer(rows), options)
        return rows

    def _near(self, queries: F32, k: int, n_lists: int, options: Any) -> I64:
        """What FAISS finds in those of the lists it would visit that are near enough to be worth it."""
        b, pointer = len(queries), self._faiss.swig_ptr
        lists, near = np.empty((b, n_lists), dtype=np.int64), np.empty((b, n_lists), dtype=np.float32)
        given, near_lists = pointer(queries), (pointer(lists), pointer(near))
        self._centres.search_c(b, given, n_lists, near_lists[1], near_lists[0], None)
        first, last = (near.item(0), near.item(-1)) if b == 1 else (near[:, :1], near[:, -1:])
        np.putmask(lists, near < first + (last - first) * _NEAR, -1)
        rows, scores = np.empty((b, k), dtype=np.int64), np.empty((b, k), dtype=np.float32)
        self._inner.search_preassigned_c(b, given, k, *near_lists, pointer(scores), pointer(rows), False, options, None)
        return rows

    def serialised(self) -> npt.NDArray[np.uint8]:
        """The structure as bytes, for `restored`."""
        return np.asarray(self._faiss.serialize_index(self._index))

    @classmethod
    def restored(cls, faiss: Any, serialised: npt.NDArray[np.uint8], factory: str) -> Self:
        """What `serialised` made, which is trusted."""
        return cls(faiss, faiss.deserialize_index(serialised), factory)

    def write(self, path: Path) -> None:
        """Write the structure to one file."""
        self._faiss.write_index(self._index, str(path))

    @classmethod
    def read(cls, faiss: Any, path: Path, factory: str, shape: tuple[int, int]) -> Self | None:
        """The structure that `write` wrote over vectors of this shape, memory-mapped where FAISS can.

        None where it is of a kind whose numbers cannot be checked, so that it is built anew.

        Raises
        ------
        DataError
            The file is not a FAISS index, claims more memory than its size allows, or contradicts itself.
        IncompatibleError
            It is an index of another size or width.
        """
        index = read_index(faiss, path, shape)
        return None if index is None else cls(faiss, index, factory)
