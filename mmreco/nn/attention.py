"""Causal self-attention over short sequences, pre-normalised.

Sources: Vaswani et al., "Attention is all you need", 2017; Kang & McAuley, "Self-attentive sequential
recommendation", 2018. Deviates from the latter by normalising before each half of a block and by GELU.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CausalTransformer"]


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
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        b, length, dim = x.shape
        parts = self.queries_keys_values(self.before_attention(x)).view(b, length, 3, self.heads, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # (b, heads, length, dim / heads) each
        met = F.scaled_dot_product_attention(
            queries, keys, values, is_causal=True, dropout_p=self.dropout.p if self.training else 0.0
        )
        x = x + self.dropout(self.mix(met.transpose(1, 2).reshape(b, length, dim)))
        refined: Tensor = x + self.dropout(self.narrow(self.dropout(F.gelu(self.wide(self.before_wide(x))))))
        return refined


class CausalTransformer(nn.Module):
    """State after each step of a sequence, seeing that step and those before it.

    Sequences are padded at the end, so that causality alone keeps the padding out of every real step.

    Parameters
    ----------
    dim : width of a step
    depth : number of blocks
    heads : attention heads; divides `dim`
    dropout : share of values dropped in training
    max_length : longest sequence there will be
    """

    def __init__(self, dim: int, *, depth: int, heads: int, dropout: float, max_length: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.empty(max_length, dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(dim, heads, dropout) for _ in range(depth))

    def forward(self, steps: Tensor) -> Tensor:
        """`(b, length, dim)` -> `(b, length, dim)`."""
        x: Tensor = self.dropout(steps + self.positions[: steps.shape[1]])
        for block in self.blocks:
            x = block(x)
        return x
