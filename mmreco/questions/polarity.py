"""Polarity: whether a sentence praises or complains, from its letters, words and meaning.

A logistic regression over character and word n-grams (Wang, Manning, "Baselines and bigrams: simple, good sentiment and
topic classification", 2012) and, where there is an encoder, the sentence's vector. Terms are hashed (Weinberger,
Dasgupta, Langford, Smola, Attenberg, "Feature hashing for large scale multitask learning", 2009), so that there is no
vocabulary to keep. It is trained by labels, or by a shop's own stars.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from safetensors.numpy import load_file, save_file

from mmreco.arrays import F32, Bool, frozen
from mmreco.data.reviews import Reviews
from mmreco.encoders.queries import encode_query
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.protocols import Encoder
from mmreco.questions.sentences import sentences
from mmreco.storage.artefact import publish, read_artefact
from mmreco.text.folding import fold
from mmreco.text.segmentation import is_chinese, segment

__all__ = ["Polarity"]

_TERMS = 1 << 17  # hashed n-grams
_LONGEST = 3  # characters of a Chinese n-gram
_MEANING = 0.5  # weight of the sentence's vector beside its n-grams
_STRENGTH = 10.0  # inverse of the L2 penalty
_GOOD, _BAD = 4.0, 2.0  # stars from which up, and to which down, a review teaches
_TAUGHT = 20_000  # sentences at most


@dataclass(kw_only=True, eq=False)
class Polarity:
    """The probability that a sentence is positive; Chinese and English.

    Parameters
    ----------
    encoder : of sentences, optional
        A `TextEncoder`; "offline-multilingual" reads both languages. It is not stored: give it to `load` again.

    Examples
    --------
    >>> praise = ["质量很好", "very comfortable", "物流很快", "love it"]
    >>> blame = ["质量太差", "very uncomfortable", "物流太慢", "hate it"]
    >>> polarity = Polarity().fit([*praise, *blame], np.array([True] * 4 + [False] * 4))
    >>> polarity.score(["质量很好", "hate it"]) > 0.5
    array([ True, False])
    """

    encoder: Encoder[str] | None = None
    slope_: F32 | None = field(default=None, init=False, repr=False)
    idf_: F32 | None = field(default=None, init=False, repr=False)
    centre_: F32 | None = field(default=None, init=False, repr=False)
    offset_: float = field(default=0.0, init=False, repr=False)
    spread_: float = field(default=1.0, init=False, repr=False)

    def fit(self, texts: Sequence[str], good: Bool) -> Self:
        """Learn from sentences and whether each praises.

        Parameters
        ----------
        texts : `n` sentences
        good : shape `(n,)` of bool

        Raises
        ------
        DataError
            The numbers differ, or all or none of the sentences praise.
        """
        from sklearn.linear_model import LogisticRegression

        good = np.asarray(good, dtype=bool)
        if good.shape != (len(texts),) or not good.any() or good.all():
            raise DataError(
                f"Polarity: {len(texts)} texts, {int(good.sum())} of {good.size} labels good; "
                "expected a label a text, and both kinds"
            )
        counts = _counts(texts)
        df = np.asarray((counts > 0).sum(axis=0)).ravel()
        self.idf_ = frozen(np.log((1 + len(texts)) / (1 + df)) + 1, np.float32)
        if self.encoder is not None:
            vectors = encode_query(self.encoder, list(texts))
            self.centre_ = frozen(vectors.mean(axis=0), np.float32)
            lengths = np.linalg.norm(vectors - self.centre_, axis=1)
            self.spread_ = float(np.sqrt((lengths**2).mean())) or 1.0
        rule = LogisticRegression(C=_STRENGTH, max_iter=1000, class_weight="balanced")
        rule.fit(self._signs(texts, counts), good)
        self.slope_, self.offset_ = frozen(rule.coef_[0], np.float32), float(rule.intercept_[0])
        return self

    def fit_stars(self, reviews: Reviews, *, seed: int = 0) -> Self:
        """Learn from a shop's own stars: each sentence of one of `reviews` gets the label of the review.

        From 4 stars up a review is good, from 2 down it is bad. As many good sentences as bad ones are taught, at most
        20,000 in all, drawn with `seed`.

        Raises
        ------
        DataError
            There is no good or no bad review with a word.
        """
        pools: dict[bool, list[str]] = {True: [], False: []}
        rng = np.random.default_rng(seed)
        for at in rng.permutation(len(reviews)).tolist():
            stars = float(reviews.ratings[at])
            if stars >= _GOOD or stars <= _BAD:
                pool = pools[stars >= _GOOD]
                if len(pool) < _TAUGHT // 2:
                    pool.extend(sentences(reviews.texts[at]))
        n = min(len(pools[True]), len(pools[False]), _TAUGHT // 2)
        if not n:
            raise DataError(
                f"Polarity: {len(pools[True])} sentences of good reviews, {len(pools[False])} of bad ones among "
                f"{len(reviews)}; expected some of both"
            )
        return self.fit([*pools[True][:n], *pools[False][:n]], np.repeat([True, False], n))

    def score(self, texts: Sequence[str]) -> F32:
        """The probability that each of `texts`, sentences, is positive, shape `(n,)`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        slope, _ = self._fitted()
        if not len(texts):
            return np.zeros(0, dtype=np.float32)
        odds = self._signs(texts, _counts(texts)) @ slope.astype(np.float64) + self.offset_
        return np.asarray(0.5 * (1 + np.tanh(odds / 2)), dtype=np.float32)

    def save(self, folder: str | Path) -> None:
        """Write what was learnt to an artefact folder.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            `folder` holds something else.
        """
        self._fitted()
        with publish(folder, type(self).__name__) as path:
            self._write(path)

    @classmethod
    def load(cls, folder: str | Path, *, encoder: Encoder[str] | None = None) -> "Polarity":
        """What `save` wrote to `folder`; `encoder` is the one it was fitted with, if there was one.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds something else, or was fitted with an encoder and none is given, or the other way round.
        """
        return read_artefact(folder, cls.__name__, lambda found: cls._read(found.path, encoder))

    def _write(self, path: Path) -> None:
        slope, idf = self._fitted()
        arrays = {"slope": np.array(slope), "idf": np.array(idf)}
        if self.centre_ is not None:
            arrays["centre"] = np.array(self.centre_)
        save_file(arrays, path / "polarity.safetensors")
        about = {"offset": self.offset_, "spread": self.spread_}
        (path / "polarity.json").write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def _read(cls, path: Path, encoder: Encoder[str] | None) -> "Polarity":
        arrays = load_file(path / "polarity.safetensors")
        about: dict[str, Any] = json.loads((path / "polarity.json").read_text(encoding="utf-8"))
        if not {"slope", "idf"} <= arrays.keys() or about.keys() != {"offset", "spread"}:
            raise IncompatibleError(f"{path}: no Polarity of this version; fit and save again")
        if ("centre" in arrays) != (encoder is not None):
            with_it = "with" if "centre" in arrays else "without"
            raise IncompatibleError(f"{path}: fitted {with_it} an encoder; load it with the same one")
        polarity = cls(encoder=encoder)
        polarity.slope_, polarity.idf_ = frozen(arrays["slope"], np.float32), frozen(arrays["idf"], np.float32)
        polarity.centre_ = frozen(arrays["centre"], np.float32) if "centre" in arrays else None
        polarity.offset_, polarity.spread_ = about["offset"], about["spread"]
        return polarity

    def _signs(self, texts: Sequence[str], counts: sp.csr_array) -> sp.csr_array:
        weighed = counts.copy()
        idf = self.idf_ if self.idf_ is not None else np.ones(_TERMS, dtype=np.float32)
        weighed.data = (1 + np.log(weighed.data)) * idf[weighed.indices]
        lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1))).ravel()
        weighed.data /= np.repeat(np.maximum(lengths, 1e-9), np.diff(weighed.indptr))
        if self.encoder is None or self.centre_ is None:
            return weighed
        vectors = (encode_query(self.encoder, list(texts)) - self.centre_) * (_MEANING / self.spread_)
        return sp.csr_array(sp.hstack([weighed, sp.csr_array(vectors)], format="csr"))

    def _fitted(self) -> tuple[F32, F32]:
        if self.slope_ is None or self.idf_ is None:
            raise NotFittedError("Polarity is not fitted; call fit(texts, good) or fit_stars(reviews) first")
        return self.slope_, self.idf_


def _counts(texts: Sequence[str]) -> sp.csr_array:
    """How often each hashed n-gram is in each text, shape `(n, _TERMS)`."""
    from sklearn.feature_extraction import FeatureHasher

    hasher = FeatureHasher(_TERMS, input_type="string", alternate_sign=False, dtype=np.float64)
    counts: sp.csr_array = sp.csr_array(hasher.transform([_terms(text) for text in texts]))
    counts.sum_duplicates()
    return counts


def _terms(text: str) -> list[str]:
    """Words and pairs of words; of Chinese also all runs of one to three characters."""
    words = segment(text)
    found = [*words, *(f"{a} {b}" for a, b in pairwise(words))]
    folded = "".join(letter if letter.isalnum() else " " for letter in fold(text))
    if is_chinese(folded):
        runs = folded.split()
        found += [
            f"={run[at : at + size]}"
            for run in runs
            for size in range(1, _LONGEST + 1)
            for at in range(len(run) - size + 1)
        ]
    return found or [""]
