"""torchvision's detection models by name, with weights from its hub or from a file."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmreco.encoders.image.networks import read_weights
from mmreco.errors import DataError, IncompatibleError

__all__ = ["detection_model", "goods", "load_weights"]

_NO_GOODS = ("__background__", "person", "N/A")  # what a shop does not sell


def detection_model(name: str, *, pretrained: bool) -> nn.Module:
    """The model of this name; its weights are random (from seed 0) unless they are fetched from the hub.

    Raises
    ------
    DataError
        torchvision has no such detection model, or the hub does not give the weights.
    """
    from torchvision import models

    names = models.list_models(models.detection)
    if name not in names:
        raise DataError(f"Detector: torchvision has no detection model {name!r}; it has {', '.join(names)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Module = models.get_model(name, weights=None, weights_backbone=None)
    if pretrained:
        weights = models.get_model_weights(name).DEFAULT
        try:
            model.load_state_dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()
            raise DataError(
                f"Detector: the weights of {name} did not come from the hub "
                f"({type(error).__name__}: {reason[0][:120] if reason else 'no reason'}). Give "
                "weights='file.safetensors', or teach one with the shop's own pictures: Detector.fit(catalogue)"
            ) from error
    return model


def load_weights(model: nn.Module, path: str | Path, name: str) -> None:
    """Give the model the weights of a safetensors file.

    Raises
    ------
    DataError
        The file is missing, damaged or holds NaN.
    IncompatibleError
        It holds weights of another model.
    """
    tensors: dict[str, Tensor] = read_weights(path)
    own = model.state_dict()
    wrong = [key for key in own if key not in tensors or tensors[key].shape != own[key].shape]
    wrong += [key for key in tensors if key not in own]
    if wrong:
        raise IncompatibleError(
            f"weights {str(path)!r}: {len(wrong)} tensors missing, unknown or of another shape than those of {name}, "
            f"first {wrong[0]!r}; give the file that belongs to this model"
        )
    model.load_state_dict(tensors)


def goods(name: str) -> frozenset[int]:
    """The labels of a model of this name that may be a product: all of its categories but people."""
    from torchvision import models

    categories: list[Any] = models.get_model_weights(name).DEFAULT.meta["categories"]
    return frozenset(label for label, category in enumerate(categories) if category not in _NO_GOODS)
