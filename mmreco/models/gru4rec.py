"""GRU4Rec: a recurrent network reads what a user did, and predicts the next item.

Sources: Hidasi, Karatzoglou, Baltrunas, Tikk, "Session-based recommendations with recurrent neural networks", 2016;
Hidasi & Karatzoglou, "Recurrent neural networks with top-k gains for session-based recommendations", 2018, whose one
table of item vectors for reading and prediction is kept ("constrained embedding").

Deviations: the loss is the softmax over the catalogue (or a sample of it), which the second paper finds among the best
and the replication of Petrov & Macdonald, 2022, prefers, instead of BPR or TOP1; whole histories are read at once,
instead of session-parallel batches; the state is added to the vector of the last item, and item vectors begin small,
so that a user begins next to what they took last; an LSTM may take the GRU's place; the weights that remain are a
running average.
"""

from dataclasses import dataclass
from typing import Literal, final, get_args

from torch import Tensor, nn

from mmreco.models.parameters import require
from mmreco.models.sequence import SequenceModel, SequenceNetwork
from mmreco.nn.recurrent import Recurrent

__all__ = ["GRU4Rec"]

Cell = Literal["gru", "lstm"]


class _Network(SequenceNetwork):
    def __init__(self, n_items: int, dim: int, cell: Cell, depth: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, dim)
        nn.init.normal_(self.items.weight, std=0.02)
        self.read = Recurrent(cell, dim, depth=depth, dropout=dropout)
        self.norm = nn.LayerNorm(dim)

    def places(self) -> Tensor:
        return self.items.weight

    def states(self, rows: Tensor, real: Tensor) -> Tensor:
        states: Tensor = self.norm(self.read(self.items(rows) * self.items.embedding_dim**0.5))
        return states


@final
@dataclass(kw_only=True, eq=False)
class GRU4Rec(SequenceModel[_Network]):
    """The next item by a recurrent network over the history.

    Parameters
    ----------
    cell : "gru" or "lstm"
        What is repeated at each event.
    depth : 1 or more
        Layers on top of each other.
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
    >>> model = GRU4Rec(dim=16, training=Training(epochs=20)).fit(Dataset.from_interactions(events))
    >>> model.recommend(histories=Interactions.from_histories([["shoe"]], items=shop), k=1).ids(shop)
    [['sock']]
    """

    cell: Cell = "gru"
    depth: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.cell in get_args(Cell), "cell", self.cell, f"one of {get_args(Cell)}")
        require(self.depth >= 1, "depth", self.depth, "1 or more")

    def _network(self, n_items: int) -> _Network:
        return _Network(n_items, self.dim, self.cell, self.depth, self.dropout)
