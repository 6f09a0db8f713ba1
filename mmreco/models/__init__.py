"""Recommenders of the literature behind one promise: histories in, ranking out. `MODELS` holds them by name.

A model's file is read when the model is first asked for, so that whoever counts clicks loads no torch.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from mmreco.models.base import ScoreModel, VectorModel

__all__ = ["MODELS", "ScoreModel", "VectorModel"]

_FILES = {
    "Popular": "mmreco.models.popular",
    "ItemKNN": "mmreco.models.itemknn",
    "Random": "mmreco.models.random",
    "Repeat": "mmreco.models.repeat",
    "UserKNN": "mmreco.models.userknn",
    "EASE": "mmreco.models.ease",
    "SLIM": "mmreco.models.slim",
    "PureSVD": "mmreco.models.puresvd",
    "ALS": "mmreco.models.als",
    "BPR": "mmreco.models.bpr",
    "LogisticProfile": "mmreco.models.logistic",
    "NCF": "mmreco.models.ncf",
    "TwoTower": "mmreco.models.twotower",
    "MultVAE": "mmreco.models.multvae",
    "CFGAN": "mmreco.models.cfgan",
    "SequenceGAN": "mmreco.models.sequencegan",
    "Caser": "mmreco.models.caser",
    "GRU4Rec": "mmreco.models.gru4rec",
    "SASRec": "mmreco.models.sasrec",
    "BERT4Rec": "mmreco.models.bert4rec",
}


class _Models(Mapping[str, type[ScoreModel] | type[VectorModel]]):
    def __getitem__(self, name: str) -> type[ScoreModel] | type[VectorModel]:
        found: type[ScoreModel] | type[VectorModel] = getattr(import_module(_FILES[name]), name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in _FILES

    def __iter__(self) -> Iterator[str]:
        return iter(_FILES)

    def __len__(self) -> int:
        return len(_FILES)

    def __repr__(self) -> str:
        return f"MODELS({', '.join(_FILES)})"


MODELS: Mapping[str, type[ScoreModel] | type[VectorModel]] = _Models()
"""Every model that needs nothing but behaviour, by name: `MODELS["ItemKNN"]().fit(train)`."""


def __getattr__(name: str) -> object:
    if name not in _FILES:
        raise AttributeError(f"module 'mmreco.models' has no attribute {name!r}")
    return MODELS[name]
