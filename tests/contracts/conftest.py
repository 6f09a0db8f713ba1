"""What the promises of encoders are asked of."""

from pathlib import Path

import pytest

from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.encoders.text.static import StaticEncoder
from mmreco.protocols import Encoder

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
