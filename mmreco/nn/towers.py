"""The two towers of a shared space with what the item tower reads, as tensors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.nn.behaviour import BehaviourTower
from mmreco.nn.fusion import ItemTower

__all__ = ["ItemContent", "Towers"]

_SHARPEST = math.log(100.0)  # the inverse temperature stays below 100, as in CLIP (Radford et al., 2021)


@dataclass(frozen=True, eq=False)
class ItemContent:
    """What is known of `n` items.

    Parameters
    ----------
    identity : shape `(n,)`, int64
        Each item's row of the id table; -1 for an item without.
    contents : by modality, values `(n, width)` and whether they exist `(n,)`
    attributes : shape `(n, m)`, int32
        Attribute rows, padded with `padding`.
    padding : the number of attributes
    """

    identity: Tensor
    contents: Mapping[str, tuple[Tensor, Tensor]]
    attributes: Tensor
    padding: int

    def __len__(self) -> int:
        return len(self.identity)

    @property
    def described(self) -> Tensor:
        """Which items have some content or attribute, shape `(n,)`."""
        there = (self.attributes != self.padding).any(dim=1)
        for _, present in self.contents.values():
            there = there | present
        return there

    def without_ids(self, where: Tensor | None = None) -> "ItemContent":
        """The same items without their ids, as if they were new: all, or those in the mask `where`, shape `(n,)`."""
        chosen = torch.ones_like(self.identity, dtype=torch.bool) if where is None else where
        return replace(self, identity=self.identity.masked_fill(chosen, -1))

    def of(self, rows: Tensor) -> "ItemContent":
        """What is known of the items at these rows."""
        contents = {name: (values[rows], there[rows]) for name, (values, there) in self.contents.items()}
        return ItemContent(self.identity[rows], contents, self.attributes[rows], self.padding)


class Towers(nn.Module):
    """An item tower and a user tower that meet in one space, and the temperature their cosine is read at."""

    def __init__(self, items: ItemTower, users: BehaviourTower, *, temperature: float) -> None:
        super().__init__()
        self.items: ItemTower = items
        self.users: BehaviourTower = users
        self.sharpness = nn.Parameter(torch.tensor(-math.log(temperature)))

    @property
    def scale(self) -> float:
        """What a cosine is multiplied by."""
        return float(self._scale().item())

    def _scale(self) -> Tensor:
        return self.sharpness.clamp(max=_SHARPEST).exp()

    def item_places(self, known: ItemContent) -> Tensor:
        """Unit vectors of the items, `(n, dim)`."""
        return F.normalize(self.items(known.identity, known.contents, known.attributes), dim=1)

    def directions(self, states: Tensor) -> Tensor:
        """States of the user tower, `(t, dim)`, as unit vectors divided by the temperature."""
        return F.normalize(states, dim=1) * self._scale()
