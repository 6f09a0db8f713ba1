"""Several processes that train one module together: each takes a part of every batch, and gradients are summed.

Source: Li et al., "PyTorch Distributed: experiences on accelerating data parallel training", 2020. Deviates by summing
all gradients after the backward pass, not while it runs.
"""

from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor, nn

from mmreco.arrays import I64

__all__ = ["ProcessGroup", "crew"]


@dataclass(frozen=True)
class ProcessGroup:
    """This process's place among those that train together.

    Parameters
    ----------
    rank : from 0 to below `size`
    size : how many processes there are
    """

    rank: int
    size: int

    def part(self, windows: I64) -> tuple[I64, float]:
        """This process's windows, `(b, 2)` starts and lengths, of a batch, and which share of its targets they hold.

        A batch of fewer windows than processes is done by all of them, each for an equal share.
        """
        if len(windows) < self.size:
            return windows, 1 / self.size
        own = windows[self.rank :: self.size]
        return own, float((own[:, 1] - 1).sum() / (windows[:, 1] - 1).sum())

    def sum_gradients(self, module: nn.Module) -> None:
        """Give every process the sum of all processes' gradients."""
        if self.size == 1:
            return
        for weights in module.parameters():
            if weights.requires_grad:
                if weights.grad is None:
                    weights.grad = torch.zeros_like(weights)
                torch.distributed.all_reduce(weights.grad)

    def sum(self, value: Tensor) -> Tensor:
        """The sum of all processes' values."""
        total = value.detach().clone()
        if self.size > 1:
            torch.distributed.all_reduce(total)
        return total


def crew() -> ProcessGroup:
    """The processes of torch's default group, where one was made; else this one alone."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return ProcessGroup(torch.distributed.get_rank(), torch.distributed.get_world_size())
    return ProcessGroup(0, 1)
