"""Chance of a training's own, so that trainings in several threads neither disturb each other nor anybody else.

torch's global generator is one for all threads: to seed it, draw and put it back is safe for one thread alone. So on a
CPU a training draws from a generator of its own, kept by thread and handed out by `generator`. What cannot be given
one draws from the global generator, a thread at a time: initial weights, layers of torch's that draw by themselves, and
whatever is on a GPU.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["generator", "own_chance", "seeded_globally"]

_one_at_a_time = threading.RLock()
_of_thread = threading.local()

_DRAWING = (nn.modules.dropout._DropoutNd, nn.MultiheadAttention, nn.RNNBase)


def generator() -> torch.Generator | None:
    """What to draw from here: the generator of the training this thread is in; None for torch's global one."""
    own: torch.Generator | None = getattr(_of_thread, "generator", None)
    return own


@contextmanager
def seeded_globally(seed: int) -> Iterator[None]:
    """torch's global generators begin at `seed` meanwhile, one thread at a time; afterwards they are as they were."""
    with _one_at_a_time, torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


@contextmanager
def own_chance(module: nn.Module) -> Iterator[Callable[[int], object]]:
    """While `module` is trained in this thread, `generator` gives what to draw from; the callable seeds it.

    A module on a GPU, or with layers of torch's that draw by themselves, draws from the global generator, and no other
    training does meanwhile.
    """
    if _draws_globally(module):
        with _one_at_a_time, torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield torch.manual_seed
        return
    before = generator()
    _of_thread.generator = own = torch.Generator()
    try:
        yield own.manual_seed
    finally:
        _of_thread.generator = before


def _draws_globally(module: nn.Module) -> bool:
    if any(weights.device.type != "cpu" for weights in module.parameters()):
        return True
    layers = [layer for layer in module.modules() if isinstance(layer, _DRAWING)]
    return any(getattr(layer, "p", 0) or getattr(layer, "dropout", 0) for layer in layers)
