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
    "Comparison": "mmreco.evaluation",
    "ContentIndex": "mmreco.retrieval.content_index",
    "CoversVocabulary": "mmreco.protocols",
    "DataError": "mmreco.errors",
    "Dataset": "mmreco.data.dataset",
    "Detector": "mmreco.detection.detector",
    "EASE": "mmreco.models.ease",
    "EmbedResult": "mmreco.embedding.embed",
    "Embeddings": "mmreco.data.embeddings",
    "Encoder": "mmreco.protocols",
    "EvaluationContext": "mmreco.evaluation",
    "Holdout": "mmreco.splitting",
    "HybridSearch": "mmreco.retrieval.hybrid",
    "IdMap": "mmreco.data.ids",
    "ImageEncoder": "mmreco.encoders.image.encoder",
    "IncompatibleError": "mmreco.errors",
    "Interactions": "mmreco.data.interactions",
    "ItemKNN": "mmreco.models.itemknn",
    "LexicalEncoder": "mmreco.encoders.text.lexical",
    "LexicalIndex": "mmreco.retrieval.lexical",
    "MMRecoError": "mmreco.errors",
    "MODELS": "mmreco.models",
    "MissingExtraError": "mmreco.errors",
    "NotFittedError": "mmreco.errors",
    "PlacesItems": "mmreco.protocols",
    "Popular": "mmreco.models.popular",
    "QueryEncoder": "mmreco.protocols",
    "Range": "mmreco.evaluation",
    "Ranking": "mmreco.data.ranking",
    "Recommender": "mmreco.recommender",
    "Recommends": "mmreco.protocols",
    "Report": "mmreco.evaluation",
    "Request": "mmreco.data.request",
    "Reviews": "mmreco.data.reviews",
    "Searches": "mmreco.protocols",
    "SharedSpace": "mmreco.models.sharedspace",
    "SimilarUsers": "mmreco.data.answer",
    "Split": "mmreco.splitting",
    "StaticEncoder": "mmreco.encoders.text.static",
    "Storable": "mmreco.protocols",
    "TextEncoder": "mmreco.encoders.text.encoder",
    "Training": "mmreco.models.training",
    "TuningResult": "mmreco.evaluation",
    "UnknownIdError": "mmreco.errors",
    "Users": "mmreco.data.users",
    "VectorIndex": "mmreco.index.vector",
    "by_time": "mmreco.splitting",
    "by_user": "mmreco.splitting",
    "cold_items": "mmreco.splitting",
    "cold_users": "mmreco.splitting",
    "compare": "mmreco.evaluation",
    "embed": "mmreco.embedding.embed",
    "embed_stream": "mmreco.embedding.embed",
    "evaluate": "mmreco.evaluation",
    "leave_last_out": "mmreco.splitting",
    "missing_modality": "mmreco.splitting",
    "random_events": "mmreco.splitting",
    "register_encoder": "mmreco.encoders.registry",
    "rolling": "mmreco.splitting",
    "tune": "mmreco.evaluation",
    "verify": "mmreco.storage.artefact",
    "with_title_tokens": "mmreco.text.title_tokens",
}

if TYPE_CHECKING:  # the same list, for type checkers and editors
    from mmreco.data.answer import Answer, SimilarUsers
    from mmreco.data.attributes import Attributes
    from mmreco.data.catalogue import Catalogue
    from mmreco.data.dataset import Dataset
    from mmreco.data.embeddings import Embeddings
    from mmreco.data.ids import IdMap
    from mmreco.data.interactions import Interactions
    from mmreco.data.ranking import Ranking
    from mmreco.data.request import Request
    from mmreco.data.reviews import Reviews
    from mmreco.data.users import Users
    from mmreco.detection.detector import Detector
    from mmreco.embedding.embed import EmbedResult, embed, embed_stream
    from mmreco.encoders.behaviour import BehaviourEncoder
    from mmreco.encoders.image.encoder import ImageEncoder
    from mmreco.encoders.registry import register_encoder
    from mmreco.encoders.text.encoder import TextEncoder
    from mmreco.encoders.text.lexical import LexicalEncoder
    from mmreco.encoders.text.static import StaticEncoder
    from mmreco.errors import (
        DataError,
        IncompatibleError,
        MissingExtraError,
        MMRecoError,
        NotFittedError,
        UnknownIdError,
    )
    from mmreco.evaluation import Comparison, EvaluationContext, Range, Report, TuningResult, compare, evaluate, tune
    from mmreco.index.vector import VectorIndex
    from mmreco.models import MODELS
    from mmreco.models.ease import EASE
    from mmreco.models.itemknn import ItemKNN
    from mmreco.models.popular import Popular
    from mmreco.models.sharedspace import SharedSpace
    from mmreco.models.training import Training
    from mmreco.protocols import CoversVocabulary, Encoder, PlacesItems, QueryEncoder, Recommends, Searches, Storable
    from mmreco.recommender import Recommender
    from mmreco.retrieval.content_index import ContentIndex
    from mmreco.retrieval.hybrid import HybridSearch
    from mmreco.retrieval.lexical import LexicalIndex
    from mmreco.splitting import (
        Holdout,
        Split,
        by_time,
        by_user,
        cold_items,
        cold_users,
        leave_last_out,
        missing_modality,
        random_events,
        rolling,
    )
    from mmreco.storage.artefact import verify
    from mmreco.text.title_tokens import with_title_tokens

__all__ = [
    "Answer",
    "Attributes",
    "BehaviourEncoder",
    "Catalogue",
    "Comparison",
    "ContentIndex",
    "CoversVocabulary",
    "DataError",
    "Dataset",
    "Detector",
    "EASE",
    "EmbedResult",
    "Embeddings",
    "Encoder",
    "EvaluationContext",
    "Holdout",
    "HybridSearch",
    "IdMap",
    "ImageEncoder",
    "IncompatibleError",
    "Interactions",
    "ItemKNN",
    "LexicalEncoder",
    "LexicalIndex",
    "MMRecoError",
    "MODELS",
    "MissingExtraError",
    "NotFittedError",
    "PlacesItems",
    "Popular",
    "QueryEncoder",
    "Range",
    "Ranking",
    "Recommender",
    "Recommends",
    "Report",
    "Request",
    "Reviews",
    "Searches",
    "SharedSpace",
    "SimilarUsers",
    "Split",
    "StaticEncoder",
    "Storable",
    "TextEncoder",
    "Training",
    "TuningResult",
    "UnknownIdError",
    "Users",
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
    "register_encoder",
    "rolling",
    "tune",
    "verify",
    "with_title_tokens",
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
