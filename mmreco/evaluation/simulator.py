"""SlateSimulator: shoppers who click on slates of items, with known chances, to try out what makes slates.

Ideas: RecSim (Ie et al., "RecSim: a configurable simulation platform for recommender systems", 2019) and the click
model of GeMS (Deffayet et al., "Generative slate recommendation with reinforcement learning", 2023): places are looked
at less the lower they are, an item attracts by taste and appeal, what was shown lately tires, and an item beside a like
one is clicked less. Every effect has its own number, and 0 takes it away.
"""

from dataclasses import dataclass

import numpy as np

from mmreco.arguments import require_number, require_whole
from mmreco.arrays import F32, F64, I64, Bool, frozen
from mmreco.errors import DataError

__all__ = ["SlateSimulator", "slate_simulator"]


@dataclass(frozen=True, eq=False)
class SlateSimulator:
    """Shoppers and items with known chances of a click.

    Parameters
    ----------
    tastes : shape `(n_users, dim)`, float32
    items : shape `(n_items, dim)`, float32
        Unit vectors; the inner product with a taste says how much a shopper likes an item, their cosine how alike
        items are.
    appeal : shape `(n_items,)`, float32
        What everybody likes in it; added to the liking, a logit.
    attention : shape `(width,)`, float64
        The chance that each place is seen.
    likeness : 0 to 1
        How much of its attraction an item loses that is the same as one above it; 0 for no effect of the slate.
    fatigue : 0 to 1
        How much of its attraction an item loses each time it was shown to the shopper before.
    """

    tastes: F32
    items: F32
    appeal: F32
    attention: F64
    likeness: float
    fatigue: float

    def __post_init__(self) -> None:
        for name, dtype in (
            ("tastes", np.float32),
            ("items", np.float32),
            ("appeal", np.float32),
            ("attention", np.float64),
        ):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))
        for name in ("likeness", "fatigue"):
            object.__setattr__(self, name, require_number(name, getattr(self, name), least=0, most=1))
        if self.tastes.shape[1:] != self.items.shape[1:] or self.appeal.shape != (len(self.items),):
            raise DataError(
                f"simulator: tastes {self.tastes.shape}, items {self.items.shape}, appeal {self.appeal.shape}; "
                "expected (n_users, dim), (n_items, dim), (n_items,)"
            )

    @property
    def width(self) -> int:
        """Places of a slate."""
        return len(self.attention)

    def attraction(self, users: I64) -> F64:
        """The chance that each of `users` clicks an item that is seen, alone on the slate, shape `(n, n_items)`."""
        logits = self.tastes[users] @ self.items.T + self.appeal
        return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))

    def chances(self, users: I64, slates: I64, *, shown: I64 | None = None) -> F64:
        """The chance of a click on each place, shape `(n, width)`; 0 where the slate is short.

        Parameters
        ----------
        users : shape `(n,)`
        slates : shape `(n, width)`
            Item rows, -1 at the end of short ones.
        shown : shape `(n, n_items)`, optional
            How often each item was shown to the shopper before.

        Raises
        ------
        DataError
            The slates are not `(n, width)`, or hold a row beyond the items.
        """
        rows, there = self._slates(users, slates)
        lines = np.arange(len(rows))[:, None]
        chances = self.attraction(users)[lines, rows] * self.attention
        alike = self._likeness(rows, there)
        chances *= 1 - self.likeness * alike
        if shown is not None:
            chances *= (1 - self.fatigue) ** np.asarray(shown, dtype=np.float64)[lines, rows]
        return np.where(there, chances, 0.0)

    def clicks(self, users: I64, slates: I64, rng: np.random.Generator, *, shown: I64 | None = None) -> Bool:
        """What is clicked, drawn, shape `(n, width)`.

        Parameters
        ----------
        users, slates, shown : as `chances`
        rng : draws the clicks
        """
        chances = self.chances(users, slates, shown=shown)
        return rng.random(chances.shape) < chances

    def best(self, users: I64) -> I64:
        """The slates for `users` of one who knows all chances, shape `(n, width)`.

        Place by place the item that adds most. The best there is where likeness has no effect; else nearly so.
        """
        attraction = self.attraction(users)
        slates = np.full((len(users), self.width), -1, dtype=np.int64)
        nearest = np.zeros(attraction.shape)
        for place in range(self.width):
            gain = attraction * (1 - self.likeness * nearest)
            if place:
                np.put_along_axis(gain, slates[:, :place], -np.inf, axis=1)
            slates[:, place] = gain.argmax(axis=1)
            alike = self.items[slates[:, place]] @ self.items.T
            nearest = np.maximum(nearest, alike)
        return slates

    def distance(self, slates: I64) -> F64:
        """The mean of 1 - cosine over the pairs of each of `slates`, shape `(n,)`."""
        vectors = self.items[np.maximum(slates, 0)]
        cosines = np.einsum("nid,njd->nij", vectors, vectors)
        pairs = np.triu_indices(slates.shape[1], 1)
        return np.asarray(1 - cosines[:, pairs[0], pairs[1]].mean(axis=1), dtype=np.float64)

    def _likeness(self, rows: I64, there: Bool) -> F64:
        """The largest cosine to an item above, 0 at least, shape `(n, width)`."""
        vectors = self.items[rows] * there[:, :, None]
        cosines = np.einsum("nid,njd->nij", vectors, vectors)
        above = np.tril(np.ones(cosines.shape[1:]), -1)
        return np.asarray(np.clip(cosines * above, 0, 1).max(axis=2), dtype=np.float64)

    def _slates(self, users: I64, slates: I64) -> tuple[I64, Bool]:
        given = np.asarray(slates)
        if given.shape != (len(users), self.width) or (given.size and given.max() >= len(self.items)):
            raise DataError(
                f"simulator: slates of shape {given.shape}, largest row {given.max(initial=-1)}; expected "
                f"({len(users)}, {self.width}), rows below {len(self.items)}"
            )
        return np.maximum(given, 0), given >= 0


def slate_simulator(
    n_users: int = 1_000,
    n_items: int = 300,
    width: int = 6,
    *,
    likeness: float = 0.9,
    fatigue: float = 0.0,
    seed: int = 0,
) -> SlateSimulator:
    """A simulator of drawn shoppers and items; the same numbers give the same one.

    Items lie around a dozen themes and shoppers like two of them most, so that the best items by themselves are alike.

    Parameters
    ----------
    n_users, n_items : 1 or more
    width : 1 or more
        Places of a slate.
    likeness : 0 to 1
        The share of its chance that an item loses to one just like it above it on the slate.
    fatigue : 0 to 1
        The share of its chance that an item loses each time it is shown again.
    seed : 0 or more

    Raises
    ------
    DataError
        A count is below 1, or `likeness` or `fatigue` is outside 0 to 1.
    """
    n_users, n_items = require_whole("n_users", n_users), require_whole("n_items", n_items)
    width, seed = require_whole("width", width), require_whole("seed", seed, least=0)
    rng = np.random.default_rng(seed)
    dim, themes = 8, 12
    centres = rng.normal(size=(themes, dim))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    items = centres[rng.integers(themes, size=n_items)] + 0.25 * rng.normal(size=(n_items, dim))
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    liked = np.stack([rng.choice(themes, 2, replace=False) if themes > 1 else [0, 0] for _ in range(n_users)])
    tastes = 2.0 * centres[liked[:, 0]] + 1.6 * centres[liked[:, 1]] + 0.3 * rng.normal(size=(n_users, dim))
    return SlateSimulator(
        tastes=tastes.astype(np.float32),
        items=items.astype(np.float32),
        appeal=(0.4 * rng.normal(size=n_items) - 2.5).astype(np.float32),
        attention=1 / np.log2(np.arange(2, width + 2)),
        likeness=likeness,
        fatigue=fatigue,
    )
