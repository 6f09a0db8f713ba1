"""ContentIndex: a catalogue as one encoder sees it, searched in that encoder's own space.

A text query is compared with the items' texts and a picture with their pictures, each by the encoder that made the
vectors, so that no encoder has to know another's space.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mmreco.arrays import F32, I64, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.embedding.catalogue import Modality
from mmreco.encoders.queries import encode_query, vocabulary_coverage
from mmreco.errors import IncompatibleError
from mmreco.index.delta import DeltaIndex
from mmreco.index.vector import VectorIndex
from mmreco.protocols import Encoder

__all__ = ["ContentIndex"]

_SAMPLE = 512  # items that say what a cosine is usually like
_DERIVED = ("rows", "places", "_straight", "_sampled")  # of which items have such content
_ROUNDING = 1e-4  # a spread of cosines below which they differ by rounding alone
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class ContentIndex:
    """The items' vectors by one encoder, indexed and searched by content.

    Parameters
    ----------
    modality : "text" or "image"
    encoder : an encoder of that modality
    items : IdMap of the catalogue
    index : over the vectors of the items that have such content
        Their ids are among `items`.

    Raises
    ------
    UnknownIdError
        The index holds an id that is not among `items`.
    IncompatibleError
        The vectors are not of the encoder's width.
    """

    modality: Modality
    encoder: Encoder[Any]
    items: IdMap
    index: VectorIndex | DeltaIndex

    def __post_init__(self) -> None:
        if self.index.dim != self.encoder.dim:
            raise IncompatibleError(
                f"{type(self.encoder).__name__} makes vectors of width {self.encoder.dim}; "
                f"the embeddings have {self.index.dim}; encode the catalogue again"
            )
        _ = self.rows

    def __len__(self) -> int:
        """How many items have such content."""
        return len(self.index)

    @property
    def embeddings(self) -> Embeddings:
        """The vectors of the items that have such content; put together anew after each change."""
        return self.index.embeddings

    @cached_property
    def rows(self) -> I64:
        """The item row of each vector, shape `(len(index),)`."""
        if self.index.ids is self.items:
            return np.arange(len(self.items))
        return self.items.rows(self.index.ids.array)

    @cached_property
    def places(self) -> I64:
        """The vector of each item row, shape `(n_items,)`; -1 where it has no such content."""
        places = np.full(len(self.items), -1, dtype=np.int64)
        places[self.rows] = np.arange(len(self.rows))
        return places

    @cached_property
    def sample(self) -> F32:
        """The vectors of some items, always the same ones: what a cosine is usually like is measured with them."""
        return self.index.vectors_of(self._sampled)

    @cached_property
    def _sampled(self) -> I64:
        return _drawn(np.arange(len(self.index)))

    @cached_property
    def _straight(self) -> bool:
        """Whether vector `p` is that of item row `p`."""
        return bool((self.rows == np.arange(len(self.rows))).all())

    # ---- change

    def add(self, items: IdMap, new: Embeddings) -> "ContentIndex":
        """The index over a catalogue that begins with the items there are, with these vectors as well.

        Parameters
        ----------
        items : the map that begins with the items there are
        new : vectors of items that have none yet
        """
        index = self.index.add(new) if len(new) else self.index
        at = items.rows(new.ids.ids(range(len(new))))
        places = np.concatenate([self.places, np.full(len(items) - len(self.items), -1, dtype=np.int64)])
        places[at] = np.arange(len(self), len(index))
        straight = self._straight and bool((at == np.arange(len(self), len(index))).all())
        sampled = _drawn(np.concatenate([self._sampled, np.arange(len(self), len(index))]))
        return self._with(
            items, index, rows=np.concatenate([self.rows, at]), places=places, _straight=straight, _sampled=sampled
        )

    def update(self, new: Embeddings) -> "ContentIndex":
        """The index where the items of `new` have these vectors, whether they had one before or not."""
        ids = new.ids.ids(range(len(new)))
        had = self.places[self.items.rows(ids)] >= 0
        there, missing = _part(new, np.flatnonzero(had)), _part(new, np.flatnonzero(~had))
        index = self.index.update(there) if len(there) else self.index
        kept = {name: self.__dict__[name] for name in _DERIVED if name in self.__dict__}
        return self._with(self.items, index, **kept).add(self.items, missing)

    def remove(self, ids: Sequence[str]) -> "ContentIndex":
        """The index without the content of the items `ids`; those that have none are passed over."""
        gone = [item for item, place in zip(ids, self.places[self.items.rows(ids)], strict=True) if place >= 0]
        return replace(self, index=self.index.remove(gone)) if gone else self

    def _with(self, items: IdMap, index: VectorIndex | DeltaIndex, **derived: Any) -> "ContentIndex":
        """Another one, with what is derived known already."""
        other = object.__new__(ContentIndex)
        own = {"modality": self.modality, "encoder": self.encoder, "items": items, "index": index}
        other.__dict__.update(own | derived)
        return other

    # ---- asked

    def coverage(self, queries: Sequence[Any]) -> F32:
        """How much of each of `queries` the encoder knows, shape `(n,)`, between 0 and 1."""
        return vocabulary_coverage(self.encoder, queries)

    def encode(self, queries: Sequence[Any]) -> F32:
        """The vectors of `n` `queries`, of unit length, shape `(n, dim)`."""
        return encode_query(self.encoder, queries)

    def search(
        self, queries: F32, k: int, *, candidates: Bool | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        """The `k` items nearest to each vector, as rows of `items`, best first.

        Parameters
        ----------
        queries : shape `(n, dim)`
        k : 1 or more
        candidates : shape `(n_items,)` or `(n, n_items)`, optional
        exclude : `n` users over `items`, optional
        """
        where = candidates
        if candidates is not None:
            chosen = candidates[..., : len(self)] if self._straight else candidates[..., self.rows]
            where = np.ascontiguousarray(chosen)
        barred = None if exclude is None else self._own(exclude)
        ranking = self.index.search(queries, k, where=where, exclude=barred)
        if self._straight:
            return ranking
        return Ranking(np.where(ranking.rows >= 0, self.rows[ranking.rows], -1), ranking.scores)

    def cosines(self, queries: F32, rows: I64) -> tuple[F32, Bool]:
        """The cosine of query `q` with the items `rows[q]`, shape `(n, c)`, and which of them have such content.

        Parameters
        ----------
        queries : shape `(n, dim)`, of unit length
        rows : shape `(n, c)`, of `items`
        """
        places = np.where(rows >= 0, self.places[rows], -1)
        there = places >= 0
        scores = np.zeros(rows.shape, dtype=np.float32)
        for line in range(len(rows)):  # a line at a time: no more vectors are gathered than one query needs
            own = there[line]
            scores[line, own] = self.index.vectors_of(places[line, own]) @ queries[line]
        return scores, there

    def usual(self, vectors: F32) -> tuple[F32, F32]:
        """The mean and the standard deviation of the cosines of each vector with items at large, shape `(n,)` each.

        Cosines that are all the same have a deviation that is far above their rounding; 0 and 1 where there are none.

        Parameters
        ----------
        vectors : shape `(n, dim)`, of unit length
        """
        if not len(self):
            return np.zeros(len(vectors), dtype=np.float32), np.ones(len(vectors), dtype=np.float32)
        cosines = vectors @ self.sample.T  # (n, b)
        return cosines.mean(axis=1), np.maximum(cosines.std(axis=1), np.float32(_ROUNDING))

    def _own(self, exclude: Interactions) -> Interactions:
        """What is excluded, as rows of the vectors; items without such content are no answer anyway."""
        places = self.places[exclude.items_flat]
        there = places >= 0
        return Interactions.from_events(exclude.users, self.index.ids, exclude.users_flat[there], places[there])


def _drawn(rows: I64) -> I64:
    """The rows of a sample among these, increasing: those with the least of a number that only the row decides.

    So what one row more changes is known without looking at the others.
    """
    mixed = (rows.astype(np.uint64) + np.uint64(1)) * _MIX
    mixed ^= mixed >> np.uint64(29)
    mixed *= _MIX
    if len(rows) > _SAMPLE:
        rows = rows[np.argpartition(mixed, _SAMPLE)[:_SAMPLE]]
    return np.sort(rows)


def _part(embeddings: Embeddings, rows: I64) -> Embeddings:
    if len(rows) == len(embeddings):
        return embeddings
    return Embeddings(embeddings.ids.take(rows), embeddings.vectors[rows], embeddings.fingerprint)
