"""Filters on a structure: enough of the nearest that the best of those allowed are among them, or a scan instead.

FAISS' own filters (selectors) are not used. Some structures ignore them without a word, most of those on GPUs among
them, and a walk that may keep only what is allowed loses its way where the query is far from all of it, as a dress is
from the shoes a page is about: half of the true answers were missed (docs/log.md). Among so many of the nearest that
enough of them are allowed, the first allowed are the best there are; where that takes too many, all that is allowed is
scanned, which is exact and, for many queries at once, soon the quicker way.
"""

import math

import numpy as np

from mmreco.arrays import F32, I64, Bool
from mmreco.index.structure import Effort, Structure

__all__ = ["find"]

# items an exact scan for one query looks at in the time of one unit of a graph's effort, and of one item of the lists
# looked at, and of one where all are; for more queries it gets on faster, by this power of up to so many (measured
# over 200,000 x 128, filters of 1 to 50 %)
_GRAPH_WORTH, _LIST_WORTH, _ALL_WORTH = 14, 0.2, 0.05
_GAIN, _GAINING = 0.65, 64
_SPARE = 1.2  # times as many are fetched as a filter that knows nothing of the query would let through
_WIDER = 8  # times as many again for a query near which less is allowed than elsewhere


def find(structure: Structure, queries: F32, k: int, effort: Effort, wanted: int, allowed: Bool | None) -> I64 | None:
    """Positions, shape `(b, k)`, of about the `k` best allowed vectors, -1 where there are fewer.

    Parameters
    ----------
    structure : what is searched
    queries : shape `(b, dim)`
    k : 1 or more
    effort : how much of the structure is looked at
    wanted : how many are to be found at least: `k` without the candidates that only make up for rounding
    allowed : shape `(n,)`, optional

    None where an exact scan of what is allowed is quicker.
    """
    n = len(structure)
    if allowed is None:
        return _best(structure, queries, k, effort, wanted, n)
    n_allowed = int(np.count_nonzero(allowed))
    if not n_allowed:
        return None
    thinner = n / n_allowed
    wide = math.ceil(_SPARE * k * thinner)
    positions = _best(structure, queries, wide, effort, wanted * thinner, n_allowed)
    if positions is None:
        return None
    rows = _first(positions, allowed, k)
    short = np.flatnonzero(rows[:, min(wanted, k) - 1] < 0)
    if len(short):
        positions = _best(structure, queries[short], _WIDER * wide, effort, _WIDER * wanted * thinner, n_allowed)
        if positions is not None:
            rows[short] = _first(positions, allowed, k)
    return rows


def _best(structure: Structure, queries: F32, k: int, effort: Effort, wanted: float, n_allowed: int) -> I64 | None:
    """About the `k` best of all, best first; None where an exact scan of `n_allowed` is quicker."""
    search = structure.search(k, effort, wanted)
    if k > structure.most or k >= len(structure) > n_allowed:
        return None
    quicker = _scan_is_quicker(structure, search, len(queries), n_allowed)
    return None if quicker else structure.best(queries, k, search)


def _scan_is_quicker(structure: Structure, search: int, b: int, n_allowed: int) -> bool:
    """Whether `b` queries together are; without filters as for one, so that it is answered alike in any company."""
    if structure.kind == "graph":
        worth = float(search * _GRAPH_WORTH)
    else:
        worth = structure.looked_at(search) * (_LIST_WORTH if structure.kind == "lists" else _ALL_WORTH)
    if n_allowed < len(structure):
        worth *= float(min(b, _GAINING) ** _GAIN)
    return worth > n_allowed


def _first(rows: I64, allowed: Bool, k: int) -> I64:
    """The first `k` of each line of `rows`, -1 padded, that are allowed, shape `(b, k)`."""
    usable = allowed[rows] & (rows >= 0)
    order = np.argsort(~usable, axis=1, kind="stable")[:, :k]
    first = np.where(np.take_along_axis(usable, order, axis=1), np.take_along_axis(rows, order, axis=1), -1)
    return np.pad(first, ((0, 0), (0, max(0, k - first.shape[1]))), constant_values=-1)
