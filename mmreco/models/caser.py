"""Caser: convolutions over the last few items, read as a picture of `window` rows and `dim` columns.

Source: Tang & Wang, "Personalized top-N sequential recommendation via convolutional sequence embedding", 2018.
Followed: horizontal filters of every height with max pooling over time, vertical filters, a dense layer over both, one
table of vectors for items that are read and another for items that are predicted.

Deviations: the vector of a user's general taste is the mean of the items they turned to so far, instead of a vector
learnt for their id, so that unseen users are served; every step of a history predicts the next event alone, by softmax
over the catalogue (or a sample of it), instead of the next two or three by binary cross-entropy; the items predicted
have no bias; the weights that remain are a running average.
"""

from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.models.parameters import require
from mmreco.models.sequence import SequenceModel, SequenceNetwork
from mmreco.nn.dropout import Dropout

__all__ = ["Caser"]

_VERTICAL = 4  # filters


class _Network(SequenceNetwork):
    def __init__(self, n_items: int, dim: int, window: int, filters: int, dropout: float) -> None:
        super().__init__()
        self.window = window
        self.items = nn.Embedding(n_items, dim)
        self.foretold = nn.Embedding(n_items, 2 * dim)
        for vectors in (self.items, self.foretold):
            nn.init.normal_(vectors.weight, std=0.02)
        self.across = nn.ModuleList(nn.Conv1d(dim, filters, height) for height in range(1, window + 1))
        self.down = nn.Parameter(torch.empty(window, _VERTICAL).normal_(std=window**-0.5))
        self.dropout = Dropout(dropout)
        self.dense = nn.Linear(window * filters + _VERTICAL * dim, dim)

    def places(self) -> Tensor:
        return self.foretold.weight

    def states(self, rows: Tensor, real: Tensor) -> Tensor:
        vectors = self.items(rows) * self.items.embedding_dim**0.5  # (b, length, dim)
        before = F.pad(vectors.transpose(1, 2), (self.window - 1, 0))  # (b, dim, window - 1 + length)
        met = before.unfold(2, self.window, 1) @ self.down  # (b, dim, length, vertical)
        found = [met.permute(0, 2, 1, 3).flatten(start_dim=2)]  # (b, length, dim * vertical)
        for height, filters in enumerate(self.across, start=1):
            heard = F.relu(filters(before))  # (b, filters, window - height + length)
            found.append(F.max_pool1d(heard, self.window - height + 1, stride=1).transpose(1, 2))
        recent = F.relu(self.dense(self.dropout(torch.cat(found, dim=2))))  # (b, length, dim)
        steps = torch.arange(1, 1 + rows.shape[1], device=rows.device)
        general = vectors.cumsum(dim=1) / steps[:, None]  # (b, length, dim)
        return torch.cat([recent, general], dim=2)  # (b, length, 2 * dim)


@final
@dataclass(kw_only=True, eq=False)
class Caser(SequenceModel[_Network]):
    """The next item by convolutions over the last items, and by the mean of all items of the history.

    Parameters
    ----------
    window : 1 or more
        Items seen together, the latest.
    filters : 1 or more
        Horizontal filters of each height.
    dim, dropout, max_length, negatives : as `SequenceModel`
        Item and user vectors are twice `dim` wide.
    training : how it is trained, see `Training`

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import Dataset, IdMap, Training
    >>> from mmreco.data.interactions import Interactions
    >>> shop = IdMap.of(["hat", "cap", "shoe", "sock"])
    >>> events = Interactions.from_histories([["hat", "cap"], ["shoe", "sock"]] * 4, items=shop)
    >>> model = Caser(dim=16, training=Training(epochs=20)).fit(Dataset.from_interactions(events))
    >>> model.recommend(histories=Interactions.from_histories([["shoe"]], items=shop), k=1).ids(shop)
    [['sock']]
    """

    dim: int = 32
    window: int = 5
    filters: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.window >= 1, "window", self.window, "1 or more")
        require(self.filters >= 1, "filters", self.filters, "1 or more")

    def _network(self, n_items: int) -> _Network:
        return _Network(n_items, self.dim, self.window, self.filters, self.dropout)
