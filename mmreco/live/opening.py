"""What a shop shows before anybody has done anything: what is new, and what is central among its items."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings

__all__ = ["opening_order"]


def opening_order(catalogue: Catalogue, content: Iterable[Embeddings]) -> F32:
    """A score from 0 to below 1 an item, shape `(n,)`: the mean of its place by newness and by centrality.

    Newness is the place by `created`; centrality is the place by the cosine with the mean of all items' vectors. What
    is not known of an item counts as the last place.
    """
    n = len(catalogue)
    parts = [_newness(catalogue)] if catalogue.has("created") else []
    parts += [_centrality(vectors, catalogue) for vectors in content if len(vectors)]
    if not parts or not n:
        return np.zeros(n, dtype=np.float32)
    score: F32 = (np.mean(parts, axis=0) * (1 - 1 / (n + 1))).astype(np.float32)
    return score


def _newness(catalogue: Catalogue) -> F32:
    column = catalogue.table["created"].combine_chunks()
    there = np.asarray(column.is_valid())
    moments = column.cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return _places(moments.astype(np.float64), there)


def _centrality(vectors: Embeddings, catalogue: Catalogue) -> F32:
    values, there = vectors.aligned(catalogue.items)
    return _places(values @ values[there].mean(axis=0), there)


def _places(values: np.ndarray, there: np.ndarray) -> F32:
    """From 0 for what is unknown, or the least, to 1 for the largest; equal values share their lowest place."""
    order = np.sort(values[there])
    places = np.zeros(len(values), dtype=np.float32)
    places[there] = np.searchsorted(order, values[there], side="left") / max(1, len(order) - 1)
    return places
