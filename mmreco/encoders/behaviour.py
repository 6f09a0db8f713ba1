"""BehaviourEncoder: what a shopper did becomes a vector beside the items'."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmreco.arrays import F32, I64
from mmreco.data.interactions import Interactions
from mmreco.encoders.baskets import Baskets
from mmreco.errors import DataError, IncompatibleError
from mmreco.nn.batching import buckets
from mmreco.nn.behaviour import BehaviourTower
from mmreco.protocols import HoldsVectors

__all__ = ["BehaviourEncoder"]


@dataclass(frozen=True, eq=False, kw_only=True)
class BehaviourEncoder:
    """Histories in, user vectors of unit length out, in the space of the item vectors.

    Parameters
    ----------
    tower : what reads a history; trained (see `mmreco.models.sharedspace.SharedSpace`)
    items : a vector for each item that a history may hold
        Of wider vectors the first columns are read, as many as a user vector has.
    event_names : kinds of event the tower knows; number `i` here is the tower's `i + 1`, 0 is any other
    cold_user_vector : shape `(dim,)`
        The answer to an empty history.
    max_length : steps read of a history, the latest; a step is all that happened at one moment
    """

    tower: BehaviourTower
    items: HoldsVectors
    event_names: tuple[str, ...]
    cold_user_vector: F32
    max_length: int

    @property
    def dim(self) -> int:
        """The width of a user vector."""
        return len(self.cold_user_vector)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) over the tower's weights and the items' fingerprint."""
        digest = hashlib.sha256(repr((self.items.fingerprint, self.event_names, self.max_length)).encode())
        for name, weights in sorted(self.tower.state_dict().items()):
            digest.update(name.encode() + weights.detach().cpu().numpy().tobytes())
        return digest.hexdigest()

    def encode(self, contents: Interactions, *, at: I64 | None = None, batch_size: int = 1_024) -> F32:
        """A vector for each history, shape `(n, dim)`, unit length: where what comes next lies.

        Parameters
        ----------
        contents : `n` histories over `items.ids`
        at : shape `(n,)`, milliseconds since 1970 UTC, optional
            When each is asked about; just after the newest event of each when omitted. It says nothing where events
            have no times.
        batch_size : optional
            Histories of the longest kind read at a time; shorter ones are read more at a time.

        Raises
        ------
        IncompatibleError
            The histories are over other items.
        DataError
            `batch_size` is below 1.
        """
        return self.directions(contents, at=at, batch_size=batch_size)[0]

    def directions(self, contents: Interactions, *, at: I64 | None = None, batch_size: int = 1_024) -> tuple[F32, F32]:
        """Where what comes next lies, and where what comes within the horizon does, shape `(n, dim)` each.

        The two are one for a tower that was taught the next step alone. `contents`, `at`, `batch_size` and errors are
        as in `encode`.
        """
        if batch_size < 1:
            raise DataError(f"batch_size={batch_size}: expected 1 or more")
        if contents.items != self.items.ids:
            raise IncompatibleError(
                f"histories over {len(contents.items)} items; expected the {len(self.items.ids)} known"
            )
        baskets = Baskets.of(contents)
        lengths = np.minimum(baskets.counts, self.max_length)
        starts = baskets.user_starts[1:] - lengths
        kinds = self.kinds(contents.event_names)
        device = next(self.tower.parameters()).device
        following = np.tile(self.cold_user_vector.astype(np.float32), (len(contents), 1))  # (n, dim)
        later = following if self.tower.later is None else following.copy()
        nonempty = np.flatnonzero(lengths)
        if self.tower.training:
            self.tower.eval()
        with torch.inference_mode():
            for bucket in buckets(lengths[nonempty], batch_size * self.max_length):
                chosen = nonempty[bucket]
                asked = None if at is None else at[chosen]
                batch = baskets.steps(starts[chosen], lengths[chosen], kinds, 1 + len(self.event_names), asked=asked)
                vectors = torch.tensor(self.items.vectors_of(batch.rows.numpy())[:, : self.dim], device=device)
                batch = batch.to(device)
                steps = (batch.pooled(vectors), batch.kinds, batch.minutes, batch.waits)
                last = self.tower.at(*steps, batch.lengths - 1)  # (b, dim)
                following[chosen] = _unit(last)
                if self.tower.later is not None:
                    later[chosen] = _unit(self.tower.later(last))
        return following, later

    def kinds(self, names: tuple[str, ...]) -> I64:
        """The tower's number of each kind of event in `names`, 0 for one it does not know."""
        known = {name: number for number, name in enumerate(self.event_names, start=1)}
        return np.array([known.get(name, 0) for name in names], dtype=np.int64)


def _unit(vectors: Tensor) -> F32:
    found: F32 = torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()
    return found
