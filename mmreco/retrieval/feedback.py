"""Pseudo-relevance feedback: what is like the first answers is likelier to be an answer.

Rocchio, "Relevance feedback in information retrieval", 1971, moves the query towards its answers; Li et al.,
"Pseudo-relevance feedback with deep language models and dense retrievers", 2021, do so with vectors. Here it is a sign
of its own, so that judgements decide what it is worth.
"""

from collections.abc import Sequence

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.retrieval.content_index import ContentIndex

__all__ = ["feedback"]

_FIRST = 20  # answers that the others are compared with


def feedback(meanings: Sequence[ContentIndex], rows: I64, scores: F32) -> F32:
    """How much each candidate is like the best other candidates of its query, the mean over all meanings.

    Parameters
    ----------
    meanings : of the same items
    rows : shape `(n, c)`
        The candidates of each query, -1 where there is none.
    scores : shape `(n, c)`
        How good each is so far, larger is better.

    Returns
    -------
    shape `(n, c)`
        In standard deviations above what such an answer has in common with items at large; 0 where an item has no
        such content, or no other candidate has.
    """
    out = np.zeros(rows.shape, dtype=np.float32)
    for meaning in meanings:
        for line, candidates in enumerate(rows):
            places = np.where(candidates >= 0, meaning.places[candidates], -1)
            own = np.flatnonzero(places >= 0)
            if len(own) < 2:
                continue
            vectors = meaning.index.vectors_of(places[own])  # (a, d)
            first = np.argsort(-scores[line, own], kind="stable")[:_FIRST]
            mean, spread = meaning.usual(vectors[first])  # (f,) each
            alike = (vectors @ vectors[first].T - mean) / spread  # (a, f)
            others = np.arange(len(own))[:, None] != first  # (a, f)
            out[line, own] += (alike * others).sum(axis=1) / np.maximum(others.sum(axis=1), 1)
    return out / np.float32(max(len(meanings), 1))
