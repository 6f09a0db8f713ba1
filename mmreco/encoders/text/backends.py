"""The numbers a text model computes in: as it was trained, in bfloat16, or with weights of eight bits.

Dettmers, Lewis, Belkada, Zettlemoyer, "LLM.int8(): 8-bit matrix multiplication for transformers at scale", 2022,
without its treatment of outliers, which models of this size do not need: weights are rounded once, a scale a row;
what flows between layers is rounded on the way, a scale a batch; layer norms, attention and pooling stay as they are.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from mmreco.errors import DataError

__all__ = ["BACKENDS", "narrowed"]

BACKENDS = ("torch", "bfloat16", "int8")


def narrowed(model: Any, backend: str) -> None:
    """The model changed in place to compute in these numbers on the CPU.

    Raises
    ------
    DataError
        `backend` is none of `BACKENDS`, or this processor or torch has no multiplication of int8.
    """
    if backend not in BACKENDS:
        raise DataError(f"TextEncoder: backend={backend!r}; expected one of {', '.join(BACKENDS)}")
    if backend == "bfloat16":
        model.to(torch.bfloat16)
    elif backend == "int8":
        for module in list(model.modules()):
            for name, child in list(module.named_children()):
                if type(child) is nn.Linear:
                    setattr(module, name, _Int8Linear(child))


def _sums_overflow() -> bool:
    """Whether this processor adds products of eight bits in sixteen, as those of x86 without VNNI do."""
    has_vnni = getattr(torch.cpu, "_is_vnni_supported", None)  # torch has no public name for it
    return "AVX" in torch.backends.cpu.get_cpu_capability() and (has_vnni is None or not has_vnni())


class _Int8Linear(nn.Module):
    """A linear layer with int8 weights, packed for the processor; what it reads has seven bits where sums overflow."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach().float()  # (out, in)
        self._reduced = _sums_overflow()
        scales = (weight.abs().amax(dim=1) / 127).clamp(min=1e-12).double()  # (out,)
        try:
            with warnings.catch_warnings():  # torch announces that its quantised tensors will move
                warnings.simplefilter("ignore")
                rounded = torch.quantize_per_channel(
                    weight, scales, torch.zeros(len(scales), dtype=torch.int64), 0, torch.qint8
                )
                bias = None if layer.bias is None else layer.bias.detach().float()
                self._packed = torch.ops.quantized.linear_prepack(rounded, bias)
        except (AttributeError, RuntimeError) as error:
            raise DataError(
                f"TextEncoder: backend='int8': this torch has no multiplication of int8 here ({str(error)[:120]}); "
                "use 'bfloat16' or 'torch'"
            ) from error

    def forward(self, x: Tensor) -> Tensor:
        """`(..., in)` -> `(..., out)`."""
        out: Tensor = torch.ops.quantized.linear_dynamic(x, self._packed, self._reduced)
        return out
