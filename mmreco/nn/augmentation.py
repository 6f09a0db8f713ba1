"""Random views of pictures: what may change about a photograph while the product, or a side of it, stays the same.

Three kinds. A view of the whole PRODUCT has another crop, size, angle, mirror side, light and contrast, and hardly
another hue, because a red dress is not a blue one. A view of its FORM may have any colour, or none. A view of its
COLOUR shows any small piece, turned any way. The batch is done at once, by an affine grid and a colour matrix each.

Source: Xiao et al., "What should not be contrastive in contrastive learning", 2021 (one part of a vector for each
kind of view, so that what one must forget another keeps).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["COLOUR", "FORM", "PRODUCT", "Change", "view"]

# Brightness and two axes of colour, and the way back (NTSC, 1953): in this space hue is an angle.
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_RGB = torch.linalg.inv(_YIQ)


@dataclass(frozen=True)
class Change:
    """How far a view may go from its picture.

    Parameters
    ----------
    side : of the window, lowest and highest share of the picture's side; above 1 the picture shrinks
    turn, hue : degrees, either way
    light : added to all channels, of a range of 1, either way
    contrast, colourfulness : factors, lowest and highest
    negative : share of views whose light and dark change places
    """

    side: tuple[float, float]
    turn: float
    hue: float
    light: float
    contrast: tuple[float, float]
    colourfulness: tuple[float, float]
    negative: float = 0.0


PRODUCT = Change(side=(0.75, 1.15), turn=15, hue=6, light=0.15, contrast=(0.75, 1.25), colourfulness=(0.8, 1.2))
FORM = Change(
    side=(0.75, 1.15), turn=15, hue=180, light=0.25, contrast=(0.5, 1.3), colourfulness=(0, 1.3), negative=0.3
)
COLOUR = Change(side=(0.3, 0.7), turn=180, hue=6, light=0.15, contrast=(0.75, 1.25), colourfulness=(0.8, 1.2))
_STRETCH = 0.12  # of the window's width against its height, as a logarithm


def view(pictures: Tensor, size: int, change: Change, *, generator: torch.Generator) -> Tensor:
    """One random view of each picture, `(b, 3, size, size)` float32, -1 (black) to 1 (white).

    Parameters
    ----------
    pictures : shape `(b, 3, h, w)`, uint8
    size : pixels
        Of the view's side.
    change : what may change
    generator : on the CPU
        Where the chance comes from, so that every device draws the same views.
    """
    b = len(pictures)
    grid = F.affine_grid(_placed(b, change, generator).to(pictures.device), [b, 3, size, size], align_corners=False)
    moved = F.grid_sample(pictures.float() / 255, grid, padding_mode="border", align_corners=False)
    matrix, shift = (t.to(pictures.device) for t in _coloured(b, change, generator))
    coloured = torch.baddbmm(shift, matrix, moved.flatten(start_dim=2))  # (b, 3, size * size)
    return (coloured.clamp(0, 1) * 2 - 1).view(b, 3, size, size)


def _uniform(b: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(b, generator=generator) * (high - low) + low


def _placed(b: int, change: Change, generator: torch.Generator) -> Tensor:
    """Where each view's pixels lie in its picture, `(b, 2, 3)`."""
    side = _uniform(b, *change.side, generator)
    stretch = torch.exp(_uniform(b, -_STRETCH, _STRETCH, generator))
    turn = _uniform(b, -math.radians(change.turn), math.radians(change.turn), generator)
    mirror = torch.randint(0, 2, (b,), generator=generator) * 2 - 1
    room = (1 - side).abs()  # so that the window stays inside the picture, or the picture inside the window
    x, y = (_uniform(b, -1, 1, generator) * room for _ in range(2))
    across, down = side * stretch, side / stretch
    top = torch.stack([turn.cos() * across * mirror, -turn.sin() * down, x], dim=1)
    bottom = torch.stack([turn.sin() * across * mirror, turn.cos() * down, y], dim=1)
    return torch.stack([top, bottom], dim=1)


def _coloured(b: int, change: Change, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What happens to each picture's colours: a matrix `(b, 3, 3)` and a shift `(b, 3, 1)`."""
    contrast = _uniform(b, *change.contrast, generator)
    contrast = torch.where(torch.rand(b, generator=generator) < change.negative, -contrast, contrast)
    colourfulness = _uniform(b, *change.colourfulness, generator)
    hue = _uniform(b, -math.radians(change.hue), math.radians(change.hue), generator)
    turned = torch.zeros(b, 3, 3)
    turned[:, 0, 0] = 1
    turned[:, 1, 1] = turned[:, 2, 2] = hue.cos() * colourfulness
    turned[:, 1, 2], turned[:, 2, 1] = -hue.sin() * colourfulness, hue.sin() * colourfulness
    matrix = (_RGB @ turned @ _YIQ) * contrast.view(b, 1, 1)
    light = _uniform(b, -change.light, change.light, generator)
    shift = (0.5 * (1 - contrast) + light).view(b, 1, 1).expand(b, 3, 1)  # contrast turns about the middle grey
    return matrix, shift
