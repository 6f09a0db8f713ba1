"""Dropout whose mask is cheap on a CPU: torch draws one number a value there, here one number serves eight.

Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.nn.chance import generator

__all__ = ["Dropout"]


class Dropout(nn.Module):
    """Values set to zero at random while training, those that stay scaled so that the mean stays.

    Parameters
    ----------
    share : from 0 to below 1
        Share of values set to zero; on a CPU to the nearest of 256 steps.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        if not self.training or not self.share:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.share)
        hidden = min(round(256 * self.share), 255)  # of the 256 values of a byte
        drawn = torch.empty(-(-x.numel() // 8), dtype=torch.int64)
        drawn.random_(-(2**63), None, generator=generator())  # all bits
        kept = (drawn.view(torch.uint8)[: x.numel()] >= hidden).view(x.shape)
        return x * (kept.to(x.dtype) * (256 / (256 - hidden)))
