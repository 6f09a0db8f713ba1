"""Recommenders of the literature behind one promise: histories in, ranking out. `MODELS` holds them by name."""

from mmreco.models.base import ScoreModel, VectorModel
from mmreco.models.itemknn import ItemKNN
from mmreco.models.popular import Popular

__all__ = ["MODELS", "ItemKNN", "Popular", "ScoreModel", "VectorModel"]

MODELS: dict[str, type[ScoreModel] | type[VectorModel]] = {
    "Popular": Popular,
    "ItemKNN": ItemKNN,
}
"""Every model that needs nothing but behaviour, by name: `MODELS["ItemKNN"]().fit(train)`."""
