"""Pictures, text and behaviour in one vector space: recommendation and retrieval for shops.

Names load on first use (PEP 562), so `import mmreco` is quick and loads neither torch nor FAISS.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_NAMES = {
    "Answer": "mmreco.data.answer",
    "Attributes": "mmreco.data.attributes",
    "BehaviourEncoder": "mmreco.encoders.behaviour",
    "Catalogue": "mmreco.data.catalogue",
    "DataError": "mmreco.errors",
    "Embedded": "mmreco.encoders.embed",
    "Embeddings": "mmreco.data.embeddings",
    "Encoder": "mmreco.protocols",
    "Holdout": "mmreco.data.split",
    "IdMap": "mmreco.data.ids",
    "ImageEncoder": "mmreco.encoders.image",
    "IncompatibleError": "mmreco.errors",
    "Interactions": "mmreco.data.interactions",
    "ItemKNN": "mmreco.models.itemknn",
    "LexicalEncoder": "mmreco.encoders.lexical",
    "MMRecoError": "mmreco.errors",
    "MODELS": "mmreco.models",
    "MissingExtraError": "mmreco.errors",
    "NotFittedError": "mmreco.errors",
    "Popular": "mmreco.models.popular",
    "Ranking": "mmreco.data.ranking",
    "Recommender": "mmreco.recommender",
    "Recommends": "mmreco.protocols",
    "Report": "mmreco.evaluation",
    "Reviews": "mmreco.data.reviews",
    "Searches": "mmreco.protocols",
    "SharedSpace": "mmreco.space",
    "TextEncoder": "mmreco.encoders.text",
    "UnknownIdError": "mmreco.errors",
    "VectorIndex": "mmreco.index.vector",
    "by_time": "mmreco.data.split",
    "by_user": "mmreco.data.split",
    "cold_items": "mmreco.data.split",
    "embed": "mmreco.encoders.embed",
    "evaluate": "mmreco.evaluation",
    "leave_last_out": "mmreco.data.split",
    "verify": "mmreco.data.artefact",
}

if TYPE_CHECKING:  # the same list, for type checkers and editors
    from mmreco.data.answer import Answer
    from mmreco.data.artefact import verify
    from mmreco.data.attributes import Attributes
    from mmreco.data.catalogue import Catalogue
    from mmreco.data.embeddings import Embeddings
    from mmreco.data.ids import IdMap
    from mmreco.data.interactions import Interactions
    from mmreco.data.ranking import Ranking
    from mmreco.data.reviews import Reviews
    from mmreco.data.split import Holdout, by_time, by_user, cold_items, leave_last_out
    from mmreco.encoders.behaviour import BehaviourEncoder
    from mmreco.encoders.embed import Embedded, embed
    from mmreco.encoders.image import ImageEncoder
    from mmreco.encoders.lexical import LexicalEncoder
    from mmreco.encoders.text import TextEncoder
    from mmreco.errors import (
        DataError,
        IncompatibleError,
        MissingExtraError,
        MMRecoError,
        NotFittedError,
        UnknownIdError,
    )
    from mmreco.evaluation import Report, evaluate
    from mmreco.index.vector import VectorIndex
    from mmreco.models import MODELS
    from mmreco.models.itemknn import ItemKNN
    from mmreco.models.popular import Popular
    from mmreco.protocols import Encoder, Recommends, Searches
    from mmreco.recommender import Recommender
    from mmreco.space import SharedSpace

__all__ = [
    "Answer",
    "Attributes",
    "BehaviourEncoder",
    "Catalogue",
    "DataError",
    "Embedded",
    "Embeddings",
    "Encoder",
    "Holdout",
    "IdMap",
    "ImageEncoder",
    "IncompatibleError",
    "Interactions",
    "ItemKNN",
    "LexicalEncoder",
    "MMRecoError",
    "MODELS",
    "MissingExtraError",
    "NotFittedError",
    "Popular",
    "Ranking",
    "Recommender",
    "Recommends",
    "Report",
    "Reviews",
    "Searches",
    "SharedSpace",
    "TextEncoder",
    "UnknownIdError",
    "VectorIndex",
    "by_time",
    "by_user",
    "cold_items",
    "embed",
    "evaluate",
    "leave_last_out",
    "verify",
]


def __getattr__(name: str) -> object:
    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module 'mmreco' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
