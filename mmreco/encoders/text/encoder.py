"""TextEncoder: text to vectors by a BERT or one of its kin, through sentence-transformers.

Devlin, Chang, Lee, Toutanova, "BERT: Pre-training of deep bidirectional transformers for language
understanding", 2018; Reimers, Gurevych, "Sentence-BERT: Sentence embeddings using Siamese BERT-networks",
2019. Pooling, prompts and truncation are the model's own; mean pooling where a folder says nothing of it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmreco.arguments import require_whole
from mmreco.arrays import F32, require_finite
from mmreco.encoders.text.backends import BACKENDS, narrowed
from mmreco.encoders.text.fingerprint import fingerprint_of
from mmreco.encoders.text.sources import load_model, locate, longest_input
from mmreco.encoders.text.texts import bounded, is_blank, require_texts
from mmreco.encoders.text.token_batches import TokenBatches
from mmreco.errors import DataError, IncompatibleError
from mmreco.storage.stored import StoredByFiles

__all__ = ["TextEncoder"]

_CHARACTERS = 64  # a token has fewer on average; what lies beyond so many a token is cut before tokenising


class TextEncoder(StoredByFiles):
    """Text to vectors by a pretrained model: meaning, not only shared words.

    Parameters
    ----------
    name_or_path : "offline", a folder, or a name on the hub as "owner/model"
        "offline" is all-MiniLM-L6-v2 as packaged in `mmreco[offline]`; a folder of that name is "./offline".
        Only safetensors are read and no code of the model's own is run; what asks for either is refused.
    device : "auto", "cpu", "cuda", "cuda:1" ..., optional
        "auto" is the GPU when there is one. On a GPU the model runs in bfloat16, or float16 where it must.
    truncate_dim : 1 to the model's width, optional
        Keep the first so many numbers of a vector, for models trained to bear it (Kusupati et al.,
        "Matryoshka representation learning", 2022).
    query_prompt, document_prompt : optional
        What is written before each text; "" is nothing, None what the model itself asks for.
    max_length : 1 to the model's own limit, optional
        Tokens of a text that are read; the rest is cut.
    backend : "torch", "bfloat16" or "int8", optional
        What the model computes in on the CPU. bfloat16 is for processors that multiply it (AMX, AVX512-BF16),
        int8 for those that multiply that (VNNI): both about twice as fast, at a cosine to float32 of some 0.9999
        and 0.993; int8 rounds a batch together, so that what is beside a text moves its vector a little. A GPU
        computes in 16 bits anyway.

    Raises
    ------
    MissingExtraError
        "offline" is asked for and not installed.
    DataError
        The folder is missing, damaged or hostile, the hub has or sends no such model, the device is not
        there, `truncate_dim` or `max_length` is outside what the model can do, or `backend` what the device can.

    Notes
    -----
    A text without a visible character has the vector 0, as it says nothing.

    Examples
    --------
    >>> encoder = TextEncoder("offline")  # doctest: +SKIP
    >>> encoder.encode(["Red floral dress"]).shape  # doctest: +SKIP
    (1, 384)
    """

    def __init__(
        self,
        name_or_path: str | Path,
        *,
        device: str = "auto",
        truncate_dim: int | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        max_length: int | None = None,
        backend: str = "torch",
    ) -> None:
        name, folder = locate(name_or_path)
        if truncate_dim is not None:
            truncate_dim = require_whole("TextEncoder: truncate_dim", truncate_dim)
        if max_length is not None:
            max_length = require_whole("TextEncoder: max_length", max_length)
        self._name, self._folder = name, folder
        self._options: dict[str, Any] = {
            "truncate_dim": truncate_dim,
            "query_prompt": query_prompt,
            "document_prompt": document_prompt,
            "max_length": max_length,
            "backend": backend,
        }
        if backend not in BACKENDS:
            raise DataError(f"TextEncoder: backend={backend!r}; expected one of {', '.join(BACKENDS)}")
        self._model = load_model(folder, device)
        if backend == "int8" and self._model.device.type != "cpu":
            raise DataError("TextEncoder: backend='int8' is for the CPU; give device='cpu', or leave backend out")
        width = int(self._model.get_embedding_dimension() or 0)
        if truncate_dim is not None and truncate_dim > width:
            raise DataError(f"TextEncoder: truncate_dim={truncate_dim}; {name} is {width} wide")
        self._dim = truncate_dim or width
        limit = self._model.max_seq_length  # None or infinity where there is none
        if max_length is not None:
            longest = longest_input(self._model)
            if longest is not None and max_length > longest:
                raise DataError(f"TextEncoder: max_length={max_length}; {name} reads at most {longest} tokens")
            self._model.max_seq_length = limit = max_length
        self._max_length = int(limit) if limit is not None and np.isfinite(limit) else None
        prompts = self._model.prompts
        default = prompts.get(self._model.default_prompt_name) or ""
        self._query_prompt = query_prompt if query_prompt is not None else prompts.get("query") or default
        own = next((prompts[key] for key in ("document", "passage", "corpus") if prompts.get(key)), default)
        self._document_prompt = document_prompt if document_prompt is not None else own
        settings = [self._query_prompt, self._document_prompt, self._dim, self._max_length]
        self._fingerprint = fingerprint_of(folder, settings + [backend] * (backend != "torch"))
        self._batches = TokenBatches(self._model, self._max_length)
        if backend != "torch":
            narrowed(self._model, backend)

    @property
    def name(self) -> str:
        """What was asked for: "offline", an absolute path, or the hub's name."""
        return self._name

    @property
    def folder(self) -> Path:
        """Where the model's files lie."""
        return self._folder

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return self._dim

    @property
    def device(self) -> str:
        """Where the model runs, e.g. "cpu" or "cuda:0"."""
        return str(self._model.device)

    @property
    def max_length(self) -> int | None:
        """How many tokens of a text are read; None where the model sets no limit."""
        return self._max_length

    @property
    def fingerprint(self) -> str:
        """What makes the vectors what they are: a SHA-256 over weights, tokenizer, prompts, width and length."""
        return self._fingerprint

    def __repr__(self) -> str:
        return f"TextEncoder({self._name!r}, dim={self._dim}, device={self.device!r})"

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        """A vector of unit length for each text as a document, shape `(n, dim)`.

        Parameters
        ----------
        contents : `n` texts
            Equal texts are encoded once; batches are made of texts of like length.
        batch_size : 1 or more, optional
            Texts that go through the model together; does not change the vectors beyond rounding.

        Raises
        ------
        DataError
            `contents` is not a list of Unicode strings, `batch_size` is below 1, or the model gives NaN or infinity.
        """
        return self._encoded(contents, self._document_prompt, batch_size)

    def encode_document(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        """The same as `encode(contents, batch_size=batch_size)`, by the name sentence-transformers has for it.

        Raises
        ------
        DataError
            As `encode`.
        """
        return self.encode(contents, batch_size=batch_size)

    def encode_query(self, queries: Sequence[str], *, batch_size: int = 64) -> F32:
        """As `encode(queries, batch_size=batch_size)`, for what a shopper types.

        Models with prompts put the query's before it.

        Raises
        ------
        DataError
            As `encode`.
        """
        return self._encoded(queries, self._query_prompt, batch_size)

    def vocabulary_coverage(self, queries: Sequence[str]) -> F32:
        """The share of each query's tokens that are in the model's vocabulary, shape `(n,)`; 0 for an empty text.

        Chinese under an English BERT is near 0: its vector says little, and another encoder should be asked.

        Raises
        ------
        DataError
            `queries` is not a list of Unicode strings.
        """
        from transformers import PreTrainedTokenizerBase

        texts = require_texts(queries)
        tokenizer = self._model.tokenizer
        shares = dict.fromkeys(texts, 0.0)
        visible = [text for text in shares if not is_blank(text)]
        if not isinstance(tokenizer, PreTrainedTokenizerBase):  # static word vectors, which tell nothing of this
            shares.update(dict.fromkeys(visible, 1.0))
        elif visible:
            unknown = tokenizer.unk_token_id
            ids = tokenizer([self._cut(text) for text in visible], add_special_tokens=False, verbose=False)["input_ids"]
            for text, tokens in zip(visible, ids, strict=True):
                shares[text] = sum(token != unknown for token in tokens) / len(tokens) if tokens else 0.0
        return np.array([shares[text] for text in texts], dtype=np.float32)

    def moved(self, folder: str | Path) -> "TextEncoder":
        """An encoder of the model in `folder`, on the same device and with the same options.

        Raises
        ------
        DataError
            As the constructor.
        """
        return TextEncoder(folder, device=self.device, **self._options)

    def vocabulary(self) -> tuple[Any, F32]:
        """The model's tokenizer (of `tokenizers`) and its vectors of single tokens, shape `(tokens, width)`.

        What `StaticEncoder.distil` starts from.

        Raises
        ------
        DataError
            The model has no fast tokenizer or no such vectors.
        """
        from transformers import PreTrainedModel, PreTrainedTokenizerFast

        inner, tokenizer = getattr(next(iter(self._model)), "model", None), self._model.tokenizer
        if not isinstance(inner, PreTrainedModel) or not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise DataError(f"TextEncoder {self._name}: no transformer with a fast tokenizer; distil another model")
        held: Any = inner.get_input_embeddings()
        vectors: F32 = held.weight.detach().float().cpu().numpy()
        return tokenizer.backend_tokenizer, vectors

    def save_to(self, path: Path) -> None:
        """Write the files of `save` into the existing folder `path`, as part of another artefact."""
        about = {"name": self._name, "fingerprint": self._fingerprint, **self._options}
        (path / "text.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load_from(cls, path: Path) -> "TextEncoder":
        """What `save_to` wrote into the folder `path`."""
        about: dict[str, Any] = json.loads((path / "text.json").read_text(encoding="utf-8"))
        expected = {"name", "fingerprint", "truncate_dim", "query_prompt", "document_prompt", "max_length", "backend"}
        about.setdefault("backend", "torch")
        if about.keys() != expected:
            raise IncompatibleError(f"{path}: no TextEncoder of this version; make it anew and save it")
        name, fingerprint = about.pop("name"), about.pop("fingerprint")
        encoder = cls(name, **about)
        if encoder.fingerprint != fingerprint:
            raise IncompatibleError(
                f"{path}: made with a model {name!r} of fingerprint {fingerprint[:18]}..., but the one found now is "
                f"{encoder.fingerprint[:18]}...; bring the old model back, or encode again"
            )
        return encoder

    def _encoded(self, texts: Sequence[str], prompt: str, batch_size: int) -> F32:
        texts = require_texts(texts)
        if batch_size < 1:
            raise DataError(f"batch_size={batch_size}: expected 1 or more")
        rows = {text: row for row, text in enumerate(dict.fromkeys(text for text in texts if not is_blank(text)))}
        vectors = np.zeros(
            (len(rows) + 1, self._dim), dtype=np.float32
        )  # (distinct + 1, dim), the last for empty texts
        if rows:
            vectors[:-1] = self._batches.encode([self._cut(text) for text in rows], prompt, batch_size)[:, : self._dim]
        every = vectors[[rows.get(text, -1) for text in texts]]  # (n, dim)
        require_finite(every, f"TextEncoder {self._name}: vectors")
        lengths = np.linalg.norm(every, axis=1, keepdims=True)
        every /= np.where(lengths > 0, lengths, 1)
        return every

    def _cut(self, text: str) -> str:
        # A title of a megabyte would be tokenised whole, only to be cut to a few hundred tokens.
        return bounded(text) if self._max_length is None else bounded(text, self._max_length * _CHARACTERS)
