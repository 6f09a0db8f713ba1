"""Clusters: shoppers of like vectors, with the words that tell each group from the others.

Sources: Lloyd, "Least squares quantization in PCM", 1982 (k-means, by scikit-learn, on vectors of unit length); Monroe,
Colaresi, Quinn, "Fightin' words", 2008, for words by how much more a group uses them than all do.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from mmreco.arguments import require_vectors, require_whole
from mmreco.arrays import F32, I64, frozen
from mmreco.data.dataset import Dataset
from mmreco.errors import DataError
from mmreco.profiles.words import word_weights

__all__ = ["Clusters", "clusters"]


@dataclass(frozen=True, eq=False, repr=False)
class Clusters:
    """Groups of shoppers.

    Parameters
    ----------
    labels : shape `(n,)`, int64
        The group of each shopper; the largest group is 0.
    centres : shape `(groups, dim)`, float32
    words : a list of words a group
        Those that it has most beyond all others, first.
    """

    labels: I64
    centres: F32
    words: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", frozen(self.labels, np.int64))
        object.__setattr__(self, "centres", frozen(self.centres, np.float32))

    def __repr__(self) -> str:
        return f"Clusters({len(self.labels)} shoppers in {len(self.centres)} groups)"


def clusters(dataset: Dataset, vectors: F32, n_groups: int = 8, *, n_words: int = 8, seed: int = 0) -> Clusters:
    """Shoppers in groups by their vectors, with words of their titles and reviews.

    Parameters
    ----------
    dataset : of `n` users
    vectors : shape `(n, dim)`, a line a user of the dataset's interactions
    n_groups : 1 or more
    n_words : 0 or more
        Words of each group.
    seed : 0 or more
        Of where groups begin.

    Raises
    ------
    DataError
        `vectors` has not a line a user, or `n_groups` is below 1 or more than there are users.
    """
    vectors = require_vectors("vectors", vectors, len(dataset.interactions))
    n_groups, n_words = require_whole("n_groups", n_groups), require_whole("n_words", n_words, least=0)
    seed = require_whole("seed", seed, least=0)
    if n_groups > len(vectors):
        raise DataError(f"n_groups={n_groups}: expected 1 to {len(vectors)}, the users there are")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, lengths, out=np.zeros(vectors.shape, dtype=np.float32), where=lengths > 0)
    model = KMeans(n_groups, n_init=3, random_state=seed).fit(unit)
    sizes = np.bincount(model.labels_, minlength=n_groups)
    order = np.argsort(-sizes, kind="stable")
    labels = np.argsort(order)[model.labels_]
    weights, names = word_weights(dataset)
    usual = np.asarray(weights.mean(axis=0)).ravel() if names else np.zeros(0)
    words = []
    for group in range(n_groups):
        own = np.asarray(weights[np.flatnonzero(labels == group)].mean(axis=0)).ravel() if names else usual
        best = np.argsort(-(own - usual), kind="stable")[:n_words]
        words.append(tuple(names[at] for at in best if own[at] > usual[at]))
    return Clusters(labels, model.cluster_centers_[order], tuple(words))
