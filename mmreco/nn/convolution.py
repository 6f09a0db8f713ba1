"""PictureCNN: a residual network small enough to learn a shop's own pictures on two cores.

Source: He et al., "Identity mappings in deep residual networks", 2016 (blocks normalised before they are
activated). Deviates by what it hands on. A network that averages its last map over the picture finds colour and
pattern enough to tell a thousand products apart, and forgets their shape. So half of a vector reads the late map
place by place: the form. The other half averages an early map, where nothing but colour and texture is known yet.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PictureCNN", "joined"]

_PLACES = 4  # the late map is read on a grid of so many rows and columns


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a short cut; halves the picture's sides."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm_1 = nn.BatchNorm2d(before)
        self.conv_1 = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        self.norm_2 = nn.BatchNorm2d(after)
        self.conv_2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.cut = nn.Conv2d(before, after, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm_1(x))
        deep: Tensor = self.conv_2(F.relu(self.norm_2(self.conv_1(x))))
        out: Tensor = deep + self.cut(x)
        return out


class PictureCNN(nn.Module):
    """Vectors of pictures: half form, half colour, both of the same length.

    Parameters
    ----------
    dim : width of a vector; even
    width : channels after the first convolution; doubled three times on the way
    """

    def __init__(self, dim: int, *, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False)
        self.early = _Block(width, 2 * width)
        self.middle = _Block(2 * width, 4 * width)
        self.late = _Block(4 * width, 8 * width)
        self.norm_early = nn.BatchNorm2d(2 * width)
        self.norm_late = nn.BatchNorm2d(8 * width)
        self.form = nn.Linear(8 * width * _PLACES**2, dim // 2, bias=False)
        self.colour = nn.Linear(2 * width, dim // 2, bias=False)
        self.norm_form = nn.BatchNorm1d(dim // 2)
        self.norm_colour = nn.BatchNorm1d(dim // 2)

    def halves(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """`(b, 3, height, width)`, values from -1 to 1 -> form and colour, `(b, dim / 2)` each, of any length."""
        early = self.early(self.stem(pictures))  # (b, 2w, h / 4, w / 4)
        late = F.relu(self.norm_late(self.late(self.middle(early))))  # (b, 8w, h / 16, w / 16)
        placed = F.adaptive_avg_pool2d(late, _PLACES).flatten(start_dim=1)  # (b, 8w * places)
        averaged = F.relu(self.norm_early(early)).mean(dim=(2, 3))  # (b, 2w)
        return self.norm_form(self.form(placed)), self.norm_colour(self.colour(averaged))

    def forward(self, pictures: Tensor) -> Tensor:
        """`(b, 3, height, width)`, values from -1 to 1 -> `(b, dim)`, of unit length."""
        return joined(*self.halves(pictures))


def joined(form: Tensor, colour: Tensor) -> Tensor:
    """The two halves as one vector of unit length, neither heard louder, `(b, dim)`."""
    return torch.cat([F.normalize(form, dim=1), F.normalize(colour, dim=1)], dim=1) * math.sqrt(0.5)
