"""How a pretrained network is tuned: small steps whose size rises and falls, in an order that the seed gives.

Source: Devlin et al., "BERT: Pre-training of deep bidirectional transformers for language understanding", 2018 (Adam,
a rise over the first tenth of the steps, a fall in a line).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mmreco.arrays import I64
from mmreco.errors import DataError
from mmreco.nn.threads import MeasuredThreads
from mmreco.progress import progress

__all__ = ["checked", "descend", "shuffled"]

_RISE = 0.1  # share of the steps in which the rate rises
_NORM = 1.0  # of the gradient at most
_DECAY = 0.01


def checked(*, epochs: int, batch_size: int, rate: float, seed: int) -> None:
    """Whether these options of a tuning make sense.

    Raises
    ------
    DataError
        `epochs` is below 1, `batch_size` below 2, `seed` below 0, or `rate` not above 0.
    """
    for name, value, least in (("epochs", epochs, 1), ("batch_size", batch_size, 2), ("seed", seed, 0)):
        if value < least:
            raise DataError(f"{name}={value}: expected {least} or more")
    if not rate > 0:
        raise DataError(f"rate={rate}: expected above 0")


def shuffled(n: int, *, epochs: int, batch_size: int, seed: int) -> list[I64]:
    """Rows below `n` in batches of nearly one size, `batch_size` at most; every pass in an order of its own."""
    draw = np.random.default_rng(seed)
    return [part for _ in range(epochs) for part in np.array_split(draw.permutation(n), -(-n // batch_size))]


def descend(
    modules: Mapping[nn.Module, float],
    batches: Sequence[I64],
    loss_of: Callable[[I64], Tensor],
    *,
    what: str,
    shown: bool,
) -> None:
    """Take one step for each batch; what the modules learn stays in them.

    Parameters
    ----------
    modules : each with its rate at the highest
        Together they are clipped to a gradient of length 1.
    batches : of rows
    loss_of : the loss of a batch, a scalar
    what : the losses are of, for the error
    shown : whether to show a bar

    Raises
    ------
    FloatingPointError
        The loss is not finite.
    """
    optimiser = torch.optim.AdamW(
        [{"params": list(module.parameters()), "lr": rate} for module, rate in modules.items()], weight_decay=_DECAY
    )
    steps = len(batches)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _share(step, steps))
    weights = [weight for module in modules for weight in module.parameters()]
    with MeasuredThreads(enabled=weights[0].device.type == "cpu") as threads:
        for rows in threads.over(progress(batches, total=steps, description="tuning", shown=shown)):
            loss = loss_of(rows)
            if not loss.isfinite():
                raise FloatingPointError(f"the loss of {what} became {loss.item()}")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(weights, _NORM)
            optimiser.step()
            schedule.step()


def _share(step: int, steps: int) -> float:
    """Of the highest rate at this step: up in a line, down in a line."""
    rise = max(1, round(_RISE * steps))
    return (step + 1) / rise if step < rise else max(0.0, (steps - step) / max(1, steps - rise))
