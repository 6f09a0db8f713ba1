"""BehaviourTower: a history of item vectors, kinds of event and times becomes a user vector at each step.

What comes next depends on when it comes: a click a second after another is of the same visit, one a month later is not.
So each step knows how long after it the question is asked, which in training is when the next step came.

Source: Zhai et al., "Actions speak louder than sequential transducers", 2024 (HSTU: differences of time, on a
logarithmic scale, up to the time of what is foretold). Deviates by adding a vector to the step in place of a number to
each pair of steps, and by one vector for each class of wait that is the sum of those of all shorter ones, so that a
longer wait than any in training is read as the longest there.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.nn.attention import Transformer
from mmreco.nn.recurrent import Recurrent

__all__ = ["GAPS", "WAITS", "BehaviourTower", "Reader"]

Reader = Literal["transformer", "gru", "lstm"]

GAPS = 16
"""Classes of time gap: 0 is unknown, then minutes on a scale of powers of two up to about three weeks."""

WAITS = 56
"""Classes of wait until the question: seconds on a scale of powers of the root of two, up to about six years."""


class BehaviourTower(nn.Module):
    """The user vector after each step of a history, seeing that step and those before it.

    Parameters
    ----------
    reader : what reads the sequence
    dim : width of item and user vectors
    depth, heads, dropout : as the reader takes them; `heads` matters to the Transformer alone
    n_events : kinds of event, the unknown kind 0 among them
    horizon : whether there is a second user vector, `later`, for what comes within a horizon
    """

    def __init__(
        self,
        reader: Reader,
        dim: int,
        *,
        depth: int,
        heads: int,
        dropout: float,
        n_events: int,
        horizon: bool = False,
    ) -> None:
        super().__init__()
        self.events = nn.Embedding(n_events, dim)
        self.gaps = nn.Embedding(GAPS, dim)
        for table in (self.events, self.gaps):
            nn.init.zeros_(table.weight)  # they begin by saying nothing
        self.read: Transformer | Recurrent
        if reader == "transformer":
            self.read = Transformer(dim, depth=depth, heads=heads, dropout=dropout, positions=None)
        else:
            self.read = Recurrent(reader, dim, depth=depth, dropout=dropout)
        self.norm = nn.LayerNorm(dim)
        self.later = nn.Linear(dim, dim) if horizon else None
        if self.later is not None:  # it begins as what comes next
            nn.init.eye_(self.later.weight)
            nn.init.zeros_(self.later.bias)
        self.waits = nn.Parameter(torch.zeros(WAITS, dim))  # says nothing until times are seen

    def forward(self, vectors: Tensor, events: Tensor, minutes: Tensor, waits: Tensor) -> Tensor:
        """`(b, length, dim)` user vectors.

        Parameters
        ----------
        vectors : shape `(b, length, dim)`
            The mean of the item vectors of each step, oldest first, padded at the end.
        events : shape `(b, length, n_events)`, float32
            How much of each step is of each kind of event.
        minutes : shape `(b, length)`, float32
            Minutes since the step before; below 0 where unknown.
        waits : shape `(b, length)`, float32
            Seconds from the step until it is asked what comes next; below 0 where unknown.
        """
        states: Tensor = self.norm(self.read(self._steps(vectors, events, minutes, waits)))
        return states

    def at(self, vectors: Tensor, events: Tensor, minutes: Tensor, waits: Tensor, last: Tensor) -> Tensor:
        """The user vectors after the steps `last`, shape `(b,)`, alone: `(b, dim)`; for the rest as `forward`."""
        state: Tensor = self.norm(self.read.at(self._steps(vectors, events, minutes, waits), last))
        return state

    def _steps(self, vectors: Tensor, events: Tensor, minutes: Tensor, waits: Tensor) -> Tensor:
        told: Tensor = events.to(vectors.dtype) @ self.events.weight + self.gaps(_gap_class(minutes))
        until = F.pad(self.waits.cumsum(0), (0, 0, 1, 0))  # (WAITS + 1, dim), zero where unknown
        told = told + F.embedding(_wait_class(waits), until)
        return vectors * math.sqrt(vectors.shape[-1]) + told


def _gap_class(minutes: Tensor) -> Tensor:
    return torch.where(minutes < 0, 0, 1 + torch.log2(1 + minutes.clamp(min=0)).long().clamp(max=GAPS - 2))


def _wait_class(seconds: Tensor) -> Tensor:
    return torch.where(seconds < 0, 0, 1 + (2 * torch.log2(1 + seconds.clamp(min=0))).long().clamp(max=WAITS - 1))
