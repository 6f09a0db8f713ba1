"""Windows of histories as tensors."""

import numpy as np
import torch
from torch import Tensor

from mmreco.arrays import I64
from mmreco.data.interactions import Interactions

__all__ = ["padded", "weighing"]


def padded(log: Interactions, starts: I64, lengths: I64) -> tuple[Tensor, Tensor]:
    """Item rows of these windows, oldest first and 0 in the padding at the end, and which steps are real.

    Parameters
    ----------
    log : that the windows are of
    starts, lengths : shape `(b,)`
        Windows of one event or more.

    Returns
    -------
    rows, real
        int64 and bool, `(b, length)` each.
    """
    inside = np.arange(int(lengths.max())) < lengths[:, None]  # (b, length)
    flat = np.where(inside, starts[:, None] + np.arange(inside.shape[1]), 0)
    rows = np.where(inside, log.items_flat[flat], 0)
    return torch.from_numpy(rows), torch.from_numpy(inside)


def weighing(log: Interactions, starts: I64, lengths: I64) -> Tensor:
    """How much each event of these windows weighs, `(b, length)`, float32; 0 in the padding. See `padded`."""
    inside = np.arange(int(lengths.max())) < lengths[:, None]
    flat = np.where(inside, starts[:, None] + np.arange(inside.shape[1]), 0)
    return torch.from_numpy(np.where(inside, log.weights[flat], 0).astype(np.float32))
