"""A random BERT of a few thousand weights, saved as transformers saves it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SAID = "red blue green dress shirt shoe long short for women men cotton silk a the 红 色 裙 query : 1 2 3"
WORDS = _SAID.split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def save_bert(
    folder: Path, words: Sequence[str], *, longest: int = 64, layers: int = 2, scores: bool = False, **shape: Any
) -> Path:
    """Write vocabulary, tokenizer and weights into a new folder, and answer it.

    Parameters
    ----------
    folder : made here
    words : after the special ones
    longest : tokens of a text
    layers : of attention
    scores : whether it answers one number a pair of texts, as a cross-encoder does
    shape : further fields of `BertConfig`
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizer

    folder.mkdir()
    vocabulary = [*SPECIAL, *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=longest).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48, "initializer_range": 0.5} | shape
    if scores:
        sizes["num_labels"] = 1
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=longest, num_hidden_layers=layers, **sizes)
    (BertForSequenceClassification if scores else BertModel)(config).eval().save_pretrained(folder)
    return folder
