"""SequenceGAN: writes histories that might have been, event after event, and learns from a judge that reads them.

Sources: Yu, Zhang, Wang, Yu, "SeqGAN: sequence generative adversarial nets with policy gradient", 2017 (a recurrent
generator is trained by likelihood first, then by REINFORCE with a discriminator's verdict as reward); de Masson
d'Autume, Rosca, Rae, Mohamed, "Training language GANs from scratch", 2019 (a recurrent discriminator judges after every
event, so that no rollouts are needed; returns are discounted, with a running baseline).

Deviations: the generator ends when a length drawn from the log is reached, and writes no item twice where nobody in
the log has one twice; a share of likelihood stays in the loss of the adversarial rounds, which keeps the generator from
writing a few safe histories over and over. As the generator predicts the next event, it recommends like any other
reader of histories.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.arrays import I64, frozen
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.models.base import State
from mmreco.models.parameters import require
from mmreco.models.sequence import SequenceModel, SequenceNetwork
from mmreco.models.windows import padded, weighing
from mmreco.nn.chance import seeded_globally
from mmreco.nn.recurrent import Recurrent

__all__ = ["SequenceGAN"]

_BATCH = 64  # histories a round, true and written
_WRITTEN = 512  # histories written at a time
_DISCOUNT = 0.9  # of a reward, an event further on
_BASELINE = 0.9  # share of the running mean reward that a round keeps
_LIKELIHOOD = 0.5  # weight of prediction true histories in the adversarial rounds
_SLOWER = 0.1  # the generator's step in the adversarial rounds, in learning rates
_KEPT = 4_096  # lengths of true histories remembered


class _Generator(SequenceNetwork):
    def __init__(self, n_items: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, dim)  # the last row is the beginning
        nn.init.normal_(self.items.weight, std=dim**-0.5)
        self.read = Recurrent("gru", dim, depth=1, dropout=dropout)
        self.norm = nn.LayerNorm(dim)

    def places(self) -> Tensor:
        return self.items.weight[:-1]

    def states(self, rows: Tensor, real: Tensor) -> Tensor:
        """One more state than rows, `(b, 1 + length, dim)`: the first stands before any event."""
        states: Tensor = self.norm(self._read(rows))
        return states

    def last(self, rows: Tensor, real: Tensor) -> Tensor:
        return self.begin(rows, real)[0]

    def begin(self, rows: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """The state after the last real event, `(b, dim)`, and the cell's memory of it, `(1, b, dim)`."""
        memory = self._read(rows)[torch.arange(len(rows), device=rows.device), real.sum(dim=1)]  # (b, dim)
        return self.norm(memory), memory[None]

    def step(self, rows: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """The same one event, `(b,)`, later."""
        states, memory = self.read.cells(self._steps(rows[:, None]), memory)
        return self.norm(states[:, 0]), memory

    def _read(self, rows: Tensor) -> Tensor:
        return self.read.memory(self._steps(F.pad(rows, (1, 0), value=self.items.num_embeddings - 1)))

    def _steps(self, rows: Tensor) -> Tensor:
        steps: Tensor = self.items(rows) * self.items.embedding_dim**0.5
        return steps


class _Discriminator(nn.Module):
    def __init__(self, n_items: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, dim)
        self.read = Recurrent("gru", dim, depth=1, dropout=dropout)
        self.judge = nn.Linear(dim, 1)

    def forward(self, rows: Tensor) -> Tensor:
        """Item rows `(b, length)` -> the logit, after each event, of the history being true, `(b, length)`."""
        logits: Tensor = self.judge(self.read.memory(self.items(rows))).squeeze(2)
        return logits


def returns(rewards: Tensor, real: Tensor, discount: float) -> Tensor:
    """What each event earns from itself on, rewards further on discounted, `(b, length)`; 0 where it is not real."""
    earned, ahead = torch.zeros_like(rewards), rewards.new_zeros(len(rewards))
    for step in reversed(range(rewards.shape[1])):
        ahead = (rewards[:, step] + discount * ahead) * real[:, step]
        earned[:, step] = ahead
    return earned


@final
@dataclass(kw_only=True, eq=False)
class SequenceGAN(SequenceModel[_Generator]):
    """A sequence generator trained adversarially: generates histories, and predicts the next item of real ones.

    Parameters
    ----------
    rounds : 0 or more
        Adversarial rounds once the likelihood is learnt; 0 for a generator that no discriminator has trained.
    dim, dropout, max_length, negatives : as `SequenceModel`
    training : how it is trained, see `Training`

    Attributes
    ----------
    discriminator_accuracy_ : how often the discriminator was right in the last rounds; 0.5 is a guess, NaN without
        rounds

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import Dataset, IdMap, Training
    >>> shop = IdMap.of(["hat", "cap", "shoe", "sock"])
    >>> events = Interactions.from_histories([["hat", "cap"], ["shoe", "sock"]] * 20, items=shop)
    >>> model = SequenceGAN(dim=16, training=Training(epochs=20), rounds=5)
    >>> model = model.fit(Dataset.from_interactions(events))
    >>> model.generate(3)
    Interactions(3 users, 6 events, 4 items)
    """

    max_length: int = 50
    rounds: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.rounds >= 0, "rounds", self.rounds, "0 or more")

    def _network(self, n_items: int) -> _Generator:
        return _Generator(n_items, self.dim, self.dropout)

    def _loss(self, rows: Tensor, real: Tensor, weights: Tensor) -> Tensor:
        asked = real & (weights != 0)
        users = self.network_.states(rows[:, :-1], real[:, :-1])[asked]  # (t, dim); the first event is predicted too
        return self._contrast(users, rows[asked], weights[asked])

    # ---- the adversarial rounds

    def _finish(self, train: Interactions) -> None:
        lengths = np.minimum(train.lengths[train.lengths > 0], self.max_length)
        rng = np.random.default_rng([self.training.seed, self.training.epochs])
        self.lengths_ = frozen(np.sort(rng.choice(lengths, min(len(lengths), _KEPT), replace=False)), np.int64)
        pairs = train.users_flat * len(train.items) + train.items_flat
        self.repeats_ = len(np.unique(pairs)) < len(pairs)
        self.discriminator_accuracy_ = float("nan")
        if self.rounds:
            with seeded_globally(self.training.seed):
                self._compete(train, rng)
            self._settle()
        super()._finish(train)

    def _compete(self, train: Interactions, rng: np.random.Generator) -> None:
        judge = _Discriminator(len(train.items), self.dim, self.dropout).to(self._device)
        teach = torch.optim.Adam(judge.parameters(), lr=self.training.learning_rate)
        learn = torch.optim.Adam(self.network_.parameters(), lr=_SLOWER * self.training.learning_rate)
        able = np.flatnonzero(train.lengths)
        baseline, right = None, []
        for _ in range(self.rounds):
            users = rng.choice(able, min(_BATCH, len(able)), replace=False)
            lengths = np.minimum(train.lengths[users], self.max_length)
            rows, real = (t.to(self._device) for t in padded(train, train.starts[users + 1] - lengths, lengths))
            weights = weighing(train, train.starts[users + 1] - lengths, lengths).to(self._device)
            empty = rows.new_zeros(len(rows), 0)
            barred = torch.zeros(len(rows), len(self.items_), dtype=torch.bool, device=self._device)
            written = self._written(empty, empty.bool(), barred, int(lengths.max()), self._chance(rng))  # (b, length)
            self.network_.train()
            judge.train()
            true, false = judge(rows)[real], judge(written)[real]
            verdict = F.softplus(-true).mean() + F.softplus(false).mean()
            teach.zero_grad(set_to_none=True)
            verdict.backward()  # type: ignore[no-untyped-call]
            teach.step()
            right.append(float(((true > 0).float().mean() + (false < 0).float().mean()) / 2))
            with torch.no_grad():
                rewards = 2 * torch.sigmoid(judge(written)) - 1  # (b, length)
                earned = returns(rewards, real, _DISCOUNT)[real]  # (t,)
            mean = float(earned.mean())
            baseline = mean if baseline is None else _BASELINE * baseline + (1 - _BASELINE) * mean
            states = self.network_.states(written[:, :-1], real[:, :-1])[real]  # (t, dim)
            said = F.cross_entropy(states @ self.network_.places().T, written[real], reduction="none")  # (t,)
            loss = ((earned - baseline) * said).mean() + _LIKELIHOOD * self._loss(rows, real, weights)
            learn.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            learn.step()
        self.discriminator_accuracy_ = float(np.mean(right[-20:]))
        self.network_.eval()

    # ---- written

    def generate(self, n: int, *, seed: int = 0) -> Interactions:
        """`n` generated histories, their lengths drawn from the log's.

        Parameters
        ----------
        n : 0 or more
            The users are named "generated-1" and so on; there are no times.
        seed : 0 or more
            Of what is drawn.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            `n` is below 0.
        """
        self._require_fitted()
        if n < 0:
            raise DataError(f"n={n}: expected 0 or more")
        nobody = Interactions.from_histories(
            [[]] * n, items=self.items_, users=[f"generated-{u + 1}" for u in range(n)]
        )
        rng = np.random.default_rng(seed)
        return self._continued(nobody, rng.choice(self.lengths_, n), rng)

    def extend(self, histories: Interactions, n: int, *, seed: int = 0) -> Interactions:
        """These histories, each with `n` more generated events.

        Parameters
        ----------
        histories : `u` users
            Their kinds of event, weights and times are not kept.
        n : 0 or more
            Fewer where there is no item left that the user has not had.
        seed : 0 or more
            Of what is drawn.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            `n` is below 0.
        IncompatibleError
            `histories` are over other items.
        """
        self._require_fitted()
        self._require_items(histories)
        if n < 0:
            raise DataError(f"n={n}: expected 0 or more")
        return self._continued(histories, np.full(len(histories), n), np.random.default_rng(seed))

    def _continued(self, histories: Interactions, more: I64, rng: np.random.Generator) -> Interactions:
        """`histories`, user `u` with `more[u]` events drawn one after the other."""
        chance = self._chance(rng)
        had = histories.matrix()  # (n, n_items)
        if not self.repeats_:
            more = np.minimum(more, len(self.items_) - np.diff(had.indptr))
        lengths = np.minimum(histories.lengths, self.max_length)
        owners, rows = [histories.users_flat], [histories.items_flat]
        for start in range(0, len(histories), _WRITTEN):
            part = slice(start, start + _WRITTEN)
            known, real = padded(histories, histories.starts[1:][part] - lengths[part], lengths[part])
            barred = torch.from_numpy(had[part].toarray() > 0)
            known, real, barred = known.to(self._device), real.to(self._device), barred.to(self._device)
            written = self._written(known, real, barred, int(more[part].max()), chance).cpu().numpy()  # (b, length)
            line, step = np.nonzero(np.arange(written.shape[1]) < more[part, None])
            owners.append(start + line)
            rows.append(written[line, step])
        return Interactions.from_events(histories.users, self.items_, np.concatenate(owners), np.concatenate(rows))

    def _written(self, known: Tensor, real: Tensor, barred: Tensor, length: int, chance: torch.Generator) -> Tensor:
        """Item rows that go on from each known history, `(b, length)`, drawn by the generator as it is now.

        `barred`, `(b, n_items)`, is what may not be written where nobody has an item twice; it is written to.
        """
        network, line = self.network_.eval(), torch.arange(len(known), device=known.device)
        written = known.new_zeros(len(known), length)
        with torch.no_grad():
            state, memory = network.begin(known, real)
            for step in range(length):
                scores = state @ network.places().T  # (b, n_items)
                if not self.repeats_:
                    scores = scores.masked_fill(barred, float("-inf"))
                luck = torch.empty_like(scores).exponential_(generator=chance).log()
                took = (scores - luck).argmax(dim=1)  # Gumbel: a draw from the softmax, (b,)
                barred[line, took] = True
                written[:, step] = took
                state, memory = network.step(took, memory)
        return written

    def _chance(self, rng: np.random.Generator) -> torch.Generator:
        return torch.Generator(device=self._device).manual_seed(int(rng.integers(1 << 62)))

    def _state(self) -> State:
        about = {
            "lengths": self.lengths_,
            "repeats": np.array([self.repeats_]),
            "apart": np.array([self.discriminator_accuracy_]),
        }
        return {**super()._state(), **about}

    def _restore(self, state: State) -> None:
        super()._restore(state)
        self.lengths_, self.repeats_ = state["lengths"], bool(state["repeats"][0])
        self.discriminator_accuracy_ = float(state["apart"][0])
