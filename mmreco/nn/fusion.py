"""ItemTower: whatever is known of an item becomes one vector.

Each part (the id, each content modality, the attributes) is projected to one width, missing parts are
masked, and a fusion joins what is there.

Sources: Arevalo et al., "Gated multimodal units", 2017 (gates); Mu & Viswanath, "All-but-the-top", 2018 (taking the
common mean out of vectors that all point one way, as those of many encoders do). Deviates from the first by a
residual gate that starts at one; the words of a title, and other attributes, are summed.
"""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Fusion", "ItemTower", "widths_of"]

Fusion = Literal["gated", "concat", "attention"]


class ItemTower(nn.Module):
    """Vectors of items from their ids, contents and attributes.

    Parameters
    ----------
    dim : width of an item vector
    n_ids : items that have an id vector; 0 for a tower of content alone
    widths : width of each content modality by name
    n_attributes : kinds of attribute; 0 for none
    fusion : how the parts are joined
        "gated" sums them, each times a gate it sets itself; "concat" projects them side by side;
        "attention" weighs them by a learnt question.
    """

    def __init__(
        self,
        dim: int,
        *,
        n_ids: int,
        widths: Mapping[str, int],
        n_attributes: int,
        fusion: Fusion,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.widths = dict(widths)
        self.identity = nn.Embedding(n_ids, dim) if n_ids else None
        self.contents = nn.ModuleDict({name: nn.Linear(width, dim) for name, width in widths.items()})
        self.centres = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(width), requires_grad=False) for name, width in widths.items()}
        )
        # summed: a mean moves the slower the more an item has, and words of titles are many
        self.facts = nn.EmbeddingBag(n_attributes + 1, dim, mode="sum", padding_idx=n_attributes)
        self.has_attributes = n_attributes > 0
        for table in (self.identity, self.facts):
            if table is not None:
                nn.init.normal_(table.weight, std=0.02)
        with torch.no_grad():
            self.facts.weight[n_attributes] = 0
        n_parts = (n_ids > 0) + len(widths) + self.has_attributes
        self.join = _FUSIONS[fusion](dim, max(1, n_parts))
        self.norm = nn.LayerNorm(dim)

    def centre(self, contents: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Learn where the middle of each modality lies, from values `(n, width)` and whether they exist `(n,)`."""
        for name, (values, there) in contents.items():
            self.centres[name].copy_(values[there].mean(dim=0) if there.any() else torch.zeros(values.shape[1]))

    def centred(self, name: str, values: Tensor) -> Tensor:
        """Content vectors `(n, width)` seen from the middle of their modality, unit length; `forward` takes these."""
        return F.normalize(values - self.centres[name], dim=1)

    def forward(self, rows: Tensor, contents: Mapping[str, tuple[Tensor, Tensor]], attributes: Tensor) -> Tensor:
        """Item vectors `(r, dim)`; zero for an item of which nothing is known.

        Parameters
        ----------
        rows : shape `(r,)`, int64
            The id vector to use; -1 for an item that has none.
        contents : by modality, values `(r, width)` as `centred` gives them, and whether they exist `(r,)`
        attributes : shape `(r, m)`, int32
            Attributes an item, padded with `n_attributes`.
        """
        parts, present = [], []
        if self.identity is not None:
            parts.append(self.identity(rows.clamp(min=0)))
            present.append(rows >= 0)
        for name, project in self.contents.items():
            values, there = contents[name]
            parts.append(project(values))
            present.append(there)
        if self.has_attributes:
            parts.append(self.facts(attributes))
            present.append((attributes < self.facts.num_embeddings - 1).any(dim=1))
        if not parts:  # nothing is known of any item
            parts, present = [torch.zeros(len(rows), self.dim, device=rows.device)], [rows < 0]
        known = torch.stack(present, dim=1)  # (r, parts)
        joined: Tensor = self.norm(self.join(torch.stack(parts, dim=1), known))
        return joined * known.any(dim=1, keepdim=True)


def widths_of(weights: Mapping[str, Tensor], prefix: str) -> dict[str, int]:
    """The width of each content modality of the tower whose state is in `weights` under `prefix`."""
    before, after = f"{prefix}contents.", ".weight"
    return {
        name.removeprefix(before).removesuffix(after): weight.shape[1]
        for name, weight in weights.items()
        if name.startswith(before) and name.endswith(after)
    }


class _Gated(nn.Module):
    def __init__(self, dim: int, n_parts: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_parts, dim))
        self.bias = nn.Parameter(torch.zeros(n_parts))

    def forward(self, parts: Tensor, known: Tensor) -> Tensor:
        gates = 2 * torch.sigmoid((parts * self.weight).sum(dim=-1) + self.bias)  # (r, parts), one at the start
        joined: Tensor = ((gates * known).unsqueeze(-1) * parts).sum(dim=1)
        return joined


class _Concat(nn.Module):
    def __init__(self, dim: int, n_parts: int) -> None:
        super().__init__()
        self.project = nn.Linear(n_parts * (dim + 1), dim)

    def forward(self, parts: Tensor, known: Tensor) -> Tensor:
        told = known.to(parts.dtype)
        shown = (parts * told.unsqueeze(-1)).flatten(start_dim=1)  # (r, parts * dim)
        joined: Tensor = self.project(torch.cat([shown, told], dim=1))
        return joined


class _Attention(nn.Module):
    def __init__(self, dim: int, n_parts: int) -> None:
        super().__init__()
        self.look = nn.Linear(dim, dim)
        self.question = nn.Parameter(torch.zeros(n_parts, dim))

    def forward(self, parts: Tensor, known: Tensor) -> Tensor:
        merits = (torch.tanh(self.look(parts)) * self.question).sum(dim=-1)  # (r, parts)
        merits = merits.masked_fill(~known, -1e9)
        weights = merits.softmax(dim=1) * known  # an item of which nothing is known weighs nothing
        joined: Tensor = (weights.unsqueeze(-1) * parts).sum(dim=1)
        return joined


_FUSIONS: dict[str, type[nn.Module]] = {"gated": _Gated, "concat": _Concat, "attention": _Attention}
