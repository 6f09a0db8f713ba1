"""Trained: what every model that learns by gradient shares, so that its own file holds a network and a loss.

Validation inside `fit`, seeds, the device, the optimiser, averaged weights, early stopping, and the weights on disk.
"""

import hashlib
import json
import math
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mmreco import metrics
from mmreco.arrays import I64
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.request import Request
from mmreco.errors import DataError, IncompatibleError
from mmreco.models.base import Model, State
from mmreco.models.checkpoint import FolderCheckpoint
from mmreco.models.parameters import require
from mmreco.models.training import Training
from mmreco.models.validation import held_out, validations_per_epoch
from mmreco.nn.chance import seeded_globally
from mmreco.nn.device import chosen
from mmreco.nn.training_loop import train as train_loop
from mmreco.progress import progress as shown_progress
from mmreco.splitting import Holdout

__all__ = ["Trained"]

_WEIGHTS = "network."
_BETAS = (0.9, 0.98)

Network = TypeVar("Network", bound=nn.Module)


@dataclass(kw_only=True, eq=False)
class Trained(Model, Generic[Network]):
    """A model that learns by gradient. A final class adds `_network`, `_losses`, and how it answers.

    Parameters
    ----------
    training : how it is trained
        See `Training`.

    Attributes
    ----------
    scores_ : NDCG@10 at each look at validation
    epochs_ : the pass in or after which the weights were as they are kept
    continued_ : whether training began from the weights of another fit; true of an artefact that does not say
    seconds_ : how long `fit` took; NaN once loaded
    """

    _AVERAGING: ClassVar[float] = 0.997  # the weights that remain are averaged over some hundred steps
    _ORDERED: ClassVar[bool] = True  # whether it reads in what order a history came, and so is asked what comes next
    _PARTED: ClassVar[bool] = True  # whether validation is looked at within a pass over a long log, too
    _RESUMABLE: ClassVar[bool] = True  # whether the network is all that a resumed training needs

    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(isinstance(self.training, Training), "training", self.training, "Training(...)")
        require(
            self._RESUMABLE or self.training.checkpoint is None, "checkpoint", self.training.checkpoint, "None here"
        )

    # ---- what an author finishes

    @abstractmethod
    def _network(self, n_items: int) -> Network:
        """The network as it begins, its weights drawn from torch's generator."""

    @abstractmethod
    def _losses(self, train: Interactions, rng: np.random.Generator, done: float) -> Iterator[Tensor]:
        """The losses with `self.network_` between two looks, one a step, drawn one after the other.

        Chance comes from `rng` and, for tensors, `mmreco.nn.chance.generator()`.

        Parameters
        ----------
        train : what is learnt from until the next look: all users, or a part of them where the log is long
        rng : draws the batches
        done : passes that lie behind, 0 at the start; not whole within a pass of several parts
        """

    def _prepare(self, dataset: Dataset, train: Interactions) -> None:
        """What the network's shape depends on besides the number of items."""

    def _begin(self, dataset: Dataset, train: Interactions) -> None:
        """What the losses need beside the log, now that there is a network."""

    def _settle(self) -> None:
        """What answering needs beside the network, made from the weights as they are now."""

    def _finish(self, train: Interactions) -> None:
        """What is learnt last, when the weights are final and settled."""

    def _optimiser(self) -> torch.optim.Optimizer:
        """What moves the weights."""
        return torch.optim.AdamW(
            self.network_.parameters(), lr=self.training.learning_rate, betas=_BETAS, weight_decay=0.0, fused=True
        )

    def _averaging(self, train: Interactions) -> float:
        """The share of the running average of the weights that a step keeps."""
        return self._AVERAGING

    def _compiled(self, train: Interactions) -> AbstractContextManager[None]:
        """Where the network may run compiled."""
        return nullcontext()

    def _learnt_from(self) -> list[npt.NDArray[Any]]:
        """What is learnt from beside the log, for telling one training from another."""
        return []

    # ---- fit

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Learn from what users did.

        Raises
        ------
        DataError
            There is nothing to learn from: every user has fewer than two events.
        IncompatibleError
            The checkpoint belongs to another training.
        FloatingPointError
            The loss became infinite or undefined; lower `learning_rate`.
        """
        begun, training, train = perf_counter(), self.training, dataset.interactions
        if training.patience is None:
            validation = None
        elif validation is None:
            train, validation = held_out(train, training.seed, ordered=self._ORDERED)
        if not (train.lengths > 1).any():
            raise DataError(f"{train!r}: nobody has two events; expected histories to learn from")
        self.items_ = dataset.items
        self._prepare(dataset, train)
        with seeded_globally(training.seed):
            self.network_ = self._network(len(dataset.items)).to(chosen(training.device))
        self._carry_over(dataset)
        self._begin(dataset, train)
        parts = validations_per_epoch(train) if self._PARTED else 1
        bar = shown_progress(range(training.epochs * parts), description=type(self).__name__, shown=progress)

        def losses(look: int) -> Iterator[Tensor]:
            next(bar, None)
            part = train if parts == 1 else train.take(_part(len(train), look, parts, training.seed))
            return self._losses(part, np.random.default_rng([training.seed, look]), look / parts)

        with self._compiled(train):
            outcome = train_loop(
                self.network_,
                self._optimiser(),
                batches=losses,
                validate=None if validation is None else lambda: self._ndcg(validation),
                epochs=training.epochs * parts,
                patience=None if training.patience is None else training.patience * parts,
                seed=training.seed,
                memory=self._averaging(train),
                seconds=None if training.minutes is None else 60 * training.minutes,
                checkpoint=self._checkpoint(train, validation),
            )
        self.scores_ = tuple(outcome.scores if validation is not None else ())
        self.epochs_ = math.ceil(outcome.best / parts)
        self._settle()
        self._finish(train)
        self.seconds_ = perf_counter() - begun

    def refit(self, dataset: Dataset, *, validation: Holdout | None = None, progress: bool = False) -> Self:
        """Another model, trained from the weights this one has; see `Model.refit`.

        Parameters
        ----------
        dataset, validation, progress : as `Model.refit`

        Raises
        ------
        NotFittedError, DataError, IncompatibleError
            As `Model.refit`.
        """
        self._require_fitted()
        other: Self = replace(self)
        other.__dict__["_before"] = self
        try:
            return other.fit(dataset, validation=validation, progress=progress)
        finally:
            del other.__dict__["_before"]

    def _carry_over(self, dataset: Dataset) -> None:
        """Begin with the weights of the model before, an item's at its new row; what has another shape is new."""
        before: Trained[Network] | None = self.__dict__.get("_before")
        self.continued_ = before is not None
        if before is None:
            return
        was, rows = before.items_, before.items_.rows(dataset.items.array, missing="mark")
        weights, own = before._carried(self), self.network_.state_dict()
        with torch.no_grad():
            for name in own.keys() & weights.keys():
                new, old = own[name], weights[name].to(own[name].device)
                extra = old.shape[0] - len(was) if old.ndim else -1
                if 0 <= extra <= 1 and new.shape[0] - len(rows) == extra and new.shape[1:] == old.shape[1:]:
                    known = torch.from_numpy(np.flatnonzero(rows >= 0))
                    new[known.to(new.device)] = old[torch.from_numpy(rows[rows >= 0]).to(new.device)]
                elif new.shape == old.shape:
                    new.copy_(old)

    def _carried(self, after: "Trained[Network]") -> dict[str, Tensor]:
        """The weights that a model trained after this one may begin with."""
        return self.network_.state_dict()

    def _ndcg(self, holdout: Holdout) -> float:
        self._settle()
        ranking = self.recommend(Request(holdout.histories, at=holdout.at))
        return float(np.nanmean(metrics.ndcg(ranking, holdout.targets)))

    def _checkpoint(self, train: Interactions, validation: Holdout | None) -> FolderCheckpoint | None:
        """Where the state of this training, and of no other, is kept; None without a folder."""
        if self.training.checkpoint is None:
            return None
        config = self._config()
        config["training"] = {name: value for name, value in config["training"].items() if name != "checkpoint"}
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode() + train.items.checksum.encode())
        parts: list[npt.NDArray[Any]] = [
            train.starts,
            train.items_flat,
            train.event_types,
            train.weights,
            *self._learnt_from(),
        ]
        parts += [] if train.times is None else [train.times]
        parts += [] if validation is None else [validation.targets.items_flat, validation.histories.items_flat]
        for array in parts:
            digest.update(repr(array.shape).encode() + array.tobytes())
        return FolderCheckpoint(Path(self.training.checkpoint), digest.hexdigest())

    @property
    def _device(self) -> torch.device:
        """Where the network is."""
        return next(self.network_.parameters()).device

    # ---- kept

    def _state(self) -> State:
        weights = {_WEIGHTS + name: w.detach().cpu().numpy() for name, w in self.network_.state_dict().items()}
        return weights | {"scores": np.array(self.scores_), "epochs": np.array([self.epochs_, self.continued_])}

    def _restore(self, state: State) -> None:
        self._restore_network(state)
        self._settle()

    def _restore_network(self, state: State) -> None:
        weights = {n.removeprefix(_WEIGHTS): torch.tensor(w) for n, w in state.items() if n.startswith(_WEIGHTS)}
        self.scores_, self.epochs_ = tuple(state["scores"].tolist()), int(state["epochs"][0])
        self.continued_ = bool(state["epochs"][1:].all())  # artefacts of before do not say, and so may have been
        self.network_ = self._network(len(self.items_))
        try:
            self.network_.load_state_dict(weights)
        except RuntimeError as error:
            raise IncompatibleError(
                f"the weights of another version of {type(self).__name__}: {str(error).splitlines()[0]}; refit and save"
            ) from error
        self.network_.to(chosen(self.training.device)).eval()
        self.seconds_ = float("nan")


def _part(n: int, look: int, parts: int, seed: int) -> I64:
    """The rows of the users `look` learns from, each of `0..n-1` in one of the `parts` looks of a pass."""
    passed, part = divmod(look, parts)
    mixed = np.random.default_rng([seed, passed, parts]).permutation(n)
    return np.sort(np.array_split(mixed, parts)[part])
