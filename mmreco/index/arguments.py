"""Checks of what an index is given: queries, filters and exclusions. Done once, at the door."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmreco.arguments import strings
from mmreco.arrays import F32, Bool, require_finite
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError
from mmreco.index.query import Excluded

__all__ = ["array", "excluded_pairs", "id_list", "mask_over", "query_vectors", "require_embeddings"]

_LARGEST = 1e37  # scores beyond it may overflow


def array(what: str, given: object) -> npt.NDArray[Any]:
    """`given` as an array.

    Raises
    ------
    DataError
        numpy makes none of it, e.g. of lines of different lengths.
    """
    try:
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:  # the last is torch's, of a tensor that needs gradients
        raise DataError(f"{what}: not an array of numbers ({error})") from error


def query_vectors(given: object, dim: int, longest: float = 0.0) -> F32:
    """Queries as C-contiguous float32 of shape `(n, dim)`; copied only if they are not.

    Parameters
    ----------
    given : what the caller asks with
    dim : the width that is expected
    longest : the greatest length of the vectors they are multiplied with

    Raises
    ------
    DataError
        They have another shape or hold something else than finite numbers, or scores would overflow.
    """
    queries = array("queries", given)
    if queries.ndim != 2 or queries.shape[1] != dim or queries.dtype.kind not in "fiu":
        raise DataError(f"queries: {_named(given, queries)}; expected numbers of shape (n, {dim})")
    if queries.dtype != np.float32 or not queries.flags.c_contiguous:
        with np.errstate(over="ignore"):  # what overflows float32 shows as infinity
            queries = np.ascontiguousarray(queries, dtype=np.float32)
    if not float(np.vdot(queries, queries)) * longest**2 <= _LARGEST:  # NaN where there is one
        require_finite(queries, "queries")
        largest = float(np.abs(queries).max(initial=0.0))
        if longest * largest * dim**0.5 > _LARGEST:
            raise DataError(f"queries: numbers up to {largest:.1e} overflow in float32; scale them down")
    return queries


def mask_over(n_items: int, n_queries: int, where: object) -> Bool | None:
    """`where` as a mask, shape `(n_items,)` or a line for each query, `(n_queries, n_items)`; None for all items.

    Raises
    ------
    DataError
        It is neither.
    """
    if where is None:
        return None
    if isinstance(where, str):
        raise DataError(f"where: the text {where!r}; say where=mask(catalogue, {where!r}), from mmreco.filters.parser")
    mask = array("where", where)
    if mask.dtype != np.bool_ or mask.shape not in ((n_items,), (n_queries, n_items)):
        raise DataError(
            f"where: {_named(where, mask)}; expected bool of shape ({n_items},), or ({n_queries}, {n_items}) with a "
            "line for each query"
        )
    return mask[0] if mask.ndim == 2 and n_queries == 1 else mask


def excluded_pairs(exclude: object, n_queries: int, ids: IdMap, where: Bool | None) -> Excluded:
    """What each query must not return, of the items that `where` allows.

    Raises
    ------
    DataError
        `exclude` is not `Interactions` of `n_queries` users.
    IncompatibleError
        It is over other items than `ids`.
    """
    if exclude is None:
        return Excluded.none()
    if not isinstance(exclude, Interactions):
        raise DataError(
            f"exclude: {_called(exclude)}; expected Interactions with one user a query, as made by "
            "Interactions.from_histories(..., items=index.ids)"
        )
    if len(exclude) != n_queries:
        raise DataError(f"exclude: {len(exclude)} users for {n_queries} queries; expected one user a query")
    if exclude.items is not ids and exclude.items != ids:
        raise IncompatibleError(
            f"exclude: over {len(exclude.items)} items that are not the {len(ids)} of this index; make it with "
            "Interactions.from_histories(..., items=index.ids)"
        )
    queries, rows = exclude.users_flat, exclude.items_flat
    if where is not None:
        allowed = where[rows] if where.ndim == 1 else where[queries, rows]
        queries, rows = queries[allowed], rows[allowed]
    return Excluded.of(queries, rows, len(ids))


def id_list(what: str, given: object) -> list[str]:
    """`given` as a list of ids.

    Raises
    ------
    DataError
        It is one string, no list, or holds something else than strings.
    """
    if isinstance(given, IdMap):
        return given.ids(range(len(given)))
    if isinstance(given, (pa.Array, pa.ChunkedArray)):
        given = given.to_pylist()
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise DataError(f"{what}: {given!r}; expected a list of ids, e.g. ['sku-1']")
    return strings(what, list(given) if not isinstance(given, (str, Path)) else given)  # type: ignore[arg-type]


def require_embeddings(what: str, given: object) -> Embeddings:
    """`given`, which is `Embeddings`.

    Raises
    ------
    DataError
        It is something else.
    """
    if not isinstance(given, Embeddings):
        raise DataError(f"{what}: {_called(given)}; expected Embeddings, as in Embeddings(IdMap.of(ids), vectors)")
    return given


def _called(given: object) -> str:
    return f"an array of shape {given.shape}" if isinstance(given, np.ndarray) else f"a {type(given).__name__}"


def _named(given: object, made: npt.NDArray[Any]) -> str:
    return f"a {type(given).__name__}" if made.dtype == np.object_ else f"{made.dtype} of shape {made.shape}"
