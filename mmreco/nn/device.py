"""Where tensors live."""

import torch

from mmreco.errors import DataError

__all__ = ["chosen"]


def chosen(device: str) -> torch.device:
    """The device that "auto" (a GPU when there is one), "cpu" or "cuda" means here.

    Raises
    ------
    DataError
        `device` is none of these, or "cuda" where torch sees no GPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise DataError(f"device={device!r}: expected 'auto', 'cpu' or 'cuda'")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise DataError("device='cuda': torch sees no GPU; use device='auto' or 'cpu'")
    return torch.device("cuda" if there and device != "cpu" else "cpu")
