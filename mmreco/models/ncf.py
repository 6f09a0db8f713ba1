"""NCF: what a user and an item have in common is learnt by a network, instead of an inner product.

Source: He, Liao, Zhang, Nie, Hu, Chua, "Neural collaborative filtering", 2017. Followed: GMF (an inner product with a
weight for each factor), MLP (dense layers over both vectors), NeuMF (both, each with vectors of its own, joined by the
last layer), and binary cross-entropy against four items drawn evenly from those the user left alone. Rendle, Krichene,
Zhang, Anderson, "Neural collaborative filtering vs. matrix factorization revisited", 2020, found no gain over a
well-tuned inner product: expect none.

Deviations: a user's vector is the mean of vectors of the items in their history, instead of one learnt for their id, so
that unseen users are served; while an event is predicted its own item is left out of the mean, as in Kabbur, Ning,
Karypis, "FISM", 2013. Items have a bias, so that an empty history is answered by what is popular. NeuMF begins from
scratch, not from trained halves. The weights that remain are a running average.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final, get_args

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.arrays import F32, I64, Bool
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.models.base import ScoreModel
from mmreco.models.parameters import require
from mmreco.models.trained import Trained
from mmreco.nn.dropout import Dropout

__all__ = ["NCF"]

Kind = Literal["gmf", "mlp", "neumf"]

_NEGATIVES = 4  # an event
_BATCHES, _SMALLEST, _LARGEST = 128, 64, 8_192  # a pass, about; events a batch
_CELLS = 1 << 22  # values of a hidden layer held at a time when answering


class _Network(nn.Module):
    def __init__(self, n_items: int, dim: int, kind: Kind, dropout: float) -> None:
        super().__init__()
        self.factors = 0 if kind == "mlp" else dim
        width = self.factors + (0 if kind == "gmf" else dim)
        self.users = nn.Embedding(n_items, width)  # what an item says of whoever turned to it
        self.items = nn.Embedding(n_items, width)
        self.bias = nn.Embedding(n_items, 1)
        nn.init.normal_(self.users.weight, std=0.1)
        nn.init.normal_(self.items.weight, std=0.1)
        nn.init.zeros_(self.bias.weight)
        self.common = nn.Parameter(torch.ones(self.factors))
        self.dropout = Dropout(dropout)
        self.deep = kind != "gmf"
        if self.deep:
            self.of_user = nn.Linear(dim, dim)  # both halves of the first layer: it reads the two vectors side by side
            self.of_item = nn.Linear(dim, dim, bias=False)
            self.second = nn.Linear(dim, max(1, dim // 2))
            self.third = nn.Linear(max(1, dim // 2), 1, bias=False)

    def forward(self, users: Tensor, rows: Tensor) -> Tensor:
        """Users `(t, width)` and item rows `(t, m)`, or `(m,)` for all alike -> logits `(t, m)`."""
        items = self.items(rows)  # (t, m, width) or (m, width)
        logits: Tensor = self.bias(rows).squeeze(-1)
        users = self.dropout(users)[:, None]  # (t, 1, width)
        if self.factors:
            shared = users[..., : self.factors] * self.common  # (t, 1, factors)
            logits = logits + (shared @ items[..., : self.factors].mT).squeeze(1)
        if self.deep:
            hidden = F.relu(self.of_user(users[..., self.factors :]) + self.of_item(items[..., self.factors :]))
            logits = logits + self.third(F.relu(self.second(hidden))).squeeze(-1)
        return logits


@final
@dataclass(kw_only=True, eq=False)
class NCF(Trained[_Network], ScoreModel):
    """A network scores pairs of a user's vector and an item's: GMF, MLP or NeuMF.

    Parameters
    ----------
    kind : "neumf", "gmf" or "mlp"
        The network: dense layers, weighted factors, or both together.
    dim : 1 or more
        Width of a vector, for each half of NeuMF.
    dropout : from 0 to below 1
        Share of the users' vectors hidden in training.
    training : how it is trained, see `Training`

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import Dataset, IdMap, Training
    >>> shop = IdMap.of(["hat", "cap", "shoe", "sock"])
    >>> events = Interactions.from_histories([["hat", "cap"], ["shoe", "sock"]] * 4, items=shop)
    >>> model = NCF(dim=8, training=Training(epochs=40, learning_rate=0.05)).fit(Dataset.from_interactions(events))
    >>> model.recommend(histories=Interactions.from_histories([["shoe"]], items=shop), k=1).ids(shop)
    [['sock']]
    """

    _ORDERED: ClassVar[bool] = False

    kind: Kind = "neumf"
    dim: int = 64
    dropout: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.kind in get_args(Kind), "kind", self.kind, f"one of {get_args(Kind)}")
        require(self.dim >= 1, "dim", self.dim, "1 or more")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "from 0 to below 1")

    def _prepare(self, dataset: Dataset, train: Interactions) -> None:
        if not (_wanted(train.mean_weights()) > 1).any():
            raise DataError(f"NCF: nobody in {train!r} has two different items; expected histories to learn from")

    def _network(self, n_items: int) -> _Network:
        return _Network(n_items, self.dim, self.kind, self.dropout)

    def _losses(self, train: Interactions, rng: np.random.Generator, done: float) -> Iterator[Tensor]:
        seen = train.mean_weights()
        seen = seen[rng.permutation(np.flatnonzero(_wanted(seen) > 1))]
        if not seen.nnz:  # a part of a long log in which nobody has two items
            return
        size = int(np.clip(seen.nnz // _BATCHES, _SMALLEST, _LARGEST))
        cuts = np.flatnonzero(np.diff(seen.indptr[:-1] // size)) + 1  # users of so many events together
        for start, stop in zip([0, *cuts], [*cuts, seen.shape[0]], strict=True):
            yield self._loss(seen[start:stop], rng)

    def _loss(self, seen: sp.csr_array, rng: np.random.Generator) -> Tensor:
        """The loss of telling each event of these users `(b, n_items)` from items left alone, as it weighs; a scalar.

        What weighs less than 0 is told to be unwanted.
        """
        counts = np.diff(seen.indptr)
        owner, took = np.repeat(np.arange(len(counts)), counts), seen.indices.astype(np.int64)  # (t,) each
        heavy, wanted = self._tensor(np.abs(seen.data)), self._tensor((seen.data > 0).astype(np.float32))  # (t,) each
        drawn = rng.integers(len(self.items_), size=(len(took), _NEGATIVES))
        wrong = ~_among(owner[:, None], drawn, seen)  # (t, m)
        rows = self._tensor(np.concatenate([took[:, None], drawn], axis=1))  # (t, 1 + m)
        spoke = self.network_.users(rows[:, 0]) * wanted[:, None]  # (t, width)
        lines = self._tensor(owner)
        sums = spoke.new_zeros(len(counts), spoke.shape[1]).index_add(0, lines, spoke)  # (b, width)
        others = self._tensor(_wanted(seen).astype(np.float32))[lines] - wanted  # 1 or more
        users = (sums[lines] - spoke) / others[:, None]  # what the others say, (t, width)
        logits = self.network_(users, rows)  # (t, 1 + m)
        counted = torch.ones_like(logits)
        counted[:, 1:] = self._tensor(wrong) * wanted[:, None]
        counted = counted * heavy[:, None]
        truth = torch.zeros_like(logits)
        truth[:, 0] = wanted
        losses = F.binary_cross_entropy_with_logits(logits, truth, weight=counted, reduction="sum")
        return losses / counted.sum()

    def _tensor(self, array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def score(self, histories: Interactions) -> F32:
        """The network's logit of each item after each of `histories`, shape `(n, n_items)`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        seen = _distinct(histories)
        shares = sp.diags_array(1 / np.maximum(np.diff(seen.indptr), 1)) @ seen  # rows sum to 1
        n_items = len(self.items_)
        out = np.empty((len(histories), n_items), dtype=np.float32)
        with torch.inference_mode():
            users = self._tensor((shares @ self.network_.users.weight.cpu().numpy()).astype(np.float32))  # (n, width)
            rows = torch.arange(n_items, device=self._device)
            step = max(1, _CELLS // max(1, n_items * self.dim))
            for start in range(0, len(out), step):
                out[start : start + step] = self.network_(users[start : start + step], rows).cpu().numpy()
        return out


def _wanted(weights: sp.csr_array) -> I64:
    """How many items of a weight above 0 each row has, shape `(n,)`."""
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    return np.bincount(rows[weights.data > 0], minlength=weights.shape[0]).astype(np.int64)


def _distinct(log: Interactions) -> sp.csr_array:
    """Which items each user turned to, shape `(n, n_items)`, ones."""
    seen = log.keep(log.weights > 0).matrix()
    seen.data = np.ones_like(seen.data)
    seen.sort_indices()
    return seen


def _among(owner: I64, drawn: I64, seen: sp.csr_array) -> Bool:
    """Whether each drawn item is one of its owner's, the shape of `drawn`."""
    width = seen.shape[1]
    keys = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr)) * width + seen.indices  # sorted
    asked = owner * width + drawn
    place = np.searchsorted(keys, asked).clip(max=len(keys) - 1)
    found: Bool = keys[place] == asked
    return found
