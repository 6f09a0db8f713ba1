"""Trained: what every model that learns by gradient shares, so that its own file holds a network and a loss.

Validation inside `fit`, seeds, the device, the optimiser, averaged weights, early stopping, and the weights on disk.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mmreco import metrics
from mmreco.arrays import I64
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError
from mmreco.models.base import ScoreModel, State, VectorModel, _Model
from mmreco.models.validation import held_out, looks
from mmreco.nn.device import chosen
from mmreco.nn.training_loop import train as train_loop
from mmreco.progress import progress as shown_progress
from mmreco.splitting import Holdout

__all__ = ["Trained", "require"]

_WEIGHTS = "network."

Network = TypeVar("Network", bound=nn.Module)


def require(said: bool, name: str, given: Any, expected: str) -> None:
    """Nothing, or an error that names the parameter.

    Raises
    ------
    DataError
        `said` is not so.
    """
    if not said:
        raise DataError(f"{name}={given!r}: expected {expected}")


@dataclass(kw_only=True, eq=False)
class Trained(_Model, Generic[Network]):
    """A model that learns by gradient. A final class adds `_network`, `_losses`, and how it answers.

    Parameters
    ----------
    epochs : 1 or more
        Passes over the events at most.
    patience : 1 or more, or None
        Looks at validation without a better NDCG@10 before training stops; None trains all `epochs` on all events
        and never looks. There is a look after each pass, and up to three within one of more than 250,000 events.
    learning_rate : above 0
        Step size of Adam.
    minutes : above 0, or None
        Training ends at the first look after so long; None for no limit.
    seed, device : as everywhere
        Same seed, same machine, same result. `device` is "auto", "cpu" or "cuda".

    Attributes
    ----------
    scores_ : NDCG@10 at each look at validation
    epochs_ : the pass in or after which the weights were as they are kept
    seconds_ : how long `fit` took; NaN once loaded

    Raises
    ------
    DataError
        A parameter is outside its range.
    """

    _MEMORY: ClassVar[float] = 0.997  # the weights that remain are averaged over some hundred steps
    _DECAY: ClassVar[float] = 0.0  # of the weights, a step
    _ORDERED: ClassVar[bool] = True  # whether it reads in what order a history came, and so is asked what comes next
    _PARTED: ClassVar[bool] = True  # whether validation is looked at within a pass over a long log, too

    epochs: int = 30
    patience: int | None = 5
    learning_rate: float = 0.003
    minutes: float | None = None
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "epochs", self.epochs, "1 or more")
        require(self.patience is None or self.patience >= 1, "patience", self.patience, "1 or more, or None")
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "above 0")
        require(self.minutes is None or self.minutes > 0, "minutes", self.minutes, "above 0, or None")
        chosen(self.device)

    # ---- what an author finishes

    @abstractmethod
    def _network(self, n_items: int) -> Network:
        """The network as it begins, its weights drawn from torch's generator."""

    @abstractmethod
    def _losses(self, train: Interactions, rng: np.random.Generator, done: float) -> Iterator[Tensor]:
        """The losses with `self.network_` between two looks, one a step, drawn one after the other.

        Parameters
        ----------
        train : what is learnt from until the next look: all users, or a part of them where the log is long
        done : passes that lie behind, 0 at the start; not whole within a pass of several parts
        """

    def _settle(self) -> None:
        """What answering needs beside the network, made from the weights as they are now."""

    def _finish(self, train: Interactions) -> None:
        """What is learnt last, when the weights are final and settled."""

    # ---- fit

    def fit(self, train: Interactions, *, validation: Holdout | None = None, progress: bool = False) -> Self:
        """Learn from what users did.

        Parameters
        ----------
        train : what users did
        validation : optional
            What tells when to stop. When omitted, some of the events of every tenth user are held out for it, if
            that makes 50 users to ask: the last of each, or a fifth of them where the model knows no order.
        progress : optional
            Whether to show a bar over the passes.

        Raises
        ------
        DataError
            There is nothing to learn from: every user has fewer than two events.
        IncompatibleError
            `validation` is over other items.
        FloatingPointError
            The loss became infinite or undefined; lower `learning_rate`.
        """
        begun = perf_counter()
        if validation is not None and validation.histories.items != train.items:
            raise IncompatibleError("validation is over other items than train; split one set of events")
        if self.patience is None:
            validation = None
        elif validation is None:
            train, validation = held_out(train, self.seed, ordered=self._ORDERED)
        if not (train.lengths > 1).any():
            raise DataError(f"{train!r}: nobody has two events; expected histories to learn from")
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(self.seed)
            self.network_ = self._network(len(train.items)).to(chosen(self.device))
        self.items_ = train.items
        parts = looks(train) if self._PARTED else 1
        bar = shown_progress(range(self.epochs * parts), description=type(self).__name__, shown=progress)

        def losses(look: int) -> Iterator[Tensor]:
            next(bar, None)
            part = train if parts == 1 else train.take(_part(len(train), look, parts, self.seed))
            return self._losses(part, np.random.default_rng([self.seed, look]), look / parts)

        outcome = train_loop(
            self.network_,
            torch.optim.AdamW(
                self.network_.parameters(),
                lr=self.learning_rate,
                betas=(0.9, 0.98),
                weight_decay=self._DECAY,
                fused=True,
            ),
            batches=losses,
            validate=None if validation is None else lambda: self._ndcg(validation),
            epochs=self.epochs * parts,
            patience=self.patience,
            seed=self.seed,
            memory=self._MEMORY,
            seconds=None if self.minutes is None else 60 * self.minutes,
        )
        self.scores_ = tuple(outcome.scores if validation is not None else ())
        self.epochs_ = math.ceil(outcome.best / parts)
        self._settle()
        self._finish(train)
        self.seconds_ = perf_counter() - begun
        return self

    def _ndcg(self, asked: Holdout) -> float:
        self._settle()
        if not isinstance(self, (ScoreModel, VectorModel)):
            raise TypeError(f"{type(self).__name__} recommends nothing; it has no NDCG")
        return float(np.nanmean(metrics.ndcg(self.recommend(asked.histories, 10), asked.targets)))

    @property
    def _device(self) -> torch.device:
        """Where the network is."""
        return next(self.network_.parameters()).device

    # ---- kept

    def _state(self) -> State:
        weights = {_WEIGHTS + name: w.detach().cpu().numpy() for name, w in self.network_.state_dict().items()}
        return weights | {"scores": np.array(self.scores_), "epochs": np.array([self.epochs_])}

    def _restore(self, state: State) -> None:
        weights = {n.removeprefix(_WEIGHTS): torch.tensor(w) for n, w in state.items() if n.startswith(_WEIGHTS)}
        self.scores_, self.epochs_ = tuple(state["scores"].tolist()), int(state["epochs"][0])
        self.network_ = self._network(len(self.items_))
        try:
            self.network_.load_state_dict(weights)
        except RuntimeError as error:
            raise IncompatibleError(
                f"the weights of another version of {type(self).__name__}: {str(error).splitlines()[0]}; refit and save"
            ) from error
        self.network_.to(chosen(self.device)).eval()
        self.seconds_ = float("nan")
        self._settle()


def _part(n: int, look: int, parts: int, seed: int) -> I64:
    """The rows of the users `look` learns from, each of `0..n-1` in one of the `parts` looks of a pass."""
    passed, part = divmod(look, parts)
    mixed = np.random.default_rng([seed, passed, parts]).permutation(n)
    return np.sort(np.array_split(mixed, parts)[part])
