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
from mmreco.index.vector import VectorIndex
from mmreco.protocols import Encoder

__all__ = ["ContentIndex"]


@dataclass(frozen=True, eq=False)
class ContentIndex:
    """What each item says through one encoder, indexed.

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
    index: VectorIndex

    def __post_init__(self) -> None:
        if self.embeddings.dim != self.encoder.dim:
            raise IncompatibleError(
                f"{type(self.encoder).__name__} makes vectors of width {self.encoder.dim}; "
                f"the embeddings have {self.embeddings.dim}; encode the catalogue again"
            )
        _ = self.rows

    @property
    def embeddings(self) -> Embeddings:
        """The vectors of the items that have such content."""
        return self.index.embeddings

    @cached_property
    def rows(self) -> I64:
        """The item row of each vector, shape `(len(embeddings),)`."""
        return self.items.rows(self.embeddings.ids.array)

    @cached_property
    def places(self) -> I64:
        """The vector of each item row, shape `(n_items,)`; -1 where it has no such content."""
        places = np.full(len(self.items), -1, dtype=np.int64)
        places[self.rows] = np.arange(len(self.rows))
        return places

    def coverage(self, queries: Sequence[Any]) -> F32:
        """How much of each query the encoder knows, shape `(n,)`, between 0 and 1."""
        return vocabulary_coverage(self.encoder, queries)

    def encode(self, queries: Sequence[Any]) -> F32:
        """The queries' vectors of unit length, shape `(n, dim)`."""
        return encode_query(self.encoder, queries)

    def search(
        self, queries: F32, k: int, *, candidates: Bool | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        """The `k` items nearest to each vector, as rows of `items`, best first.

        Parameters
        ----------
        queries : shape `(n, dim)`
        candidates : shape `(n_items,)` or `(n, n_items)`, optional
        exclude : `n` users over `items`, optional
        """
        where = None if candidates is None else np.ascontiguousarray(candidates[..., self.rows])
        barred = None if exclude is None else self._own(exclude)
        ranking = self.index.search(queries, k, where=where, exclude=barred)
        return Ranking(np.where(ranking.rows >= 0, self.rows[ranking.rows], -1), ranking.scores)

    def cosines(self, queries: F32, rows: I64) -> tuple[F32, Bool]:
        """The cosine of query `q` with the items `rows[q]`, shape `(n, c)`, and which of them have such content."""
        places = np.where(rows >= 0, self.places[rows], -1)
        there = places >= 0
        vectors = self.embeddings.vectors
        scores = np.zeros(rows.shape, dtype=np.float32)
        for line in range(len(rows)):  # a line at a time: no more vectors are gathered than one query needs
            own = there[line]
            scores[line, own] = vectors[places[line, own]] @ queries[line]
        return scores, there

    def over(self, items: IdMap) -> "ContentIndex":
        """The same vectors over a catalogue that begins with the items there are."""
        return replace(self, items=items)

    def _own(self, exclude: Interactions) -> Interactions:
        """What is excluded, as rows of the vectors; items without such content are no answer anyway."""
        places = self.places[exclude.items_flat]
        there = places >= 0
        return Interactions.from_events(exclude.users, self.embeddings.ids, exclude.users_flat[there], places[there])
