"""Recurrent readers of a sequence.

Sources: Hochreiter & Schmidhuber, "Long short-term memory", 1997; Cho et al., "Learning phrase
representations using RNN encoder-decoder", 2014; Hidasi et al., "Session-based recommendations with
recurrent neural networks", 2016; Wu et al., "Google's neural machine translation system", 2016 (residual connections,
here one around all layers).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from mmreco.nn.dropout import Dropout

__all__ = ["Recurrent"]


class Recurrent(nn.Module):
    """Each step of a sequence with what an LSTM or GRU remembers of those before it added, as blocks of attention add.

    Parameters
    ----------
    kind : "lstm" or "gru"
    dim : width of a step and of the state
    depth : layers on top of each other
    dropout : share of values dropped in training, on the steps and between layers
    """

    def __init__(self, kind: Literal["lstm", "gru"], dim: int, *, depth: int, dropout: float) -> None:
        super().__init__()
        cell = nn.LSTM if kind == "lstm" else nn.GRU
        self.dropout = Dropout(dropout)
        self.cells = cell(dim, dim, num_layers=depth, batch_first=True, dropout=dropout if depth > 1 else 0.0)

    def forward(self, steps: Tensor) -> Tensor:
        """`(b, length, dim)` -> `(b, length, dim)`."""
        return steps + self.memory(steps)

    def at(self, steps: Tensor, last: Tensor) -> Tensor:
        """The states after the steps `last`, `(b,)`: `(b, length, dim)` -> `(b, dim)`."""
        return self.forward(steps)[torch.arange(len(steps), device=steps.device), last]

    def memory(self, steps: Tensor) -> Tensor:
        """The cell's own state after each step, `(b, length, dim)`."""
        states: Tensor = self.cells(self.dropout(steps))[0]
        return states
