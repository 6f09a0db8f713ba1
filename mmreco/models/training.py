"""Training: how a model that learns by gradient is trained; one value for all of them."""

import math
from dataclasses import dataclass
from pathlib import Path

from mmreco.models.parameters import require, settle
from mmreco.nn.device import chosen

__all__ = ["Training"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """How long, how fast and where a model is trained.

    Parameters
    ----------
    epochs : 1 or more
        Passes over the events at most.
    patience : 1 or more, or None
        Passes without a better validation before training stops; None trains all `epochs` on all events and holds
        nothing out. Validation is looked at after each pass, and up to three times within one of more than 250,000
        events.
    learning_rate : above 0
        Step size of Adam.
    minutes : above 0, or None
        Training ends at the first look at validation after so long; None for no limit.
    seed : 0 or more
        Same seed, same machine, same number of threads: same result.
    device : "auto", "cpu" or "cuda"
    checkpoint : a folder, optional
        Where the state is kept at each look, so that the same call takes it up again after an interruption.

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> Training(epochs=5).patience
    5
    """

    epochs: int = 30
    patience: int | None = 5
    learning_rate: float = 0.003
    minutes: float | None = None
    seed: int = 0
    device: str = "auto"
    checkpoint: str | Path | None = None

    def __post_init__(self) -> None:
        settle(self)
        require(self.epochs >= 1, "epochs", self.epochs, "1 or more")
        require(self.patience is None or self.patience >= 1, "patience", self.patience, "1 or more, or None")
        require(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "above 0")
        require(self.minutes is None or 0 < self.minutes < math.inf, "minutes", self.minutes, "above 0, or None")
        require(self.seed >= 0, "seed", self.seed, "0 or more")
        folder = self.checkpoint is None or isinstance(self.checkpoint, (str, Path))
        require(folder, "checkpoint", self.checkpoint, "a folder, or None")
        chosen(self.device)
