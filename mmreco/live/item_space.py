"""ItemSpace: where a model has the items, those placed later included, and what searches them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mmreco.arrays import F32
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.index.delta import DeltaIndex
from mmreco.index.vector import VectorIndex
from mmreco.models.base import VectorModel
from mmreco.protocols import Searches

__all__ = ["Indexing", "ItemSpace"]


class Indexing(NamedTuple):
    """How vectors are searched: quality and device of `VectorIndex`, or an index of the caller's.

    Parameters
    ----------
    custom : what makes the caller's index of a name and vectors, optional
        The name is "items" for the model's item vectors, and the encoder's for content.
    """

    quality: str = "exact"
    device: str = "auto"
    custom: Callable[[str, Embeddings], Searches] | None = None

    def build(self, name: str, embeddings: Embeddings) -> VectorIndex | DeltaIndex:
        """An index over these vectors: the caller's where there is one."""
        make = self.custom
        return self.own(embeddings) if make is None else DeltaIndex(lambda vectors: make(name, vectors), embeddings)

    def own(self, embeddings: Embeddings) -> VectorIndex:
        """The library's own index over these vectors."""
        return VectorIndex(embeddings, quality=self.quality, device=self.device)  # type: ignore[arg-type]  # checked there


@dataclass(frozen=True, eq=False)
class ItemSpace:
    """Item vectors of a model, indexed. A value: a change costs what changes.

    Parameters
    ----------
    model : whose vectors they are
    index : of all of them
    indexing : how others are searched
    """

    model: VectorModel
    index: VectorIndex | DeltaIndex
    indexing: Indexing

    @classmethod
    def of(cls, model: VectorModel, indexing: Indexing) -> "ItemSpace":
        """The space of the items a model was fitted on."""
        return cls(model, indexing.build("items", model.item_embeddings()), indexing)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def grown(self) -> bool:
        """Whether it holds items that came after the model was fitted."""
        return len(self.index) > len(self.model.items_)

    @cached_property
    def directions(self) -> VectorIndex | DeltaIndex:
        """The index over item vectors of unit length; `index` itself where they have it."""
        vectors = self.index.embeddings.vectors
        unit = self.model.directions(vectors)
        if unit.shape == vectors.shape and np.allclose(unit, vectors, atol=1e-3):
            return self.index
        return self.indexing.own(Embeddings(self.index.ids, unit))

    def add(self, more: Embeddings) -> "ItemSpace":
        """The space with these items after those it has."""
        return self._changed(self.index.add(more), more) if len(more) else self

    def update(self, moved: Embeddings) -> "ItemSpace":
        """The space where these items have these vectors."""
        return self._changed(self.index.update(moved), moved) if len(moved) else self

    def _changed(self, index: VectorIndex | DeltaIndex, vectors: Embeddings) -> "ItemSpace":
        other = replace(self, index=index)
        if "directions" in self.__dict__:  # kept up to date, as it is costly to make
            held, unit = self.directions, Embeddings(vectors.ids, self.model.directions(vectors.vectors))
            if held is not self.index:
                index = held.update(unit) if len(index) == len(self.index) else held.add(unit)
            other.__dict__["directions"] = index
        if "_users" in self.__dict__:
            other.__dict__["_users"] = self.__dict__["_users"]
        return other

    # ---- users

    def users(self, log: Interactions) -> VectorIndex:
        """The index over the vectors of a log's users, made when first asked for."""
        held: tuple[Interactions, VectorIndex] | None = self.__dict__.get("_users")
        if held is None or held[0] is not log:
            held = self.__dict__["_users"] = (log, self.indexing.own(Embeddings(log.users, self.read(log))))
        return held[1]

    def read(self, histories: Interactions) -> F32:
        """The unit vectors of these histories by the model, shape `(n, dim)`; of the items it was fitted on."""
        inside = histories.items_flat < len(self.model.items_)
        known = replace(histories if inside.all() else histories.keep(inside), items=self.model.items_)
        return self.model.directions(self.model.user_vectors(known))
