"""BERT4Rec: a Transformer that sees both sides fills the gaps of a history; the next item is a gap at its end.

Source: Sun et al., "BERT4Rec: sequential recommendation with bidirectional encoder representations from Transformer",
2019. Followed: a share of the events is hidden and predicted from all the others, a softmax over the catalogue from one
table of item vectors, a gap at the end of the history when answering. Petrov & Macdonald, "A systematic review and
replicability study of BERT4Rec", 2022, found that it wants many more passes than its paper gave it: `epochs` is larger
here than elsewhere.

Deviations: positions are rotary (with learnt ones it stayed at what is popular on a shop of 1,500 shoppers); blocks are
normalised before each half, and one with one head is the default; predicted items have no bias and no dense layer
before them; of every batch's histories one in four has the gap at its end alone, as when answering (the paper appends
such examples); on a large catalogue the softmax is over a sample; the weights that remain are a running average.
"""

from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from mmreco.models.parameters import require
from mmreco.models.sequence import SequenceModel, SequenceNetwork
from mmreco.models.training import Training
from mmreco.nn.attention import Transformer
from mmreco.nn.chance import generator

__all__ = ["BERT4Rec"]

_AT_END = 0.25  # share of histories with the gap at the end alone


class _Network(SequenceNetwork):
    def __init__(self, n_items: int, dim: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, dim)  # the last row is the gap
        nn.init.normal_(self.items.weight, std=dim**-0.5)
        self.read = Transformer(dim, depth=depth, heads=heads, dropout=dropout, positions=None)
        self.norm = nn.LayerNorm(dim)

    @property
    def gap(self) -> int:
        return self.items.num_embeddings - 1

    def places(self) -> Tensor:
        return self.items.weight[: self.gap]

    def states(self, rows: Tensor, real: Tensor) -> Tensor:
        states: Tensor = self.norm(self.read(self.items(rows) * self.items.embedding_dim**0.5, real))
        return states

    def last(self, rows: Tensor, real: Tensor) -> Tensor:
        line, end = torch.arange(len(rows), device=rows.device), real.sum(dim=1)
        rows, real = nn.functional.pad(rows, (0, 1)), nn.functional.pad(real, (0, 1))  # (b, length + 1)
        rows[line, end], real[line, end] = self.gap, True
        return self.states(rows, real)[line, end]


@final
@dataclass(kw_only=True, eq=False)
class BERT4Rec(SequenceModel[_Network]):
    """The next item as a masked place at the end of a history, read bidirectionally.

    Parameters
    ----------
    hidden : between 0 and 1
        Share of a history's events that are hidden at a time.
    depth, heads : 1 or more
        Blocks on top of each other, and attention heads of each; `heads` divides `dim`.
    dim, dropout, max_length, negatives : as `SequenceModel`
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
    >>> model = BERT4Rec(dim=16, training=Training(epochs=40)).fit(Dataset.from_interactions(events))
    >>> model.recommend(histories=Interactions.from_histories([["shoe"]], items=shop), k=1).ids(shop)
    [['sock']]
    """

    # It knows no more than what is popular for the first passes.
    training: Training = field(default_factory=lambda: Training(epochs=40, patience=12))
    hidden: float = 0.5
    depth: int = 1
    heads: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.hidden < 1, "hidden", self.hidden, "between 0 and 1")
        require(self.depth >= 1, "depth", self.depth, "1 or more")
        require(self.heads >= 1 and self.dim % self.heads == 0, "heads", self.heads, f"a divisor of dim={self.dim}")

    def _network(self, n_items: int) -> _Network:
        return _Network(n_items, self.dim, self.depth, self.heads, self.dropout)

    def _loss(self, rows: Tensor, real: Tensor, weights: Tensor) -> Tensor:
        line, last = torch.arange(len(rows), device=rows.device), real.sum(dim=1) - 1
        gaps = (torch.rand(rows.shape, generator=generator(), device=rows.device) < self.hidden) & real  # (b, length)
        gaps[torch.rand(len(rows), generator=generator(), device=rows.device) < _AT_END] = False
        gaps[line[~gaps.any(dim=1)], last[~gaps.any(dim=1)]] = True
        gap = len(self.items_)  # the row after all items
        asked = gaps & (weights != 0)
        users = self.network_.states(rows.masked_fill(gaps, gap), real)[asked]  # (t, dim)
        return self._contrast(users, rows[asked], weights[asked])
