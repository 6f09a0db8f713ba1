"""ListCVAE and ListGAN: slates that are generated whole, given the shopper and the response one wishes for.

Source: Jiang, Beutel, Beirami, Lin, Chi, "Beyond greedy ranking: slate optimization via list-CVAE", 2019. Followed: a
conditional variational auto-encoder of slates with a learnt prior, conditioned on the shopper and on how much of the
slate was clicked; a softmax over items a place; at serving the best response is wished for and places are decoded from
the top. Deviations: the wish is the share of clicks of the best logged slates, not all places clicked, which nobody has
seen; the items of a slate are never repeated, and caps and quotas of the shop hold in what is decoded. `ListGAN` puts a
conditional adversary (Mirza, Osindero, "Conditional generative adversarial nets", 2014) in the place of the evidence
lower bound, softened items (Jang et al., 2017: Gumbel-softmax) in the place of draws, and keeps a share of likelihood,
without which it collapses.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmreco.arguments import require_number, require_whole
from mmreco.arrays import F32, I64, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.nn.chance import generator, seeded_globally
from mmreco.nn.training_loop import train
from mmreco.pages.logs import PageLog
from mmreco.pages.rules import Filling, Rules
from mmreco.pages.slate_networks import SlateCVAE, SlateDecoder, SlateDiscriminator, slate_likelihood

__all__ = ["LearntLayout", "ListCVAE", "ListGAN", "SlateModel"]

_BATCH = 256
_AVERAGING = 0.99
_BEST = 0.99  # the wish is the share of clicks of this quantile of the log
_LIKELIHOOD = 1.0  # share of likelihood in what the generator of the GAN learns from
_TEMPERATURE = 0.7  # of softened items
_JUDGED = 64  # slates of a batch that the adversary sees


@dataclass(kw_only=True, eq=False)
class SlateModel(ABC):
    """A model that generates slates; a final class adds how it is trained and where codes come from.

    Parameters
    ----------
    dim : 1 or more
        Width of an item's vector.
    code : 1 or more
        Width of the code that slates are drawn from.
    hidden : 1 or more
        Width of the layers.
    epochs : 1 or more
        Passes over the log.
    learning_rate : above 0
    seed : 0 or more

    Attributes
    ----------
    items_ : what the slates are made of
    wish_ : the share of clicks that is wished for unless the caller says otherwise

    Raises
    ------
    DataError
        A parameter is outside its range.
    """

    dim: int = 16
    code: int = 8
    hidden: int = 128
    epochs: int = 20
    learning_rate: float = 0.003
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "code", "hidden", "epochs"):
            setattr(self, name, require_whole(name, getattr(self, name)))
        self.seed = require_whole("seed", self.seed, least=0)
        self.learning_rate = require_number("learning_rate", self.learning_rate, above=0)

    @abstractmethod
    def _train(self, shown: "_Shown", n_items: int) -> None:
        """Learn from what was shown."""

    @abstractmethod
    def _decoder(self, conditions: Tensor, noise: Tensor) -> tuple[SlateDecoder, Tensor]:
        """What decodes, and the codes it starts from, `(b, code)`."""

    def fit(self, log: PageLog) -> "SlateModel":
        """Learn from `log`, the slates that were shown and what was clicked on them; the model itself comes back.

        Raises
        ------
        DataError
            The log is empty.
        FloatingPointError
            The loss became infinite or undefined; lower `learning_rate`.
        """
        if not len(log) or not (log.slates >= 0).any():
            raise DataError(f"{type(self).__name__}.fit: the log shows nothing; expected slates with items")
        places = np.maximum((log.slates >= 0).sum(axis=1), 1)
        response = (log.clicks.sum(axis=1) / places).astype(np.float32)
        self.items_, self.width_, self.context_dim_ = log.items, log.width, log.contexts.shape[1]
        self.wish_ = float(np.quantile(response, _BEST))
        self.centre_ = log.contexts.mean(axis=0)
        self.spread_ = np.maximum(log.contexts.std(axis=0), 1e-6)
        self.response_spread_ = max(float(response.std()), 1e-6)
        conditions = self._conditions(log.contexts, response)
        clicks = torch.tensor(log.clicks, dtype=torch.float32)
        self._train(_Shown(torch.tensor(log.slates), clicks, conditions), len(log.items))
        return self

    def slates(
        self,
        contexts: F32,
        *,
        wish: float | None = None,
        available: Bool | None = None,
        rules: Rules | None = None,
        catalogue: Catalogue | None = None,
        seed: int | None = None,
    ) -> I64:
        """A slate for each shopper, item rows by place, shape `(n, width)`; -1 at the end of short ones.

        Parameters
        ----------
        contexts : shape `(n, c)`
            As in the log.
        wish : 0 to 1, optional
            The share of places one wishes to be clicked.
        available : shape `(n_items,)`, or `(n, n_items)` for a line a shopper; bool, optional
            What may stand on the slates.
        rules : caps and quotas that hold on every slate, optional
            With the `catalogue` whose columns they name, over the items of the log.
        catalogue : over the items of the log, optional
            Needed with rules.
        seed : 0 or more, optional
            Draws one of the slates that fit; without it the likeliest comes.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            `contexts` or `available` has another shape.
        IncompatibleError
            `catalogue` is over other items than the log.
        """
        if getattr(self, "items_", None) is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit(log) first")
        given = np.asarray(contexts, dtype=np.float32)
        if given.ndim != 2 or given.shape[1] != self.context_dim_:
            raise DataError(f"contexts of shape {given.shape}; expected (n, {self.context_dim_}), as in the log")
        if catalogue is not None and catalogue.items != self.items_:
            raise IncompatibleError(
                f"a catalogue of {len(catalogue)} items for slates of {len(self.items_)}; give that of the log's items"
            )
        n, n_items = len(given), len(self.items_)
        allowed = np.ones((n, n_items), dtype=bool)
        if available is not None:
            if np.shape(available) not in ((n_items,), (n, n_items)):
                raise DataError(f"available of shape {np.shape(available)}; expected ({n_items},) or ({n}, {n_items})")
            allowed &= available
        conditions = self._conditions(given, np.full(n, self.wish_ if wish is None else wish, dtype=np.float32))
        noise = torch.zeros(n, self.code)
        if seed is not None:
            noise = torch.randn(n, self.code, generator=torch.Generator().manual_seed(seed))
        with torch.inference_mode():
            decoder, codes = self._decoder(conditions, noise)
            return _decoded(
                decoder, *decoder.states(codes, conditions), _fillings(allowed, self.width_, rules, catalogue)
            )

    def _conditions(self, contexts: F32, response: F32) -> Tensor:
        scaled = (contexts - self.centre_) / self.spread_
        wished = response[:, None] / self.response_spread_
        return torch.tensor(np.concatenate([scaled, wished], axis=1), dtype=torch.float32)

    def _learn(
        self, network: torch.nn.Module, optimiser: torch.optim.Optimizer, losses: Callable[[int], Iterator[Tensor]]
    ) -> None:
        train(
            network,
            optimiser,
            batches=losses,
            validate=None,
            epochs=self.epochs,
            patience=None,
            seed=self.seed,
            memory=_AVERAGING,
        )

    def _batches(self, shown: "_Shown", number: int) -> "Iterator[_Shown]":
        order = torch.from_numpy(np.random.default_rng([self.seed, number]).permutation(len(shown.slates)))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            yield _Shown(shown.slates[rows], shown.clicks[rows], shown.conditions[rows])


class _Shown(NamedTuple):
    slates: Tensor  # (n, width)
    clicks: Tensor  # (n, width)
    conditions: Tensor  # (n, c + 1)


@final
@dataclass(kw_only=True, eq=False)
class ListCVAE(SlateModel):
    """Slates by a conditional variational auto-encoder.

    Parameters
    ----------
    beta : 0 or more
        Weight of the KL term.
    dim, code, hidden, epochs, learning_rate, seed : as `SlateModel`

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> items = IdMap.of(["hat", "cap", "shoe"])
    >>> slates = np.array([[0, 1], [2, 0]] * 64)
    >>> clicks = np.array([[True, True], [False, False]] * 64)
    >>> log = PageLog(items, slates, clicks, np.ones((128, 2)), np.zeros((128, 0)))
    >>> ListCVAE(epochs=20, hidden=16).fit(log).slates(np.zeros((1, 0)))
    array([[0, 1]])
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.beta = require_number("beta", self.beta, least=0)

    def _train(self, shown: _Shown, n_items: int) -> None:
        width, condition = shown.slates.shape[1], shown.conditions.shape[1]
        with seeded_globally(self.seed):
            self.network_ = SlateCVAE(n_items, width, condition, self.code, self.dim, self.hidden)

        def losses(number: int) -> Iterator[Tensor]:
            grown = self.beta * min(1.0, 3 * (number + 1) / self.epochs)
            for batch in self._batches(shown, number):
                yield self.network_.loss(batch.slates, batch.clicks, batch.conditions, grown)

        optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate)
        self._learn(self.network_, optimiser, losses)

    def _decoder(self, conditions: Tensor, noise: Tensor) -> tuple[SlateDecoder, Tensor]:
        return self.network_.decoder, self.network_.code(conditions, noise)


@final
@dataclass(kw_only=True, eq=False)
class ListGAN(SlateModel):
    """Slates by a generator that an adversary cannot tell from logged ones.

    Parameters
    ----------
    dim, code, hidden, epochs, learning_rate, seed : as `SlateModel`
    """

    def _train(self, shown: _Shown, n_items: int) -> None:
        width, condition = shown.slates.shape[1], shown.conditions.shape[1]
        with seeded_globally(self.seed):
            self.network_ = SlateDecoder(n_items, width, condition, self.code, self.dim, self.hidden)
            judge = SlateDiscriminator(width, condition + width, self.dim, self.hidden)
        learn = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate, betas=(0.5, 0.99))
        teach = torch.optim.Adam(judge.parameters(), lr=self.learning_rate, betas=(0.5, 0.99))

        def losses(number: int) -> Iterator[Tensor]:
            for slates, clicks, conditions in self._batches(shown, number):
                noise = torch.randn(len(slates), self.code, generator=generator())
                logits = self.network_(noise, conditions, clicks, slates)
                chance = torch.empty_like(logits[:_JUDGED]).exponential_(generator=generator())
                some = F.softmax((logits[:_JUDGED] - chance.log()) / _TEMPERATURE, dim=2)  # Gumbel's softmax
                false = (some @ self.network_.items.weight[:-1]).flatten(1)
                real = self.network_.read(slates[:_JUDGED]).detach()
                told = torch.cat([conditions, clicks], dim=1)[:_JUDGED]
                # a real slate beside another's response is false too: so the response is read
                other = told[torch.randperm(len(told), generator=generator())]
                verdict = F.relu(1 - judge(real, told)).mean() + F.relu(1 + judge(false.detach(), told)).mean()
                verdict = verdict + 0.5 * F.relu(1 + judge(real, other)).mean()
                teach.zero_grad(set_to_none=True)
                verdict.backward()  # type: ignore[no-untyped-call]
                teach.step()
                said = slate_likelihood(logits, slates).mean()
                yield -judge(false, told).mean() - _LIKELIHOOD * said

        self._learn(self.network_, learn, losses)

    def _decoder(self, conditions: Tensor, noise: Tensor) -> tuple[SlateDecoder, Tensor]:
        return self.network_, noise


@dataclass(frozen=True, eq=False)
class LearntLayout:
    """Which shelf stands where, by a model that learnt it from a `PageLog` of kinds; for `PageComposer(layout=)`.

    Parameters
    ----------
    model : fitted on a log whose items are kinds of shelves, see `PageLog.of_pages`
    contexts : histories to what is known of the shoppers, as in the log
    """

    model: SlateModel
    contexts: Callable[[Interactions], F32]

    def arrange(self, histories: Interactions, kinds: Sequence[str], available: Bool) -> I64:
        """The columns of `kinds` from the top down; those that the model does not know, or does not name, come last.

        Parameters
        ----------
        histories, kinds, available : as `ArrangesShelves.arrange`
        """
        items = self.model.items_
        rows = items.rows(list(kinds), missing="mark")
        known = np.zeros((len(histories), len(items)), dtype=bool)
        for column, row in enumerate(rows.tolist()):
            if row >= 0:
                known[:, row] |= available[:, column]
        slates = self.model.slates(self.contexts(histories), available=known)
        order = np.full(available.shape, -1, dtype=np.int64)
        for line in range(len(order)):
            named = [c for row in slates[line].tolist() if row >= 0 for c in np.flatnonzero(rows == row).tolist()]
            wanted = [column for column in named if available[line, column]]
            wanted += [column for column in np.flatnonzero(available[line]).tolist() if column not in wanted]
            order[line, : len(wanted)] = wanted
        return order


class _Free:
    """What may still stand on slates without rules: anything that is available and not there yet."""

    def __init__(self, available: Bool) -> None:
        self.open = available

    def allowed(self) -> Bool:
        return self.open

    def choose(self, lines: I64, rows: I64) -> None:
        self.open[lines, rows] = False


class _Ruled:
    """The same where caps and quotas hold."""

    def __init__(self, available: Bool, width: int, rules: Rules, catalogue: Catalogue | None) -> None:
        self.rows = [np.flatnonzero(line) for line in available]
        self.fillings = [Filling(catalogue, rows, width, rules) for rows in self.rows]
        self.shape = available.shape

    def allowed(self) -> Bool:
        open_ = np.zeros(self.shape, dtype=bool)
        for line, (rows, filling) in enumerate(zip(self.rows, self.fillings, strict=True)):
            open_[line, rows] = filling.allowed()
        return open_

    def choose(self, lines: I64, rows: I64) -> None:
        for line, row in zip(lines.tolist(), rows.tolist(), strict=True):
            self.fillings[line].choose(int(np.searchsorted(self.rows[line], row)))


def _fillings(available: Bool, width: int, rules: Rules | None, catalogue: Catalogue | None) -> _Free | _Ruled:
    if rules is None or not (rules.caps or rules.quotas):
        return _Free(available)
    return _Ruled(available, width, rules, catalogue)


def _decoded(decoder: SlateDecoder, wanted: Tensor, liked: Tensor, free: _Free | _Ruled) -> I64:
    """From the top down the likeliest item that may stand there, a click wished for everywhere, `(n, width)`."""
    n = len(wanted)
    slates = np.full((n, decoder.width), -1, dtype=np.int64)
    above = torch.zeros(n, decoder.dim)
    for place in range(decoder.width):
        logits = decoder.at(wanted[:, place], liked, torch.ones(n, 1), above).numpy()  # (n, n_items)
        allowed = free.allowed()
        best = np.where(allowed, logits, -np.inf).argmax(axis=1)
        lines = np.flatnonzero(allowed[np.arange(n), best])
        slates[lines, place] = best[lines]
        free.choose(lines, best[lines])
        above = above + decoder.read(torch.tensor(slates[:, place : place + 1]))
    return slates
