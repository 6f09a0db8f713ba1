"""Networks by name: timm's, torchvision's and mmreco's own, with their weights and the preprocessing of these.

A name says its source, `timm/resnet50` or `torchvision/resnet50`, because the two hold other weights under one
name and want their pictures made ready in other ways. What is read from a file is safetensors and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mmreco.encoders.image.preprocessing import Preprocessing
from mmreco.encoders.tensors import headers
from mmreco.errors import DataError, IncompatibleError
from mmreco.nn.chance import seeded_globally
from mmreco.nn.convolution import PictureCNN

__all__ = ["OWN", "PROJECTED", "Network", "fill", "network", "read_weights", "require_room", "with_projection"]

OWN = "mmreco/picturecnn"
"""The name of networks that `ImageEncoder.fit` trained; followed by `-dim` and `-width`."""

PROJECTED = "+linear-"
"""Between a network's name and the widths before and after the layer that `projected` has put behind it."""

# Where a family of torchvision keeps what comes after pooling; "features" marks those that are pooled by us.
_HEADS = {
    "alexnet": "features",
    "convnext": "classifier.2",
    "densenet": "classifier",
    "efficientnet": "classifier",
    "mnasnet": "classifier",
    "mobilenet": "classifier",
    "regnet": "fc",
    "resnet": "fc",
    "resnext": "fc",
    "shufflenet": "fc",
    "squeezenet": "features",
    "swin": "head",
    "vgg": "features",
    "vit": "heads",
    "wide_resnet": "fc",
}


@dataclass(frozen=True)
class Network:
    """A network, its classifying head cut off, with random weights, fetched ones or those `fill` gave it.

    Parameters
    ----------
    name : with its source
    module : pictures `(b, 3, size, size)` -> `(b, dim)`
    head : prefixes of the names of weights that only classify; a file may hold them
    preprocessing : what belongs to the weights of this name
    """

    name: str
    module: nn.Module
    head: tuple[str, ...]
    preprocessing: Preprocessing


def network(name: str, *, size: int | None = None, pretrained: bool = False) -> Network:
    """The network of this name; its weights are random (from seed 0) unless they are fetched from the hub.

    Parameters
    ----------
    name : "timm/...", "torchvision/..." or what `ImageEncoder.fit` called its own
    size : pixels, optional
        In place of the side the weights were trained with.
    pretrained : optional
        Whether to fetch the weights.

    Raises
    ------
    DataError
        The source is not named or not known, it has no such network, the network has no pooled features, or
        the hub does not give the weights.
    """
    if PROJECTED in name:
        below, before, after = _parted(name)
        return with_projection(network(below, size=size, pretrained=pretrained), before, after)
    source, _, inner = name.partition("/")
    if source not in ("timm", "torchvision", "mmreco") or not inner:
        raise DataError(
            f"ImageEncoder: {name!r} does not say where it is from; expected 'timm/...' or 'torchvision/...', "
            f"e.g. 'timm/{inner or source}'"
        )
    with seeded_globally(0):
        if source == "timm":
            return _timm(name, inner, size, pretrained)
        if source == "torchvision":
            return _torchvision(name, inner, size, pretrained)
        return _own(name, size)


def with_projection(below: Network, before: int, after: int) -> Network:
    """The network with a linear layer behind it, which reads its vector of `before` numbers at unit length.

    Parameters
    ----------
    below : Network
    before, after : widths of what the layer reads and gives
    """
    return Network(
        f"{below.name}{PROJECTED}{before}-{after}",
        _Projected(below.module, before, after),
        tuple(f"below.{prefix}" for prefix in below.head),
        below.preprocessing,
    )


def require_room(name: str, path: str | Path) -> None:
    """Nothing, where a file holds as many numbers as the network of this name has; found out without making either.

    Raises
    ------
    DataError
        There is no such network, or the file is missing or damaged.
    IncompatibleError
        The file holds far fewer numbers than the network has.
    """
    needed = _numbers(name)
    try:
        held = sum(prod(shape) for shape in headers([Path(path)]).values())
    except (OSError, DataError) as error:
        raise DataError(
            f"weights {str(path)!r}: {type(error).__name__}: {str(error)[:160]}; expected a safetensors file"
        ) from error
    if needed > 1.1 * held + 1_000:  # a little, for counts of batches and the like
        raise IncompatibleError(
            f"weights {str(path)!r}: {held:,} numbers; {name} has {needed:,}: weights of it are missing; "
            "give the file that belongs to this network"
        )


def _numbers(name: str) -> int:
    """How many numbers the network of this name has, or about half of them where it cannot be described alone."""
    from torchvision import models

    try:
        with torch.device("meta"):
            return sum(tensor.numel() for tensor in network(name).module.state_dict().values())
    except NotImplementedError:  # RegNet reckons with tensors while it is made
        weights = models.get_model_weights(name.partition("/")[2].partition(PROJECTED)[0]).DEFAULT
        return int(weights.meta["num_params"]) // 2


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, floating ones as float32.

    Raises
    ------
    DataError
        The file is missing, no safetensors, damaged, or holds NaN or infinity; the first such tensor is named.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(
            f"weights {str(path)!r}: {type(error).__name__}: {str(error)[:160]}; expected a safetensors file"
        ) from error
    tensors = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    bad = [k for k, v in tensors.items() if v.is_floating_point() and not v.isfinite().all()]
    if bad:
        raise DataError(
            f"weights {str(path)!r}: NaN or infinity in {len(bad)} of {len(tensors)} tensors, first {bad[0]}"
        )
    return tensors


def fill(network: Network, tensors: Mapping[str, Tensor], what: str) -> None:
    """Give the network these weights; those of its classifying head are neither needed nor looked at.

    Raises
    ------
    IncompatibleError
        A weight is missing, unknown or of another shape; how many are, and the first, are named.
    """
    own = network.module.state_dict()

    def heads(key: str) -> bool:
        return any(key == h or key.startswith(h + ".") for h in network.head)

    # a count of batches, which files from elsewhere lack and nobody needs once training is over
    missing = [k for k in own if k not in tensors and not heads(k) and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in tensors if k not in own and not heads(k)]
    shaped = [k for k in tensors if k in own and not heads(k) and tensors[k].shape != own[k].shape]
    for offenders, problem in ((missing, "missing"), (unexpected, "unexpected"), (shaped, "of another shape")):
        if offenders:
            first = offenders[0]
            shapes = f" {tuple(tensors[first].shape)}, expected {tuple(own[first].shape)}" if problem[0] == "o" else ""
            raise IncompatibleError(
                f"{what}: {len(offenders)} weights of {network.name} {problem}, first {first!r}{shapes}; "
                "give the file that belongs to this network"
            )
    given = type(own)((key, tensor) for key, tensor in tensors.items() if not heads(key))
    given._metadata = own._metadata  # type: ignore[attr-defined]  # versions, which MNASNet asks for and no file holds
    network.module.load_state_dict(given, strict=False)


class _Averaged(nn.Module):
    """The last feature map, averaged over the picture."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, pictures: Tensor) -> Tensor:
        averaged: Tensor = self.features(pictures).mean(dim=(2, 3))
        return averaged


class _Projected(nn.Module):
    """A network's vector at unit length through one linear layer."""

    def __init__(self, below: nn.Module, before: int, after: int) -> None:
        super().__init__()
        self.below = below
        self.linear = nn.Linear(before, after)

    def forward(self, pictures: Tensor) -> Tensor:
        projected: Tensor = self.linear(F.normalize(self.below(pictures), dim=1))
        return projected


def _parted(name: str) -> tuple[str, int, int]:
    """The network below a projection, and the layer's widths."""
    below, _, widths = name.partition(PROJECTED)
    try:
        before, after = (int(number) for number in widths.split("-"))
    except ValueError as error:
        raise DataError(f"ImageEncoder: no network {name!r}; expected {PROJECTED}BEFORE-AFTER at its end") from error
    if not (1 <= before <= 1 << 16 and 1 <= after <= 4_096):
        raise DataError(f"ImageEncoder: {name!r}: widths {before}, {after}; expected 1 to 65536 and 1 to 4096")
    return below, before, after


def _timm(name: str, inner: str, size: int | None, pretrained: bool) -> Network:
    import timm
    from timm.data.config import resolve_model_data_config

    if not timm.is_model(inner):
        raise DataError(f"ImageEncoder: timm has no network {inner!r}; timm.list_models() names them")
    try:
        module = timm.create_model(inner, pretrained=pretrained, num_classes=0)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unfetched(name, error) from error
    config: dict[str, Any] = resolve_model_data_config(module)  # type: ignore[no-untyped-call]
    declared: Any = module.pretrained_cfg
    head = declared.get("classifier") or ()
    preprocessing = Preprocessing(
        size if size is not None else int(config["input_size"][-1]),
        tuple(config["mean"]),
        tuple(config["std"]),
        "bicubic" if config["interpolation"] == "bicubic" else "bilinear",
    )
    return Network(name, module, (head,) if isinstance(head, str) else tuple(head), preprocessing)


def _torchvision(name: str, inner: str, size: int | None, pretrained: bool) -> Network:
    from torchvision import models

    if inner not in models.list_models(models):
        raise DataError(
            f"ImageEncoder: torchvision has no network {inner!r}; torchvision.models.list_models() names them"
        )
    family = max((f for f in _HEADS if inner.startswith(f)), key=len, default="")
    if not family:
        raise DataError(f"ImageEncoder: no pooled features known of {inner!r}; those of {', '.join(_HEADS)} are")
    weights = models.get_model_weights(inner).DEFAULT
    whole = models.get_model(inner, weights=None)
    if pretrained:
        try:
            whole.load_state_dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
        except (OSError, RuntimeError, ValueError) as error:
            raise _unfetched(name, error) from error
    transforms: Any = weights.transforms()
    preprocessing = Preprocessing(
        size if size is not None else int(transforms.crop_size[0]),
        tuple(transforms.mean),
        tuple(transforms.std),
        str(transforms.interpolation.value),
    )
    if _HEADS[family] == "features":
        return Network(name, _Averaged(whole.features), ("classifier",), preprocessing)
    above, _, last = _HEADS[family].rpartition(".")
    setattr(whole.get_submodule(above), last, nn.Identity())
    return Network(name, whole, (_HEADS[family],), preprocessing)


def _own(name: str, size: int | None) -> Network:
    try:
        dim, width = (int(number) for number in name.removeprefix(OWN + "-").split("-"))
    except ValueError as error:
        raise DataError(
            f"ImageEncoder: no network {name!r}; ImageEncoder.fit trains one, load reads it back"
        ) from error
    if not (2 <= dim <= 4_096 and 1 <= width <= 256):
        raise DataError(f"ImageEncoder: {name!r}: dim {dim}, width {width}; expected 2 to 4096 and 1 to 256")
    return Network(name, PictureCNN(dim, width=width), (), Preprocessing(64 if size is None else size))


def _unfetched(name: str, error: Exception) -> DataError:
    reason = str(error).strip().splitlines()
    return DataError(
        f"ImageEncoder: the weights of {name} did not come from the hub "
        f"({type(error).__name__}: {reason[0][:120] if reason else 'no reason'}). "
        "Give weights='file.safetensors', or train on the shop's own pictures: ImageEncoder.fit(catalogue)"
    )
