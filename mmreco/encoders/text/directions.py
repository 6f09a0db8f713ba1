"""Directions of meaning in weighted terms: a truncated SVD, filtered, without the direction of the language.

Sources: those named in `mmreco.encoders.text.lexical`.
"""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from mmreco.arrays import F32

__all__ = ["NEGLIGIBLE", "directions_of", "without_language"]

_KNEE = 8  # the filter halves direction dim / 8 twice; measured on the planted shop and on real fashion titles
_POWER_STEPS = 4  # of the randomised decomposition
_BILINGUAL = 0.1  # standard deviation of the texts' Chinese shares, below which the shop has one language
NEGLIGIBLE = 1e-5  # of the largest singular value: below it a direction is rounding, not meaning


def directions_of(weights: sp.csr_array, dim: int, seed: int) -> F32:
    """The filtered right singular vectors, shape `(n_terms, dim)`, each with its largest entry positive."""
    from sklearn.utils.extmath import randomized_svd

    rank = min(dim, *weights.shape)
    _, sizes, right = randomized_svd(
        weights, rank, n_iter=_POWER_STEPS, random_state=np.random.RandomState(seed), flip_sign=False
    )
    clear = sizes > NEGLIGIBLE * sizes[0]
    right, powers = right[clear], sizes[clear] ** 2  # (r, n_terms), (r,)
    right *= np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])[:, None]
    gains = (powers / (powers + powers[min(dim // _KNEE, len(powers) - 1)])) ** 2
    out = np.zeros((weights.shape[1], dim), dtype=np.float32)
    out[:, : len(right)] = (right * gains[:, None]).T
    return out


def without_language(directions: F32, weights: sp.csr_array, chinese: npt.NDArray[np.float64]) -> F32:
    """`directions` less the one along which the share of Chinese in a text, shape `(n,)`, varies."""
    if chinese.std() < _BILINGUAL:
        return directions
    vectors = weights @ directions  # (n, dim)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), NEGLIGIBLE)
    language = vectors.T @ (chinese - chinese.mean()).astype(np.float32)  # (dim,)
    length = np.linalg.norm(language)
    if length <= NEGLIGIBLE:
        return directions
    language /= length
    return directions - np.outer(directions @ language, language)
