"""Evidence: plain facts about a history and an item that speak for or against the one turning to the other.

What `LogisticProfile` weighs. Every fact is one number for each pair of history and item, known for unseen users and
new items too, and 0 where nothing is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import F32, frozen
from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError
from mmreco.models.base import State
from mmreco.models.sparse_state import sparse_from_state, sparse_state
from mmreco.models.time_decay import recent, weights_since_newest

__all__ = ["PairFeatures"]

_KINDS = ("category", "brand")
_DOUBT = 5.0  # events, or reviews, it takes to be believed half the way


@dataclass(frozen=True, eq=False)
class PairFeatures:
    """The items' side of every fact; `between` brings the histories' side.

    Parameters
    ----------
    half_life_days : above 0
        What lies so many days back counts half, where a fact is about what is recent.
    traits : name of a fact that is the item's own to its values, shape `(n_items,)`
        `popular`, `lately`, `stars`, `reviewed`, `sentiment`.
    kinds : "category", "brand" to the items' values, sparse `(n_items, c)`, each row summing to 1 or 0
    usual : the same names to how often people turn to each value, shape `(c,)`
    price : shape `(n_items,)`, optional
        The logarithm of the price in standard deviations from the mean, NaN where unknown.
    timed : whether events have times
    """

    half_life_days: float
    traits: dict[str, F32]
    kinds: dict[str, sp.csr_array]
    usual: dict[str, F32]
    price: F32 | None
    timed: bool

    @classmethod
    def of(
        cls,
        train: Interactions,
        half_life_days: float,
        *,
        catalogue: Catalogue | None = None,
        reviews: Reviews | None = None,
        sentiment: F32 | None = None,
    ) -> Self:
        """What a log says of its items, and a catalogue, reviews and their sentiment where there are some.

        Raises
        ------
        DataError
            A price is no finite number, or `sentiment` is not one finite number an item.
        """
        n_items, items = len(train.items), train.items
        totals = np.maximum(np.bincount(train.items_flat, weights=train.weights, minlength=n_items), 0)
        traits = {"popular": np.log1p(totals)}
        if train.times is not None:
            late = np.bincount(train.items_flat, weights=weights_since_newest(train, half_life_days), minlength=n_items)
            traits["lately"] = np.log1p(np.maximum(late, 0))
        if reviews is not None:
            traits.update(_reviewed(reviews, items))
        if sentiment is not None:
            said = np.asarray(sentiment, dtype=np.float32)
            if said.shape != (n_items,) or not np.isfinite(said).all():
                raise DataError(f"sentiment: shape {said.shape}; expected one finite number an item, ({n_items},)")
            traits["sentiment"] = said - said.mean() if n_items else said
        kinds, usual = {}, {}
        for name in _KINDS if catalogue is not None else ():
            if catalogue is not None and catalogue.has(name):
                bags = Attributes.from_catalogue(catalogue, columns=[name]).aligned(items).matrix()  # (n_items, c)
                sizes = bags.sum(axis=1)
                kinds[name] = bags.multiply(1 / np.where(sizes > 0, sizes, 1)[:, None]).tocsr().astype(np.float32)
                mass = totals @ kinds[name] + 1
                usual[name] = frozen(mass / mass.sum(), np.float32)
        price = _price(catalogue, items) if catalogue is not None and catalogue.has("price") else None
        frozen_traits = {name: frozen(values, np.float32) for name, values in traits.items()}
        return cls(half_life_days, frozen_traits, kinds, usual, price, train.times is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """The facts, in the order of `between`."""
        turned = [name for kind in self.kinds for name in ((kind, f"{kind}_lately") if self.timed else (kind,))]
        own = ["had", "had_lately"] if self.timed else ["had"]
        return (*self.traits, *turned, *(["price"] if self.price is not None else []), *own)

    def between(self, histories: Interactions) -> Iterator[F32]:
        """Each fact in turn, shape `(n, n_items)`, or `(n_items,)` where it is the item's own."""
        yield from self.traits.values()
        matrix = histories.matrix().maximum(0)  # (n, n_items); what speaks against an item is no turn to it
        late = recent(histories, self.half_life_days).maximum(0) if self.timed else matrix
        for name, values in self.kinds.items():
            for weights in (matrix, late) if self.timed else (matrix,):
                yield _lift(weights, values, self.usual[name])
        if self.price is not None:
            yield _fit(matrix, self.price)
        yield np.log1p(matrix.toarray())
        if self.timed:
            yield np.log1p(late.toarray())

    def _state(self) -> State:
        state: State = {f"trait.{name}": values for name, values in self.traits.items()}
        for name, values in self.kinds.items():
            state |= {**sparse_state(values, f"kind.{name}."), f"kind.{name}.usual": self.usual[name]}
        if self.price is not None:
            state["price"] = self.price
        return {**state, "timed": np.array([int(self.timed)])}

    @classmethod
    def _restored(cls, state: State, half_life_days: float, n_items: int) -> Self:
        traits = {name.removeprefix("trait."): state[name] for name in _TRAITS if name in state}
        kinds, usual = {}, {}
        for name in _KINDS:
            if f"kind.{name}.usual" in state:
                usual[name] = state[f"kind.{name}.usual"]
                kinds[name] = sparse_from_state(state, len(usual[name]), f"kind.{name}.")
        return cls(half_life_days, traits, kinds, usual, state.get("price"), bool(state["timed"][0]))


_TRAITS = tuple(f"trait.{name}" for name in ("popular", "lately", "stars", "reviewed", "sentiment"))


def _lift(weights: sp.csr_array, values: sp.csr_array, usual: F32) -> F32:
    """By how much more than usual each history turns to each item's kind, as a logarithm, shape `(n, n_items)`."""
    turned = (weights @ values).toarray()  # (n, c), in events
    mass = turned.sum(axis=1, keepdims=True)  # (n, 1)
    lift = np.log((turned / usual + _DOUBT) / (mass + _DOUBT)).astype(np.float32)  # (n, c)
    mean: F32 = (values @ lift.T).T  # (n, n_items), of the item's kinds where it has several
    return mean


def _fit(weights: sp.csr_array, price: F32) -> F32:
    """How near each item's price is to the mean of the history's, 0 or less, shape `(n, n_items)`."""
    known = ~np.isnan(price)
    filled = np.where(known, price, 0).astype(np.float32)
    mass = weights @ known.astype(np.float32)  # (n,)
    usual = (weights @ filled) / np.where(mass > 0, mass, 1)
    return -np.abs(filled - usual[:, None]) * (known & (mass > 0)[:, None])


def _price(catalogue: Catalogue, items: IdMap) -> F32:
    prices = np.array([np.nan if p is None else float(p) for p in catalogue.column("price")], dtype=np.float64)
    if np.isinf(prices).any() or (prices < 0).any():
        first = int((np.isinf(prices) | (prices < 0)).argmax())
        raise DataError(f"catalogue: price {prices[first]} in row {first}; expected finite numbers of 0 or more")
    rows = catalogue.items.rows(items.array, missing="mark")
    own = np.where(rows >= 0, np.append(np.log1p(prices), np.nan)[rows], np.nan)  # (n_items,)
    known = ~np.isnan(own)
    if known.any():
        own = (own - own[known].mean()) / max(float(own[known].std()), 1e-6)
    return frozen(own, np.float32)


def _reviewed(reviews: Reviews, items: IdMap) -> dict[str, F32]:
    rows = items.rows(reviews.items.array, missing="mark")[reviews.items_flat]  # (r,)
    starred = (rows >= 0) & ~np.isnan(reviews.ratings)
    counts = np.bincount(rows[rows >= 0], minlength=len(items))
    stars = np.bincount(rows[starred], weights=reviews.ratings[starred], minlength=len(items))
    given = np.bincount(rows[starred], minlength=len(items))
    mean = float(reviews.ratings[starred].mean()) if starred.any() else 3.0
    return {"stars": (stars - given * mean) / (given + _DOUBT), "reviewed": np.log1p(counts)}
