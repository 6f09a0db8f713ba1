"""BehaviourEncoder: what a shopper did becomes a vector beside the items'."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmreco.arrays import F32, I64
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError
from mmreco.nn.batching import buckets
from mmreco.nn.behaviour import BehaviourTower

__all__ = ["BehaviourEncoder", "Steps", "steps"]


@dataclass(frozen=True, eq=False)
class Steps:
    """A few windows of histories as the tower reads them: `b` windows, padded at the end to `length`.

    Parameters
    ----------
    rows : shape `(b, length)`, int64
        Item rows; 0 in the padding.
    events : shape `(b, length)`, int64
        Kinds of event in the tower's numbering; 0 is unknown.
    minutes : shape `(b, length)`, float32
        Minutes since the event before in the window; -1 where unknown.
    lengths : shape `(b,)`, int64
        Real steps of each window.
    """

    rows: Tensor
    events: Tensor
    minutes: Tensor
    lengths: Tensor

    def to(self, device: torch.device) -> "Steps":
        """The same on another device."""
        return Steps(*(t.to(device) for t in (self.rows, self.events, self.minutes, self.lengths)))


def steps(histories: Interactions, starts: I64, lengths: I64, kinds: I64) -> Steps:
    """The windows `starts[w] : starts[w] + lengths[w]` of the flat events, padded to the longest.

    Parameters
    ----------
    starts, lengths : shape `(b,)`
        Windows of one event or more that do not cross users.
    kinds : one number an entry of `histories.event_names`
        The tower's number of each kind of event.
    """
    width = int(lengths.max())
    inside = np.arange(width) < lengths[:, None]  # (b, width)
    flat = np.where(inside, starts[:, None] + np.arange(width), 0)
    minutes = np.full(flat.shape, -1.0, dtype=np.float32)
    if histories.times is not None:
        times = histories.times[flat]
        minutes[:, 1:] = (times[:, 1:] - times[:, :-1]) / 60_000
    return Steps(
        rows=torch.from_numpy(np.where(inside, histories.items_flat[flat], 0)),
        events=torch.from_numpy(np.where(inside, kinds[histories.event_types[flat]], 0)),
        minutes=torch.from_numpy(np.where(inside, minutes, -1.0).astype(np.float32)),
        lengths=torch.from_numpy(lengths),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class BehaviourEncoder:
    """Histories in, user vectors of unit length out, in the space of the item vectors.

    Parameters
    ----------
    tower : what reads a history; trained (see `mmreco.models.sharedspace.SharedSpace`)
    items : a vector for each item that a history may hold
    event_names : kinds of event the tower knows; number `i` here is the tower's `i + 1`, 0 is any other
    cold_user_vector : shape `(dim,)`
        The answer to an empty history.
    max_length : events read of a history, the latest
    """

    tower: BehaviourTower
    items: Embeddings
    event_names: tuple[str, ...]
    cold_user_vector: F32
    max_length: int

    @property
    def dim(self) -> int:
        """The width of a user vector."""
        return self.items.dim

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) over the tower's weights and the items' fingerprint."""
        digest = hashlib.sha256(repr((self.items.fingerprint, self.event_names, self.max_length)).encode())
        for name, weights in sorted(self.tower.state_dict().items()):
            digest.update(name.encode() + weights.detach().cpu().numpy().tobytes())
        return digest.hexdigest()

    def encode(self, contents: Interactions, *, batch_size: int = 1_024) -> F32:
        """A vector for each history, shape `(n, dim)`, unit length.

        Parameters
        ----------
        contents : `n` histories over `items.ids`
        batch_size : optional
            Histories of the longest kind read at a time; shorter ones are read more at a time.

        Raises
        ------
        IncompatibleError
            The histories are over other items.
        DataError
            `batch_size` is below 1.
        """
        if batch_size < 1:
            raise DataError(f"batch_size={batch_size}: expected 1 or more")
        if contents.items != self.items.ids:
            raise IncompatibleError(f"histories over {len(contents.items)} items; expected the {len(self.items)} known")
        lengths = np.minimum(contents.lengths, self.max_length)
        starts = contents.starts[1:] - lengths
        kinds = self.kinds(contents.event_names)
        device = next(self.tower.parameters()).device
        out = np.tile(self.cold_user_vector.astype(np.float32), (len(contents), 1))  # (n, dim)
        asked = np.flatnonzero(lengths)
        self.tower.eval()
        with torch.inference_mode():
            for bucket in buckets(lengths[asked], batch_size * self.max_length):
                chosen = asked[bucket]
                batch = steps(contents, starts[chosen], lengths[chosen], kinds)
                vectors = torch.from_numpy(self.items.vectors[batch.rows.numpy()]).to(device)
                batch = batch.to(device)
                last = self.tower.at(vectors, batch.events, batch.minutes, batch.lengths - 1)  # (b, dim)
                out[chosen] = torch.nn.functional.normalize(last, dim=1).cpu().numpy()
        return out

    def kinds(self, names: tuple[str, ...]) -> I64:
        """The tower's number of each of these kinds of event, 0 for one it does not know."""
        known = {name: number for number, name in enumerate(self.event_names, start=1)}
        return np.array([known.get(name, 0) for name in names], dtype=np.int64)
