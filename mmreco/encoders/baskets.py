"""Baskets: what one user did at one moment is a set, and a history is a sequence of such sets.

The lines of an invoice have one time. No order among them is read, taught or asked, so nothing depends on how the
table was sorted.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mmreco.arrays import F32, I64
from mmreco.data.interactions import Interactions

__all__ = ["Baskets", "Steps"]


@dataclass(frozen=True, eq=False)
class Steps:
    """Windows of histories as a user tower reads them, a basket a step: `b` windows, padded to `length`.

    Parameters
    ----------
    rows : shape `(e,)`, int64
        Item rows of all events that are read.
    step : shape `(e,)`, int64
        The step of each event, of `b * length` counted row by row.
    share : shape `(e,)`, float32
        The part of its step that each event makes up: 1 over the size of its basket, below 0 where the event speaks
        against its item.
    kinds : shape `(b, length, n_kinds)`, float32
        How much of each step is of each kind of event; all zero in the padding.
    minutes : shape `(b, length)`, float32
        Minutes since the step before in the window; -1 where unknown.
    waits : shape `(b, length)`, float32
        Seconds until the step after, or after the last one until the question is asked; -1 where unknown.
    lengths : shape `(b,)`, int64
        Real steps of each window.
    """

    rows: Tensor
    step: Tensor
    share: Tensor
    kinds: Tensor
    minutes: Tensor
    waits: Tensor
    lengths: Tensor

    def to(self, device: torch.device) -> "Steps":
        """The same on another device."""
        given = (self.rows, self.step, self.share, self.kinds, self.minutes, self.waits, self.lengths)
        return Steps(*(tensor.to(device) for tensor in given))

    @property
    def real(self) -> Tensor:
        """Which steps are real, shape `(b, length)`."""
        return torch.arange(self.minutes.shape[1], device=self.lengths.device) < self.lengths[:, None]

    def pooled(self, vectors: Tensor) -> Tensor:
        """The mean of each step's item vectors: `(e, dim)` -> `(b, length, dim)`, zero in the padding."""
        b, length = self.minutes.shape
        total = vectors.new_zeros(b * length, vectors.shape[1])
        return total.index_add(0, self.step, vectors * self.share[:, None].to(vectors.dtype)).view(b, length, -1)


@dataclass(frozen=True, eq=False)
class Baskets:
    """A log of `n` users as `b` baskets: those of user `u` are `user_starts[u]:user_starts[u + 1]`, oldest first.

    Inside a basket events stand by item, whatever their order was.

    Parameters
    ----------
    user_starts : shape `(n + 1,)`
    starts : shape `(b + 1,)`
        Where each basket's events begin.
    items, kinds : shape `(e,)`
        Item rows, and kinds of event.
    weights : shape `(e,)`, float32
    event_names : by kind
    times : shape `(b,)`, milliseconds, or None
    """

    user_starts: I64
    starts: I64
    items: I64
    kinds: I64
    weights: F32
    event_names: tuple[str, ...]
    times: I64 | None

    @classmethod
    def of(cls, log: Interactions) -> "Baskets":
        """The baskets of a log; without times every event is one of its own, in the order given."""
        users, times, n = log.users_flat, log.times, len(log)
        if times is None:
            starts = np.arange(log.n_events + 1)
            return cls(log.starts, starts, log.items_flat, log.event_types, log.weights, log.event_names, None)
        order = np.lexsort((log.weights, log.event_types, log.items_flat, np.cumsum(log.begins_moment)))
        begins = np.flatnonzero(log.begins_moment)
        user_starts = np.zeros(n + 1, dtype=np.int64)
        np.cumsum(np.bincount(users[begins], minlength=n), out=user_starts[1:])
        return cls(
            user_starts,
            np.append(begins, log.n_events),
            log.items_flat[order],
            log.event_types[order],
            log.weights[order],
            log.event_names,
            times[begins],
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def sizes(self) -> I64:
        """Events a basket, shape `(b,)`."""
        return np.diff(self.starts)

    @cached_property
    def counts(self) -> I64:
        """Baskets a user, shape `(n,)`."""
        return np.diff(self.user_starts)

    @cached_property
    def users(self) -> I64:
        """The user of each basket, shape `(b,)`."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def events(self, baskets: I64) -> tuple[I64, I64]:
        """The events of these baskets, `(e,)`, and which of them, by place, each belongs to, `(e,)`."""
        sizes = self.sizes[baskets]
        before = np.cumsum(sizes) - sizes
        return np.repeat(self.starts[baskets] - before, sizes) + np.arange(sizes.sum()), np.repeat(
            np.arange(len(baskets)), sizes
        )

    def steps(self, starts: I64, lengths: I64, kinds: I64, n_kinds: int, *, asked: I64 | None = None) -> Steps:
        """The windows of baskets `starts[w] : starts[w] + lengths[w]`, padded to the longest.

        Parameters
        ----------
        starts, lengths : shape `(b,)`
            Windows of one basket or more that do not cross users.
        kinds : one number an entry of `event_names`
            The tower's number of each kind of event, from 0 to below `n_kinds`.
        n_kinds : 1 or more
            Kinds of event that the tower knows.
        asked : shape `(b,)`, milliseconds, optional
            When it is asked what comes after each window; at its last basket when omitted.
        """
        width = int(lengths.max())
        inside = np.arange(width) < lengths[:, None]  # (b, width)
        flat = np.where(inside, starts[:, None] + np.arange(width), 0)
        minutes, waits = (np.full(flat.shape, -1.0, dtype=np.float32) for _ in range(2))
        if self.times is not None:
            times = self.times[flat]
            minutes[:, 1:] = (times[:, 1:] - times[:, :-1]) / 60_000
            waits[:, :-1] = (times[:, 1:] - times[:, :-1]) / 1_000
            last = times[np.arange(len(times)), lengths - 1]
            waits[np.arange(len(times)), lengths - 1] = 0 if asked is None else np.maximum(asked - last, 0) / 1_000
        chosen = flat[inside]
        events, place = self.events(chosen)
        step = np.flatnonzero(inside)[place]
        share = (1 / self.sizes[chosen])[place].astype(np.float32)
        told = np.bincount(step * n_kinds + kinds[self.kinds[events]], weights=share, minlength=flat.size * n_kinds)
        return Steps(
            rows=torch.from_numpy(self.items[events]),
            step=torch.from_numpy(step),
            share=torch.from_numpy(np.where(self.weights[events] < 0, -share, share)),
            kinds=torch.from_numpy(told.reshape(*flat.shape, n_kinds).astype(np.float32)),
            minutes=torch.from_numpy(np.where(inside, minutes, -1.0).astype(np.float32)),
            waits=torch.from_numpy(np.where(inside, waits, -1.0).astype(np.float32)),
            lengths=torch.from_numpy(lengths),
        )
