"""Every encoder of texts keeps the contract."""

from pathlib import Path

from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.encoders.text.static import StaticEncoder
from mmreco.testing import EncoderContract

TEXTS = ["red dress", "a blue cotton shirt for men", "红色连衣裙", "shirt", "a long red silk dress"]


def bert(folder: Path) -> TextEncoder:
    """A small network that knows a dozen words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, "red", "dress", "a", "blue", "cotton", "shirt", "for", "men", "long", "红", "色", "裙"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=32, initializer_range=0.5, **shape)
    BertModel(config).eval().save_pretrained(folder)
    return TextEncoder(folder, device="cpu")


class TestLexicalEncoder(EncoderContract):
    contents = TEXTS

    def make(self, folder: Path) -> LexicalEncoder:
        return LexicalEncoder(dim=8).fit(TEXTS)


class TestTextEncoder(EncoderContract):
    contents = TEXTS

    def make(self, folder: Path) -> TextEncoder:
        return bert(folder)


class TestStaticEncoder(EncoderContract):
    contents = TEXTS

    def make(self, folder: Path) -> StaticEncoder:
        colours, things = ("red", "blue", "long"), ("dress", "shirt", "men", "cotton", "裙")
        taught = [*TEXTS, *(f"a {colour} {thing}" for colour in colours for thing in things)]
        return StaticEncoder.distil(bert(folder), taught)
