"""Searching by words and pictures over several encoders: one score an item, exactly, without looking at every item.

Source: Fagin, Lotem, Naor, "Optimal aggregation algorithms for middleware", 2003 (the threshold algorithm): lists of
each encoder are read until no item further down can still be among the best by the sum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmreco.arrays import F32, Bool
from mmreco.data.ranking import Ranking
from mmreco.embedding.catalogue import Modality
from mmreco.errors import DataError
from mmreco.retrieval.content_index import ContentIndex

__all__ = ["search_content"]

_FIRST = 4  # times k items each list is read at first


def search_content(
    indexes: Sequence[ContentIndex],
    queries: Mapping[Modality, Sequence[Any]],
    k: int,
    *,
    candidates: Bool | None = None,
) -> tuple[Ranking, Bool]:
    """The `k` items whose content matches best, and which queries any encoder knows something of, shape `(n,)`.

    Inside a modality the cosines of the encoders are averaged by how much of the query each knows. Over modalities the
    mean is taken, each cosine measured in standard deviations above what the query has with items at large: cosines of
    pictures are spread more widely than those of texts. An item that lacks one of them counts 0 there. A query of which
    no encoder knows anything has no answer.

    Parameters
    ----------
    indexes : one an encoder; several may be of one modality
    queries : one sequence of `n` a modality
        What to look for: texts, pictures or both.
    k : 1 or more
    candidates : shape `(n_items,)` or `(n, n_items)` of bool, optional

    Raises
    ------
    DataError
        Nothing is asked, two modalities have different numbers of queries, or no encoder reads a modality.
    """
    lengths = {len(asked) for asked in queries.values()}
    if len(lengths) != 1:
        counts = ", ".join(f"{len(asked)} of {name}" for name, asked in queries.items()) or "none"
        raise DataError(f"queries: {counts}; expected as many of each (question q is text q with picture q)")
    n = lengths.pop()
    parts = [part for kind, asked in queries.items() for part in _parts(indexes, kind, asked, len(queries))]
    rows = np.full((n, k), -1, dtype=np.int64)
    scores = np.full((n, k), -np.inf, dtype=np.float32)
    understood = np.any([shares > 0 for _, _, shares in parts], axis=0) if parts else np.zeros(n, dtype=np.bool_)
    alone = np.sum([shares > 0 for _, _, shares in parts], axis=0) == 1 if parts else np.zeros(n, dtype=np.bool_)
    for index, vectors, shares in parts:  # what only one encoder knows is asked together
        lines = np.flatnonzero(alone & (shares > 0))
        if len(lines):
            chosen = candidates if candidates is None or candidates.ndim == 1 else candidates[lines]
            found = index.search(vectors[lines], k, candidates=chosen)
            rows[lines], scores[lines] = found.rows, found.scores * shares[lines, None]
    same = np.zeros(n), np.ones(n)  # inside a modality cosines count as they are
    usual = [index.usual(vectors) if len(queries) > 1 else same for index, vectors, _ in parts]
    for line in np.flatnonzero(~alone):
        chosen = candidates if candidates is None or candidates.ndim == 1 else candidates[line]
        own = [
            _Asked(index, vectors[line], float(shares[line]), float(mean[line]), float(spread[line]))
            for (index, vectors, shares), (mean, spread) in zip(parts, usual, strict=True)
            if shares[line] > 0
        ]
        if own:
            best = _best(own, k, chosen)
            rows[line], scores[line] = best.rows[0], best.scores[0]
    return Ranking(rows, scores), understood


def _parts(
    indexes: Sequence[ContentIndex], kind: Modality, queries: Sequence[Any], n_modalities: int
) -> list[tuple[ContentIndex, F32, F32]]:
    """Each index of the modality with the queries' vectors `(n, dim)` and its share of each query's score `(n,)`."""
    reading = [index for index in indexes if index.modality == kind]
    if not reading:
        raise DataError(
            f"{kind}: no {kind} encoder was fitted, as no item had any, or {kind}=[] was given; ask another way"
        )
    coverage = np.stack([index.coverage(queries) for index in reading])  # (indexes, n)
    total = coverage.sum(axis=0)
    shares = np.divide(coverage, total, out=np.zeros_like(coverage), where=total > 0) / n_modalities
    return [
        (index, index.encode(queries), share)
        for index, share in zip(reading, shares.astype(np.float32), strict=True)
        if share.any()
    ]


@dataclass(frozen=True, eq=False)
class _Asked:
    """One query to one encoder: `vector` of shape `(dim,)`; an item's part is `share * (cosine - mean) / spread`."""

    index: ContentIndex
    vector: F32
    share: float
    mean: float
    spread: float

    def part(self, cosine: F32) -> F32:
        """What cosines of any shape add to the scores."""
        return np.asarray(self.share * (cosine - self.mean) / self.spread, dtype=np.float32)


def _best(parts: Sequence[_Asked], k: int, candidates: Bool | None) -> Ranking:
    """The `k` items with the largest sum of parts, for one query to several encoders."""
    depth = _FIRST * k
    while True:
        lists = [
            asked.index.search(asked.vector[None], min(depth, len(asked.index.rows)), candidates=candidates)
            for asked in parts
        ]
        rows = np.unique(np.concatenate([one.rows[0] for one in lists]))
        rows = rows[rows >= 0]
        sums = np.zeros(len(rows), dtype=np.float32)
        for asked in parts:
            cosines, there = asked.index.cosines(asked.vector[None], rows[None])
            sums += np.where(there[0], asked.part(cosines[0]), 0)
        best = Ranking.from_scores(sums[None], k, rows=rows[None])
        # What no list has shown so far scores at most this; an item without such content scores 0 there.
        unseen = sum(_bound(asked, one) for asked, one in zip(parts, lists, strict=True))
        read = all(
            depth >= len(asked.index.rows) or one.rows[0, -1] < 0 for asked, one in zip(parts, lists, strict=True)
        )
        if read or (best.rows[0, -1] >= 0 and best.scores[0, -1] > unseen):
            return best
        depth *= 4


def _bound(asked: _Asked, shown: Ranking) -> float:
    last = shown.scores[0, -1]
    below = float(asked.part(last)) if np.isfinite(last) else 0.0
    return below if len(asked.index.rows) == len(asked.index.items) else max(below, 0.0)
