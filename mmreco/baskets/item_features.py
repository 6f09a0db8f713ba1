"""What tells how two items relate: the words of their titles, their facts, and with what they are bought.

Source: Deerwester et al., "Indexing by latent semantic analysis", 1990, for words and facts; the items' cosines over
users (Sarwar et al., 2001), reduced likewise, for behaviour. Everything is known of an item whose pairs are not.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from mmreco.arrays import F32, F64, I64, frozen
from mmreco.baskets.associations import incidence
from mmreco.data.attributes import Attributes
from mmreco.data.dataset import Dataset
from mmreco.text.title_tokens import with_title_tokens

__all__ = ["ItemFeatures"]

_FACTS = ("category", "brand", "price")


@dataclass(frozen=True, eq=False, repr=False)
class ItemFeatures:
    """What is known of each item, in full and reduced, and how often it was bought.

    Parameters
    ----------
    words, facts : sparse, shape `(n_items, w)` each
        TF-IDF weights, lines of unit length or empty.
    behaviour : sparse, shape `(n_items, n_items)`
        The cosine of two items over users.
    reduced : three arrays of shape `(n_items, d)`, float32
        Words, facts and behaviour in few numbers, of unit length or zeros.
    popularity : shape `(n_items,)`, float32
        `log(1 + users)`.
    """

    words: sp.csr_array
    facts: sp.csr_array
    behaviour: sp.csr_array
    reduced: tuple[F32, F32, F32]
    popularity: F32

    def __post_init__(self) -> None:
        object.__setattr__(self, "reduced", tuple(frozen(part, np.float32) for part in self.reduced))
        object.__setattr__(self, "popularity", frozen(self.popularity, np.float32))

    @classmethod
    def of(cls, dataset: Dataset, *, dim: int = 128, seed: int = 0) -> "ItemFeatures":
        """The features of the items of a dataset, `dim` numbers a source at most."""
        catalogue = with_title_tokens(dataset.catalogue)
        words = Attributes.from_catalogue(catalogue, columns=["title_word"] if catalogue.has("title_word") else [])
        facts = Attributes.from_catalogue(catalogue, columns=[c for c in _FACTS if catalogue.has(c)], at_least=1)
        bought = incidence(dataset.interactions)
        users = np.asarray(bought.sum(axis=0)).ravel()
        scale = sp.diags_array(1 / np.sqrt(np.maximum(users, 1)))
        sources = (_weighted(words), _weighted(facts), sp.csr_array(scale @ (bought.T @ bought) @ scale))
        words_few, facts_few, behaviour_few = (_reduced(source, dim, seed) for source in sources)
        return cls(*sources, (words_few, facts_few, behaviour_few), np.log1p(users))

    @property
    def vectors(self) -> F32:
        """All of an item in one line, shape `(n_items, d)`."""
        joined: F32 = np.concatenate([*self.reduced, self.popularity[:, None] / 5], axis=1)
        return joined

    def between(self, sources: I64, targets: I64) -> F64:
        """Cosines by source, in full and reduced, and both popularities for each pair, shape `(p, 8)`."""
        full = [np.asarray(m[sources].multiply(m[targets]).sum(axis=1)).ravel() for m in (self.words, self.facts)]
        bought = np.sqrt(np.asarray(self.behaviour[sources, targets]).ravel())
        few = [np.einsum("pd,pd->p", part[sources], part[targets]) for part in self.reduced]
        columns = (*full, bought, *few, self.popularity[sources], self.popularity[targets])
        return np.stack(columns, axis=1).astype(np.float64)


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
