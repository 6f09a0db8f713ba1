"""Self-attention over short sequences, of each step over those before it or over all, pre-normalised.

Sources: Vaswani et al., "Attention is all you need", 2017; Kang & McAuley, "Self-attentive sequential
recommendation", 2018 (positions learnt); Su et al., "RoFormer: enhanced transformer with rotary position embedding",
2021 (rotary: queries and keys are turned by their place, so that attention sees how far apart two steps are). Deviates
from the second by normalising before each half of a block, by GELU, and by dropping no attention weights.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.nn.dropout import Dropout

__all__ = ["Transformer"]

_SLOWEST = 10_000.0  # steps of the slowest turn, over 2 pi


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(dim)
        self.queries_keys_values = nn.Linear(dim, 3 * dim)
        self.mix = nn.Linear(dim, dim)
        self.before_wide = nn.LayerNorm(dim)
        self.wide = nn.Linear(dim, dim)
        self.narrow = nn.Linear(dim, dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor] | None, seen: Tensor | None) -> Tensor:
        b, length, _ = x.shape
        parts = self.queries_keys_values(self.before_attention(x)).view(b, length, 3, self.heads, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # (b, heads, length, dim / heads) each
        if turns is not None:
            queries, keys = _turned(queries, *turns), _turned(keys, *turns)
        met = F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen, is_causal=seen is None)
        return self._refined(x, met)

    def at(self, x: Tensor, turns: tuple[Tensor, Tensor] | None, last: Tensor) -> Tensor:
        """As `forward` where each step sees those before it, but the states of the steps `last`, `(b,)`, alone."""
        b, length, dim = x.shape
        lines, normed = torch.arange(b, device=x.device), self.before_attention(x)
        weights, bias = self.queries_keys_values.weight, self.queries_keys_values.bias
        queries = F.linear(normed[lines, last], weights[:dim], bias[:dim]).view(b, self.heads, 1, -1)
        both = F.linear(normed, weights[dim:], bias[dim:]).view(b, length, 2, self.heads, -1)
        keys, values = both.permute(2, 0, 3, 1, 4)  # (b, heads, length, dim / heads) each
        if turns is not None:
            cos, sin = (turn[last, None, None] for turn in turns)  # (b, 1, 1, pairs)
            queries, keys = _turned(queries, cos, sin), _turned(keys, *turns)
        seen = torch.arange(length, device=x.device) <= last[:, None, None, None]  # (b, 1, 1, length)
        met = F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)
        return self._refined(x[lines, last, None], met)

    def _refined(self, x: Tensor, met: Tensor) -> Tensor:
        """The steps `x`, `(b, length, dim)`, with what each has met, `(b, heads, length, dim / heads)`."""
        x = x + self.dropout(self.mix(met.transpose(1, 2).reshape(x.shape)))
        refined: Tensor = x + self.dropout(self.narrow(self.dropout(F.gelu(self.wide(self.before_wide(x))))))
        return refined


class Transformer(nn.Module):
    """State of each step of a sequence, seeing that step and those before it, or all that are real.

    Sequences are padded at the end, so that causality alone keeps the padding out of every real step.

    Parameters
    ----------
    dim : width of a step
    depth : number of blocks
    heads : attention heads; divides `dim`
    dropout : share of values dropped in training
    positions : how many places have a learnt vector, as many as the longest sequence; None for rotary ones
    """

    def __init__(self, dim: int, *, depth: int, heads: int, dropout: float, positions: int | None) -> None:
        super().__init__()
        self.positions = None if positions is None else nn.Parameter(torch.empty(positions, dim).normal_(std=0.02))
        self.turning = dim // heads // 2  # pairs of numbers of a query or key that are turned
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(dim, heads, dropout) for _ in range(depth))

    def forward(self, steps: Tensor, real: Tensor | None = None) -> Tensor:
        """`(b, length, dim)` -> `(b, length, dim)`; told which steps are real, `(b, length)`, each sees all of them."""
        seen = None if real is None else real[:, None, None, :]  # (b, 1, 1, length)
        x, turns = self._placed(steps)
        for block in self.blocks:
            x = block(x, turns, seen)
        return x

    def at(self, steps: Tensor, last: Tensor) -> Tensor:
        """The states of the steps `last`, `(b,)`, each of which sees those before it: `(b, length, dim)` -> `(b, dim)`.

        As `forward`, but the last block, whose other states nobody reads, is spared them.
        """
        x, turns = self._placed(steps)
        for block in self.blocks[:-1]:
            x = block(x, turns, None)
        final = self.blocks[-1]
        assert isinstance(final, _Block)
        return final.at(x, turns, last).squeeze(1)

    def _placed(self, steps: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """The steps as the first block reads them, and how each is turned by its place."""
        length = steps.shape[1]
        if self.positions is not None:
            return self.dropout(steps + self.positions[:length]), None
        return self.dropout(steps), _turns(length, self.turning, steps.device)


def _turns(length: int, pairs: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angle by which each place turns each pair, shape `(length, pairs)`."""
    speeds = _SLOWEST ** (-torch.arange(pairs, device=device) / max(1, pairs))
    angles = torch.arange(length, device=device)[:, None] * speeds
    return angles.cos(), angles.sin()


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """`x`, `(b, heads, length, width)`, with its pairs turned by their place; `cos` and `sin` `(..., pairs)`."""
    pairs = cos.shape[-1]
    one, other, rest = x[..., :pairs], x[..., pairs : 2 * pairs], x[..., 2 * pairs :]
    return torch.cat([one * cos - other * sin, one * sin + other * cos, rest], dim=-1).to(x.dtype)
