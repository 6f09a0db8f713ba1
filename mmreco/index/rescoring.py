"""From candidates to the answer: one arithmetic and one order for all paths.

Paths round differently (a matrix product, FAISS' loops, a GPU), so equal or nearly equal items could change places with
the size of the batch. Every candidate is therefore scored again in one fixed way, pair by pair, equal scores come lower
row first, and where the last place hangs on rounding, that query alone is looked at item by item.
"""

from typing import Any

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.index import faiss_import as binding
from mmreco.index.exact.scan import Scan
from mmreco.index.query import Question

__all__ = ["ordered", "scored"]

_GATHERED = 1 << 16  # numbers of a gathered block of vectors: 256 KB, which stay in a core's own cache
_ROUNDINGS = 2.0  # standard errors of a sum of products that count as possible


def scored(vectors: F32, queries: F32, rows: I64) -> F32:
    """The score of each candidate, shape `(b, w)`; -inf where `rows` is -1. The same in any batch."""
    faiss = binding.faiss()
    return _gathered(vectors, queries, rows) if faiss is None else _in_place(faiss, vectors, queries, rows)


def _in_place(faiss: Any, vectors: F32, queries: F32, rows: I64) -> F32:
    """Read where the vectors lie, by FAISS' own loop over pairs; a third of the time that gathering them takes."""
    rows = np.ascontiguousarray(rows)
    scores = np.empty(rows.shape, dtype=np.float32)
    pointer, threads = faiss.swig_ptr, faiss.omp_get_max_threads() if len(rows) == 1 else 1
    if threads > 1:  # waking others would take longer than one query's candidates
        faiss.omp_set_num_threads(1)
    faiss.fvec_inner_products_by_idx(
        pointer(scores), pointer(queries), pointer(vectors), pointer(rows), vectors.shape[1], *rows.shape
    )
    if threads > 1:
        faiss.omp_set_num_threads(threads)
    return scores


def _gathered(vectors: F32, queries: F32, rows: I64) -> F32:
    scores = np.empty(rows.shape, dtype=np.float32)
    step = max(1, _GATHERED // max(1, rows.shape[1] * vectors.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        gathered = vectors.take(rows[part], axis=0)  # (b, w, d); quicker than indexing
        np.vecdot(gathered, queries[part, None], out=scores[part])  # summed in one order, always
    if rows.size and rows.min() < 0:
        scores[rows < 0] = -np.inf
    return scores


def ordered(scan: Scan, asked: Question, rows: I64, width: int, precision: float | None) -> tuple[I64, F32]:
    """The `width` best of the candidate `rows`, shape `(b, w)`, in order, with their scores.

    Parameters
    ----------
    rows
        Candidates, -1 padded; allowed and not excluded.
    precision
        Relative rounding of the path that chose them; None where it was approximate anyway.
    """
    vectors, queries = scan.vectors, asked.queries
    scores = scored(vectors, queries, rows)
    if precision is None:
        return _sorted(rows, scores, width)
    rows, scores = _sorted(rows, scores, rows.shape[1])
    best_rows, best_scores = rows[:, :width].copy(), scores[:, :width].copy()
    lengths = np.sqrt(np.einsum("bd,bd->b", queries, queries))
    doubt = lengths * (scan.longest * precision * _ROUNDINGS * np.sqrt(vectors.shape[1]))
    complete = (rows >= 0).sum(axis=1) >= asked.available
    gap = np.where(complete, np.inf, best_scores[:, -1]) - np.where(complete, 0.0, scores[:, -1])
    unsettled = np.flatnonzero(~(gap > doubt))
    if len(unsettled):
        at_least = best_scores[unsettled, -1] - doubt[unsettled]
        best_rows[unsettled], best_scores[unsettled] = _settled(scan, asked.take(unsettled), width, at_least)
    return best_rows, best_scores


def _sorted(rows: I64, scores: F32, width: int) -> tuple[I64, F32]:
    """The first `width` along each line, best first, lower rows among equals; -1 and -inf go together."""
    if len(rows) == 1:  # a third of the calls that many lines need, and calls are what one line costs
        order = np.lexsort((rows, -scores))[:, :width]
        return rows.take(order), scores.take(order)
    first = np.arange(0, rows.size, rows.shape[1])[:, None]  # of each line, counted through all
    order = np.argsort(-scores, axis=1)
    best = scores.take(order + first)
    equal = best[:, 1:] == best[:, :-1]
    if equal.any():  # seldom, but for padding; the sort of two keys takes ten times as long
        tied = equal.any(axis=1)
        order[tied] = np.lexsort((rows[tied], -scores[tied]), axis=1)
    return rows.take((order + first)[:, :width]), best[:, :width].copy()


def _settled(scan: Scan, asked: Question, width: int, at_least: F32) -> tuple[I64, F32]:
    """The answer of each query, from every item whose score is `at_least` so much, shape `(b,)`."""
    rows = np.empty((len(asked), width), dtype=np.int64)
    scores = np.empty((len(asked), width), dtype=np.float32)
    _, first, which = np.unique(asked.queries, axis=0, return_index=True, return_inverse=True)
    for group, line in enumerate(first):  # equal queries (empty histories, say) are scanned once
        query = asked.queries[line]
        members = np.flatnonzero(which.ravel() == group)
        most = width + int(asked.n_excluded[members].max())
        if query.any():
            possible = scan.scores(query) >= at_least[members].min()
            if asked.where is not None:
                possible &= asked.where
            found = np.flatnonzero(possible)
            exact = np.concatenate(
                [
                    scored(scan.vectors, query[None], part[None])[0]
                    for part in np.array_split(found, 1 + len(found) // 65_536)
                ]
            )
            order = np.lexsort((found, -exact))[:most]
            found, exact = found[order], exact[order]
        else:  # all scores are 0: the first rows
            found = np.arange(asked.n_items) if asked.where is None else np.flatnonzero(asked.where)
            found = found[:most]
            exact = np.zeros(len(found), dtype=np.float32)
        for member in members:
            mine = asked.excluded.between(int(member), int(member) + 1).rows
            kept = np.flatnonzero(~np.isin(found, mine))[:width]
            rows[member], scores[member] = found[kept], exact[kept]
    return rows, scores
