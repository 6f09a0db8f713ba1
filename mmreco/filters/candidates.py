"""Which items may be answered: an expression, a mask, ids to allow or refuse; for all questions or for each."""

from collections.abc import Sequence

import numpy as np

from mmreco.arguments import strings
from mmreco.arrays import Bool
from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError
from mmreco.filters.parser import mask

__all__ = ["Where", "candidates"]

Where = str | Bool | Sequence[str | Bool | None]


def candidates(
    catalogue: Catalogue,
    n: int,
    *,
    where: Where | None = None,
    allow: Sequence[str] | None = None,
    refuse: Sequence[str] | None = None,
) -> Bool | None:
    """Which items may be answered, shape `(n_items,)`, or `(n, n_items)` for a line a question; None for all.

    Parameters
    ----------
    catalogue : `n_items` items
    n : how many questions there are
    where : an expression of `mmreco.filters`, a mask of shape `(n_items,)` or `(n, n_items)`, or a list with one of
        these, or None, for each question
    allow, refuse : ids, optional
        Only these, none of these; unknown ids are passed over.

    Raises
    ------
    DataError
        The expression cannot be read, a mask or a list has another shape, or an id is not a string.
    """
    chosen = _where(catalogue, n, where)
    for name, ids in (("allow", allow), ("refuse", refuse)):
        if ids is None:
            continue
        rows = catalogue.items.rows(strings(name, ids), missing="mark")
        named = np.zeros(len(catalogue), dtype=np.bool_)
        named[rows[rows >= 0]] = True
        own = named if name == "allow" else ~named
        chosen = own if chosen is None else chosen & own
    return chosen


def _where(catalogue: Catalogue, n: int, where: Where | None) -> Bool | None:
    if where is None or isinstance(where, str):
        return None if where is None else mask(catalogue, where)
    if isinstance(where, (list, tuple)) and any(one is None or isinstance(one, (str, np.ndarray)) for one in where):
        if len(where) != n:
            raise DataError(f"where: {len(where)} filters for {n} questions; expected one a question, or one for all")
        lines = [_where(catalogue, 1, one) for one in where]
        everything = np.ones(len(catalogue), dtype=np.bool_)
        return np.stack([everything if line is None else line for line in lines]) if lines else everything
    given = np.asarray(where)
    if given.dtype != np.bool_ or given.shape not in ((len(catalogue),), (n, len(catalogue))):
        raise DataError(
            f"where: {given.dtype} of shape {given.shape}; expected an expression, or bool of shape "
            f"({len(catalogue)},) or ({n}, {len(catalogue)})"
        )
    return given
