"""Items of which nothing is written, found by words through their pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from mmreco.arrays import F32, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.index.vector import VectorIndex
from mmreco.protocols import ReadsWords
from mmreco.retrieval.content_index import ContentIndex

__all__ = ["words_of_pictures"]


def words_of_pictures(
    index: ContentIndex, catalogue: Catalogue, build: Callable[[Embeddings], VectorIndex]
) -> ContentIndex | None:
    """The pictures of the items without words as an index that words search; None where there is nothing to search.

    Parameters
    ----------
    index : of pictures
        Words search it only where its encoder reads them as well.
    catalogue : of the same items
    build : what makes an index of vectors
    """
    if not isinstance(index.encoder, ReadsWords):
        return None
    places = np.flatnonzero(_silent(catalogue)[index.rows])
    if not len(places):
        return None
    alone = Embeddings(index.index.ids.take(places), index.index.vectors_of(places))
    return ContentIndex("text", _Words(index.encoder), index.items, build(alone))


def _silent(catalogue: Catalogue) -> Bool:
    """The items of which nothing is written, shape `(n_items,)`."""
    silent = np.ones(len(catalogue), dtype=np.bool_)
    for column in ("title", "text"):
        if column in catalogue.table.column_names:
            empty = pc.equal(catalogue.table[column].fill_null(""), "")
            silent &= np.asarray(empty)
    return silent


@dataclass(frozen=True)
class _Words:
    """The side of an encoder of pictures that reads words."""

    encoder: ReadsWords

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return self.encoder.dim

    @property
    def fingerprint(self) -> str:
        """As of the encoder."""
        return self.encoder.fingerprint

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        """A vector of unit length for each text, shape `(n, dim)`."""
        return self.encoder.encode_words(contents)

    def vocabulary_coverage(self, queries: Sequence[str]) -> F32:
        """How much of each text is known, shape `(n,)`."""
        return self.encoder.words_coverage(queries)
