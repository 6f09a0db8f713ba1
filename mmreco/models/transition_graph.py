"""TransitionGraph: what lies one or two steps from the last items in the graph of all transitions, ranked by title.

Nothing is trained. It is what a model of sequences with titles has to beat before it has shown anything: most of the
sets that such models are measured on are won by transitions and titles alone.

Source: the heuristic of arXiv 2605.07125, 2026 (items two transitions out, ranked by the similarity of their titles).
Deviations: the last three items ask, the older the less; what is likelier to be walked to counts for more, by the power
0.3; transitions count both ways; what happens at one moment is a basket, and counts as the mean over all orders of its
lines; titles are compared word by word, rarer words counting for more; and what no walk
reaches comes after all others, by popularity.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32
from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.encoders.baskets import Baskets
from mmreco.models.base import ScoreModel, State
from mmreco.models.popular import share_of_users
from mmreco.models.sparse_state import sparse_from_state, sparse_state
from mmreco.splitting import Holdout
from mmreco.text.title_tokens import with_title_tokens

__all__ = ["TransitionGraph"]

_ASKING = 3  # items of a history that ask, the last
_OLDER = 0.7  # what an item says against the one after it
_SECOND = 0.5  # what two steps count against one
_POWER = 0.3
_UNLIKE = 0.02  # the similarity of titles that share no word
_LARGEST = 1_000  # lines of a basket that tells neighbours; more were put in together for another reason
_ROWS = 512  # histories walked from at a time
_SPARSE = 10  # times as long as a product takes where both sides are sparse, by number


@final
@dataclass(kw_only=True, eq=False)
class TransitionGraph(ScoreModel):
    """Transitions of all users one and two steps out, times the similarity of titles; nothing is trained.

    A catalogue without titles is answered by the transitions alone.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["hat", "scarf"], ["coat"]], items=shop)
    >>> model = TransitionGraph().fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=Interactions.from_histories([["hat"]], items=shop), k=1).ids(shop)
    [['scarf']]
    """

    _CLOSED_FORM: ClassVar[bool] = True

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Count transitions and read titles."""
        train = dataset.interactions
        both = _neighbours(train.keep(train.weights > 0))
        self.walk_ = _by_row(both, np.asarray(both.sum(axis=1)).ravel())
        self.titles_ = _titles(dataset.catalogue)
        self.fallback_ = share_of_users(train) - 1  # below 0, so below all that is walked to

    def score(self, histories: Interactions) -> F32:
        """The chance of a walk from each of `histories` to each item, shape `(n, n_items)`.

        Times the similarity of its title; below 0 without a walk.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        asking = _last(histories)  # (n, n_items), sparse
        scores = np.empty(asking.shape, dtype=np.float32)
        for start in range(0, len(histories), _ROWS):
            own = asking[start : start + _ROWS]
            once = own @ self.walk_
            walked = once.toarray() + _SECOND * _onward(once, self.walk_)  # (r, n_items)
            alike = ((own @ self.titles_) @ self.titles_.T).toarray()
            found = walked**_POWER * (alike + _UNLIKE)
            scores[start : start + _ROWS] = np.where(walked > 0, found, self.fallback_)
        return scores

    def _state(self) -> State:
        parts: State = {"fallback": self.fallback_}
        for name, matrix in (("walk", self.walk_), ("titles", self.titles_)):
            parts |= {**sparse_state(matrix, f"{name}."), f"{name}.shape": np.array(matrix.shape)}
        return parts

    def _restore(self, state: State) -> None:
        self.walk_, self.titles_ = (
            sparse_from_state(state, int(state[f"{name}.shape"][1]), f"{name}.") for name in ("walk", "titles")
        )
        self.fallback_ = state["fallback"]


def _neighbours(train: Interactions) -> sp.csr_array:
    """How often two items stand side by side in a history, shape `(n_items, n_items)`, zero on the diagonal.

    Inside a basket and between two that follow each other: the mean over all orders of their lines, as they weigh.
    """
    lines = Baskets.of(train)
    basket = np.repeat(np.arange(len(lines)), lines.sizes)
    heavy = lines.weights.astype(np.float64)
    held = sp.coo_array((heavy, (basket, lines.items)), shape=(len(lines), len(train.items))).tocsr()
    part = np.where(lines.sizes <= _LARGEST, 1 / lines.sizes, 0)
    shares = (sp.diags_array(part) @ held).tocsr()  # (n_baskets, n_items)
    follows = np.flatnonzero(lines.users[1:] == lines.users[:-1])
    steps = shares[follows].T @ shares[follows + 1]
    several = np.flatnonzero(lines.sizes > 1)
    both: sp.csr_array = (steps + steps.T + 2 * (held[several].T @ shares[several])).tocsr()
    both.setdiag(0)
    both.eliminate_zeros()
    return both


def _onward(once: sp.csr_array, walk: sp.csr_array) -> np.ndarray:
    """`once @ walk`, shape `(r, n_items)`, the quicker way: dense where many places are reached."""
    meetings = int(np.diff(walk.indptr)[once.indices].sum())
    if meetings * _SPARSE < walk.nnz * once.shape[0]:
        return (once @ walk).toarray()  # type: ignore[no-any-return]
    return (walk.T @ once.toarray().T).T  # type: ignore[no-any-return]


def _last(histories: Interactions) -> sp.csr_array:
    """What each item of a history asks, shape `(n, n_items)`; a basket's lines share what their places ask."""
    histories = histories.keep(histories.weights > 0)
    back = np.repeat(histories.starts[1:], histories.lengths) - 1 - np.arange(histories.n_events)
    places = np.where(back < _ASKING, _OLDER**back, 0.0)
    sizes = Baskets.of(histories).sizes
    starts = np.cumsum(sizes) - sizes
    said = np.repeat(np.add.reduceat(places, starts) / sizes, sizes) if len(sizes) else places
    flat = (said, (histories.users_flat, histories.items_flat))
    asking: sp.csr_array = sp.coo_array(flat, shape=(len(histories), len(histories.items))).tocsr()
    asking.eliminate_zeros()
    return asking


def _titles(catalogue: Catalogue) -> sp.csr_array:
    """The words of each title by how rare they are, unit length, shape `(n_items, words)`; zero without a title."""
    columns = ["title_word"] if catalogue.has("title") else []
    words = Attributes.from_catalogue(with_title_tokens(catalogue), columns=columns)
    n_items, n_words = len(catalogue), len(words.names)
    flat = (np.ones(len(words.flat)), (np.repeat(np.arange(n_items), np.diff(words.starts)), words.flat))
    bags = sp.coo_array(flat, shape=(n_items, max(1, n_words))).tocsr()
    held = np.bincount(bags.indices, minlength=bags.shape[1])  # titles a word is in
    bags.data = np.log(n_items / held[bags.indices])
    return _by_row(bags, np.sqrt(np.asarray((bags * bags).sum(axis=1)).ravel()))


def _by_row(matrix: sp.csr_array, divisor: np.ndarray) -> sp.csr_array:
    divided: sp.csr_array = sp.diags_array(1 / np.where(divisor > 0, divisor, 1)) @ matrix
    return divided.tocsr()
