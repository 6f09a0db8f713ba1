"""The training loop: passes over the data, averaged weights, early stopping, a state that survives interruption.

Source of the averaging: Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", 1992; here
the average forgets, and is corrected for its start as in Adam (Kingma & Ba, 2015).
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from mmreco.nn.chance import own_chance
from mmreco.nn.process_group import crew
from mmreco.nn.threads import MeasuredThreads

__all__ = ["Checkpoint", "Progress", "train"]

State = dict[str, Tensor]


class Checkpoint(Protocol):
    """Where the loop keeps its state between passes."""

    def save(self, state: State) -> None:
        """Keep this state in place of the one before."""

    def load(self) -> State | None:
        """The state kept last, None when there is none."""


@dataclass
class Progress:
    """How far training has come: the score on validation after each pass, and the best of them."""

    scores: list[float] = field(default_factory=list)
    best: int = 0
    """The pass, counted from 1, whose weights are kept; 0 before the first."""


def train(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    *,
    batches: Callable[[int], Iterable[Tensor]],
    validate: Callable[[], float] | None,
    epochs: int,
    patience: int | None,
    seed: int,
    memory: float = 0.0,
    seconds: float | None = None,
    checkpoint: Checkpoint | None = None,
) -> Progress:
    """Trains `module` in place and leaves it with the averaged weights of the best pass.

    Every pass draws from a generator seeded by `seed` and the pass alone, so that a run resumed from a
    checkpoint takes the same steps as one that was never interrupted. Losses draw from
    `mmreco.nn.chance.generator`; torch's global generator is left as it was found, also by trainings in
    other threads.

    Parameters
    ----------
    module : what learns
    optimiser : over the module's parameters
    batches : the losses of pass `p` (from 0), one a step, drawn one after the other
        Where several processes train together (see `mmreco.nn.process_group`), each its share of the loss.
    validate : a score, larger is better; the last weights are kept when omitted
    epochs : passes at most
    patience : passes without a better score before it stops; None never stops early
    seed : 0 or more
    memory : from 0 to below 1
        Share of the running average of the weights that a step keeps; 0 for the latest weights alone.
        Validation looks at the average, and the average is what remains.
    seconds : optional
        No pass begins once the call has taken so long; the first does.
    checkpoint : optional
        Where to keep the state after each pass, and to resume from.

    Returns
    -------
    Progress
        The scores of the passes and which one is kept.

    Raises
    ------
    FloatingPointError
        A loss is not finite.
    """
    together = crew()
    progress, begun = Progress(), time.monotonic()
    average = _Average(module, memory)
    kept: State = {}
    held = checkpoint.load() if checkpoint else None
    if held:
        progress = Progress([float(s) for s in held["progress.scores"]], int(held["progress.best"]))
        module.load_state_dict(_under(held, "module."))
        average.take(_under(held, "average."), int(held["progress.steps"]))
        kept = _under(held, "kept.")
        _restore_optimiser(optimiser, _under(held, "optimiser."))
    on_cpu = next(module.parameters()).device.type == "cpu"
    with own_chance(module) as reseed, MeasuredThreads(enabled=on_cpu) as threads:
        for number in range(len(progress.scores), epochs):
            if _finished(progress, patience if validate else None):
                break
            if seconds is not None and progress.scores:
                late = next(module.parameters()).new_tensor(time.monotonic() - begun >= seconds, dtype=torch.float32)
                if together.sum(late).item():  # processes that train together stop together
                    break
            reseed(seed * 100_003 + number)
            module.train()
            for loss in threads.over(batches(number)):
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                whole = together.sum(loss).item()
                if not math.isfinite(whole):
                    raise FloatingPointError(f"the loss became {whole} in pass {number + 1}")
                together.sum_gradients(module)
                optimiser.step()
                average.update()
            module.eval()
            latest = _copied(module.state_dict())
            module.load_state_dict(average.state)
            score = validate() if validate else float(number)
            if not progress.best or score > progress.scores[progress.best - 1]:
                progress.best = number + 1
                kept = _copied(average.state)
            module.load_state_dict(latest)
            progress.scores.append(score)
            if checkpoint and together.rank == 0:
                checkpoint.save(_state(module, optimiser, average, kept, progress))
    if kept:
        module.load_state_dict(kept)
    module.eval()
    return progress


class _Average:
    """A running average of a module's weights, an exact mean at first."""

    def __init__(self, module: nn.Module, memory: float) -> None:
        self._memory = memory
        now = module.state_dict()  # views of the weights, which change in place
        self.state: State = _copied(now)
        self.steps = 0
        self._pairs = [(self.state[name], value) for name, value in now.items()]

    def update(self) -> None:
        self.steps += 1
        share = max(1 - self._memory, 1 / (1 + self.steps)) if self._memory else 1.0
        with torch.no_grad():
            for mean, value in self._pairs:
                if value.is_floating_point():
                    mean.lerp_(value, share)
                else:
                    mean.copy_(value)  # a counter

    def take(self, state: State, steps: int) -> None:
        for name, value in state.items():
            self.state[name].copy_(value)
        self.steps = steps


def _copied(state: State) -> State:
    return {name: value.detach().clone() for name, value in state.items()}


def _finished(progress: Progress, patience: int | None) -> bool:
    return patience is not None and bool(progress.best) and len(progress.scores) - progress.best >= patience


def _state(
    module: nn.Module, optimiser: torch.optim.Optimizer, average: _Average, kept: State, progress: Progress
) -> State:
    state = {f"module.{name}": value for name, value in module.state_dict().items()}
    state |= {f"average.{name}": value for name, value in average.state.items()}
    state |= {f"kept.{name}": value for name, value in kept.items()}
    for number, values in optimiser.state_dict()["state"].items():
        state |= {f"optimiser.{number}.{name}": value for name, value in values.items()}
    state["progress.scores"] = torch.tensor(progress.scores, dtype=torch.float64)
    state["progress.best"] = torch.tensor(progress.best)
    state["progress.steps"] = torch.tensor(average.steps)
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}


def _under(state: State, prefix: str) -> State:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _restore_optimiser(optimiser: torch.optim.Optimizer, flat: State) -> None:
    numbers: dict[int, State] = {}
    for key, value in flat.items():
        number, _, name = key.partition(".")
        numbers.setdefault(int(number), {})[name] = value
    whole = optimiser.state_dict()
    whole["state"] = numbers
    optimiser.load_state_dict(whole)
