"""Contrastive losses: what belongs together must meet, and keep away from everything else in the batch.

Sources: Chen et al., "A simple framework for contrastive learning of visual representations" (SimCLR), 2020;
Radford et al., "Learning transferable visual models from natural language supervision" (CLIP), 2021.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["alike", "pair_contrast", "view_contrast"]

_ALIKE = 0.999  # cosine above which two texts say the same


def alike(vectors: Tensor) -> Tensor:
    """Which rows of `(b, dim)` say the same, `(b, b)` of bool: their cosine is above 0.999."""
    unit = F.normalize(vectors, dim=1)
    return unit @ unit.T > _ALIKE


def view_contrast(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """How badly each view finds the other view of its picture among all views of the batch, a scalar.

    Parameters
    ----------
    first, second : shape `(b, dim)`
        Row `r` of both shows one picture. Any length; they are scaled to unit length.
    temperature : above 0
        Divides the cosines; the smaller, the more the nearest strangers are pushed away.
    """
    b = len(first)
    views = F.normalize(torch.cat([first, second]), dim=1)  # (2b, dim)
    scores = views @ views.T / temperature  # (2b, 2b)
    itself = torch.eye(2 * b, dtype=torch.bool, device=views.device)
    other = torch.arange(2 * b, device=views.device).roll(b)  # the other view of row r
    return F.cross_entropy(scores.masked_fill(itself, float("-inf")), other)


def pair_contrast(left: Tensor, right: Tensor, *, scale: Tensor | float, same: Tensor | None = None) -> Tensor:
    """How badly each left finds its right among all rights, and each right its left, a scalar.

    Parameters
    ----------
    left, right : shape `(b, dim)`
        Row `r` of both belong together, e.g. a picture and what is written about it. Any length.
    scale : above 0
        Multiplies the cosines (the inverse temperature); may be learnt.
    same : shape `(b, b)`, bool, optional
        Which rows say the same: another row that does is neither sought nor shunned.
    """
    scores = F.normalize(left, dim=1) @ F.normalize(right, dim=1).T * scale  # (b, b)
    if same is not None:
        others = ~torch.eye(len(left), dtype=torch.bool, device=scores.device)
        scores = scores.masked_fill((same | same.T) & others, float("-inf"))
    partner = torch.arange(len(left), device=scores.device)
    return (F.cross_entropy(scores, partner) + F.cross_entropy(scores.T, partner)) / 2
