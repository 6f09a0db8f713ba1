"""What an ImageEncoder is on disk: weights in safetensors, and a description of network and preprocessing."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from safetensors.torch import save_file
from torch import Tensor

from mmreco.encoders.image.networks import Network, fill, network, read_weights, require_room
from mmreco.encoders.image.preprocessing import Preprocessing
from mmreco.errors import DataError, IncompatibleError

__all__ = ["BACKENDS", "fingerprint_of", "load_network", "save_network"]

BACKENDS: Final = ("torch", "bfloat16")
"""What a network may compute in on the CPU."""

_FIELDS: Final = {"name": str, "preprocessing": dict, "fingerprint": str, "backend": str}


def fingerprint_of(network: Network, backend: str) -> str:
    """A SHA-256 over name, preprocessing, numbers and weights."""
    numbers = "float32" if backend == "torch" else backend
    digest = hashlib.sha256(json.dumps([network.name, asdict(network.preprocessing), numbers]).encode())
    for key, value in _weights(network).items():
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.numpy().tobytes())
    return f"image-{digest.hexdigest()}"


def save_network(path: Path, network: Network, backend: str, fingerprint: str) -> None:
    """Write the network into the existing folder `path`."""
    about = {
        "name": network.name,
        "preprocessing": asdict(network.preprocessing),
        "fingerprint": fingerprint,
        "backend": backend,
    }
    (path / "image.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    save_file(_weights(network), path / "weights.safetensors")


def load_network(path: Path) -> tuple[Network, str, str]:
    """What `save_network` wrote: the network, its backend and its fingerprint.

    Raises
    ------
    DataError
        A file is missing or damaged.
    IncompatibleError
        It was written by another version, or the installed timm or torchvision builds the network in another way.
    """
    about = _about(path / "image.json")
    preprocessing = Preprocessing(**about["preprocessing"])
    require_room(about["name"], path / "weights.safetensors")
    bare = network(about["name"], size=preprocessing.size)
    whole = Network(bare.name, bare.module, bare.head, preprocessing)
    fill(whole, read_weights(path / "weights.safetensors"), str(path))
    return whole, about["backend"], about["fingerprint"]


def _weights(network: Network) -> dict[str, Tensor]:
    """The weights that count, by name, as they are written and hashed."""
    return {k: v.detach().cpu().contiguous().clone() for k, v in sorted(network.module.state_dict().items())}


def _about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: {type(error).__name__}, no description of an ImageEncoder; save it anew") from error
    if isinstance(about, dict):
        about.setdefault("backend", "torch")
    if (
        not isinstance(about, dict)
        or about.keys() != _FIELDS.keys()
        or any(not isinstance(about[key], kind) for key, kind in _FIELDS.items())
        or about["preprocessing"].keys() != {"size", "mean", "std", "resample"}
        or about["backend"] not in BACKENDS
    ):
        raise IncompatibleError(f"{path}: no ImageEncoder of this version; make it anew and save it")
    return about
