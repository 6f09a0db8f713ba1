"""Texts through a model in batches of like length, counted in tokens.

Padding is work thrown away: titles sorted by characters and cut into batches of 32 are padded by a fifth and more.
Here all texts are tokenised first, sorted by their number of tokens and cut where a batch would hold more tokens
than fit the processor's caches, so that a batch is a few long texts or many short ones.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mmreco.arrays import F32, I64
from mmreco.nn.batching import buckets

__all__ = ["TokenBatches"]

_CPU_TOKENS = 1_024  # a batch on the CPU; on one core of a Xeon 256 to 2,048 lay within 6 %
_ENOUGH = 256  # tokens of a text, for counting a batch on a GPU where the model sets no limit
_PROBES = ("a", "red dress for women, 3 sizes")


class TokenBatches:
    """A sentence-transformers model, its texts batched by tokens.

    A model whose first module is no plain transformer (static vectors, a router, texts with a chat template) is
    left to batch by itself; which it is, is found out once, by comparing the two ways on two texts.

    Parameters
    ----------
    model : a `SentenceTransformer`
    max_length : tokens of a text that are read, or None
    """

    def __init__(self, model: Any, max_length: int | None) -> None:
        self._model, self._limit = model, max_length
        self._plain = self._understood()

    def encode(self, texts: Sequence[str], prompt: str, batch_size: int) -> F32:
        """The model's vectors, as long as they come, shape `(n, width)`.

        Parameters
        ----------
        texts : `n` texts, none empty
        prompt : written before each
        batch_size : texts of the full length that go through the model together
        """
        if not self._plain:
            found: F32 = self._model.encode(
                list(texts), prompt=prompt, batch_size=batch_size, show_progress_bar=False, convert_to_numpy=True
            )
            return np.asarray(found, dtype=np.float32)
        return self._bucketed([prompt + text for text in texts] if prompt else texts, batch_size)

    def _bucketed(self, texts: Sequence[str], batch_size: int) -> F32:
        tokenizer = self._model.tokenizer
        tokens = tokenizer(
            list(texts),
            truncation=self._limit is not None,
            max_length=self._limit,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        lengths = np.array([len(t) for t in tokens], dtype=np.int64)
        flat = np.concatenate([np.asarray(t, dtype=np.int64) for t in tokens])  # (all tokens,)
        starts = np.cumsum(lengths) - lengths
        device = self._model.device
        budget = batch_size * (self._limit or _ENOUGH)
        if device.type == "cpu":
            budget = min(budget, _CPU_TOKENS)
        out: F32 | None = None
        self._model.eval()
        with torch.inference_mode():
            for rows in buckets(lengths, budget):
                features = {name: tensor.to(device) for name, tensor in self._padded(flat, starts, lengths, rows)}
                vectors = self._model(features)["sentence_embedding"].float().cpu().numpy()  # (b, width)
                if out is None:
                    out = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
                out[rows] = vectors
        return out if out is not None else np.empty((0, 1), dtype=np.float32)

    def _padded(self, flat: I64, starts: I64, lengths: I64, rows: I64) -> list[tuple[str, torch.Tensor]]:
        width = int(lengths[rows].max())
        inside = np.arange(width) < lengths[rows][:, None]  # (b, width)
        places = np.where(inside, starts[rows][:, None] + np.arange(width), 0)
        ids = np.where(inside, flat[places], int(self._model.tokenizer.pad_token_id))
        features = [("input_ids", torch.from_numpy(ids)), ("attention_mask", torch.from_numpy(inside.astype(np.int64)))]
        if "token_type_ids" in self._model.tokenizer.model_input_names:
            features.append(("token_type_ids", torch.zeros(ids.shape, dtype=torch.int64)))
        return features

    def _understood(self) -> bool:
        """Whether the model is one whose texts can be batched by tokens with the same vectors."""
        from sentence_transformers.base.modules import Transformer
        from transformers import PreTrainedTokenizerFast

        tokenizer = self._model.tokenizer
        first = next(iter(self._model))
        if not isinstance(first, Transformer) or not isinstance(tokenizer, PreTrainedTokenizerFast):
            return False
        if tokenizer.pad_token_id is None or tokenizer.padding_side != "right":
            return False
        if not all(getattr(module, "include_prompt", True) for module in self._model):
            return False
        ours = self._bucketed(_PROBES, 2)
        theirs = self._model.encode(list(_PROBES), prompt="", show_progress_bar=False)
        return ours.shape == theirs.shape and bool(np.allclose(ours, theirs, atol=0.02 * np.abs(theirs).max()))
