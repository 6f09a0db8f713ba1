"""Self-attention over whole sequences, padding left out, pre-normalised: what reads a text with gaps.

Sources: Vaswani et al., "Attention is all you need", 2017; Sun et al., "BERT4Rec: sequential recommendation with
bidirectional encoder representations from Transformer", 2019. Deviates from the latter by normalising before each half
of a block.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MaskedTransformer"]

_WIDER = 4  # the wide layer of a block, in widths of a step


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(dim)
        self.queries_keys_values = nn.Linear(dim, 3 * dim)
        self.mix = nn.Linear(dim, dim)
        self.before_wide = nn.LayerNorm(dim)
        self.wide = nn.Linear(dim, _WIDER * dim)
        self.narrow = nn.Linear(_WIDER * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        b, length, dim = x.shape
        parts = self.queries_keys_values(self.before_attention(x)).view(b, length, 3, self.heads, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # (b, heads, length, dim / heads) each
        met = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=seen, dropout_p=self.dropout.p if self.training else 0.0
        )
        x = x + self.dropout(self.mix(met.transpose(1, 2).reshape(b, length, dim)))
        refined: Tensor = x + self.dropout(self.narrow(F.gelu(self.wide(self.before_wide(x)))))
        return refined


class MaskedTransformer(nn.Module):
    """State of each step of a sequence, seeing all real steps, those after it too.

    Steps are expected about as long as positions begin, 1: where items are read louder, their order is lost. Positions
    count from the last real step backwards, so that "the latest" is the same place in every history.

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
        self.positions = nn.Parameter(torch.empty(max_length, dim).normal_(std=dim**-0.5))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(dim, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    def forward(self, steps: Tensor, real: Tensor) -> Tensor:
        """`(b, length, dim)` and which steps are real `(b, length)` -> `(b, length, dim)`."""
        from_end = real.sum(dim=1, keepdim=True) - 1 - torch.arange(real.shape[1], device=real.device)  # (b, length)
        x: Tensor = self.dropout(steps + self.positions[from_end.clamp(min=0)])
        seen = real[:, None, None, :]  # (b, 1, 1, length)
        for block in self.blocks:
            x = block(x, seen)
        states: Tensor = self.norm(x)
        return states
