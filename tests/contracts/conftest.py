"""What the promises of indexes and encoders are asked of."""

from pathlib import Path

import numpy as np
import pytest

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.encoders.text.static import StaticEncoder
from mmreco.index.device import Place, TorchScan
from mmreco.index.exact.scan import Scan
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.vector import VectorIndex
from mmreco.protocols import Encoder

# ---- indexes


def _exact(embeddings: Embeddings) -> VectorIndex:
    return VectorIndex(embeddings, device="cpu")


def _exact_without_faiss(embeddings: Embeddings) -> VectorIndex:
    index = VectorIndex(embeddings, device="cpu")
    index._items = ItemVectors(Scan(embeddings.vectors))
    return index


def _exact_by_torch(embeddings: Embeddings) -> VectorIndex:
    index = VectorIndex(embeddings, device="cpu")
    index._items = ItemVectors(TorchScan(embeddings.vectors, Place(("cpu",))))  # what a GPU runs, here
    return index


def _graph(embeddings: Embeddings) -> VectorIndex:
    index = VectorIndex(embeddings, quality="high", device="cpu")
    assert index.report()["kind"] == "graph"
    return index


INDEXES = {"exact": _exact, "matrix": _exact_without_faiss, "torch": _exact_by_torch, "graph": _graph}


@pytest.fixture(scope="session", params=INDEXES)
def index(request: pytest.FixtureRequest) -> VectorIndex:
    """10,000 items on a circle, in order, so that the nearest of any point are known."""
    angles = np.linspace(0, 2 * np.pi, 10_000, endpoint=False)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return INDEXES[request.param](Embeddings(IdMap.of([f"item-{row}" for row in range(10_000)]), vectors))


# ---- encoders

TEXTS = ["red dress", "a blue cotton shirt for men", "红色连衣裙", "red dress", "shirt", "a long red silk dress"] * 4


def _lexical(folder: Path) -> Encoder[str]:
    return LexicalEncoder(dim=8).fit(TEXTS)


def _bert(folder: Path) -> Encoder[str]:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *["red", "dress", "a", "blue", "cotton", "shirt", "for", "men", "long", "红", "色", "裙"],
    ]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=32, initializer_range=0.5, **shape)
    BertModel(config).eval().save_pretrained(folder)
    return TextEncoder(folder, device="cpu")


def _static(folder: Path) -> Encoder[str]:
    teacher = _bert(folder)
    assert isinstance(teacher, TextEncoder)
    colours, things = ("red", "blue", "long"), ("dress", "shirt", "men", "cotton", "裙")
    return StaticEncoder.distil(teacher, [*TEXTS, *(f"a {colour} {thing}" for colour in colours for thing in things)])


ENCODERS = {
    "LexicalEncoder": (_lexical, TEXTS),
    "StaticEncoder": (_static, TEXTS),
    "TextEncoder": (_bert, TEXTS),
}


@pytest.fixture(scope="session", params=ENCODERS)
def encoder_and_contents(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Encoder[str], list[str]]:
    build, contents = ENCODERS[request.param]
    return build(tmp_path_factory.mktemp("encoder") / "weights"), contents
