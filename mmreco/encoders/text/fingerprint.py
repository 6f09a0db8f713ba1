"""What makes a text model's vectors what they are, as one number: its files, and the settings of its use."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["fingerprint_of"]

_FILES: Final = frozenset(
    {
        "config.json",
        "modules.json",
        "config_sentence_transformers.json",
        "router_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
    }
)


def fingerprint_of(folder: Path, settings: Sequence[Any]) -> str:
    """A SHA-256 over weights, tokenizer and settings in the folder, and over `settings`, plain values."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and _matters(path):
            with path.open("rb") as file:
                inner = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.relative_to(folder).as_posix()} {inner}\n".encode())
    digest.update(json.dumps(list(settings)).encode())
    return f"text-{digest.hexdigest()}"


def _matters(path: Path) -> bool:
    name = path.name
    options = name.startswith("sentence_") and name.endswith("_config.json")
    return options or name in _FILES or path.suffix in (".safetensors", ".model")
