"""State: all that one answer is made from. It is replaced as a whole, so that no answer mixes two."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.arrays import Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.data.users import Users
from mmreco.live.event_log import EventLog
from mmreco.live.item_space import Indexing, ItemSpace
from mmreco.live.popularity import Popularity
from mmreco.protocols import Recommends
from mmreco.retrieval.content_index import ContentIndex
from mmreco.retrieval.hybrid import HybridSearch
from mmreco.retrieval.lexical import LexicalIndex
from mmreco.retrieval.words_of_pictures import words_of_pictures

__all__ = ["State"]


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
    space : where the model has the items, with those placed later; None for a model without vectors
    lexical : the words of the catalogue; None where nothing is written
    log, popularity : what users did, the newest event included
    repeats : whether what a user had is answered again unless the caller says otherwise
    refused : content that could not be used, `id` and `reason`
    chosen : which model was chosen by measuring, and how; empty where the caller named one
    """

    catalogue: Catalogue
    content: Mapping[str, ContentIndex]
    model: Recommends | None
    model_items: IdMap
    space: ItemSpace | None
    log: EventLog
    popularity: Popularity
    refused: pa.Table
    indexing: Indexing
    lexical: LexicalIndex | None = None
    repeats: bool = False
    alive: Bool | None = None
    reviews: Reviews | None = None
    users: Users | None = None
    chosen: str = ""

    def changed(self, **parts: Any) -> "State":
        """The state with other parts; what was derived from those that stay is not derived again."""
        other = replace(self, **parts)
        for name, sources in _DERIVED.items():
            if name in self.__dict__ and not sources & parts.keys():
                other.__dict__[name] = self.__dict__[name]
        return other

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
        sides = [words_of_pictures(one, self.catalogue, self.indexing.own) for one in self.content.values()]
        return (*self.content.values(), *(side for side in sides if side is not None))

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

    def dataset_of_model(self) -> Dataset:
        """What is known now of the items the model was fitted on, and what users did with them: for a fit in place."""
        items, n = self.model_items, len(self.model_items)
        log = self.log.merged(self.items)
        log = replace(log if n == len(self.items) else log.keep(log.items_flat < n), items=items)
        catalogue = self.catalogue if n == len(self.items) else self.catalogue.take(np.arange(n))
        content = {name: _within(index.embeddings, items) for name, index in self.content.items()}
        users = None if self.users is None else self.users.aligned(log.users)
        reviews = None if self.reviews is None else self.reviews.over(items)
        return Dataset(catalogue, log, reviews, users, content)


_DERIVED = {
    "living": {"catalogue", "alive"},
    "searched": {"catalogue", "content"},
    "words_and_meanings": {"catalogue", "content", "lexical"},
    "facts": {"catalogue", "reviews"},
}


def _within(embeddings: Embeddings, items: IdMap) -> Embeddings:
    rows = np.flatnonzero(items.rows(embeddings.ids.array, missing="mark") >= 0)
    if len(rows) == len(embeddings):
        return embeddings
    return Embeddings(embeddings.ids.take(rows), embeddings.vectors[rows], embeddings.fingerprint)
