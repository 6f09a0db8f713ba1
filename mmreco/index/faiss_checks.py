"""Whether a structure that was read from a file is one: FAISS follows the numbers in it without looking.

FAISS' reader holds a file to its own size, but what it read is used as it stands: a neighbour beyond the last item, a
list of codes of another width, a graph without an entry end in memory that is not the index's. So every size, count and
item number is checked here, once, against the number and width of the vectors. Kinds that are not known here are not
trusted: the index is built anew from its vectors.
"""

from typing import Any

import numpy as np

from mmreco.arrays import I64

__all__ = ["UnsoundError", "checkable", "require_sound"]

_SCALAR_BITS = {0: 8, 1: 4, 2: 8, 3: 4, 4: 16, 5: 8, 6: 6}  # of FAISS' quantizer types: QT_8bit, QT_4bit, ...
_TRAINED = {0: 2, 1: 2, 6: 2}  # numbers learnt for each of the dimensions; of the uniform types 2 in all
_UNIFORM = {2, 3}


class UnsoundError(Exception):
    """A structure contradicts itself or its vectors; says where."""


def checkable(faiss: Any, index: Any) -> bool:
    """Whether all of the structure is of kinds that `require_sound` knows."""
    if type(index) is faiss.IndexIDMap:
        return checkable(faiss, faiss.downcast_index(index.index))
    if type(index) is faiss.IndexPreTransform:
        steps = [faiss.downcast_VectorTransform(index.chain.at(step)) for step in range(index.chain.size())]
        return all(isinstance(step, faiss.LinearTransform) for step in steps) and checkable(
            faiss, faiss.downcast_index(index.index)
        )
    if type(index) in (faiss.IndexHNSWFlat, faiss.IndexHNSWSQ, faiss.IndexHNSWCagra):
        return checkable(faiss, faiss.downcast_index(index.storage))
    if type(index) in (faiss.IndexIVFFlat, faiss.IndexIVFScalarQuantizer, faiss.IndexIVFPQ):
        lists = faiss.downcast_InvertedLists(index.invlists)
        return type(lists) is faiss.ArrayInvertedLists and checkable(faiss, faiss.downcast_index(index.quantizer))
    return type(index) in (faiss.IndexFlatIP, faiss.IndexFlat, faiss.IndexScalarQuantizer)


def require_sound(faiss: Any, index: Any, n: int, dim: int) -> None:
    """Nothing, for a structure over `n` vectors of width `dim` whose numbers agree.

    Raises
    ------
    UnsoundError
        They do not.
    """
    _require(index.ntotal == n and index.d == dim, f"{index.ntotal} x {index.d} where {n} x {dim} are expected")
    _require(index.metric_type == faiss.METRIC_INNER_PRODUCT, "not for inner products")
    _require(bool(index.is_trained), "not trained")
    if isinstance(index, faiss.IndexIDMap):
        _require_items("positions", _numbers(faiss, index.id_map), n, n)
        require_sound(faiss, faiss.downcast_index(index.index), n, dim)
    elif isinstance(index, faiss.IndexPreTransform):
        _require_transforms(faiss, index, dim)
        require_sound(faiss, faiss.downcast_index(index.index), n, int(index.index.d))
    elif isinstance(index, faiss.IndexHNSW):
        require_sound(faiss, faiss.downcast_index(index.storage), n, dim)
        _require_graph(faiss, index.hnsw, n, base_only=bool(getattr(index, "base_level_only", False)))
    elif isinstance(index, faiss.IndexIVF):
        _require_lists(faiss, index, n, dim)
    else:
        _require_codes(faiss, index, dim)
        _require(index.codes.size() == n * index.code_size, f"{index.codes.size()} bytes of codes for {n} vectors")


def _require_transforms(faiss: Any, index: Any, dim: int) -> None:
    for number in range(index.chain.size()):
        step = faiss.downcast_VectorTransform(index.chain.at(number))
        _require(step.is_trained and step.d_in == dim and step.d_out > 0, "a transformation of another width")
        _require(step.A.size() == step.d_in * step.d_out, "a transformation of another size")
        _require(step.b.size() == (step.d_out if step.have_bias else 0), "a transformation with another offset")
        dim = int(step.d_out)
    _require(index.index.d == dim, "vectors of another width after the transformation")


def _require_graph(faiss: Any, hnsw: Any, n: int, *, base_only: bool) -> None:
    levels, offsets, places = (
        _numbers(faiss, vector).astype(np.int64) for vector in (hnsw.levels, hnsw.offsets, hnsw.cum_nneighbor_per_level)
    )
    neighbours = _numbers(faiss, hnsw.neighbors)
    _require(len(levels) == n and len(offsets) == n + 1, f"{len(levels)} levels for {n} items")
    if not n:
        return
    top = int(levels.max())
    _require(int(levels.min()) >= 1 and top < len(places), "levels beyond those there are")
    _require(places[0] == 0 and bool((np.diff(places) >= 0).all()), "falling counts of neighbours")
    ends = np.concatenate([[0], np.cumsum(places[levels])])  # what each item's levels take
    _require(bool((offsets == ends).all()) and len(neighbours) == ends[-1], "neighbours of another number")
    _require(
        int(neighbours.min(initial=0)) >= -1 and int(neighbours.max(initial=-1)) < n, "neighbours that are no items"
    )
    if base_only:  # as a GPU builds it: a walk begins anywhere
        return
    _require(0 <= hnsw.entry_point < n, f"an entry at item {hnsw.entry_point} of {n}")
    _require(hnsw.max_level == top - 1 == levels[hnsw.entry_point] - 1, "an entry below the highest level")
    for level in range(1, top):  # a walk on a level reads its neighbours' neighbours there
        own = np.flatnonzero(levels > level)
        reached = [neighbours[offsets[item] + places[level] : offsets[item] + places[level + 1]] for item in own]
        items = np.concatenate(reached)
        _require(bool((levels[items[items >= 0]] > level).all()), "neighbours on a level they are not on")


def _require_lists(faiss: Any, index: Any, n: int, dim: int) -> None:
    lists = faiss.downcast_InvertedLists(index.invlists)
    count = int(index.nlist)
    _require(count > 0 and lists.nlist == count, f"{lists.nlist} lists where {count} are expected")
    require_sound(faiss, faiss.downcast_index(index.quantizer), count, dim)
    _require_codes(faiss, index, dim)
    _require(lists.code_size == index.code_size, f"codes of {lists.code_size} bytes, not of {index.code_size}")
    _require(index.direct_map.type == 0, "a second table of the lists")
    sizes = [int(lists.list_size(number)) for number in range(count)]
    _require(sum(sizes) == n, f"{sum(sizes)} entries in the lists for {n} items")
    parts = [faiss.rev_swig_ptr(lists.get_ids(number), size) for number, size in enumerate(sizes) if size]
    _require_items("entries", np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64), n, n)


def _require_codes(faiss: Any, index: Any, dim: int) -> None:
    """The width of codes, and what they are decoded by."""
    size = int(index.code_size)
    if isinstance(index, faiss.IndexIVFPQ):
        pq = index.pq
        _require(pq.d == dim and pq.M > 0 and pq.M * pq.dsub == dim and 1 <= pq.nbits <= 16, "parts of another width")
        _require(pq.ksub == 1 << pq.nbits and pq.centroids.size() == dim * pq.ksub, "code words of another number")
        _require(size == pq.code_size == (pq.nbits * pq.M + 7) // 8, f"codes of {size} bytes")
        _require(index.polysemous_ht == 0, "a search by the bits of codes")
        _require(index.use_precomputed_table in (-1, 0) and index.precomputed_table.size() == 0, "a table of its own")
    elif isinstance(index, (faiss.IndexIVFScalarQuantizer, faiss.IndexScalarQuantizer)):
        sq = index.sq
        kind = int(sq.qtype)
        _require(kind in _SCALAR_BITS and sq.d == dim, f"codes of the kind {kind} over {sq.d} numbers")
        bits = _SCALAR_BITS[kind]
        _require(sq.bits == bits and size == sq.code_size == (dim * bits + 7) // 8, f"codes of {size} bytes")
        learnt = 2 if kind in _UNIFORM else _TRAINED.get(kind, 0) * dim
        _require(sq.trained.size() == learnt, f"{sq.trained.size()} numbers learnt, not {learnt}")
    else:
        _require(size == 4 * dim, f"vectors of {size} bytes")


def _numbers(faiss: Any, vector: Any) -> I64:
    """A view of a vector of whole numbers of FAISS."""
    return faiss.rev_swig_ptr(vector.data(), vector.size()) if vector.size() else np.zeros(0, dtype=np.int64)


def _require_items(what: str, numbers: I64, count: int, n: int) -> None:
    """That these are each item once."""
    _require(len(numbers) == count, f"{len(numbers)} {what} for {n} items")
    if count:
        _require(int(numbers.min()) >= 0 and int(numbers.max()) < n, f"{what} that are no items")
        _require(int(np.bincount(numbers, minlength=n).max()) == 1, f"{what} of one item twice")


def _require(sound: bool, what: str) -> None:
    if not sound:
        raise UnsoundError(what)
