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
    "Between": "mmreco.evaluation",
    "Catalogue": "mmreco.data.catalogue",
    "Comparison": "mmreco.evaluation",
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
    "Known": "mmreco.evaluation",
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
    "StaticEncoder": "mmreco.encoders.static",
    "TextEncoder": "mmreco.encoders.text",
    "Tuned": "mmreco.evaluation",
    "UnknownIdError": "mmreco.errors",
    "VectorIndex": "mmreco.index.vector",
    "by_time": "mmreco.data.split",
    "by_user": "mmreco.data.split",
    "cold_items": "mmreco.data.split",
    "cold_users": "mmreco.data.split",
    "compare": "mmreco.evaluation",
    "embed": "mmreco.encoders.embed",
    "embed_stream": "mmreco.encoders.embed",
    "evaluate": "mmreco.evaluation",
    "leave_last_out": "mmreco.data.split",
    "missing_modality": "mmreco.data.split",
    "random_events": "mmreco.data.split",
    "tune": "mmreco.evaluation",
    "verify": "mmreco.data.artefact",
    "worded": "mmreco.encoders.words",
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
    from mmreco.data.split import (
        Holdout,
        by_time,
        by_user,
        cold_items,
        cold_users,
        leave_last_out,
        missing_modality,
        random_events,
    )
    from mmreco.encoders.behaviour import BehaviourEncoder
    from mmreco.encoders.embed import Embedded, embed, embed_stream
    from mmreco.encoders.image import ImageEncoder
    from mmreco.encoders.lexical import LexicalEncoder
    from mmreco.encoders.static import StaticEncoder
    from mmreco.encoders.text import TextEncoder
    from mmreco.encoders.words import worded
    from mmreco.errors import (
        DataError,
        IncompatibleError,
        MissingExtraError,
        MMRecoError,
        NotFittedError,
        UnknownIdError,
    )
    from mmreco.evaluation import Between, Comparison, Known, Report, Tuned, compare, evaluate, tune
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
    "Between",
    "Catalogue",
    "Comparison",
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
    "Known",
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
    "StaticEncoder",
    "TextEncoder",
    "Tuned",
    "UnknownIdError",
    "VectorIndex",
    "by_time",
    "by_user",
    "cold_items",
    "cold_users",
    "compare",
    "embed",
    "embed_stream",
    "evaluate",
    "leave_last_out",
    "missing_modality",
    "random_events",
    "tune",
    "verify",
    "worded",
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
