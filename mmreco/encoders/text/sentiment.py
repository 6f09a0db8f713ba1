"""Sentiment: how well an item is liked in words.

It is a logistic regression on review vectors, learnt from the shop's own stars, so it needs no
dictionary of good and bad words and works in any language the text encoder does.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors.numpy import load_file, save_file

from mmreco.arrays import F32, frozen
from mmreco.data.reviews import Reviews
from mmreco.encoders.text.review_weights import require_review_vectors, review_weights
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.storage.stored import StoredByFiles

__all__ = ["Sentiment"]


@dataclass(kw_only=True, eq=False)
class Sentiment(StoredByFiles):
    """How probably a review is a good one, learnt from the reviews that come with stars.

    Parameters
    ----------
    good, bad : stars, 1 to 5, optional
        From `good` up a review is good, from `bad` down it is bad; those between teach nothing.
    strength : above 0, optional
        The less, the simpler the rule: the inverse of the L2 penalty.

    Raises
    ------
    DataError
        `bad` is not below `good`, or `strength` is not above 0.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], dtype=np.float32)
    >>> sentiment = Sentiment().fit(vectors, np.array([5, 4, 1, 2], dtype=np.float32))
    >>> sentiment.score(vectors) > 0.5
    array([ True,  True, False, False])
    """

    good: float = 4.0
    bad: float = 2.0
    strength: float = 10.0
    slope_: F32 | None = field(default=None, init=False, repr=False)
    offset_: float = field(default=0.0, init=False, repr=False)
    prior_: float = field(default=0.5, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.bad < self.good:
            raise DataError(f"Sentiment: bad={self.bad}, good={self.good}; expected bad below good")
        if not self.strength > 0:
            raise DataError(f"Sentiment: strength={self.strength}; expected above 0")

    def fit(self, vectors: F32, ratings: F32) -> Self:
        """Learn what good and bad reviews look like.

        Parameters
        ----------
        vectors : shape `(r, dim)`
            Of the reviews, by a text encoder.
        ratings : shape `(r,)`
            Their stars, NaN where unknown.

        Raises
        ------
        DataError
            The shapes differ, a vector is NaN or infinite, or there is no good or no bad review.
        """
        from sklearn.linear_model import LogisticRegression

        stars = np.asarray(ratings, dtype=np.float32)
        vectors = np.asarray(vectors, dtype=np.float32)
        if stars.ndim != 1 or vectors.ndim != 2:
            raise DataError(f"Sentiment: vectors {vectors.shape}, ratings {stars.shape}; expected (r, dim) and (r,)")
        require_review_vectors(vectors, len(stars), vectors.shape[1])
        with np.errstate(invalid="ignore"):
            good, bad = stars >= self.good, stars <= self.bad
        if not good.any() or not bad.any():
            raise DataError(
                f"Sentiment: {int(good.sum())} reviews of {self.good:g} stars and more, {int(bad.sum())} of "
                f"{self.bad:g} and less among {len(stars)}; expected some of both"
            )
        taught = good | bad
        rule = LogisticRegression(C=self.strength, max_iter=1000).fit(vectors[taught], good[taught])
        self.slope_ = frozen(rule.coef_[0], np.float32)
        self.offset_ = float(rule.intercept_[0])
        self.prior_ = float(good[taught].mean())
        return self

    def score(self, vectors: F32) -> F32:
        """The probability that each review is a good one, shape `(r,)`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            `vectors` is not as wide as those it was fitted on, or holds NaN or infinity.
        """
        slope = self._fitted()
        vectors = np.asarray(vectors, dtype=np.float32)
        require_review_vectors(vectors, len(vectors), len(slope))
        logits = vectors.astype(np.float64) @ slope + self.offset_  # (r,)
        good: F32 = (0.5 * (1 + np.tanh(logits / 2))).astype(np.float32)  # the logistic function, never overflowing
        return good

    def item_sentiment(
        self, reviews: Reviews, vectors: F32, *, half_life_days: float = 180.0, doubt: float = 5.0
    ) -> F32:
        """How well each item is spoken of, 0 to 1, shape `(n_items,)`.

        The mean over an item's reviews, weighted as by `review_weights`, drawn to the shop's own share of good
        reviews: an item with no review is exactly there. Reviews without a word do not count.

        Parameters
        ----------
        reviews : of `r` reviews of `n_items` items
        vectors : shape `(r, dim)`
        half_life_days : above 0, optional
        doubt : 0 or more, optional
            How many fresh reviews it takes to go half the way from the shop's share to the item's own mean.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            A shape is wrong, a vector is NaN, or `half_life_days` or `doubt` is out of range.
        """
        if doubt < 0:
            raise DataError(f"doubt={doubt}: expected 0 or more")
        require_review_vectors(np.asarray(vectors), len(reviews), len(self._fitted()))
        good = self.score(vectors)
        weights = review_weights(reviews, half_life_days) * np.array([bool(text.strip()) for text in reviews.texts])
        n = len(reviews.items)
        mass = np.bincount(reviews.items_flat, weights=weights, minlength=n)
        total = np.bincount(reviews.items_flat, weights=weights * good, minlength=n)
        known = mass + doubt > 0
        out = np.full(n, self.prior_)
        out[known] = (total[known] + doubt * self.prior_) / (mass[known] + doubt)
        return out.astype(np.float32)

    def save_to(self, path: Path) -> None:
        """Write the files of `save` into the existing folder `path`, as part of another artefact."""
        numbers = np.array([self.good, self.bad, self.strength, self.offset_, self.prior_])
        save_file({"slope": np.array(self._fitted()), "numbers": numbers}, path / "sentiment.safetensors")

    @classmethod
    def load_from(cls, path: Path) -> "Sentiment":
        """What `save_to` wrote."""
        arrays: dict[str, Any] = load_file(path / "sentiment.safetensors")
        if arrays.keys() != {"slope", "numbers"} or arrays["numbers"].shape != (5,) or arrays["slope"].ndim != 1:
            raise IncompatibleError(f"{path}: no Sentiment of this version; fit and save again")
        good, bad, strength, offset, prior = (float(number) for number in arrays["numbers"])
        sentiment = cls(good=good, bad=bad, strength=strength)
        sentiment.slope_ = frozen(arrays["slope"], np.float32)
        sentiment.offset_, sentiment.prior_ = offset, prior
        return sentiment

    def _require_saveable(self) -> None:
        self._fitted()

    def _fitted(self) -> F32:
        if self.slope_ is None:
            raise NotFittedError("Sentiment is not fitted; call fit(vectors, ratings) first")
        return self.slope_
