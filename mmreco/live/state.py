"""State: all that one answer is made from. It is replaced as a whole, so that no answer mixes two."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.data.users import Users
from mmreco.errors import DataError
from mmreco.index.vector import VectorIndex
from mmreco.live.event_log import EventLog
from mmreco.live.popularity import Popularity
from mmreco.models.base import VectorModel
from mmreco.protocols import Recommends, Searches
from mmreco.retrieval.content_index import ContentIndex
from mmreco.retrieval.hybrid import HybridSearch
from mmreco.retrieval.lexical import LexicalIndex
from mmreco.retrieval.words_of_pictures import words_of_pictures

__all__ = ["Indexing", "State", "vectors_of"]


class Indexing(NamedTuple):
    """How vectors are searched: quality and device of `VectorIndex`, or the caller's own index of the item vectors."""

    quality: str = "exact"
    device: str = "auto"
    custom: Callable[[Embeddings], Searches] | None = None

    def build(self, embeddings: Embeddings) -> VectorIndex:
        """The library's own index over these vectors."""
        return VectorIndex(embeddings, quality=self.quality, device=self.device)  # type: ignore[arg-type]  # checked there


@dataclass(frozen=True, eq=False)
class State:
    """A catalogue with its indexes, a model, and what users did.

    Parameters
    ----------
    catalogue : every item there ever was; rows do not change
    alive : shape `(n_items,)`, optional
        Which of them were not removed; all when None.
    content : by name
    model : what recommends, over the first items of the catalogue; None where there was nothing to learn from
    model_items : the items the model was fitted on
    vectors : the model's item vectors, with those placed later; None for a model without
    index : over `vectors`
    lexical : the words of the catalogue; None where nothing is written
    log, popularity : what users did, the newest event included
    repeats : whether what a user had is answered again unless the caller says otherwise
    refused : content that could not be used, `id` and `reason`
    """

    catalogue: Catalogue
    content: Mapping[str, ContentIndex]
    model: Recommends | None
    model_items: IdMap
    vectors: Embeddings | None
    index: Searches | None
    log: EventLog
    popularity: Popularity
    refused: pa.Table
    indexing: Indexing
    lexical: LexicalIndex | None = None
    repeats: bool = False
    alive: Bool | None = None
    reviews: Reviews | None = None
    users: Users | None = None

    @property
    def items(self) -> IdMap:
        """The map of the items."""
        return self.catalogue.items

    @cached_property
    def living(self) -> Catalogue:
        """The items that were not removed."""
        return self.catalogue if self.alive is None else self.catalogue.take(np.flatnonzero(self.alive))

    @cached_property
    def words_and_meanings(self) -> HybridSearch | None:
        """The search by what is written; None where nothing is."""
        if self.lexical is None:
            return None
        return HybridSearch(self.catalogue, self.lexical, tuple(one for one in self.searched if one.modality == "text"))

    @cached_property
    def searched(self) -> tuple[ContentIndex, ...]:
        """The indexes that queries are compared with: those of the content, and pictures of items without words."""
        sides = [words_of_pictures(one, self.catalogue, self.indexing.build) for one in self.content.values()]
        return (*self.content.values(), *(side for side in sides if side is not None))

    @cached_property
    def directions(self) -> VectorIndex | None:
        """The index over item vectors of unit length; None for a model without vectors."""
        if self.vectors is None or not isinstance(self.model, VectorModel):
            return None
        vectors = self.vectors.vectors
        unit = self.model.directions(vectors)
        if (
            isinstance(self.index, VectorIndex)
            and unit.shape == vectors.shape
            and np.allclose(unit, vectors, atol=1e-3)
        ):
            return self.index
        return self.indexing.build(Embeddings(self.vectors.ids, unit))

    @cached_property
    def user_index(self) -> VectorIndex | None:
        """The index over the vectors of the log's users, made when first asked for; None for a model without."""
        if self.vectors is None:
            return None
        return self.indexing.build(Embeddings(self.log.base.users, self.read(self.log.base)))

    def read(self, histories: Interactions) -> F32:
        """The unit vectors of these histories by the model, shape `(n, dim)`."""
        if not isinstance(self.model, VectorModel):
            raise DataError("the model has no user vectors")
        inside = histories.items_flat < len(self.model_items)
        known = replace(histories if inside.all() else histories.keep(inside), items=self.model_items)
        return self.model.directions(self.model.user_vectors(known))

    def among(self, chosen: Bool | None) -> Bool | None:
        """`chosen`, shape `(n_items,)` or `(n, n_items)`, without what was removed."""
        if self.alive is None:
            return chosen
        return self.alive if chosen is None else chosen & self.alive

    @cached_property
    def facts(self) -> Dataset:
        """What is known of the items, with no event: at the cost of neither the log nor of what came after it."""
        nobody = Interactions.from_histories([], items=self.items)
        reviews = (
            self.reviews if self.reviews is None or self.reviews.items == self.items else self.reviews.over(self.items)
        )
        return Dataset(self.catalogue, nobody, reviews)

    def dataset(self) -> Dataset:
        """All there is, to be learnt from: what was observed included, what was removed left out."""
        log, catalogue = self.log.merged(self.items), self.living
        if self.alive is not None:
            log = log.keep(self.alive[log.items_flat]).over(catalogue.items)
        content = {name: _within(index.embeddings, catalogue.items) for name, index in self.content.items()}
        users = None if self.users is None else self.users.aligned(log.users)
        reviews = self.reviews if self.reviews is None or self.alive is None else self.reviews.over(catalogue.items)
        return Dataset(catalogue, log, reviews, users, content)


def vectors_of(model: Recommends | None) -> Embeddings | None:
    """The item vectors of a model that has any."""
    return model.item_embeddings() if isinstance(model, VectorModel) else None


def _within(embeddings: Embeddings, items: IdMap) -> Embeddings:
    rows = np.flatnonzero(items.rows(embeddings.ids.array, missing="mark") >= 0)
    if len(rows) == len(embeddings):
        return embeddings
    return Embeddings(embeddings.ids.take(rows), embeddings.vectors[rows], embeddings.fingerprint)
