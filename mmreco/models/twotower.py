"""TwoTower: a tower for users and a tower for items, that meet at a cosine.

Sources: Covington, Adams, Sargin, "Deep neural networks for YouTube recommendations", 2016 (a user is the mean of
vectors of watched items, through dense layers); Yi et al., "Sampling-bias-corrected neural modeling for large corpus
item recommendations", 2019 (two towers, cosine with a temperature, the other items of the batch as negatives, corrected
by the logarithm of how often they are expected there); Yang et al., "Mixed negative sampling for learning two-tower
neural networks in recommendations", 2020 (more negatives, drawn evenly over the catalogue, so that rare items are
pushed away too).

Deviations: both towers read behaviour alone, from one table of item vectors (content has `SharedSpace`); beside the
mean stands the last item, so that order is not quite lost; a tower adds to what it reads, from nothing at first, so
that users begin among the items they took; how often an item is expected is counted in the log, not
estimated in a stream; the weights that remain are a running average.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.data.interactions import Interactions
from mmreco.models.parameters import require
from mmreco.models.sequence import SequenceModel, SequenceNetwork
from mmreco.nn.chance import generator
from mmreco.nn.dropout import Dropout
from mmreco.nn.losses import sampled_softmax

__all__ = ["TwoTower"]


class _Network(SequenceNetwork):
    def __init__(self, n_items: int, dim: int, dropout: float, temperature: float) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, dim)
        nn.init.normal_(self.items.weight, std=0.02)
        self.sharpness = 1 / temperature
        self.item_tower = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), _silent(2 * dim, dim))
        self.user_tower = nn.Sequential(
            Dropout(dropout), nn.Linear(2 * dim, 2 * dim), nn.ReLU(), Dropout(dropout), _silent(2 * dim, dim)
        )

    def places(self) -> Tensor:
        return self.placed(self.items.weight)

    def placed(self, vectors: Tensor) -> Tensor:
        """Where the items of these vectors lie, shape `(n, dim)`."""
        return F.normalize(vectors + self.item_tower(vectors), dim=1)

    def states(self, rows: Tensor, real: Tensor) -> Tensor:
        vectors = self.items(rows)  # (b, length, dim)
        steps = torch.arange(1, 1 + rows.shape[1], device=rows.device)
        means = vectors.cumsum(dim=1) / steps[:, None]  # (b, length, dim)
        users = means + vectors + self.user_tower(torch.cat([means, vectors], dim=2))  # (b, length, dim)
        return F.normalize(users, dim=2) * self.sharpness


def _silent(wide: int, dim: int) -> nn.Linear:
    """A layer that answers 0 until it has learnt."""
    layer = nn.Linear(wide, dim)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


@final
@dataclass(kw_only=True, eq=False)
class TwoTower(SequenceModel[_Network]):
    """The next item by the cosine between a user's tower and an item's.

    Parameters
    ----------
    temperature : above 0
        What the cosine is divided by before the softmax.
    negatives : 1 or more
        Items drawn over the catalogue beside those of the batch.
    dim, dropout, max_length : as `SequenceModel`
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
    >>> model = TwoTower(dim=16, training=Training(epochs=20)).fit(Dataset.from_interactions(events))
    >>> model.recommend(histories=Interactions.from_histories([["shoe"]], items=shop), k=1).ids(shop)
    [['sock']]
    """

    temperature: float = 0.1
    negatives: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.temperature > 0, "temperature", self.temperature, "above 0")

    def _network(self, n_items: int) -> _Network:
        return _Network(n_items, self.dim, self.dropout, self.temperature)

    def _losses(self, train: Interactions, rng: np.random.Generator, done: float) -> Iterator[Tensor]:
        self._shares = torch.from_numpy(train.counts() / train.n_events).float().to(self._device)  # (n_items,)
        yield from super()._losses(train, rng, done)

    def _finish(self, train: Interactions) -> None:
        del self._shares
        super()._finish(train)

    def _contrast(self, users: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        n_items, t = len(self._shares), len(targets)
        drawn = torch.cat(
            [targets, torch.randint(n_items, (self.negatives,), generator=generator(), device=targets.device)]
        )  # (t + m,)
        places = self.network_.placed(self.network_.items(drawn))  # (t + m, dim)
        expected = t * self._shares[drawn] + self.negatives / n_items  # times in the draw, (t + m,)
        return sampled_softmax(
            users,
            places[:t],
            places,
            targets=targets,
            drawn=drawn,
            log_expected=expected.log(),
            weights=weights,
        )
