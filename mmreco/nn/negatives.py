"""Which items a batch is contrasted with."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mmreco.nn.chance import generator

__all__ = ["Negatives"]


@dataclass(frozen=True, eq=False)
class Negatives:
    """Draws items for a whole batch, uniformly with repeats; a small catalogue is taken whole.

    Parameters
    ----------
    candidates : shape `(c,)`, int64
        Item rows that may be drawn.
    size : items a draw; at up to twice as many candidates all of them are taken instead
    """

    candidates: Tensor
    size: int

    def draw(self) -> tuple[Tensor, Tensor]:
        """Item rows `(m,)` and the logarithm of how often each is expected in the draw `(m,)`."""
        count = len(self.candidates)
        if count <= 2 * self.size:
            return self.candidates, self.candidates.new_zeros(count, dtype=torch.float32)
        rows = self.candidates[torch.randint(count, (self.size,), generator=generator(), device=self.candidates.device)]
        return rows, torch.full((self.size,), math.log(self.size / count), device=rows.device)
