"""Which items may be answered, from an expression or a mask."""

import numpy as np

from mmreco.arrays import Bool
from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError
from mmreco.filters.parser import mask

__all__ = ["allowed"]


def allowed(catalogue: Catalogue, where: str | Bool | None) -> Bool | None:
    """Which items may be answered, shape `(n,)`; None for all. An expression is that of `mmreco.filters.parser`.

    Raises
    ------
    DataError
        The expression cannot be read, or the mask is not one over the catalogue.
    """
    if where is None or isinstance(where, str):
        return None if where is None else mask(catalogue, where)
    given = np.asarray(where)
    if given.shape != (len(catalogue),) or given.dtype != np.bool_:
        raise DataError(
            f"where: {given.dtype} of shape {given.shape}; expected an expression, or bool of shape ({len(catalogue)},)"
        )
    return given
