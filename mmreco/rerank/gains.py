"""What each candidate would bring to the page next: relevance against similarity to what stands there already.

Sources, each followed greedily, one item a step, for a batch of questions at once:

- "mmr": Carbonell, Goldstein, "The use of MMR, diversity-based reranking", 1998. Relevance less the largest cosine to
  an item on the page.
- "msd": Gollapudi, Sharma, "An axiomatic approach for result diversification", 2009. Relevance and the sum of the
  distances to the items on the page.
- "dpp": Chen, Zhang, Zhou, "Fast greedy MAP inference for determinantal point process", 2018. The gain in the logarithm
  of the determinant of the kernel `q_i q_j cos(i, j)` with `q = exp((1 - diversity) z)`, `z` the standardised score.
- "ssd": Huang et al., "Sliding spectrum decomposition for diversified recommendation", 2021. Standardised relevance and
  the length of what is left of an item's vector, with a constant 1 appended, once those of the page are projected out.
  Deviates: the window is the whole page.

The formulas are those of pyversity 0.2, whose choices are equalled in the tests. It is not called here because it knows
neither caps nor several questions at once.
"""

from typing import Protocol

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.rerank.options import Method

__all__ = ["Gains", "gains"]

_EPS = np.float32(np.finfo(np.float32).eps)
_NOTHING = 1e-5  # of an item's own length, at or below which what is left of it is rounding


class Gains(Protocol):
    """What each candidate would bring next, and how that changes by a choice."""

    def values(self) -> F32:
        """The gain of each candidate, shape `(n, m)`."""

    def choose(self, chosen: I64, cosines: F32) -> None:
        """Take note of the candidate that each question has chosen.

        Parameters
        ----------
        chosen : shape `(n,)`
            Places among the `n * m` candidates of all questions.
        cosines : shape `(n, m)`
            Of all candidates to the chosen one.
        """


def gains(method: Method, diversity: float, relevance: F32, present: F32, vectors: F32 | None, k: int) -> Gains:
    """The gains of a method; of relevance alone where `diversity` is 0.

    Parameters
    ----------
    method : its name
    diversity : 0 to 1
        What diversity counts, beside relevance.
    relevance : shape `(n, m)`
        From 0 to 1 before boosts.
    present : shape `(n, m)`
        1 where there is a candidate, else 0.
    vectors : shape `(n, m, dim)`, or None
        Of unit length, or zeros where a candidate has none.
    k : 1 or more
        Places to be filled.
    """
    if diversity == 0:
        return _Relevance(relevance)
    if method == "mmr":
        return _LargestCosine(diversity, relevance)
    if method == "msd":
        return _SummedDistance(diversity, relevance)
    lengths = present if vectors is None else (vectors != 0).any(axis=2).astype(np.float32)
    return _Residual(method, diversity, _standardised(relevance, present), lengths, k)


class _Relevance:
    def __init__(self, relevance: F32) -> None:
        self.relevance = relevance

    def values(self) -> F32:
        return self.relevance

    def choose(self, chosen: I64, cosines: F32) -> None:
        pass


class _LargestCosine:
    def __init__(self, diversity: float, relevance: F32) -> None:
        self.diversity = np.float32(diversity)
        self.worth = (1 - self.diversity) * relevance
        self.largest = np.zeros_like(relevance)

    def values(self) -> F32:
        gain: F32 = self.worth - self.diversity * self.largest
        return gain

    def choose(self, chosen: I64, cosines: F32) -> None:
        np.maximum(self.largest, cosines, out=self.largest)


class _SummedDistance:
    def __init__(self, diversity: float, relevance: F32) -> None:
        self.diversity = np.float32(diversity)
        self.worth = (1 - self.diversity) * relevance

    def values(self) -> F32:
        return self.worth

    def choose(self, chosen: I64, cosines: F32) -> None:
        self.worth += self.diversity * (1 - np.minimum(np.maximum(cosines, -1), 1))


class _Residual:
    """What the items on the page leave of each candidate: an incremental Cholesky factor of the kernel."""

    def __init__(self, method: Method, diversity: float, relevance: F32, lengths: F32, k: int) -> None:
        self.method, self.diversity, self.relevance = method, np.float32(diversity), relevance
        n, m = relevance.shape
        if method == "dpp":
            self.weights = np.exp((1 - self.diversity) * relevance)
            self.left = self.weights * self.weights + _EPS
        else:
            self.worth = (1 - self.diversity) * relevance
            self.left = lengths + 1  # the vector, and the constant
        self.nothing = np.float32(_NOTHING) * self.left
        self.factor = np.zeros((n, k, m), dtype=np.float32)
        self.lines, self.first, self.step = np.arange(n), m * np.arange(n), 0

    def values(self) -> F32:
        if self.method == "dpp":
            volume: F32 = np.log(np.maximum(self.left, _EPS * _EPS))
            return volume
        if not self.step:  # an empty page is unlike everything
            return self.relevance
        distance: F32 = np.sqrt(self.left)
        gain: F32 = self.worth + self.diversity * distance
        return gain

    def choose(self, chosen: I64, cosines: F32) -> None:
        step = self.step
        if self.method == "ssd":
            kernel = cosines + 1
        else:
            kernel = cosines * self.weights
            kernel *= self.weights.ravel()[chosen][:, None]
        if step:
            own = self.factor[self.lines, :step, chosen - self.first]  # (n, step)
            kernel -= (own[:, None, :] @ self.factor[:, :step])[:, 0]
        left = self.left.ravel()[chosen]
        length = np.sqrt(left) + _EPS
        length[left <= self.nothing.ravel()[chosen]] = np.inf  # the page spans the item already
        row = np.divide(kernel, length[:, None], out=self.factor[:, step])
        self.left -= row * row
        np.maximum(self.left, 0, out=self.left)
        self.step += 1


def _standardised(relevance: F32, present: F32) -> F32:
    n = np.maximum(present.sum(axis=1, keepdims=True), 1)
    mean = (relevance * present).sum(axis=1, keepdims=True) / n
    spread = np.sqrt((((relevance - mean) ** 2) * present).sum(axis=1, keepdims=True) / n)
    scaled: F32 = ((relevance - mean) / (spread + _EPS)).astype(np.float32)
    return scaled
