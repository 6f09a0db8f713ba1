"""Queries through any encoder: one that tells queries from documents, and one that promises `Encoder` alone."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from mmreco.arrays import F32
from mmreco.errors import DataError
from mmreco.protocols import CoversVocabulary, Encoder, QueryEncoder

__all__ = ["encode_document", "encode_query", "vocabulary_coverage"]


def encode_query(encoder: Encoder[Any], queries: Sequence[Any], *, batch_size: int = 64) -> F32:
    """The queries' vectors, shape `(n, dim)`: by `encode_query` of a `QueryEncoder`, by `encode` of any other.

    Raises
    ------
    DataError
        `queries` is one content or a generator instead of a list, the encoder answers with another shape than it
        promises, or as the encoder raises.
    """
    _require_list(queries)
    encode = encoder.encode_query if isinstance(encoder, QueryEncoder) else encoder.encode
    return _checked(encoder, encode(queries, batch_size=batch_size), len(queries))


def encode_document(encoder: Encoder[Any], contents: Sequence[Any], *, batch_size: int = 64) -> F32:
    """The items' vectors, shape `(n, dim)`: by `encode_document` of a `QueryEncoder`, by `encode` of any other.

    Raises
    ------
    DataError
        As `encode_query`.
    """
    _require_list(contents)
    encode = encoder.encode_document if isinstance(encoder, QueryEncoder) else encoder.encode
    return _checked(encoder, encode(contents, batch_size=batch_size), len(contents))


def vocabulary_coverage(encoder: Encoder[Any], queries: Sequence[Any]) -> F32:
    """How much of each query the encoder's vocabulary covers, shape `(n,)`, 0 to 1; 1 where it does not say.

    Raises
    ------
    DataError
        The encoder answers with another shape, or as the encoder raises.
    """
    _require_list(queries)
    if not isinstance(encoder, CoversVocabulary):
        return np.ones(len(queries), dtype=np.float32)
    shares = np.asarray(encoder.vocabulary_coverage(queries), dtype=np.float32)
    if shares.shape != (len(queries),) or not ((shares >= 0) & (shares <= 1)).all():
        raise DataError(
            f"{type(encoder).__name__}: vocabulary_coverage of {len(queries)} queries has the shape {shares.shape}; "
            f"expected ({len(queries)},), each from 0 to 1"
        )
    return shares


def _require_list(contents: Any) -> None:
    if isinstance(contents, (str, bytes)) or not isinstance(contents, Collection):
        raise DataError(
            f"given a {type(contents).__name__} ({contents!r:.40}); expected a list of contents, e.g. ['red dress']"
        )


def _checked(encoder: Encoder[Any], vectors: Any, n: int) -> F32:
    array: F32 = np.asarray(vectors, dtype=np.float32)
    if array.shape != (n, encoder.dim):
        raise DataError(
            f"{type(encoder).__name__}: vectors of shape {array.shape} for {n} contents; expected ({n}, {encoder.dim})"
        )
    return array
