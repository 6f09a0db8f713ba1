"""A view of a model's folder in which everything is known: the only thing a library is ever pointed at.

Files are allowed by name, settings by key, type and bounds; what is allowed is written anew, weights and vocabularies
are linked. Nothing else of the folder is seen by whoever loads the model.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mmreco.encoders.tensors import Shapes, headers, require_same
from mmreco.encoders.text.module_settings import (
    SENTENCE_FILES,
    model_settings,
    module_kinds,
    module_settings,
    text_settings,
)
from mmreco.encoders.text.safety import read_settings
from mmreco.encoders.text.tokenizer_settings import require_sound_tokenizer
from mmreco.errors import DataError

__all__ = ["View", "view_of"]

_TEXTS: Final = ("config_sentence_transformers.json",)
_TOKENIZER: Final = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_WORDS: Final = ("vocab.txt", "vocab.json", "merges.txt")
_INDEX: Final = "model.safetensors.index.json"
_LARGEST_WORDS: Final = 64 << 20  # bytes


@dataclass(frozen=True)
class View:
    """What may be loaded.

    Parameters
    ----------
    folder : of the view
    transformer : the folder of it in the view; None where there is none
    settings : of the transformer
    tensors : of the transformer, by name
    """

    folder: Path
    transformer: Path | None
    settings: dict[str, Any]
    tensors: Shapes


@contextmanager
def view_of(folder: Path, *, classifies: bool = False) -> Iterator[View]:
    """A folder that holds what is known of `folder`, for as long as the block lasts.

    Parameters
    ----------
    folder : that `require_harmless` has passed
    classifies : whether it is a transformer with a head that answers with classes, and nothing else, optional

    Raises
    ------
    DataError
        A setting, a part of the tokenizer or a tensor is not known, or not as it may be; it is named.
    """
    with tempfile.TemporaryDirectory(prefix="mmreco-model-") as place:
        view = Path(place)
        modules = folder / "modules.json"
        kinds = [("Transformer", "")]
        if modules.is_file() and not classifies:
            listed = read_settings(modules)
            kinds = module_kinds(modules, listed)
            _write(view / modules.name, listed)
        for name in _TEXTS:
            if (folder / name).is_file() and not classifies:
                _write(view / name, text_settings(folder / name, read_settings(folder / name)))
        transformer: Path | None = None
        settings: dict[str, Any] = {}
        tensors: Shapes = {}
        for kind, below in kinds:
            if below:
                (view / below).mkdir(exist_ok=True)
            if kind == "Transformer":
                transformer = view / below
                settings, tensors = _transformer(folder / below, transformer, classifies)
            elif kind == "StaticEmbedding":
                _static(folder / below, view / below)
            else:
                _module(kind, folder / below, view / below)
        yield View(view, transformer, settings, tensors)


def _transformer(source: Path, view: Path, classifies: bool) -> tuple[dict[str, Any], Shapes]:
    for name in SENTENCE_FILES:
        if (source / name).is_file() and not classifies:
            _write(view / name, module_settings(source / name, "Transformer", read_settings(source / name)))
    tensors = headers(_weights(source, view))
    config = source / "config.json"
    if not config.is_file():
        raise DataError(f"{config}: missing; expected a model saved by sentence-transformers or transformers")
    settings = model_settings(config, read_settings(config), len(tensors), classifies=classifies)
    _write(view / config.name, settings)
    for name in _TOKENIZER:
        if (source / name).is_file():
            _write(view / name, text_settings(source / name, read_settings(source / name)))
    _words(source, view)
    return settings, tensors


def _weights(source: Path, view: Path) -> list[Path]:
    """The files of weights, linked into the view: one, or those that an index lists."""
    whole, index = source / "model.safetensors", source / _INDEX
    if whole.is_file():
        files = [whole]
    elif index.is_file():
        listed = read_settings(index)
        places = listed.get("weight_map") if isinstance(listed, dict) else None
        if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
            raise DataError(f"{index}: no list of files; expected weight_map")
        files = [source / name for name in sorted(set(places.values()))]
        odd = [path for path in files if path.parent != source or path.suffix != ".safetensors" or not path.is_file()]
        if odd or len(files) > 1_000:
            raise DataError(f"{index}: {odd[0].name if odd else len(files)!r:.80}; expected safetensors beside it")
        _write(view / _INDEX, {"metadata": {}, "weight_map": places})
    else:
        raise DataError(f"{source}: no model.safetensors; expected the model's weights in that format")
    for path in files:
        (view / path.name).symlink_to(path.resolve())
    return files


def _words(source: Path, view: Path) -> None:
    fast = source / "tokenizer.json"
    if fast.is_file():
        settings = read_settings(fast)
        require_sound_tokenizer(fast, settings)
        _write(view / fast.name, settings)
    names = [name for name in _WORDS if (source / name).is_file()]
    if not fast.is_file() and not names:
        raise DataError(
            f"{source}: no tokenizer.json and no vocab.txt; load its tokenizer with transformers and save it again"
        )
    for name in names:
        if (source / name).stat().st_size > _LARGEST_WORDS:
            raise DataError(f"{source / name}: larger than {_LARGEST_WORDS:,} bytes; expected a vocabulary")
        if not (source / name).read_bytes().strip():
            raise DataError(f"{source / name}: an empty vocabulary")
        (view / name).symlink_to((source / name).resolve())


def _static(source: Path, view: Path) -> None:
    path = source / "model.safetensors"
    tensors = headers([path]) if path.is_file() else {}
    if len(tensors) != 1 or not tensors.keys() <= {"embedding.weight", "embeddings"}:
        raise DataError(f"{path}: expected the vectors of tokens, 'embedding.weight', and nothing else")
    (view / path.name).symlink_to(path.resolve())
    if not (source / "tokenizer.json").is_file():
        raise DataError(f"{source}: no tokenizer.json; expected one beside the vectors")
    _words(source, view)


def _module(kind: str, source: Path, view: Path) -> None:
    config = source / "config.json"
    settings = {}
    if config.is_file():
        settings = module_settings(config, kind, read_settings(config))
        _write(view / config.name, settings)
    expected: Shapes = {}
    if kind == "Dense":
        wide, narrow = settings.get("in_features"), settings.get("out_features")
        if wide is None or narrow is None:
            raise DataError(f"{config}: expected in_features and out_features")
        expected["linear.weight"] = (narrow, wide)
        if settings.get("bias", True):
            expected["linear.bias"] = (narrow,)
        if settings.get("use_residual") and wide != narrow:
            expected["residual.weight"] = (narrow, wide)
    elif kind == "LayerNorm":
        expected = dict.fromkeys(("norm.weight", "norm.bias"), (settings.get("dimension", 0),))
    if expected:
        path = source / "model.safetensors"
        require_same(path, headers([path]) if path.is_file() else {}, expected)
        (view / path.name).symlink_to(path.resolve())


def _write(path: Path, settings: Any) -> None:
    path.write_text(json.dumps(settings), encoding="utf-8")
