"""Softmax over items, whole or sampled.

Source: Bengio & Senecal, "Adaptive importance sampling to accelerate training of a neural probabilistic
language model", 2008 (the sampled estimate, corrected by the logarithm of the expected counts); Yi et al.,
"Sampling-bias-corrected neural modeling for large corpus item recommendations", 2019.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["sampled_softmax"]


def sampled_softmax(
    users: Tensor, positives: Tensor, negatives: Tensor, *, hits: Tensor, log_expected: Tensor
) -> Tensor:
    """The mean cross-entropy of each positive against itself and the shared negatives, a scalar.

    The normaliser is an unbiased estimate of the softmax over the whole catalogue.

    Parameters
    ----------
    users : shape `(t, dim)`
        User vectors, already multiplied by the inverse temperature.
    positives : shape `(t, dim)`
        The item each user took.
    negatives : shape `(m, dim)`
        Items drawn for the whole batch.
    hits : shape `(t, m)`, bool
        Where a negative is the row's own positive; it is left out.
    log_expected : shape `(m,)`
        Logarithm of how often each negative is expected in the draw (m times its probability).
    """
    right = (users * positives).sum(dim=1, keepdim=True)  # (t, 1)
    wrong = (users @ negatives.T - log_expected).masked_fill(hits, float("-inf"))  # (t, m)
    return F.cross_entropy(torch.cat([right, wrong], dim=1), torch.zeros(len(users), dtype=torch.long).to(users.device))
