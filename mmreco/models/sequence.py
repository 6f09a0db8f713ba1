"""SequenceModel: the half below which every reader of histories is a final class.

The network gives a state after each step of a history; the score of an item is its inner product with the last one.
All steps of all histories are trained at once, each to predict the next event, by a softmax over the catalogue
(Klenitskiy & Vasilev, "Turning dross into gold loss: is BERT4Rec really better than SASRec?", 2023), or over a sample
of it where the catalogue is large (see `mmreco.nn.losses`).
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mmreco.arrays import F32, I64, frozen
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.models.base import State, VectorModel
from mmreco.models.parameters import require
from mmreco.models.trained import Trained
from mmreco.models.windows import padded, weighing
from mmreco.nn.batching import batch_size, batches, buckets, windows
from mmreco.nn.losses import sampled_softmax
from mmreco.nn.negatives import Negatives

__all__ = ["SequenceModel", "SequenceNetwork"]

_STEPS = 1 << 16  # steps read at a time when answering
_CROWD = 1_000  # users whose mean answers for an empty history


class SequenceNetwork(nn.Module, ABC):
    """Reads item rows, gives states; and says where the items lie that the states are compared with."""

    @abstractmethod
    def places(self) -> Tensor:
        """The vector of each item, shape `(n_items, dim)`."""

    @abstractmethod
    def states(self, rows: Tensor, real: Tensor) -> Tensor:
        """The user after each step: `(b, length)` item rows and which are real -> `(b, length, dim)`."""

    def last(self, rows: Tensor, real: Tensor) -> Tensor:
        """The user after the last real step, shape `(b, dim)`."""
        return self.states(rows, real)[torch.arange(len(rows), device=rows.device), real.sum(dim=1) - 1]


Reader = TypeVar("Reader", bound=SequenceNetwork)


@dataclass(kw_only=True, eq=False)
class SequenceModel(Trained[Reader], VectorModel):
    """A model that reads histories in their order.

    Parameters
    ----------
    dim : 1 or more
        Width of item and user vectors.
    dropout : from 0 to below 1
        Share of values hidden in training.
    max_length : 1 or more
        Events of a history that are read, the latest.
    negatives : 1 or more
        Items a batch is contrasted with; a catalogue of up to twice as many is taken whole.

    Raises
    ------
    DataError
        A parameter is outside its range.
    """

    dim: int = 64
    dropout: float = 0.2
    max_length: int = 200
    negatives: int = 1_024

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("dim", "max_length", "negatives"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "from 0 to below 1")

    def _losses(self, train: Interactions, rng: np.random.Generator, done: float) -> Iterator[Tensor]:
        cut = windows(train.starts, self.max_length)
        size = batch_size(int(cut[:, 1].sum()), len(train.items))
        for group in batches(cut, size, rng):
            starts, lengths = cut[group].T
            rows, real = padded(train, starts, lengths)  # (b, length + 1)
            weights = weighing(train, starts, lengths)
            yield self._loss(rows.to(self._device), real.to(self._device), weights.to(self._device))

    def _loss(self, rows: Tensor, real: Tensor, weights: Tensor) -> Tensor:
        """The loss of predicting each next event of these windows, `(b, length + 1)`, as much as it weighs; a scalar.

        An event of weight 0 is predicted by none; one of a weight below 0 is pushed away.
        """
        steps = real[:, 1:]
        asked = steps & (weights[:, 1:] != 0)
        users = self.network_.states(rows[:, :-1], steps)[asked]  # (t, dim)
        return self._contrast(users, rows[:, 1:][asked], weights[:, 1:][asked])

    def _contrast(self, users: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """The cross-entropy of each user's `(t, dim)` own item `(t,)` among all items, or a sample of them."""
        places = self.network_.places()  # (n_items, dim)
        drawn, log_expected = Negatives(torch.arange(len(places), device=places.device), self.negatives).draw()
        wrong = places[drawn] if len(drawn) < len(places) else places  # (m, dim)
        return sampled_softmax(
            users,
            places[targets],
            wrong,
            targets=targets,
            drawn=drawn,
            log_expected=log_expected,
            weights=weights,
        )

    def _settle(self) -> None:
        with torch.inference_mode():
            vectors = self.network_.places().cpu().numpy()
        digest = hashlib.sha256(vectors.tobytes()).hexdigest()
        self.embeddings_ = Embeddings(self.items_, vectors, f"{type(self).__name__} {digest}")
        self.cold_user_vector_ = frozen(np.zeros(vectors.shape[1]), np.float32)

    def _finish(self, train: Interactions) -> None:
        asked = np.flatnonzero(train.lengths)
        if len(asked) > _CROWD:
            asked = np.sort(np.random.default_rng(self.training.seed).choice(asked, _CROWD, replace=False))
        self.cold_user_vector_ = frozen(self.user_vectors(train.take(asked)).mean(axis=0), np.float32)

    # ---- asked

    def user_vectors(self, histories: Interactions) -> F32:
        """The vectors of `n` `histories`, shape `(n, dim)`; an empty one has the mean of those trained on.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        if (histories.weights < 0).any():  # what speaks against its item leads nowhere
            histories = histories.keep(histories.weights >= 0)
        lengths = np.minimum(histories.lengths, self.max_length)
        starts = histories.starts[1:] - lengths
        out = np.tile(self.cold_user_vector_, (len(histories), 1))  # (n, dim)
        asked = np.flatnonzero(lengths)
        with torch.inference_mode():
            for bucket in buckets(lengths[asked], _STEPS):
                chosen: I64 = asked[bucket]
                rows, real = padded(histories, starts[chosen], lengths[chosen])
                out[chosen] = self.network_.last(rows.to(self._device), real.to(self._device)).cpu().numpy()
        return out

    def _state(self) -> State:
        return {**super()._state(), "nobody": self.cold_user_vector_}

    def _restore(self, state: State) -> None:
        super()._restore(state)
        self.cold_user_vector_ = state["nobody"]
