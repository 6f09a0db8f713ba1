"""LexicalEncoder: text to vectors with no download: words, TF-IDF, truncated SVD.

Latent semantic analysis (Deerwester, Dumais, Furnas, Landauer, Harshman, "Indexing by latent semantic
analysis", 1990) over the words of `mmreco.text.segmentation`, the decomposition by randomised projection (Halko,
Martinsson, Tropp, "Finding structure with randomness", 2011).

Deviations: the characters and pairs of characters inside a Chinese word count as terms of a lower weight, so that
半身裙 and 裙子 share something; English plurals are cut as by the S-stemmer (Harman, "How effective is
suffixing?", 1991); documents and queries are mapped by the same function, the projection on the right
singular vectors, each weighed by the Wiener filter `(s² / (s² + s₀²))²` of its singular value, where s₀ is
that of direction `dim / 8`. What few texts share is thereby muted instead of cut off at a rank that would have
to be guessed: short queries find texts that are *about* their words, not short texts that repeat one of them.
The direction along which Chinese texts differ from others is taken out (after Yang, Yang, Cer, Darve, "A simple
and effective method to eliminate the self language bias in multilingual representations", 2021), so that
"red dress" does not prefer texts for being English.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors.numpy import load_file, save_file

from mmreco.arguments import require_whole
from mmreco.arrays import F32, frozen, require_finite
from mmreco.encoders.text.directions import NEGLIGIBLE, directions_of, without_language
from mmreco.encoders.text.terms import bag_of_terms, tf_idf
from mmreco.encoders.text.texts import bounded, require_texts
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.storage.stored import StoredByFiles
from mmreco.text.segmentation import is_chinese, segment_all
from mmreco.text.stemming import stem

__all__ = ["LexicalEncoder"]


@dataclass(kw_only=True, eq=False)
class LexicalEncoder(StoredByFiles):
    """Text to vectors by the words it shares with the shop's texts; Chinese and English, nothing to download.

    Texts of the same words are near, and so are words that the shop uses together: where titles are
    bilingual, 红色 and "red" come to lie side by side.

    Parameters
    ----------
    dim : 1 or more
        Width of a vector, whatever the texts: with fewer terms or texts than `dim` the last columns are 0.
    max_terms : 1 or more, optional
        At most so many terms are kept, those of the most texts.
    seed : optional
        Of the random projection.

    Raises
    ------
    DataError
        `dim` or `max_terms` is below 1.

    Examples
    --------
    >>> titles = ["红色连衣裙 red dress", "蓝色衬衫 blue shirt", "红色衬衫 red shirt", "蓝色连衣裙 blue dress"]
    >>> encoder = LexicalEncoder(dim=8).fit(titles)
    >>> scores = encoder.encode(["red dress"]) @ encoder.encode(titles).T
    >>> int(scores.argmax())
    0
    """

    dim: int = 256
    max_terms: int = 50_000
    seed: int = 0
    terms_: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    idf_: F32 | None = field(default=None, init=False, repr=False)
    components_: F32 | None = field(default=None, init=False, repr=False)
    _fingerprint: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        self.dim = require_whole("LexicalEncoder: dim", self.dim)
        self.max_terms = require_whole("LexicalEncoder: max_terms", self.max_terms)
        self.seed = require_whole("LexicalEncoder: seed", self.seed, least=0)

    def fit(self, texts: Sequence[str]) -> Self:
        """Learn terms, their weights and the directions of these texts.

        Parameters
        ----------
        texts : at least one with a word in it
            The shop's own; a text that occurs twice counts twice.

        Raises
        ------
        DataError
            `texts` is not a list of Unicode strings, or there is no word in any of them.
        """
        texts = [bounded(text) for text in require_texts(texts)]
        segments = segment_all(texts)
        bags = [bag_of_terms(words) for words in segments]
        counts = Counter(term for bag in bags for term in bag)
        if not counts:
            raise DataError(f"LexicalEncoder: no word in {len(texts)} texts; expected at least one")
        chosen = sorted(counts, key=lambda term: (-counts[term], term))[: self.max_terms]
        terms = {term: row for row, term in enumerate(sorted(chosen))}
        frequencies = np.array([counts[term] for term in terms], dtype=np.float64)
        idf = (np.log((1 + len(texts)) / (1 + frequencies)) + 1).astype(np.float32)
        weights = tf_idf(bags, terms, idf)  # (n, n_terms)
        chinese = np.array([sum(map(is_chinese, words)) / max(1, len(words)) for words in segments])
        directions = without_language(directions_of(weights, self.dim, self.seed), weights, chinese)
        self._take(terms, idf, directions)
        return self

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        """A vector of unit length for each text, shape `(n, dim)`; zeros where no word is known.

        A text of which the encoder knows nothing is thus equally unlike everything.

        Parameters
        ----------
        contents : `n` texts
            Equal texts are encoded once; of a text the first 100,000 characters are read.
        batch_size : 1 or more, optional
            How many texts are weighed at a time.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            `contents` is not a list of Unicode strings, or `batch_size` is below 1.
        """
        idf, components = self._fitted()
        if batch_size < 1:
            raise DataError(f"batch_size={batch_size}: expected 1 or more")
        texts = [bounded(text) for text in require_texts(contents)]
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        distinct = list(rows)
        vectors = np.zeros((len(distinct), self.dim), dtype=np.float32)
        for start in range(0, len(distinct), batch_size):
            bags = [bag_of_terms(words) for words in segment_all(distinct[start : start + batch_size])]
            vectors[start : start + batch_size] = tf_idf(bags, self.terms_, idf) @ components  # (b, dim)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > NEGLIGIBLE)
        vectors[lengths[:, 0] <= NEGLIGIBLE] = 0
        return vectors[[rows[text] for text in texts]]

    def encode_document(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        """The same as `encode(contents, batch_size=batch_size)`, by the name sentence-transformers has for it.

        Raises
        ------
        NotFittedError, DataError
            As `encode`.
        """
        return self.encode(contents, batch_size=batch_size)

    def encode_query(self, queries: Sequence[str], *, batch_size: int = 64) -> F32:
        """As `encode(queries, batch_size=batch_size)`: queries and documents are mapped alike.

        Raises
        ------
        NotFittedError, DataError
            As `encode`.
        """
        return self.encode(queries, batch_size=batch_size)

    def vocabulary_coverage(self, queries: Sequence[str]) -> F32:
        """The share of each query's words that are among the terms, shape `(n,)`; 0 for a text without words.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            `queries` is not a list of Unicode strings.
        """
        self._fitted()
        texts = [bounded(query) for query in require_texts(queries)]
        terms = [[stem(word) for word in words] for words in segment_all(texts)]
        shares = [sum(term in self.terms_ for term in own) / len(own) if own else 0.0 for own in terms]
        return np.array(shares, dtype=np.float32)

    @property
    def fingerprint(self) -> str:
        """What makes the vectors what they are: a SHA-256 over terms, weights and directions.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._fitted()
        return self._fingerprint

    def save_to(self, path: Path) -> None:
        """Write the files of `save` into the existing folder `path`, as part of another artefact."""
        idf, components = self._fitted()
        about = {"dim": self.dim, "max_terms": self.max_terms, "seed": self.seed, "terms": list(self.terms_)}
        (path / "lexical.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        save_file({"idf": np.array(idf), "components": np.array(components)}, path / "lexical.safetensors")

    @classmethod
    def load_from(cls, path: Path) -> "LexicalEncoder":
        """What `save_to` wrote into the folder `path`."""
        about: dict[str, Any] = json.loads((path / "lexical.json").read_text(encoding="utf-8"))
        arrays = load_file(path / "lexical.safetensors")
        terms = {term: row for row, term in enumerate(about.pop("terms", []))}
        if about.keys() != {"dim", "max_terms", "seed"} or arrays.keys() != {"idf", "components"}:
            raise IncompatibleError(f"{path}: no LexicalEncoder of this version; fit and save again")
        encoder = cls(**about)
        if arrays["components"].shape != (len(terms), encoder.dim) or arrays["idf"].shape != (len(terms),):
            raise IncompatibleError(
                f"{path}: {len(terms)} terms of width {encoder.dim}, but directions of shape "
                f"{arrays['components'].shape}; fit and save again"
            )
        encoder._take(terms, arrays["idf"], arrays["components"])
        return encoder

    def _take(self, terms: dict[str, int], idf: F32, components: F32) -> None:
        require_finite(components, "LexicalEncoder: directions")
        self.terms_, self.idf_, self.components_ = terms, frozen(idf, np.float32), frozen(components, np.float32)
        digest = hashlib.sha256("\n".join(terms).encode("utf-8", "surrogatepass"))
        digest.update(self.idf_.tobytes())
        digest.update(self.components_.tobytes())
        self._fingerprint = f"lexical-{digest.hexdigest()}"

    def _require_saveable(self) -> None:
        self._fitted()

    def _fitted(self) -> tuple[F32, F32]:
        if self.idf_ is None or self.components_ is None:
            raise NotFittedError("LexicalEncoder is not fitted; call fit(texts) first")
        return self.idf_, self.components_
