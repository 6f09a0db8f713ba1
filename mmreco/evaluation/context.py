"""EvaluationContext: what is known of the items and of the past, which the measures beyond accuracy need."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from mmreco import metrics
from mmreco.arrays import F32, F64, I64, Bool
from mmreco.data.attributes import Attributes
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError

__all__ = ["EvaluationContext", "require_context"]


@dataclass(frozen=True, eq=False)
class EvaluationContext:
    """What `evaluate` and `compare` may know beside the split, to measure more than accuracy.

    Parameters
    ----------
    train : what the models were trained on
        Gives popularity, novelty and serendipity, and parts the items into head, tail and cold ones.
    categories : of the same items, optional
        Gives diversity by category, and miscalibration. E.g. `Attributes.from_catalogue(shop, columns=["category"])`.
    vectors : optional
        Gives diversity by vectors; items without one are left out of it.

    Raises
    ------
    IncompatibleError
        `categories` are of other items than `train`.
    """

    train: Interactions
    categories: Attributes | None = None
    vectors: Embeddings | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> "EvaluationContext":
        """What the training set `dataset` knows: its log, its column `category`, the first of its content vectors."""
        categories = None
        if dataset.catalogue.has("category"):
            categories = Attributes.from_catalogue(dataset.catalogue, columns=["category"], at_least=1)
        vectors = next((vectors for vectors in dataset.content.values() if len(vectors)), None)
        return cls(dataset.interactions, categories, vectors)

    def __post_init__(self) -> None:
        if self.categories is not None and self.categories.items != self.train.items:
            raise IncompatibleError(
                f"context: categories of {len(self.categories.items)} items, train over {len(self.train.items)}, and "
                "not the same; make both from one catalogue"
            )

    def require_items(self, items: IdMap) -> None:
        """Nothing, or an error: the context must be of `items`, those that are tested.

        Raises
        ------
        IncompatibleError
            It is of others.
        """
        if self.train.items != items:
            raise IncompatibleError(
                f"context is of {len(self.train.items)} items, test of {len(items)}, and not the same; "
                "make the context from the split's own training set"
            )

    @cached_property
    def counts(self) -> I64:
        """Events an item in training, shape `(n_items,)`."""
        return self.train.counts()

    @cached_property
    def shares(self) -> F64:
        """The share of the trained users that have each item, shape `(n_items,)`."""
        return metrics.shares(self.train)

    @cached_property
    def bits(self) -> F64:
        """The self-information of each item, shape `(n_items,)`."""
        return metrics.self_information(self.train)

    @cached_property
    def segments(self) -> dict[str, Bool]:
        """Head, tail and cold items, shape `(n_items,)` each."""
        return metrics.item_segments(self.train)

    @cached_property
    def bags(self) -> sp.csr_array | None:
        """Which categories each item has, shape `(n_items, c)`."""
        return None if self.categories is None else self.categories.matrix()

    @cached_property
    def aligned(self) -> F32 | None:
        """The items' vectors in the order of `train.items`, zeros where there is none."""
        if self.vectors is None:
            return None
        vectors: F32 = np.asarray(self.vectors.aligned(self.train.items)[0])
        return vectors


def require_context(given: object) -> None:
    """Nothing, or an error: what is given for a context must be one.

    Raises
    ------
    DataError
        It is something else.
    """
    if not isinstance(given, EvaluationContext):
        raise DataError(
            f"context is a {type(given).__name__}; expected an EvaluationContext, e.g. "
            "EvaluationContext.of(split.train)"
        )
