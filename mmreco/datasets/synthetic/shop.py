"""The planted shop: products, reviews and clicks made from known facts and tastes, so that answers can be checked.

A shop of drawable things in eight colours and five patterns, described in Chinese and English, reviewed in
both, and nine weeks of clicks by shoppers whose tastes are known. The signal is honest: one click in five
is noise, one part of taste (`Facts.cut`) shows in no title and no picture, tastes drift, a product's appeal
has a long tail. One product in ten arrives when the log ends, so nobody has clicked it; the first of them that
each shopper clicks in the week after is kept aside, and tells how well such products are placed.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mmreco.arrays import I64, Bool, frozen
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.datasets.synthetic.clicks import DAY, WEEKS, Clicks, click
from mmreco.datasets.synthetic.facts import (
    BRANDS,
    CATEGORIES,
    COLOURS,
    Facts,
    Tastes,
    synthetic_facts,
    synthetic_tastes,
)
from mmreco.datasets.synthetic.texts import review_texts, titles_and_texts
from mmreco.errors import DataError
from mmreco.splitting import Holdout

__all__ = ["EVENT_WEIGHTS", "SyntheticShop", "Truth", "synthetic_shop"]

EVENT_WEIGHTS = {"view": 1.0, "cart": 2.0, "purchase": 4.0, "review": 4.0}
_START = 1_767_571_200_000  # 2026-01-05, a Monday, in milliseconds since 1970 UTC
_AFTER = 8  # clicks a shopper in the week after the log
_DEPTHS = (0.58, 0.77, 0.91)  # shares of clicks that stay a view, reach the cart, end as purchase; the rest review


@dataclass(frozen=True, eq=False)
class Truth:
    """The facts behind a synthetic shop that no model sees.

    Parameters
    ----------
    facts : of `n_items` products, in catalogue order
    tastes : of `n_users` shoppers, in the order of `interactions.users`
    never_clicked : shape `(n_items,)`, bool
        The new arrivals: they are in the catalogue, and not in the log.
    pictured : shape `(n_items,)`, bool
        Which products have a picture.
    """

    facts: Facts
    tastes: Tastes
    never_clicked: Bool
    pictured: Bool

    def __post_init__(self) -> None:
        for name in ("never_clicked", "pictured"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.bool_))

    def rows(self, *, category: str | None = None, colour: str | None = None) -> I64:
        """The rows of the products of this category and colour (English names).

        Parameters
        ----------
        category, colour : English names, optional
            Any when omitted.

        Raises
        ------
        DataError
            There is no such category or colour; those there are, are named.
        """
        chosen = np.ones(len(self.facts), dtype=bool)
        for what, asked, kinds, values in (
            ("category", category, CATEGORIES, self.facts.category),
            ("colour", colour, COLOURS, self.facts.colour),
        ):
            if asked is None:
                continue
            names = [kind.name for kind in kinds]
            if asked not in names:
                raise DataError(f"{what} {asked!r}: expected one of {', '.join(names)}")
            chosen &= values == names.index(asked)
        return np.flatnonzero(chosen)


@dataclass(frozen=True, eq=False)
class SyntheticShop:
    """A shop with its log, its reviews, and the truth behind them.

    Parameters
    ----------
    catalogue : columns title, text, category, brand, price, created
        Pictures are drawn by `mmreco.datasets.synthetic.pictures.draw`, which adds the column `image`.
    interactions : events view, cart, purchase, review over nine weeks
        One event a shopper and product, the furthest they went; weights as `EVENT_WEIGHTS`.
    reviews : Chinese and English, with stars
        Written by shoppers; the stars follow how well the product fits the shopper and how good it is.
    cold : what is asked about the never-clicked products
        For each shopper who clicks one of them in the week after the log, the first as target, and as history
        all they clicked before it. The same question as the last event held out: what comes next?
    truth : what no model is told
    """

    catalogue: Catalogue
    interactions: Interactions
    reviews: Reviews
    cold: Holdout
    truth: Truth

    @property
    def dataset(self) -> Dataset:
        """Catalogue, interactions and reviews together."""
        return Dataset(self.catalogue, self.interactions, self.reviews)


def synthetic_shop(n_items: int = 1200, n_users: int = 3000, seed: int = 0) -> SyntheticShop:
    """A synthetic shop; the same numbers give the same shop.

    Parameters
    ----------
    n_items : 64 or more
        One for each category and colour at least is wanted for queries to have answers.
    n_users : 1 or more
        Each clicks 20 to 40 products.
    seed : 0 or more

    Raises
    ------
    DataError
        `n_items` is below 64, `n_users` below 1, or `seed` below 0.

    Examples
    --------
    >>> shop = synthetic_shop(n_items=200, n_users=50, seed=1)
    >>> shop.interactions.counts()[shop.truth.never_clicked].sum()
    np.int64(0)
    """
    if n_items < len(CATEGORIES) * len(COLOURS):
        raise DataError(f"n_items={n_items}: expected {len(CATEGORIES) * len(COLOURS)} or more")
    if n_users < 1:
        raise DataError(f"n_users={n_users}: expected 1 or more")
    if seed < 0:
        raise DataError(f"seed={seed}: expected 0 or more")
    for_facts, for_tastes, for_words, for_clicks, for_depth, for_reviews = (
        np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(6)
    )
    facts = synthetic_facts(n_items, for_facts)
    tastes = synthetic_tastes(n_users, for_tastes)
    never = _one_in_ten(n_items, for_facts)
    truth = Truth(facts, tastes, never, ~_one_in_ten(n_items, for_facts))
    log, future = click(facts, tastes, never, for_clicks, start=_START, after=_AFTER)
    users = IdMap.of([f"user-{row + 1:0{len(str(n_users))}d}" for row in range(n_users)])
    catalogue = _catalogue(facts, never, for_facts, for_words)
    depth = np.searchsorted(_DEPTHS, _ranks(log.fit + for_depth.normal(0, 1, len(log.fit))), side="right")
    return SyntheticShop(
        catalogue=catalogue,
        interactions=_interactions(users, catalogue.items, log, depth),
        reviews=_reviews(users, catalogue.items, facts, log, depth, for_reviews),
        cold=_cold(users, catalogue.items, log, depth, future, never),
        truth=truth,
    )


def _catalogue(facts: Facts, never: Bool, rng: np.random.Generator, words: np.random.Generator) -> Catalogue:
    n = len(facts)
    titles, texts = titles_and_texts(facts, words)
    listed = _START - (rng.random(n) * 300 * DAY).astype(np.int64)
    created = np.where(never, _START + 7 * WEEKS * DAY, listed // DAY * DAY)
    table = pa.table(
        {
            "title": titles,
            "text": texts,
            "category": [CATEGORIES[c].name for c in facts.category],
            "brand": [BRANDS[b].en for b in facts.brand],
            "price": np.round(facts.price.astype(np.float64), 1),
            "created": pa.array(created, type=pa.timestamp("ms", tz="UTC")),
        }
    )
    return Catalogue(IdMap.of([f"sku-{row + 1:0{len(str(n))}d}" for row in range(n)]), table)


def _interactions(users: IdMap, items: IdMap, log: Clicks, depth: I64) -> Interactions:
    weights = np.array(list(EVENT_WEIGHTS.values()), dtype=np.float32)[depth]
    return Interactions.from_events(
        users,
        items,
        log.users,
        log.items,
        times=log.times,
        event_types=depth,
        event_names=tuple(EVENT_WEIGHTS),
        weights=weights,
    )


def _cold(users: IdMap, items: IdMap, log: Clicks, depth: I64, future: Clicks, never: Bool) -> Holdout:
    """Each shopper's first click on a never-clicked product, and all they clicked before it."""
    new = np.flatnonzero(never[future.items])
    asked, at = np.unique(future.users[new], return_index=True)
    first = np.full(len(users), -1, dtype=np.int64)  # the event that is the target, in the week after
    first[asked] = new[at]
    before = np.arange(len(future.users)) < first[future.users]
    known = Clicks.joined((log, future.at(before)))
    views = np.concatenate([depth, np.zeros(int(before.sum()), dtype=np.int64)])
    histories, targets = (
        _interactions(users, items, clicks, kinds).take(asked)
        for clicks, kinds in ((known, views), (future.at(first[asked]), np.zeros(len(asked), dtype=np.int64)))
    )
    return Holdout(histories, targets)


def _reviews(users: IdMap, items: IdMap, facts: Facts, log: Clicks, depth: I64, rng: np.random.Generator) -> Reviews:
    written = np.flatnonzero(depth == len(_DEPTHS))
    rows = log.items[written]
    n = len(written)
    pleased = 3.5 + 0.6 * (log.fit[written] - 1) + 0.75 * facts.quality[rows] + rng.normal(0, 0.6, n)
    stars = np.clip(np.rint(pleased), 1, 5)
    chinese = rng.random(len(users))[log.users[written]] < 0.6  # a shopper writes in one language
    return Reviews.from_rows(
        items,
        rows,
        review_texts(facts, rows, stars.astype(np.int64), list(chinese), rng),
        ratings=stars.astype(np.float32),
        times=log.times[written] + (rng.random(n) * 6 * DAY).astype(np.int64) + DAY,
        helpful=rng.poisson(rng.gamma(0.6, 2.5, n)).astype(np.float32),
        users=(users, log.users[written]),
    )


def _one_in_ten(n: int, rng: np.random.Generator) -> Bool:
    chosen = np.zeros(n, dtype=bool)
    chosen[rng.permutation(n)[: n // 10]] = True
    return chosen


def _ranks(values: np.ndarray) -> np.ndarray:
    """The share of values below each, shape `(e,)`."""
    out = np.empty(len(values))
    out[np.argsort(values, kind="stable")] = np.arange(len(values)) / max(1, len(values))
    return out
