"""A model folder is data from strangers: what in it could run code or reach outside is refused before it is opened.

Libraries that load models honour much that a folder says: which class to import, which file to read, where
the tokenizer's code lies. sentence-transformers 6 and safetensors close most of these doors; this file is the
lock that does not depend on their versions.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from stat import S_ISDIR, S_ISREG
from typing import Any

from mmreco.errors import DataError

__all__ = ["read_settings", "require_harmless"]

_PICKLES = frozenset(
    {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".h5", ".msgpack", ".ot"}
)
_BIG_DATA = frozenset({"tokenizer.json", "vocab.json"})  # megabytes of words, no settings that load anything
_JSON_LIMIT = 64 << 20  # bytes
_FILES_LIMIT = 10_000
_OURS = re.compile(r"sentence_transformers(\.[A-Za-z_]\w*)+", re.ASCII)
_SLACK = 4  # weights may be stored in a quarter of a byte each before we call a declaration a lie


def require_harmless(folder: Path, *, cache: Path | None = None) -> None:
    """Nothing, or an error that names what in a model's folder could run code or reach outside it.

    Parameters
    ----------
    folder : of a model
    cache : optional
        The folder of the hub's cache that `folder` is a snapshot in. Links may then point into it, and
        pickled weights are borne where safetensors lie beside them, for those are what is read.

    Raises
    ------
    DataError
        The folder is missing, or holds pickled weights, a link out of it, a special file, a reference to
        code of its own, a module that is not sentence-transformers' own, a path that is absolute or climbs,
        settings that are not JSON, or settings that declare far more weights than there are.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected a model saved by sentence-transformers or transformers")
    roots = [p.resolve() for p in (folder, cache) if p is not None]
    weights = 0
    for path in _walk(folder, roots):
        if path.suffix.lower() in _PICKLES:
            if cache is None or not any(path.parent.glob("*.safetensors")):
                raise DataError(
                    f"{path}: weights that may run code when opened; expected safetensors only. "
                    "Remove the file if there are safetensors beside it, or convert it"
                )
        elif path.suffix == ".safetensors":
            weights += path.stat().st_size
        elif path.name.lower() == "adapter_config.json":
            raise DataError(
                f"{path}: an adapter, which loads another model; merge it into its base model and save that"
            )
        elif path.suffix.lower() == ".json" and path.name not in _BIG_DATA:
            _check_settings(path, read_settings(path))
    config = folder / "config.json"
    if config.is_file():
        _check_size(config, read_settings(config), weights)


def _walk(folder: Path, roots: list[Path]) -> Iterator[Path]:
    seen = 0
    for top, folders, files in os.walk(folder):  # links to folders are looked at, not followed
        for name in sorted(folders) + sorted(files):
            path = Path(top) / name
            seen += 1
            if seen > _FILES_LIMIT:
                raise DataError(f"{folder}: more than {_FILES_LIMIT} files; expected one model")
            if path.is_symlink():
                target = path.resolve()
                if not any(target.is_relative_to(root) for root in roots) or not target.exists():
                    raise DataError(
                        f"{path}: a link to {os.readlink(path)!r}, outside the model's folder; copy the file in"
                    )
            mode = path.stat().st_mode
            if S_ISREG(mode):
                yield path
            elif not S_ISDIR(mode):
                raise DataError(f"{path}: neither file nor folder; expected plain files")


def read_settings(path: Path) -> Any:
    """What a file of settings holds.

    Raises
    ------
    DataError
        It is larger than 64 MiB, or no JSON.
    """
    if path.stat().st_size > _JSON_LIMIT:
        raise DataError(f"{path}: {path.stat().st_size:,} bytes of settings; the limit is {_JSON_LIMIT:,}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: damaged, not JSON ({type(error).__name__}: {error})") from error


def _check_settings(path: Path, settings: Any) -> None:
    for key, value in _pairs(settings):
        if key == "auto_map" and value:
            raise DataError(
                f"{path}: 'auto_map' names code of the model's own, which is never run; expected a plain model"
            )
        if key in ("trust_remote_code", "gguf_file") and value:
            raise DataError(f"{path}: {key!r} is set; expected a model that loads without")
        if key.endswith("attn_implementation") and value and not (isinstance(value, str) and value.isidentifier()):
            raise DataError(f"{path}: {key!r} names code on the hub, {value!r:.80}; expected 'sdpa', 'eager' or none")
        if (
            key == "activation_function"
            and isinstance(value, str)
            and "." in value
            and not value.startswith("torch.nn.")
        ):
            raise DataError(f"{path}: 'activation_function' {value!r} is to be imported; expected one of torch.nn")
        if key == "transformers_weights":
            _check_path(path, value)
        if key == "weight_map" and isinstance(value, dict):
            for file in value.values():
                _check_path(path, file)
        if key == "types" and isinstance(value, dict):
            for place, kind in value.items():
                _check_path(path, place)
                _check_kind(path, kind)
    if path.name == "modules.json":
        if not isinstance(settings, list) or not all(isinstance(module, dict) for module in settings):
            raise DataError(f"{path}: expected a list of modules")
        for module in settings:
            _check_path(path, module.get("path"))
            _check_kind(path, module.get("type"))


def _pairs(settings: Any) -> Iterator[tuple[str, Any]]:
    waiting = [settings]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value.items()
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _check_kind(path: Path, kind: Any) -> None:
    if not isinstance(kind, str) or not _OURS.fullmatch(kind):
        raise DataError(f"{path}: module {kind!r:.80} is not one of sentence-transformers' own, so its code is not run")


def _check_path(path: Path, place: Any) -> None:
    climbs = not isinstance(place, str) or "\\" in place or "\0" in place
    if not climbs:
        as_windows = PureWindowsPath(place)
        climbs = PurePosixPath(place).is_absolute() or bool(as_windows.anchor) or ".." in as_windows.parts
    if climbs:
        raise DataError(f"{path}: path {place!r:.80} leaves the model's folder; expected one inside it")


def _check_size(path: Path, config: Any, weights: int) -> None:
    if not isinstance(config, dict):
        raise DataError(f"{path}: expected an object of settings")
    if not weights:
        raise DataError(f"{path.parent}: no safetensors; expected the model's weights in that format")
    sizes = {key: value for key, value in config.items() if isinstance(value, int)}
    width = max(sizes.get("hidden_size", 0), sizes.get("dim", 0), sizes.get("d_model", 0), 1)
    for key in ("vocab_size", "num_hidden_layers", "intermediate_size", "max_position_embeddings", "hidden_size"):
        if sizes.get(key, 0) * width > _SLACK * weights:
            raise DataError(
                f"{path}: {key} {sizes[key]:,} at width {width:,} declares more than the {weights:,} bytes of weights "
                "that are there"
            )
