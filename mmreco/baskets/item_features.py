"""What tells how two items relate: the words of their titles, their facts, and with what they are bought.

Source: Deerwester et al., "Indexing by latent semantic analysis", 1990, for words and facts; the items' cosines over
users (Sarwar et al., 2001), reduced likewise, for behaviour. Everything is known of an item whose pairs are not.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from mmreco.arrays import F32, I64, frozen
from mmreco.baskets.associations import incidence
from mmreco.data.attributes import Attributes
from mmreco.data.dataset import Dataset
from mmreco.text.title_tokens import with_title_tokens

__all__ = ["ItemFeatures"]

_FACTS = ("category", "brand", "price")


@dataclass(frozen=True, eq=False, repr=False)
class ItemFeatures:
    """Unit vectors of each item by source, and how often it was bought.

    Parameters
    ----------
    words, facts, behaviour : shape `(n_items, d)` each, float32
        Of unit length, or zeros where nothing is known.
    popularity : shape `(n_items,)`, float32
        `log(1 + users)`.
    """

    words: F32
    facts: F32
    behaviour: F32
    popularity: F32

    def __post_init__(self) -> None:
        for name in ("words", "facts", "behaviour", "popularity"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))

    @classmethod
    def of(cls, dataset: Dataset, *, dim: int = 128, seed: int = 0) -> "ItemFeatures":
        """The features of the items of a dataset, `dim` numbers a source at most."""
        catalogue = with_title_tokens(dataset.catalogue)
        words = Attributes.from_catalogue(catalogue, columns=["title_word"] if catalogue.has("title_word") else [])
        facts = Attributes.from_catalogue(catalogue, columns=[c for c in _FACTS if catalogue.has(c)], at_least=1)
        bought = incidence(dataset.interactions)
        users = np.asarray(bought.sum(axis=0)).ravel()
        scale = sp.diags_array(1 / np.sqrt(np.maximum(users, 1)))
        return cls(
            _reduced(_weighted(words), dim, seed),
            _reduced(_weighted(facts), dim, seed),
            _reduced(scale @ (bought.T @ bought) @ scale, dim, seed),
            np.log1p(users),
        )

    def vectors(self) -> F32:
        """All of an item in one line, shape `(n_items, d)`."""
        joined: F32 = np.concatenate([self.words, self.facts, self.behaviour, self.popularity[:, None] / 5], axis=1)
        return joined

    def between(self, sources: I64, targets: I64) -> F32:
        """Cosines by source and both popularities for each pair, shape `(p, 5)`."""
        cosines = [np.einsum("pd,pd->p", a[sources], a[targets]) for a in (self.words, self.facts, self.behaviour)]
        return np.stack([*cosines, self.popularity[sources], self.popularity[targets]], axis=1)


def _weighted(bags: Attributes) -> sp.csr_array:
    matrix = bags.matrix()
    return sp.csr_array(TfidfTransformer().fit_transform(matrix)) if matrix.shape[1] else matrix


def _reduced(matrix: sp.csr_array, dim: int, seed: int) -> F32:
    width = min(dim, min(matrix.shape) - 1)
    if width < 1 or not matrix.nnz:
        return np.zeros((matrix.shape[0], 1), dtype=np.float32)
    vectors = TruncatedSVD(width, random_state=seed).fit_transform(sp.csr_matrix(matrix)).astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: F32 = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit
