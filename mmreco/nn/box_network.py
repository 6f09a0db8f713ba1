"""BoxNetwork: where in a picture the things are, whatever they are; small enough to be trained on a CPU in minutes.

Tian et al., "FCOS: Fully convolutional one-stage object detection", 2019: every place of a map says how sure it is to
lie inside a thing, and how far its four sides are. Li et al., "Generalized focal loss", 2020: what a place is taught to
be sure of is how well its box fits. Deviates: one class and one map, at an eighth of the picture's side, which sees the
whole picture through two coarser ones (Lin et al., "Feature pyramid networks for object detection", 2017); no weights
of others.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["STRIDE", "BoxNetwork", "box_loss"]

STRIDE = 8
"""Pixels of the picture that a place of the map stands for, either way."""

_REACH = 4 * STRIDE  # pixels: what a side's distance is measured in
_RARE = -4.0  # a logarithm: few places lie inside a thing
_GIOU = 1.5  # how much the fit of boxes counts against being sure


class BoxNetwork(nn.Module):
    """For each place of a map, how sure it is to lie in a thing and how far the thing's sides are.

    Parameters
    ----------
    width : channels after the first convolution; doubled twice on the way
    """

    def __init__(self, *, width: int = 16) -> None:
        super().__init__()
        w = width
        self.fine = nn.Sequential(
            _conv(3, w, 2), _conv(w, 2 * w, 2), _Residual(2 * w), _conv(2 * w, 4 * w, 2), _Residual(4 * w)
        )
        self.middle = nn.Sequential(_conv(4 * w, 6 * w, 2), _Residual(6 * w), _Residual(6 * w))
        self.coarse = nn.Sequential(_conv(6 * w, 8 * w, 2), _Residual(8 * w), _Residual(8 * w))
        self.from_coarse = nn.Conv2d(8 * w, 6 * w, 1)
        self.from_middle = nn.Conv2d(6 * w, 4 * w, 1)
        self.head = nn.Sequential(_conv(4 * w, 4 * w, 1), _conv(4 * w, 4 * w, 1))
        self.sure = nn.Conv2d(4 * w, 1, 1)
        self.sides = nn.Conv2d(4 * w, 4, 1)
        nn.init.constant_(self.sure.bias, _RARE)  # type: ignore[arg-type]

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(b, g, h)` and boxes `(b, 4, g, h)` in pixels, of pictures `(b, 3, 8 g, 8 h)` from -1 to 1."""
        fine = self.fine(pictures)  # (b, 4 w, g, h)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = middle + F.interpolate(self.from_coarse(coarse), size=middle.shape[2:], mode="nearest")
        fine = fine + F.interpolate(self.from_middle(middle), size=fine.shape[2:], mode="nearest")
        seen = self.head(fine)
        away = self.sides(seen).clamp(-4, 3).exp() * _REACH  # (b, 4, g, h): left, top, right, bottom
        down, across = ((torch.arange(g, device=seen.device) + 0.5) * STRIDE for g in seen.shape[2:])
        x, y = across.view(1, 1, -1), down.view(1, -1, 1)  # of the middles of the places
        boxes = torch.stack([x - away[:, 0], y - away[:, 1], x + away[:, 2], y + away[:, 3]], dim=1)
        return self.sure(seen)[:, 0], boxes


def box_loss(logits: Tensor, boxes: Tensor, wanted: Tensor, inside: Tensor) -> Tensor:
    """How badly the places know what they lie in, a scalar.

    Parameters
    ----------
    logits : shape `(b, g, g)`
    boxes, wanted : shape `(b, 4, g, g)`, pixels
        `wanted` counts only where `inside` says so.
    inside : shape `(b, g, g)`, bool
    """
    found, right = boxes.permute(0, 2, 3, 1)[inside], wanted.permute(0, 2, 3, 1)[inside]  # (m, 4)
    overlap, generalised = _overlaps(found, right)
    target = torch.zeros_like(logits)
    target[inside] = overlap.detach()
    sure = torch.sigmoid(logits)
    focal = (sure - target).abs() ** 2 * F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (focal.sum() + _GIOU * (1 - generalised).sum()) / max(1, len(found))


def _overlaps(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union of pairs of boxes `(m, 4)`, plain and generalised (Rezatofighi et al., 2019), `(m,)`."""
    sides = (torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])).clamp(min=0)
    around = torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])
    common, hull = sides.prod(dim=1), around.prod(dim=1)
    union = (first[:, 2:] - first[:, :2]).prod(dim=1) + (second[:, 2:] - second[:, :2]).prod(dim=1) - common
    overlap = common / union
    return overlap, overlap - (hull - union) / hull


def _conv(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class _Residual(nn.Module):
    """Two 3 x 3 convolutions beside a short cut (He et al., 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width, 1)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = F.relu(x + self.second(self.first(x)))
        return out
