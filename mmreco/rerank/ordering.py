"""The order of a page whose items were chosen for its mix: the best first, as a mix does not depend on the order."""

import numpy as np

from mmreco.arrays import F32, F64, I64

__all__ = ["best_first"]


def best_first(rows: I64, columns: I64, relevance: F32, propensities: F64, variant_of: I64) -> tuple[I64, F64, I64]:
    """The item rows, propensities and variants of pages, each page by relevance.

    Parameters
    ----------
    rows, columns : shape `(n, k)`
        What stands on each page, as item rows, -1 at the end of short pages, and as columns of the candidates.
    relevance : shape `(n, m)`
    propensities : shape `(n, k)`
    variant_of : shape `(n, m)`
        The place that each candidate is a variant of, -1 for none.
    """
    lines = np.arange(len(rows))[:, None]
    worth = np.where(rows >= 0, relevance[lines, columns], -np.inf)
    order = np.argsort(-worth, axis=1, kind="stable")  # (n, k): which old place stands at each new one
    place = np.empty_like(order)
    place[lines, order] = np.arange(rows.shape[1])
    moved = np.where(variant_of >= 0, place[lines, np.maximum(variant_of, 0)], -1)
    return rows[lines, order], propensities[lines, order], moved
