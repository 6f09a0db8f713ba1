"""The words of a shopper: of the titles they turned to and the reviews they wrote, weighed by how much they are theirs.

Source: Salton, Buckley, "Term-weighting approaches in automatic text retrieval", 1988 (TF-IDF), a shopper's words being
the document. Chinese is cut by jieba, stop words are left out.
"""

import numpy as np
import scipy.sparse as sp

from mmreco.arguments import require_width
from mmreco.data.dataset import Dataset
from mmreco.text.segmentation import segment_all

__all__ = ["user_words", "word_weights"]

_LEAST = 2  # shoppers that a word must be met with


def user_words(dataset: Dataset, k: int = 10) -> list[list[tuple[str, float]]]:
    """The `k` words of each shopper in `dataset` with the largest weights, largest first, with the weights, 0 to 1.

    Raises
    ------
    DataError
        `k` is below 1.
    """
    width = require_width(k)
    weights, names = word_weights(dataset)
    out = []
    for line in range(weights.shape[0]):
        part = slice(weights.indptr[line], weights.indptr[line + 1])
        order = np.lexsort((weights.indices[part], -weights.data[part]))[:width]
        out.append([(names[weights.indices[part][at]], float(weights.data[part][at])) for at in order])
    return out


def word_weights(dataset: Dataset) -> tuple[sp.csr_array, list[str]]:
    """The weights of words for each shopper, sparse `(n, w)`, each line of unit length, and the words."""
    log = dataset.interactions
    titles = [t or "" for t in dataset.catalogue.column("title")] if dataset.catalogue.has("title") else []
    numbers: dict[str, int] = {}
    parts = [sp.csr_array((len(log), 0))]
    if titles:
        parts = [log.matrix() @ _counts(titles, numbers)]
    reviews = dataset.reviews
    if reviews is not None and reviews.users is not None and reviews.users_flat is not None:
        written = _counts(list(reviews.texts), numbers)
        owner = log.users.rows(reviews.users.array, missing="mark")[reviews.users_flat]
        ours = np.flatnonzero(owner >= 0)
        gather = sp.csr_array((np.ones(len(ours)), (owner[ours], ours)), shape=(len(log), len(owner)))
        parts.append(gather @ written)
    width = len(numbers)
    if not width:
        return sp.csr_array((len(log), 0)), []
    total = sum((_widened(part, width) for part in parts), sp.csr_array((len(log), width)))
    total = sp.csr_array(total)
    met = np.bincount(total.indices, minlength=width)
    total.data = np.log1p(total.data) * np.log((1 + len(log)) / (1 + met))[total.indices]
    total.data[met[total.indices] < min(_LEAST, len(log))] = 0
    total.eliminate_zeros()
    lengths = np.sqrt(np.asarray(total.multiply(total).sum(axis=1)).ravel())
    scale = np.divide(1, lengths, out=np.zeros(len(lengths)), where=lengths > 0)
    return sp.csr_array(sp.diags_array(scale) @ total), list(numbers)


def _counts(texts: list[str], numbers: dict[str, int]) -> sp.csr_array:
    """How often each text has each word, sparse; new words are numbered on."""
    rows, columns = [], []
    for row, words in enumerate(segment_all(texts)):
        for word in words:
            if len(word) > 1 and not word.isdigit():
                rows.append(row)
                columns.append(numbers.setdefault(word, len(numbers)))
    return sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(texts), max(1, len(numbers))))


def _widened(matrix: sp.csr_array, width: int) -> sp.csr_array:
    narrow = sp.csr_array(matrix)
    return sp.csr_array((narrow.data, narrow.indices, narrow.indptr), shape=(narrow.shape[0], width))
