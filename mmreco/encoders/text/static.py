"""StaticEncoder: a text model boiled down to one vector a token, looked up instead of computed.

Tulkens, van Dongen, "Model2Vec: fast state-of-the-art static embeddings", 2024: a text's vector is the weighted mean
of its tokens' vectors. Weights by Arora, Liang, Ma, "A simple but tough-to-beat baseline for sentence embeddings",
2017. Deviates: the tokens' vectors are not the model's answers to single tokens but are fitted to its answers to the
shop's own texts, as a linear map of the model's input embeddings plus a correction of each token that the texts speak
for (ridge regression); so words the shop never used get a vector too, and nothing but the texts is encoded.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from mmreco.arrays import F32, frozen, require_finite
from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.texts import bounded, is_blank, require_texts
from mmreco.errors import DataError, IncompatibleError
from mmreco.storage.stored import StoredByFiles

__all__ = ["StaticEncoder"]

_RARE = 1e-3  # Arora's a: a token that makes up this share of the texts has half the weight of a rare one
_MAP = 1e-3  # ridge of the map of input embeddings, as a share of their mean square
_OWN = (0.03, 0.1, 0.3, 1.0)  # ridges of the tokens' corrections, of which a tenth of the texts chooses
_STEPS = 40  # of conjugate gradients
_BLOCK = 8_192  # texts at a time


class StaticEncoder(StoredByFiles):
    """Text to vectors by a table of token vectors, distilled from a text model; fast on any machine.

    Made by `distil`; nothing but numpy and the tokenizer is needed to use it.

    Parameters
    ----------
    tokenizer : what cuts a text into tokens
    vectors : shape `(n_tokens, dim)`, float32
        One a token, by the tokenizer's number.

    Notes
    -----
    A text without a known token has the vector 0, as it says nothing. The order of words is lost.

    Examples
    --------
    >>> teacher = TextEncoder("offline")  # doctest: +SKIP
    >>> StaticEncoder.distil(teacher, titles).encode(["Red floral dress"]).shape  # doctest: +SKIP
    (1, 256)
    """

    def __init__(self, tokenizer: Tokenizer, vectors: F32) -> None:
        require_finite(vectors, "StaticEncoder: vectors")
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._vectors = frozen(vectors, np.float32)
        named = (self._tokenizer.token_to_id(name) for name in ("[UNK]", "<unk>"))
        self._unknown = np.array([token for token in named if token is not None], dtype=np.int64)
        digest = hashlib.sha256(self._tokenizer.to_str().encode())
        digest.update(self._vectors.tobytes())
        self._fingerprint = f"static-{digest.hexdigest()}"

    @classmethod
    def distil(cls, teacher: TextEncoder, texts: Sequence[str], *, dim: int | None = None, seed: int = 0) -> Self:
        """The teacher's view of these texts in one vector a token.

        Parameters
        ----------
        teacher : a TextEncoder of a transformer with a fast tokenizer
        texts : 10 or more that differ
            The shop's titles, descriptions or reviews; each is encoded by the teacher once.
        dim : 1 to the teacher's width, optional
            Width of a vector; at most 256 when omitted. The directions kept are those the texts vary most in.
        seed : of the tenth of the texts that chooses how far single tokens are trusted

        Raises
        ------
        DataError
            There are fewer than 10 texts, `dim` is out of range, or the teacher has no embedding of tokens.
        """
        texts = [text for text in dict.fromkeys(map(bounded, require_texts(texts))) if not is_blank(text)]
        if len(texts) < 10:
            raise DataError(f"StaticEncoder: {len(texts)} texts that differ; expected 10 or more")
        dim = min(256, teacher.dim) if dim is None else dim
        if not 1 <= dim <= teacher.dim:
            raise DataError(f"StaticEncoder: dim={dim}; expected 1 to {teacher.dim}, the teacher's width")
        tokenizer, inputs = teacher.vocabulary()
        answers = teacher.encode(texts)  # (n, width)
        _, axes = np.linalg.eigh(answers.T.astype(np.float64) @ answers)
        wanted = (answers @ axes[:, ::-1][:, :dim].astype(np.float32)).astype(np.float32)  # (n, dim)
        student = cls(tokenizer, np.zeros((len(inputs), 1), dtype=np.float32))
        counts = student._counts(texts)  # (n, tokens)
        rare = _RARE / (_RARE + counts.sum(axis=0) / max(1.0, counts.sum()))  # (tokens,)
        weighted = counts @ sp.diags_array(rare)
        weighted = (sp.diags_array(1 / np.maximum(weighted.sum(axis=1), 1e-12)) @ weighted).tocsr()  # rows of sum 1
        held = np.random.default_rng(seed).permutation(len(texts)) < len(texts) // 10
        best = min(
            _OWN, key=lambda own: _loss(weighted[held], wanted[held], inputs, weighted[~held], wanted[~held], own)
        )
        vectors = _fitted(weighted, wanted, inputs, best) * rare[:, None]
        return cls(tokenizer, vectors.astype(np.float32))

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return int(self._vectors.shape[1])

    @property
    def fingerprint(self) -> str:
        """What makes the vectors what they are: a SHA-256 over tokenizer and vectors."""
        return self._fingerprint

    def __repr__(self) -> str:
        return f"StaticEncoder({len(self._vectors)} tokens, dim={self.dim})"

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        """A vector of unit length for each text, shape `(n, dim)`.

        Parameters
        ----------
        contents : `n` texts
        batch_size : 1 or more, optional
            As every encoder takes it; does not matter here.

        Raises
        ------
        DataError
            `contents` is not a list of Unicode strings, or `batch_size` is below 1.
        """
        if batch_size < 1:
            raise DataError(f"batch_size={batch_size}: expected 1 or more")
        texts = [bounded(text) for text in require_texts(contents)]
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), _BLOCK):
            block = texts[start : start + _BLOCK]
            out[start : start + _BLOCK] = self._counts(block) @ self._vectors
        lengths = np.linalg.norm(out, axis=1, keepdims=True)
        out /= np.where(lengths > 0, lengths, 1)
        return out

    def encode_document(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        """The same as `encode(contents, batch_size=batch_size)`, by the name sentence-transformers has for it.

        Raises
        ------
        DataError
            As `encode`.
        """
        return self.encode(contents, batch_size=batch_size)

    def encode_query(self, queries: Sequence[str], *, batch_size: int = 64) -> F32:
        """As `encode(queries, batch_size=batch_size)`: queries and documents are one here.

        Raises
        ------
        DataError
            As `encode`.
        """
        return self.encode(queries, batch_size=batch_size)

    def vocabulary_coverage(self, queries: Sequence[str]) -> F32:
        """The share of each query's tokens that have a vector, shape `(n,)`; 0 for an empty text.

        Raises
        ------
        DataError
            `queries` is not a list of Unicode strings.
        """
        texts = [bounded(query) for query in require_texts(queries)]
        shares = np.zeros(len(texts), dtype=np.float32)
        for row, tokens in enumerate(self._tokens(texts)):
            if len(tokens):
                shares[row] = 1 - np.isin(tokens, self._unknown).mean()
        return shares

    def save_to(self, path: Path) -> None:
        """Write the files of `save` into the existing folder `path`, as part of another artefact."""
        (path / "tokenizer.json").write_text(self._tokenizer.to_str(), encoding="utf-8")
        save_file({"vectors": np.ascontiguousarray(self._vectors)}, path / "vectors.safetensors")
        (path / "static.json").write_text(json.dumps({"fingerprint": self._fingerprint}), encoding="utf-8")

    @classmethod
    def load_from(cls, path: Path) -> Self:
        """What `save_to` wrote into the folder `path`."""
        about = json.loads((path / "static.json").read_text(encoding="utf-8"))
        tokenizer = Tokenizer.from_str((path / "tokenizer.json").read_text(encoding="utf-8"))
        encoder = cls(tokenizer, load_file(path / "vectors.safetensors")["vectors"])
        if encoder.fingerprint != about["fingerprint"]:
            raise IncompatibleError(f"{path}: another fingerprint than it was saved with; distil it again")
        return encoder

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        visible = ["" if is_blank(text) else text for text in texts]
        return [one.ids for one in self._tokenizer.encode_batch_fast(visible, add_special_tokens=False)]

    def _counts(self, texts: Sequence[str]) -> Any:
        """How often each text has each token, sparse, shape `(n, tokens)`, float32; unknown tokens left out."""
        tokens = self._tokens(texts)
        starts = np.cumsum([0, *(len(t) for t in tokens)])
        flat = np.array([token for t in tokens for token in t], dtype=np.int64)
        ones = np.ones(len(flat), dtype=np.float32)
        ones[np.isin(flat, self._unknown)] = 0
        return sp.csr_array((ones, flat, starts), shape=(len(texts), len(self._vectors)))


def _loss(held: Any, answers: F32, inputs: F32, weighted: Any, wanted: F32, own: float) -> float:
    """How far texts that were held out lie from the teacher's answers."""
    made = held @ _fitted(weighted, wanted, inputs, own)
    made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
    return float(((made - answers) ** 2).mean())


def _fitted(weighted: Any, wanted: F32, inputs: F32, own: float) -> F32:
    """Vectors of tokens, `(tokens, dim)`, whose weighted means are as near as can be to what is wanted."""
    means = (weighted @ inputs).astype(np.float64)  # (n, width)
    square = means.T @ means
    ridge = _MAP * np.trace(square) / len(square)
    mapping = np.linalg.solve(square + ridge * np.eye(len(square)), means.T @ wanted)  # (width, dim)
    start: F32 = (inputs @ mapping).astype(np.float32)  # (tokens, dim)
    return start + _correction(weighted, wanted - weighted @ start, own)


def _correction(weighted: Any, rest: F32, own: float) -> F32:
    """The D, `(tokens, dim)`, that minimises `|weighted @ D - rest|^2 + own |D|^2`, by conjugate gradients."""
    residual = weighted.T @ rest  # (tokens, dim)
    solution, direction = np.zeros_like(residual), residual.copy()
    size = (residual**2).sum(axis=0)  # (dim,)
    for _ in range(_STEPS):
        image = weighted.T @ (weighted @ direction) + own * direction
        step = size / np.maximum((direction * image).sum(axis=0), 1e-20)
        solution += step * direction
        residual -= step * image
        before, size = size, (residual**2).sum(axis=0)
        direction = residual + size / np.maximum(before, 1e-20) * direction
    found: F32 = solution.astype(np.float32)
    return found
