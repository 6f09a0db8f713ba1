"""Other embeddings from embeddings: with items added, with new vectors for some, or without some."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mmreco.arrays import I64, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.errors import DataError, IncompatibleError

__all__ = ["added", "removed", "updated"]


def added(to: Embeddings, more: Embeddings) -> Embeddings:
    """All of `to`, then all of `more`.

    Raises
    ------
    DataError
        They share an id.
    IncompatibleError
        Width or encoder differ.
    """
    _require_alike(to, more)
    known = to.ids.rows(more.ids.array, missing="mark") >= 0
    if known.any():
        first = more.ids.ids([int(known.argmax())])[0]
        raise DataError(f"add: {int(known.sum())} of {len(more)} ids are there already, first {first!r}; use update()")
    ids = IdMap(pa.concat_arrays([to.ids.array, more.ids.array]))
    return Embeddings(ids, np.concatenate([to.vectors, more.vectors]), to.fingerprint or more.fingerprint)


def updated(of: Embeddings, new: Embeddings) -> tuple[Embeddings, I64]:
    """`of` with the vectors of `new` where it has them, and the rows that changed.

    Raises
    ------
    UnknownIdError
        An id of `new` is not in `of`.
    IncompatibleError
        Width or encoder differ.
    """
    _require_alike(of, new)
    rows = of.ids.rows(new.ids.array)
    vectors = np.array(of.vectors)
    vectors[rows] = new.vectors
    return Embeddings(of.ids, vectors, of.fingerprint or new.fingerprint), rows


def removed(of: Embeddings, ids: Sequence[str]) -> tuple[Bool, Embeddings]:
    """Which rows of `of` stay, shape `(n,)`, and the embeddings of those.

    Raises
    ------
    DataError
        `ids` is one string.
    UnknownIdError
        An id is not in `of`.
    """
    if isinstance(ids, str):
        raise DataError(f"remove: the string {ids!r}; expected a list of ids")
    stays = np.ones(len(of), dtype=bool)
    stays[of.ids.rows(ids)] = False
    return stays, Embeddings(of.ids.take(np.flatnonzero(stays)), of.vectors[stays], of.fingerprint)


def _require_alike(one: Embeddings, other: Embeddings) -> None:
    if one.dim != other.dim:
        raise IncompatibleError(f"vectors of width {other.dim} for an index of width {one.dim}; encode them alike")
    if one.fingerprint and other.fingerprint and one.fingerprint != other.fingerprint:
        raise IncompatibleError(
            f"vectors of the encoder {other.fingerprint!r} for an index of {one.fingerprint!r}; encode them alike"
        )
