"""Folders of text models from strangers: loaded whole and always alike, or refused by name, and never for long."""

import base64
import json
import random
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mmreco.encoders.text.charsmap import require_sound_charsmap
from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.offline import offline_folder
from mmreco.encoders.text.tokenizer_settings import require_sound_tokenizer
from mmreco.errors import DataError, MissingExtraError

Tensors = dict[str, torch.Tensor]


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "copy"))


def change(folder: Path, file: str, act: Callable[[Any], Any]) -> None:
    path = folder / file
    settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(act(settings)), encoding="utf-8")


def put(folder: Path, file: str, **settings: Any) -> None:
    change(folder, file, lambda old: old | settings)


def reweigh(folder: Path, act: Callable[[Tensors], Tensors], file: str = "model.safetensors") -> None:
    save_file(act(load_file(folder / file)), folder / file, metadata={"format": "pt"})


# ---- weights


def test_a_whole_model_is_loaded_alike_each_time(copy: Path) -> None:
    first, second = TextEncoder(copy, device="cpu"), TextEncoder(copy, device="cpu")
    assert first.dim == 16
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(first.encode(["red dress"]), second.encode(["red dress"]))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda t: {f"module.{k}": v for k, v in t.items()}, r"weights missing, first 'embeddings"),
        (lambda t: {f"model.{k}": v for k, v in t.items()}, r"weights missing"),
        (lambda t: {k: v for k, v in t.items() if "layer.1.output.dense.weight" not in k}, r"1 weights missing, first"),
        (lambda t: {k: v for k, v in t.items() if "LayerNorm" not in k}, r"10 weights missing"),
        (
            lambda t: t | {"encoder.layer.2.output.dense.bias": torch.zeros(32)},
            r"1 weights unexpected, first 'enc",
        ),
        (lambda t: t | {"strange": torch.zeros(3)}, r"1 weights unexpected, first 'strange'"),
        (
            lambda t: t | {"encoder.layer.0.output.dense.bias": torch.zeros(31)},
            r"another shape, first.*\(31,\)",
        ),
        (lambda t: {k.upper(): v for k, v in t.items()}, r"weights missing"),
        (lambda t: {k: v.to(torch.int8) for k, v in t.items()}, r"39 weights are whole numbers, first .* \(I8\)"),
        (lambda _: {}, r"num_hidden_layers|weights missing"),
    ],
)
def test_weights_that_are_not_the_model_s_are_refused(copy: Path, act: Any, message: str) -> None:
    reweigh(copy, act)
    with pytest.raises(DataError, match=message):
        TextEncoder(copy, device="cpu")


@pytest.mark.parametrize(
    "act",
    [
        lambda t: {f"bert.{k}": v for k, v in t.items()},
        lambda t: {f"bert.{k}": v for k, v in t.items()} | {"cls.predictions.bias": torch.zeros(28)},
        lambda t: {k: v for k, v in t.items() if not k.startswith("pooler.")},
        lambda t: t | {"embeddings.position_ids": torch.arange(64)[None]},
        lambda t: {
            k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
            for k, v in t.items()
        },
    ],
)
def test_honest_spellings_give_the_same_vectors(copy: Path, act: Any) -> None:
    right = TextEncoder(copy, device="cpu").encode(["red dress", "blue shirt"])
    reweigh(copy, act)
    np.testing.assert_allclose(TextEncoder(copy, device="cpu").encode(["red dress", "blue shirt"]), right, atol=1e-6)


@pytest.mark.parametrize(
    "act",
    [
        lambda t: {"linear.weight": t["linear.weight"]},
        lambda t: t | {"linear.weight": torch.zeros(17, 32)},
        lambda t: t | {"other": torch.zeros(1)},
    ],
)
def test_the_weights_of_a_dense_layer_too(copy: Path, act: Any) -> None:
    reweigh(copy, act, "2_Dense/model.safetensors")
    with pytest.raises(DataError, match=r"weights (missing|unexpected|of another shape)"):
        TextEncoder(copy, device="cpu")


def test_an_empty_vocabulary_is_refused(copy: Path) -> None:
    change(copy, "tokenizer.json", lambda old: old | {"model": old["model"] | {"vocab": {}}})
    with pytest.raises(DataError, match="empty vocabulary"):
        TextEncoder(copy, device="cpu")
    (copy / "tokenizer.json").unlink()
    (copy / "vocab.txt").write_text("\n")
    with pytest.raises(DataError, match="empty vocabulary"):
        TextEncoder(copy, device="cpu")
    (copy / "vocab.txt").unlink()
    with pytest.raises(DataError, match=r"no tokenizer\.json"):
        TextEncoder(copy, device="cpu")


def test_special_tokens_alone_are_no_vocabulary(copy: Path) -> None:
    only = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
    change(copy, "tokenizer.json", lambda old: old | {"model": old["model"] | {"vocab": only}})
    with pytest.raises(DataError, match="empty vocabulary"):
        TextEncoder(copy, device="cpu")


def test_a_tokenizer_larger_than_the_embeddings_is_refused(copy: Path) -> None:
    change(
        copy,
        "tokenizer.json",
        lambda old: old | {"model": old["model"] | {"vocab": old["model"]["vocab"] | {"coat": 99}}},
    )
    with pytest.raises(DataError, match="token 'coat' is number 99, and there are 28 vectors"):
        TextEncoder(copy, device="cpu")


# ---- settings

EVIL_KERNEL = {"attn_implementation": {"": "evil/kernel"}, "allow_all_kernels": True}


def _tokenizer(**parts: Any) -> Callable[[Path], None]:
    return lambda folder: put(folder, "tokenizer.json", **parts)


def _put(file: str, **settings: Any) -> Callable[[Path], None]:
    return lambda folder: put(folder, file, **settings)


def _modules(**settings: Any) -> Callable[[Path], None]:
    return lambda folder: change(folder, "modules.json", lambda old: [*old[:3], old[3] | settings])


def _regex(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _replace(content: str, times: int) -> dict[str, Any]:
    one = {"type": "Replace", "pattern": {"String": content[0]}, "content": content}
    return {"type": "Sequence", "normalizers": [one] * times}


SBERT, DENSE, TOKENS = "sentence_bert_config.json", "2_Dense/config.json", "tokenizer_config.json"
HOSTILE: dict[str, Callable[[Path], None]] = {
    "kernels of strangers": _put(SBERT, model_args=EVIL_KERNEL),
    "kernels by the newer name": _put(SBERT, model_kwargs=EVIL_KERNEL),
    "kernels in the settings": _put("config.json", attn_implementation={"": "evil/kernel"}),
    "kernels of a part": _put("config.json", _attn_implementation={"text": "evil/kernel"}),
    "kernels beside": _put(SBERT, model_args={"allow_all_kernels": True}),
    "kernels by use": _put(SBERT, model_args={"use_kernels": True}),
    "a kernel's settings": _put(SBERT, model_args={"kernel_config": {"a": "b"}}),
    "a tokenizer's file outside": _put(SBERT, tokenizer_args={"tokenizer_file": "/etc/passwd"}),
    "the same by the newer name": _put(SBERT, processor_kwargs={"tokenizer_file": "/etc/passwd"}),
    "the same in its own settings": _put(TOKENS, tokenizer_file="/etc/passwd"),
    "a vocabulary outside": _put(TOKENS, vocab_file="/etc/passwd"),
    "another tokenizer": _put(SBERT, tokenizer_name_or_path="/etc"),
    "another folder": _put(SBERT, model_args={"subfolder": "../.."}),
    "another cache": _put(SBERT, config_args={"cache_dir": "/etc"}),
    "a mapping that backtracks": _put(SBERT, model_args={"key_mapping": {"(a+)+$": "x"}}),
    "quantised by strangers": _put(SBERT, model_args={"quantization_config": {"quant_method": "gptq"}}),
    "a device": _put(SBERT, model_args={"device_map": "disk", "offload_folder": "/tmp"}),
    "adapters": _put(SBERT, model_args={"adapter_kwargs": {"x": 1}}),
    "a backend": _put(SBERT, backend="onnx"),
    "a task": _put(SBERT, transformer_task="text-generation"),
    "a method": _put(SBERT, modality_config={"text": {"method": "save_pretrained", "method_output_name": "x"}}),
    "endless length": _put(SBERT, max_seq_length=10**12),
    "length as text": _put(SBERT, max_seq_length="64"),
    "3000 layers": _put("config.json", num_hidden_layers=3_000),
    "10^7 labels by list": _put("config.json", id2label={str(n): "x" for n in range(10)}, vocab_size=10**7),
    "2*10^6 kinds": _put("config.json", type_vocab_size=2 * 10**6),
    "10^6 positions": _put("config.json", max_position_embeddings=10**6),
    "a wider model": _put("config.json", hidden_size=10**6),
    "heads that do not divide": _put("config.json", num_attention_heads=7),
    "no heads": _put("config.json", num_attention_heads=0),
    "sizes below 0": _put("config.json", intermediate_size=-5),
    "sizes as text": _put("config.json", hidden_size="32"),
    "sizes as lists": _put("config.json", hidden_size=[32]),
    "no width": _put("config.json", hidden_size=0),
    "an activation that is none": _put("config.json", hidden_act="os.system"),
    "a decoder": _put("config.json", is_decoder=True, add_cross_attention=True),
    "another kind": _put("config.json", model_type="gpt_neox"),
    "no kind": _put("config.json", model_type=None),
    "a kind as list": _put("config.json", model_type=["bert"]),
    "10^7 features": _put(DENSE, out_features=10**7),
    "features below 0": _put(DENSE, out_features=-1),
    "features as truth": _put(DENSE, out_features=True),
    "an activation to be imported": _put(DENSE, activation_function="torch.nn.modules.activation.os"),
    "an activation's code": _put(DENSE, activation_function="torch.nn.utils.parametrize.os.system"),
    "an input elsewhere": _put(DENSE, module_input_name="__class__"),
    "pooling of none": _put("1_Pooling/config.json", pooling_mode="evil"),
    "pooling too wide": _put("1_Pooling/config.json", word_embedding_dimension=10**9),
    "an unknown module": _modules(type="sentence_transformers.models.CLIPModel"),
    "a module to be imported": _modules(type="sentence_transformers.util.import_from_string"),
    "a second transformer": _modules(type="sentence_transformers.models.Transformer", path=""),
    "a hidden place": _modules(path=".."),
    "a module's options": _modules(kwargs={"x": 1}),
    "too many modules": lambda folder: change(folder, "modules.json", lambda old: old[:1] + [old[3]] * 1_000),
    "no modules": lambda folder: change(folder, "modules.json", lambda _: []),
    "a prompt of megabytes": _put("config_sentence_transformers.json", prompts={"query": "x" * 10**7}),
    "a prompt as number": _put("config_sentence_transformers.json", prompts={"query": 5}),
    "another model type": _put("config_sentence_transformers.json", model_type="CrossEncoder"),
    "a pattern that backtracks": _tokenizer(pre_tokenizer=_regex("(a+)+$")),
    "a pattern that backtracks twice": _tokenizer(pre_tokenizer=_regex(r"(\w*)*x")),
    "a pattern of many parts": _tokenizer(pre_tokenizer=_regex(r"a*a*a*a*a*b")),
    "a counted group": _tokenizer(pre_tokenizer=_regex(r"(?:a|aa){30,}c")),
    "a growing text": _tokenizer(normalizer=_replace("a" * 30, 30)),
    "a growing prefix": _tokenizer(normalizer={"type": "Prepend", "prepend": "x" * 10**6}),
    "a padded length": _tokenizer(
        padding={
            "strategy": {"Fixed": 10**9},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        }
    ),
    "a stride": _tokenizer(truncation={"max_length": 4, "stride": 9, "strategy": "LongestFirst", "direction": "Right"}),
    "an unknown part": _tokenizer(normalizer={"type": "Evil"}),
    "an unknown model": _tokenizer(model={"type": "Evil", "vocab": {"a": 0}}),
    "words without end": lambda folder: change(
        folder, "tokenizer.json", lambda old: old | {"model": old["model"] | {"max_input_chars_per_word": 10**9}}
    ),
    "chance": _tokenizer(model={"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.5}),
    "a charsmap cut": _tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": "/////w=="}),
    "a charsmap of numbers": _tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": [1, 2]}),
    "a charsmap that leads out": _tokenizer(
        normalizer={
            "type": "Precompiled",
            "precompiled_charsmap": base64.b64encode(struct.pack("<II", 4, 0xFFFFFFFF) + b"a\0").decode(),
        }
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_settings_are_refused_at_once(kind: str, copy: Path) -> None:
    HOSTILE[kind](copy)
    started = time.perf_counter()
    with pytest.raises(DataError, match=r"."):
        TextEncoder(copy, device="cpu")
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    "harmless",
    [
        _put("config.json", num_labels=10**7),
        _put("config.json", id2label={str(number): "x" for number in range(50_000)}),
        _put("config.json", architectures=["Evil"], finetuning_task="x", torch_dtype="float16"),
        _put("config.json", quantization_config={"quant_method": "evil"}),
        _put("generation_config.json", evil=True),
        _put("processor_config.json", processor_class="Evil", auto_map={}),
        _put("preprocessor_config.json", image_processor_type="Evil"),
        _put(TOKENS, name_or_path="/root/old/place", chat_template="{{ evil }}", tokenizer_file=None),
        _put(SBERT, model_args={}, tokenizer_args={"padding_side": "right"}, config_args={}),
    ],
)
def test_what_says_nothing_of_vectors_changes_nothing(copy: Path, harmless: Callable[[Path], None]) -> None:
    right = TextEncoder(copy, device="cpu").encode(["red dress"])
    harmless(copy)
    np.testing.assert_array_equal(TextEncoder(copy, device="cpu").encode(["red dress"]), right)


def test_a_sharded_model_is_one(copy: Path) -> None:
    right = TextEncoder(copy, device="cpu").encode(["red dress"])
    tensors = load_file(copy / "model.safetensors")
    names = sorted(tensors)
    (copy / "model.safetensors").unlink()
    files = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, own in files.items():
        save_file({name: tensors[name] for name in own}, copy / file, metadata={"format": "pt"})
    places = {name: file for file, own in files.items() for name in own}
    put(copy, "model.safetensors.index.json", weight_map=places, metadata={"total_size": 1})
    np.testing.assert_array_equal(TextEncoder(copy, device="cpu").encode(["red dress"]), right)
    put(copy, "model.safetensors.index.json", weight_map={"x": "tokenizer.json"})
    with pytest.raises(DataError, match="expected safetensors beside it"):
        TextEncoder(copy, device="cpu")


def test_the_packaged_model_s_tokenizer_is_sound() -> None:
    try:
        path = offline_folder() / "tokenizer.json"
    except MissingExtraError as error:
        pytest.skip(str(error))
    require_sound_tokenizer(path, json.loads(path.read_text(encoding="utf-8")))


# ---- the map of characters


def charsmap(pairs: dict[bytes, bytes]) -> bytes:
    """A map of single bytes, as SentencePiece compiles it: a double array of one level."""
    texts, places = b"", {}
    for key, text in pairs.items():
        places[key[0]] = len(texts)
        texts += text + b"\0"
    units = [0] * 1024
    units[0] = 256 << 10  # the root's children are at 256 ^ label
    for number, (label, place) in enumerate(places.items()):
        child = 256 ^ label
        leaf = 512 + 2 * number
        units[child] = ((child ^ leaf) << 10) | (1 << 8) | label
        units[leaf] = (1 << 31) | place
    return struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + texts


def test_a_sound_map_of_characters_passes_and_does_what_it_says(tmp_path: Path) -> None:
    from tokenizers import normalizers

    data = charsmap({b"A": b"a", b"B": "ß".encode()})
    require_sound_charsmap(tmp_path, base64.b64encode(data).decode())
    assert normalizers.Precompiled(data).normalize_str("AxB") == "axß"


def test_a_map_that_leads_out_anywhere_is_refused(tmp_path: Path) -> None:
    data = charsmap({b"A": b"a", b"B": "ß".encode()})
    units = np.frombuffer(data, dtype="<u4", count=1024, offset=4)
    wrong = {
        "root": (0, 0xFFFFFE00),
        "a child": (256 ^ 65, int(units[256 ^ 65]) | 0x7FFFFC00),
        "a text beyond": (512, (1 << 31) | 100),
        "half a character": (514, (1 << 31) | 3),
    }
    for kind, (place, value) in wrong.items():
        changed = bytearray(data)
        changed[4 + 4 * place : 8 + 4 * place] = struct.pack("<I", value)
        with pytest.raises(DataError, match="precompiled_charsmap"):
            require_sound_charsmap(tmp_path / kind, base64.b64encode(changed).decode())


def test_maps_that_pass_never_end_the_process(tmp_path: Path) -> None:
    from tokenizers import normalizers

    chance, sound = random.Random(0), 0
    data = charsmap({bytes([letter]): bytes([letter + 32]) for letter in range(65, 80)})
    used = [0, *(256 ^ letter for letter in range(65, 80)), *range(512, 542)]
    for _ in range(400):
        changed = bytearray(data)
        place = 4 + 4 * chance.choice(used) + chance.randrange(4)
        changed[place] ^= 1 << chance.randrange(8)
        try:
            require_sound_charsmap(tmp_path, base64.b64encode(changed).decode())
        except DataError:
            continue
        sound += 1
        normalizers.Precompiled(bytes(changed)).normalize_str("".join(map(chr, range(1, 256))) + "ABCß裙\u0301")
    assert sound > 50


# ---- at random

EVIL: list[Any] = [
    None, True, False, 0, -1, 1, 3, 7, 64, 3_000, 10**7, 2**31, 10**12, 10**30, -(10**9), 0.5, -1.5, 1e300,
    "", "x", "evil/kernel", "/etc/passwd", "../..", "os.system", "float16", "x" * 100_000, "(a+)+$", "\u0000", "\ud800",
    [], [1], [None], ["x"] * 5_000, {}, {"x": 1}, {"": "evil/kernel"}, {"Regex": "(a*)*b"}, {"a": {"b": {"c": [{}]}}},
]  # fmt: skip
FILES = [
    "config.json", "config.json", SBERT, TOKENS, "tokenizer.json", "tokenizer.json", DENSE, "1_Pooling/config.json",
    "modules.json", "config_sentence_transformers.json", "special_tokens_map.json", "added_tokens.json",
    "model.safetensors.index.json", "processor_config.json",
]  # fmt: skip
KEYS = [
    "attn_implementation",
    "model_args",
    "tokenizer_args",
    "processor_kwargs",
    "config_kwargs",
    "auto_map",
    "key_mapping",
    "num_labels",
    "type_vocab_size",
    "layer_types",
    "rope_parameters",
    "rope_scaling",
    "dtype",
    "truncation",
    "padding",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
    "tokenizer_class",
    "tokenizer_file",
    "extra_special_tokens",
    "added_tokens_decoder",
    "model_max_length",
    "prompts",
    "default_prompt_name",
    "quantization_config",
    "sub_configs",
    "weight_map",
    "modality_config",
    "unpad_inputs",
    "activation_function",
    "use_residual",
    "pooling_mode",
    "vocab",
]


def mutate(value: Any, chance: random.Random, depth: int = 0) -> Any:
    """The value with one thing inside it changed."""
    if depth > 4 or not isinstance(value, (dict, list)) or not value or chance.random() < 0.15:
        return chance.choice(EVIL)
    if isinstance(value, list):
        place = chance.randrange(len(value))
        return [*value[:place], mutate(value[place], chance, depth + 1), *value[place + 1 :]]
    if depth == 0 and chance.random() < 0.35:
        return value | {chance.choice(KEYS): chance.choice(EVIL)}
    key = chance.choice(sorted(value))
    if chance.random() < 0.1:
        return {name: one for name, one in value.items() if name != key}
    return value | {key: mutate(value[key], chance, depth + 1)}


def fuzzed(source: Path, place: Path, rounds: int, seed: int) -> None:
    chance, loaded, slowest = random.Random(seed), 0, 0.0
    outside = place / "outside"
    outside.mkdir()
    for number in range(rounds):
        folder = place / "model"
        shutil.copytree(source, folder)
        for _ in range(chance.randrange(1, 3)):
            file = chance.choice(FILES)
            if chance.random() < 0.1:
                weights = bytearray((folder / "model.safetensors").read_bytes())
                weights[chance.randrange(min(3_000, len(weights)))] ^= 1 << chance.randrange(8)
                (folder / "model.safetensors").write_bytes(weights)
            else:
                change(folder, file, lambda old: mutate(old, chance))
        started = time.process_time()
        try:
            encoder = TextEncoder(folder, device="cpu")
            vectors = encoder.encode(["red dress", "A", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "裙\u0301 " * 50])
            assert vectors.shape == (4, encoder.dim)
            encoder.vocabulary_coverage(["red dress"])
            loaded += 1
        except DataError:
            pass
        slowest = max(slowest, time.process_time() - started)
        assert slowest < 10, number
        shutil.rmtree(folder)
    assert not list(outside.iterdir())
    assert loaded < rounds
    refused = rounds - loaded
    print(
        f"model folders: {rounds:,} of seed {seed}: {loaded:,} loaded, {refused:,} refused, slowest {slowest:.1f} s, "
        "0 files outside"
    )


def test_changed_folders_load_or_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    fuzzed(tiny_model, tmp_path, 80, seed=0)


@pytest.mark.fuzz
@pytest.mark.timeout(3_600)
def test_two_thousand_changed_folders(tiny_model: Path, tmp_path: Path) -> None:
    fuzzed(tiny_model, tmp_path, 2_000, seed=1)
