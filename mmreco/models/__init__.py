"""Recommenders of the literature behind one promise: a request in, a ranking out. `MODELS` holds them by name.

A model's file is read when the model is first asked for, so that whoever counts clicks loads no torch.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from mmreco.errors import UnknownIdError
from mmreco.models.base import Model, ScoreModel, VectorModel

if TYPE_CHECKING:  # the same list as `_FILES`, for type checkers and editors
    from mmreco.models.als import ALS
    from mmreco.models.bert4rec import BERT4Rec
    from mmreco.models.bpr import BPR
    from mmreco.models.caser import Caser
    from mmreco.models.cfgan import CFGAN
    from mmreco.models.contentknn import ContentKNN
    from mmreco.models.ease import EASE
    from mmreco.models.gru4rec import GRU4Rec
    from mmreco.models.hybrid import ReciprocalRank, Switching, Weighted
    from mmreco.models.itemknn import ItemKNN
    from mmreco.models.logistic import LogisticProfile
    from mmreco.models.multvae import MultVAE
    from mmreco.models.ncf import NCF
    from mmreco.models.popular import Popular
    from mmreco.models.private_svd import PrivateSVD
    from mmreco.models.puresvd import PureSVD
    from mmreco.models.random import Random
    from mmreco.models.repeat import Repeat
    from mmreco.models.sasrec import SASRec
    from mmreco.models.sequencegan import SequenceGAN
    from mmreco.models.sharedspace import SharedSpace
    from mmreco.models.slim import SLIM
    from mmreco.models.training import Training
    from mmreco.models.transition_graph import TransitionGraph
    from mmreco.models.twotower import TwoTower
    from mmreco.models.userknn import UserKNN

__all__ = [
    "ALS",
    "BERT4Rec",
    "BPR",
    "CFGAN",
    "Caser",
    "ContentKNN",
    "EASE",
    "GRU4Rec",
    "ItemKNN",
    "LogisticProfile",
    "MODELS",
    "Model",
    "MultVAE",
    "NCF",
    "Popular",
    "PrivateSVD",
    "PureSVD",
    "Random",
    "ReciprocalRank",
    "Repeat",
    "SASRec",
    "SLIM",
    "ScoreModel",
    "SequenceGAN",
    "SharedSpace",
    "Switching",
    "Training",
    "TransitionGraph",
    "TwoTower",
    "UserKNN",
    "VectorModel",
    "Weighted",
]

_FILES = {
    "Popular": "mmreco.models.popular",
    "ItemKNN": "mmreco.models.itemknn",
    "Random": "mmreco.models.random",
    "Repeat": "mmreco.models.repeat",
    "UserKNN": "mmreco.models.userknn",
    "EASE": "mmreco.models.ease",
    "SLIM": "mmreco.models.slim",
    "PureSVD": "mmreco.models.puresvd",
    "PrivateSVD": "mmreco.models.private_svd",
    "ALS": "mmreco.models.als",
    "BPR": "mmreco.models.bpr",
    "TransitionGraph": "mmreco.models.transition_graph",
    "ContentKNN": "mmreco.models.contentknn",
    "LogisticProfile": "mmreco.models.logistic",
    "Weighted": "mmreco.models.hybrid",
    "ReciprocalRank": "mmreco.models.hybrid",
    "Switching": "mmreco.models.hybrid",
    "NCF": "mmreco.models.ncf",
    "TwoTower": "mmreco.models.twotower",
    "MultVAE": "mmreco.models.multvae",
    "CFGAN": "mmreco.models.cfgan",
    "SequenceGAN": "mmreco.models.sequencegan",
    "Caser": "mmreco.models.caser",
    "GRU4Rec": "mmreco.models.gru4rec",
    "SASRec": "mmreco.models.sasrec",
    "BERT4Rec": "mmreco.models.bert4rec",
    "SharedSpace": "mmreco.models.sharedspace",
}


class _Models(Mapping[str, type[Model]]):
    def __getitem__(self, name: str) -> type[Model]:
        if not isinstance(name, str) or name not in _FILES:
            raise UnknownIdError(f"model {name!r}: expected one of {', '.join(_FILES)}")
        model: type[Model] = getattr(import_module(_FILES[name]), name)
        return model

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in _FILES

    def __iter__(self) -> Iterator[str]:
        return iter(_FILES)

    def __len__(self) -> int:
        return len(_FILES)

    def __repr__(self) -> str:
        return f"MODELS({', '.join(_FILES)})"


MODELS: Mapping[str, type[Model]] = _Models()
"""Every model by name: `MODELS["ItemKNN"]().fit(dataset)`."""


def __getattr__(name: str) -> object:
    if name == "Training":
        from mmreco.models.training import Training

        return Training
    if name not in _FILES:
        raise AttributeError(f"module 'mmreco.models' has no attribute {name!r}")
    return MODELS[name]
