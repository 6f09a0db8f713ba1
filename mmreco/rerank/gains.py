"""What each candidate would bring to the page next: relevance against similarity to what stands there already.

Sources, each followed greedily, one item a step:

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
no caps.
"""

from typing import Protocol

import numpy as np

from mmreco.arrays import F32, Bool
from mmreco.rerank.options import Method

__all__ = ["Gains", "gains", "standardised"]

_EPS = np.float32(np.finfo(np.float32).eps)
_LEAST, _NONE = np.array(_EPS * _EPS), np.array(0, dtype=np.float32)  # without an axis: quicker than numbers
_NOTHING = np.float32(1e-5)  # of an item's own length, at or below which what is left of it is rounding


class Gains(Protocol):
    """What each candidate of one page would bring next, and how that changes by a choice."""

    def values(self) -> F32:
        """The gain of each candidate, shape `(m,)`; to be read before the next choice, and not to be changed."""

    def choose(self, chosen: int, cosines: F32) -> None:
        """Take note of the candidate that was chosen.

        Parameters
        ----------
        chosen : its place among the candidates
        cosines : shape `(m,)`
            Of all candidates to the chosen one.
        """


def gains(method: Method, diversity: float, relevance: F32, lengths: F32, k: int) -> Gains:
    """The gains of a method; of relevance alone where `diversity` is 0.

    Parameters
    ----------
    method : its name
    diversity : 0 to 1
        What diversity counts, beside relevance.
    relevance : shape `(m,)`
        From 0 to 1 before boosts; `standardised` for "dpp" and "ssd".
    lengths : shape `(m,)`
        Of the candidates' vectors: 1, or 0 where a candidate has none.
    k : 1 or more
        Items a page.
    """
    if diversity == 0:
        return _Relevance(relevance)
    if method == "mmr":
        return _LargestCosine(diversity, relevance)
    if method == "msd":
        return _SummedDistance(diversity, relevance)
    return _Volume(diversity, relevance, k) if method == "dpp" else _Residual(diversity, relevance, lengths, k)


class _Relevance:
    def __init__(self, relevance: F32) -> None:
        self.relevance = relevance

    def values(self) -> F32:
        return self.relevance

    def choose(self, chosen: int, cosines: F32) -> None:
        pass


class _LargestCosine:
    def __init__(self, diversity: float, relevance: F32) -> None:
        self.diversity, self.worth = _parts(diversity, relevance)
        self.largest, self.gain = np.zeros_like(relevance), np.empty_like(relevance)

    def values(self) -> F32:
        np.multiply(self.largest, self.diversity, out=self.gain)
        np.subtract(self.worth, self.gain, out=self.gain)
        return self.gain

    def choose(self, chosen: int, cosines: F32) -> None:
        np.maximum(self.largest, cosines, out=self.largest)


class _SummedDistance:
    def __init__(self, diversity: float, relevance: F32) -> None:
        self.diversity, self.worth = _parts(diversity, relevance)

    def values(self) -> F32:
        return self.worth

    def choose(self, chosen: int, cosines: F32) -> None:
        self.worth += self.diversity * (1 - np.minimum(np.maximum(cosines, -1), 1))


class _Cholesky:
    """What the items on the page leave of each candidate: an incremental Cholesky factor of a kernel.

    Parameters
    ----------
    left : shape `(m,)`
        The kernel of each candidate with itself.
    k : 1 or more
        Places to be filled.
    """

    def __init__(self, left: F32, k: int) -> None:
        self.left, self.nothing = left, _NOTHING * left
        self.factor = np.empty((k, len(left)), dtype=np.float32)
        self.spare = np.empty_like(left)
        self.step = 0

    def project(self, chosen: int, kernel: F32) -> None:
        """Take the chosen candidate out of all that is left; its `kernel` with all candidates is changed."""
        step = self.step
        if step:
            kernel -= np.dot(self.factor[:step, chosen], self.factor[:step], out=self.spare)
        left = self.left[chosen]
        length = np.sqrt(left) + _EPS
        if left <= self.nothing[chosen]:
            length = np.float32(np.inf)  # the page spans the item already
        row = np.divide(kernel, length, out=self.factor[step])
        np.multiply(row, row, out=self.spare)
        np.subtract(self.left, self.spare, out=self.left)
        np.maximum(self.left, _NONE, out=self.left)
        self.step += 1


class _Volume:
    """The determinant of the kernel of the page with each candidate."""

    def __init__(self, diversity: float, relevance: F32, k: int) -> None:
        self.weights: F32 = np.exp((1 - np.float32(diversity)) * relevance)
        self.rest = _Cholesky(self.weights * self.weights + _EPS, k)
        self.gain: F32 = np.empty_like(self.weights)

    def values(self) -> F32:
        np.maximum(self.rest.left, _LEAST, out=self.gain)
        np.log(self.gain, out=self.gain)
        return self.gain

    def choose(self, chosen: int, cosines: F32) -> None:
        kernel = cosines * self.weights
        kernel *= self.weights[chosen]
        self.rest.project(chosen, kernel)


class _Residual:
    """The length of what is left of each candidate's vector, with the constant."""

    def __init__(self, diversity: float, relevance: F32, lengths: F32, k: int) -> None:
        self.relevance = relevance
        self.diversity, self.worth = _parts(diversity, relevance)
        self.rest = _Cholesky(lengths + 1, k)
        self.gain = np.empty_like(self.worth)

    def values(self) -> F32:
        if not self.rest.step:  # an empty page is unlike everything
            return self.relevance
        np.sqrt(self.rest.left, out=self.gain)
        np.multiply(self.gain, self.diversity, out=self.gain)
        np.add(self.worth, self.gain, out=self.gain)
        return self.gain

    def choose(self, chosen: int, cosines: F32) -> None:
        self.rest.project(chosen, cosines + 1)


def _parts(diversity: float, relevance: F32) -> tuple[F32, F32]:
    """The weight of variety, without an axis, and the relevance by its own, shape `(m,)`."""
    return np.array(diversity, dtype=np.float32), (1 - np.float32(diversity)) * relevance


def standardised(relevance: F32, there: Bool) -> F32:
    """The relevance with mean 0 and spread 1 among the candidates of each question, shape `(n, m)`."""
    present = there.astype(np.float32)
    n = np.maximum(present.sum(axis=1, keepdims=True), 1)
    centred = relevance - (relevance * present).sum(axis=1, keepdims=True) / n
    spread: F32 = np.sqrt((centred**2 * present).sum(axis=1, keepdims=True) / n)
    scaled: F32 = centred / (spread + _EPS)
    return scaled
