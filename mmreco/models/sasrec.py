"""SASRec: a causal Transformer reads what a user did, and predicts the next item.

Sources: Kang & McAuley, "Self-attentive sequential recommendation", 2018; Klenitskiy & Vasilev, "Turning dross into
gold loss: is BERT4Rec really better than SASRec?", 2023; Petrov & Macdonald, "gSASRec", 2023. The network is that of
the first paper, one table of item vectors for what is read and what is predicted; the loss is that of the second, a
softmax over the catalogue instead of one negative an event, and over a sample of it where the catalogue is large.

Deviations: blocks are normalised before each half and use GELU; positions count from the first event read, as histories
are padded at the end; the weights that remain are a running average.
"""

from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from mmreco.models.parameters import require
from mmreco.models.sequence import SequenceModel, SequenceNetwork
from mmreco.nn.attention import Transformer

__all__ = ["SASRec"]


class _Network(SequenceNetwork):
    def __init__(self, n_items: int, dim: int, depth: int, heads: int, dropout: float, max_length: int) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, dim)
        nn.init.normal_(self.items.weight, std=dim**-0.5)
        self.read = Transformer(dim, depth=depth, heads=heads, dropout=dropout, positions=max_length)
        self.norm = nn.LayerNorm(dim)

    def places(self) -> Tensor:
        return self.items.weight

    def states(self, rows: Tensor, real: Tensor) -> Tensor:
        states: Tensor = self.norm(self.read(self._steps(rows)))
        return states

    def last(self, rows: Tensor, real: Tensor) -> Tensor:
        state: Tensor = self.norm(self.read.at(self._steps(rows), real.sum(dim=1) - 1))
        return state

    def _steps(self, rows: Tensor) -> Tensor:
        scaled: Tensor = self.items(rows) * self.items.embedding_dim**0.5
        return scaled


@final
@dataclass(kw_only=True, eq=False)
class SASRec(SequenceModel[_Network]):
    """The next item by self-attention over the history.

    Parameters
    ----------
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
    >>> model = SASRec(dim=16, training=Training(epochs=20)).fit(Dataset.from_interactions(events))
    >>> model.recommend(histories=Interactions.from_histories([["shoe"]], items=shop), k=1).ids(shop)
    [['sock']]
    """

    depth: int = 2
    heads: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.depth >= 1, "depth", self.depth, "1 or more")
        require(self.heads >= 1 and self.dim % self.heads == 0, "heads", self.heads, f"a divisor of dim={self.dim}")

    def _network(self, n_items: int) -> _Network:
        return _Network(n_items, self.dim, self.depth, self.heads, self.dropout, self.max_length)
