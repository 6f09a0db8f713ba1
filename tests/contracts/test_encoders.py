"""Every encoder of texts keeps the contract."""

from pathlib import Path

from random_bert import save_bert

from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.encoders.text.static import StaticEncoder
from mmreco.testing import EncoderContract

TEXTS = ["red dress", "a blue cotton shirt for men", "红色连衣裙", "shirt", "a long red silk dress"]


def bert(folder: Path) -> TextEncoder:
    """A small network that knows a dozen words."""
    words = ["red", "dress", "a", "blue", "cotton", "shirt", "for", "men", "long", "红", "色", "裙"]
    save_bert(folder / "bert", words, longest=32, layers=1, hidden_size=16, intermediate_size=16)
    return TextEncoder(folder / "bert", device="cpu")


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
