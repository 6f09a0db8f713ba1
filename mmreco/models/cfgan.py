"""CFGAN: a generator that writes a user's whole row of the matrix, and a discriminator that tells it from the real row.

Source: Chae, Kang, Kim, Lee, "CFGAN: a generic collaborative filtering framework based on generative adversarial
networks", 2018; the user-based form (uCFGAN) with zero-reconstruction, and with partial masking where `masked` asks for
it. Followed: both networks are given the user's row as condition; what the generator writes is masked to the items they
bought and a share of those they did not, and pushed to zero on another share; the two are trained in turn.

Deviations: the losses are least squares (Mao et al., "Least squares generative adversarial networks", 2017), whose pull
on the generator ends where it is believed: under the paper's cross-entropy the discriminator grew sure of itself, and
pushed all rows to zeros and ones that no longer ranked. The discriminator reads the row in two parts, what stands where
the user bought and what stands where they did not, instead of row and condition side by side, over the root of how much
they bought. It begins with the same weight for every item and learns slowly: what it says of an item is how hard the
generator is pulled there, and weights of its own for each, drawn or learnt from few, rank the items by chance. A share
of the condition is hidden from the generator in training (the paper's reads it whole, and learns to copy it). The
weights that remain are a running average of the generator's; the discriminator is gone once `fit` ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.arrays import F32
from mmreco.data.interactions import Interactions
from mmreco.models.base import ScoreModel
from mmreco.models.parameters import require
from mmreco.models.trained import Trained
from mmreco.models.training import Training
from mmreco.nn.chance import generator, seeded_globally
from mmreco.nn.dropout import Dropout

__all__ = ["CFGAN"]

_STEPS, _SMALLEST, _LARGEST = 192, 16, 512  # a pass, about; users a batch: with larger ones it stays at what is popular
_SLOWLY = 1 / 30  # of the generator's learning rate: the discriminator's
_EVENLY = 0.02  # spread over hidden units of the weight that the discriminator gives all items at first


class _Generator(nn.Module):
    def __init__(self, n_items: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.read = nn.Linear(n_items, hidden)
        self.write = nn.Linear(hidden, n_items)

    def forward(self, condition: Tensor) -> Tensor:
        """`(b, n_items)` -> logits of each item being theirs, `(b, n_items)`."""
        logits: Tensor = self.write(torch.tanh(self.read(self.dropout(F.normalize(condition, dim=1)))))
        return logits


class _Discriminator(nn.Module):
    def __init__(self, n_items: int, hidden: int) -> None:
        super().__init__()
        self.read = nn.Linear(2 * n_items, hidden)
        with torch.no_grad():
            self.read.weight.copy_((torch.randn(hidden, 1) * _EVENLY).expand(-1, 2 * n_items))
        self.judge = nn.Linear(hidden, 1)

    def forward(self, row: Tensor, condition: Tensor) -> Tensor:
        """Two `(b, n_items)` -> 1 where `row` is the user's own, 0 where it is written, or near, `(b,)`."""
        row = row / condition.sum(dim=1, keepdim=True).clamp(min=1).sqrt()
        parted = torch.cat([row * condition, row * (1 - condition)], dim=1)  # (b, 2 * n_items)
        verdicts: Tensor = self.judge(F.relu(self.read(parted))).squeeze(1)
        return verdicts


@final
@dataclass(kw_only=True, eq=False)
class CFGAN(Trained[_Generator], ScoreModel):
    """A generator, trained by a discriminator, writes the user's row; its values are the scores.

    Parameters
    ----------
    hidden : 1 or more
        Width of the layer inside the generator, and of the discriminator's.
    dropout : from 0 to below 1
        Share of the condition hidden from the generator in training.
    masked, zeroed : from 0 to 1
        Shares of the items left alone that the discriminator is shown, and that are pushed to zero.
    reconstruction : 0 or more
        Weight of that push.
    training : how it is trained
        The learning rate is the generator's; the discriminator's is a thirtieth of it.

    Raises
    ------
    DataError
        A parameter is outside its range.
    """

    _ORDERED: ClassVar[bool] = False
    _PARTED: ClassVar[bool] = False  # a pass is one step a batch of users, however many events they have

    _RESUMABLE: ClassVar[bool] = False  # the discriminator is not kept

    training: Training = field(default_factory=lambda: Training(epochs=60, patience=8))
    hidden: int = 256
    dropout: float = 0.5
    masked: float = 0.0
    zeroed: float = 0.5
    reconstruction: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.hidden >= 1, "hidden", self.hidden, "1 or more")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "from 0 to below 1")
        for name in ("masked", "zeroed"):
            require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "from 0 to 1")
        require(self.reconstruction >= 0, "reconstruction", self.reconstruction, "0 or more")

    def _network(self, n_items: int) -> _Generator:
        return _Generator(n_items, self.hidden, self.dropout)

    def _losses(self, train: Interactions, rng: np.random.Generator, done: float) -> Iterator[Tensor]:
        if not done:
            with seeded_globally(self.training.seed):
                self._judge = _Discriminator(len(train.items), self.hidden).to(self._device)
            self._teach = torch.optim.Adam(self._judge.parameters(), lr=self.training.learning_rate * _SLOWLY)
        users = rng.permutation(np.flatnonzero(train.lengths))
        size = int(np.clip(len(users) // _STEPS, _SMALLEST, _LARGEST))
        log = train.matrix()
        for start in range(0, len(users), size):
            batch = log[users[start : start + size]].toarray() > 0
            own = torch.from_numpy(batch.astype(np.float32)).to(self._device)  # (b, n_items)
            yield self._round(own)

    def _round(self, own: Tensor) -> Tensor:
        """The generator's loss on these rows `(b, n_items)`, once the discriminator has learnt from them."""
        shown = own + (1 - own) * (_evenly(own) < self.masked)  # (b, n_items)
        written = torch.sigmoid(self.network_(own))  # (b, n_items)
        true, false = self._judge(own, own), self._judge(written.detach() * shown, own)  # (b,)
        loss = ((true - 1) ** 2).mean() + (false**2).mean()
        self._teach.zero_grad(set_to_none=True)
        loss.backward()
        self._teach.step()
        pushed = (1 - own) * (_evenly(own) < self.zeroed)
        fooled = ((self._judge(written * shown, own) - 1) ** 2).mean()
        told: Tensor = fooled + self.reconstruction * (written**2 * pushed).sum(dim=1).mean()
        return told

    def _finish(self, train: Interactions) -> None:
        del self._judge, self._teach

    def score(self, histories: Interactions) -> F32:
        """The logit the generator writes for each item, from `n` `histories`, shape `(n, n_items)`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        own = torch.from_numpy((histories.matrix().toarray() > 0).astype(np.float32))
        with torch.inference_mode():
            return self.network_(own.to(self._device)).cpu().numpy()  # type: ignore[no-any-return]


def _evenly(like: Tensor) -> Tensor:
    """Numbers drawn evenly from 0 to 1, of the same shape."""
    return torch.rand(like.shape, generator=generator(), device=like.device)
