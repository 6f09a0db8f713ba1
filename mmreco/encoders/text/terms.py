"""Terms of texts and their TF-IDF weights: words, and the characters and pairs inside a Chinese word."""

from collections.abc import Iterable, Sequence

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32
from mmreco.text.segmentation import is_chinese
from mmreco.text.stemming import stem

__all__ = ["bag_of_terms", "tf_idf"]

_PIECE = 0.2  # weight of a character or pair inside a Chinese word, against 1 for the word


def bag_of_terms(words: Iterable[str]) -> dict[str, float]:
    """How much of each term a text holds."""
    bag: dict[str, float] = {}
    for word in words:
        term = stem(word)
        bag[term] = bag.get(term, 0.0) + 1.0
        if len(word) > 1 and is_chinese(word):
            for piece in dict.fromkeys((*word, *(word[i : i + 2] for i in range(len(word) - 1)))):
                if piece != word:  # in an order of its own, or sums would differ between processes
                    bag[piece] = bag.get(piece, 0.0) + _PIECE
    return bag


def tf_idf(bags: Sequence[dict[str, float]], terms: dict[str, int], idf: F32) -> sp.csr_array:
    """Rows of unit length, shape `(n, n_terms)`; counts above 1 weigh 1 + log."""
    starts, columns, counts = [0], [], []
    for bag in bags:
        for term, count in bag.items():
            column = terms.get(term)
            if column is not None:
                columns.append(column)
                counts.append(count)
        starts.append(len(columns))
    flat = np.array(columns, dtype=np.int64)
    tf = np.array(counts, dtype=np.float32)
    values = np.where(tf > 1, 1 + np.log(np.maximum(tf, 1)), tf) * idf[flat]
    rows = np.repeat(np.arange(len(bags)), np.diff(starts))
    lengths = np.sqrt(np.bincount(rows, weights=values**2, minlength=len(bags)))
    values = (values / lengths[rows]).astype(np.float32)
    return sp.csr_array((values, flat, np.array(starts)), shape=(len(bags), len(terms)))
