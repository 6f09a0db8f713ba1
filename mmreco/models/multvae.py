"""MultVAE: a variational auto-encoder of whole histories, whose items compete in one multinomial.

Source: Liang, Krishnan, Hoffman, Jebara, "Variational autoencoders for collaborative filtering", 2018. Followed: the
history as ones scaled to unit length, half of it hidden, one tanh layer on each side of the Gaussian code, the
multinomial likelihood, a KL term whose weight grows from 0 to `beta`, answers from the code's mean.

Deviations: the layers are narrower by default, for shops smaller than the paper's; the KL term has its whole weight
after the first third of the passes at most; the weights that remain are a running average. `sample` draws histories
from the model, which the paper does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.arrays import F32
from mmreco.data.interactions import Interactions
from mmreco.models.base import ScoreModel
from mmreco.models.parameters import require, require_counts
from mmreco.models.trained import Trained
from mmreco.models.training import Training
from mmreco.nn.chance import generator
from mmreco.nn.dropout import Dropout

__all__ = ["MultVAE"]

_STEPS, _SMALLEST, _LARGEST = 192, 16, 512  # a pass, about; users a batch: with larger ones it learns far slower
_CELLS = 1 << 24  # scores held at a time


class _Network(nn.Module):
    def __init__(self, n_items: int, hidden: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.read = nn.Linear(n_items, hidden)
        self.code = nn.Linear(hidden, 2 * dim)
        self.widen = nn.Linear(dim, hidden)
        self.tell = nn.Linear(hidden, n_items)
        for layer in (self.read, self.code, self.widen, self.tell):
            nn.init.xavier_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.001)

    def encode(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Ones where items were seen, `(b, n_items)` -> mean and logarithm of the variance of the code, `(b, dim)`."""
        mean, log_variance = self.code(torch.tanh(self.read(self.dropout(F.normalize(seen, dim=1))))).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, code: Tensor) -> Tensor:
        """`(b, dim)` -> logits `(b, n_items)`."""
        logits: Tensor = self.tell(torch.tanh(self.widen(code)))
        return logits


def elbo(seen: Tensor, logits: Tensor, mean: Tensor, log_variance: Tensor, weight: float) -> Tensor:
    """The negative evidence lower bound, its KL term weighed, a mean over users; a scalar.

    Parameters
    ----------
    seen, logits : shape `(b, n_items)`
    mean, log_variance : shape `(b, dim)`
    weight : of the KL term, 0 to 1
    """
    told = (F.log_softmax(logits, dim=1) * seen).sum(dim=1)  # (b,)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)  # (b,)
    return (weight * kl - told).mean()


@final
@dataclass(kw_only=True, eq=False)
class MultVAE(Trained[_Network], ScoreModel):
    """A variational auto-encoder of whole histories: items by their likelihood under the user's code.

    Parameters
    ----------
    dim : 1 or more
        Width of the code.
    hidden : 1 or more
        Width of the layers on its two sides.
    dropout : from 0 to below 1
        Share of a history hidden in training.
    beta : 0 or more
        Weight of the KL term once it is grown.
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
    >>> model = MultVAE(dim=4, hidden=8, training=Training(epochs=60, learning_rate=0.03))
    >>> model = model.fit(Dataset.from_interactions(events))
    >>> model.recommend(histories=Interactions.from_histories([["shoe"]], items=shop), k=1).ids(shop)
    [['sock']]
    """

    _ORDERED: ClassVar[bool] = False
    _PARTED: ClassVar[bool] = False  # a pass is one step a batch of users, however many events they have

    # Stopped by tastes it predicts last events worse: 0.042 for 0.045, MovieLens-1M.
    training: Training = field(default_factory=lambda: Training(epochs=40, patience=None, learning_rate=0.001))
    dim: int = 128
    hidden: int = 256
    dropout: float = 0.5
    beta: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "dim", "hidden")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "from 0 to below 1")
        require(self.beta >= 0, "beta", self.beta, "0 or more")

    def _network(self, n_items: int) -> _Network:
        return _Network(n_items, self.hidden, self.dim, self.dropout)

    def _losses(self, train: Interactions, rng: np.random.Generator, done: float) -> Iterator[Tensor]:
        weight = self.beta * min(1.0, 3 * (done + 1) / self.training.epochs)
        users = rng.permutation(np.flatnonzero(train.lengths))
        size = int(np.clip(len(users) // _STEPS, _SMALLEST, _LARGEST))
        log = train.mean_weights()
        for start in range(0, len(users), size):
            batch = log[users[start : start + size]]
            seen = self._seen(batch)
            wanted = torch.from_numpy(np.maximum(batch.toarray(), 0)).to(self._device)
            mean, log_variance = self.network_.encode(seen)
            code = (
                mean + torch.randn(mean.shape, generator=generator(), device=mean.device) * (0.5 * log_variance).exp()
            )
            yield elbo(wanted, self.network_.decode(code), mean, log_variance, weight)

    def _seen(self, log: sp.csr_array) -> Tensor:
        """Ones where there were events, shape `(b, n_items)`."""
        return torch.from_numpy((log.toarray() > 0).astype(np.float32)).to(self._device)

    def score(self, histories: Interactions) -> F32:
        """The logit of each item at the mean of the code of each of `histories`, shape `(n, n_items)`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        with torch.inference_mode():
            logits = self.network_.decode(self.network_.encode(self._seen(histories.matrix()))[0])
        return logits.cpu().numpy()

    def sample(self, histories: Interactions, *, seed: int = 0) -> Interactions:
        """Generated histories: for each user, as many distinct items as they have, drawn from their code.

        The order of a drawn history is that of the draw; there are no times.

        Parameters
        ----------
        histories : `n` users
            An empty one stays empty.
        seed : 0 or more
            Of what is drawn.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        chance = torch.Generator(device=self._device).manual_seed(seed)
        log = histories.matrix()
        counts = np.diff(log.indptr)
        owners, rows = [], []
        step = max(1, _CELLS // max(1, len(self.items_)))
        for start in range(0, len(histories), step):
            with torch.inference_mode():
                mean, log_variance = self.network_.encode(self._seen(log[start : start + step]))
                noise = torch.randn(mean.shape, generator=chance, device=self._device)
                logits = self.network_.decode(mean + noise * (0.5 * log_variance).exp())  # (b, n_items)
                luck = torch.empty_like(logits).exponential_(generator=chance).log()
                order = (luck - logits).argsort(dim=1).cpu().numpy()  # Gumbel: the first are drawn without repeats
            drawn = np.arange(order.shape[1]) < counts[start : start + step, None]  # (b, n_items)
            owners.append(start + np.nonzero(drawn)[0])
            rows.append(order[drawn])
        nothing = np.zeros(0, dtype=np.int64)
        return Interactions.from_events(
            histories.users, self.items_, np.concatenate([nothing, *owners]), np.concatenate([nothing, *rows])
        )
