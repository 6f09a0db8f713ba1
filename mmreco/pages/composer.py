"""PageComposer: pages for shoppers out of anything that recommends, and what else the shop can tell."""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Protocol

import numpy as np

from mmreco.arguments import require_kind, require_whole, row_numbers, strings
from mmreco.arrays import I64, Bool
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError
from mmreco.pages.offers import Complements, Offer, Offers, Similar
from mmreco.pages.options import PageOptions
from mmreco.pages.page import Page, Shelf
from mmreco.pages.rules import fill
from mmreco.pages.shop import ShopFacts
from mmreco.pages.words import shelf_words
from mmreco.protocols import Recommends

__all__ = ["ArrangesShelves", "PageComposer"]

_POOL = 8  # candidates a place of a shelf
_OF_HISTORY = ("again", "recent", "results")  # shelves that may show what the shopper had

Search = Callable[[Sequence[str], int], Ranking]


class ArrangesShelves(Protocol):
    """Decides which shelf stands where on a page."""

    def arrange(self, histories: Interactions, kinds: Sequence[str], available: Bool) -> I64:
        """The columns of `kinds` from the top down for each shopper, shape `(n, len(kinds))`; -1 at the end.

        Parameters
        ----------
        histories : `n` shoppers
        kinds : what the shelves are, e.g. ("for_you", "because", "new")
        available : shape `(n, len(kinds))`, bool
            Which shelves have something to show to whom; only these may be named, each once.
        """


class PageComposer:
    """Composes pages: shelves in an order, no item twice, the shop's rules kept, strangers served.

    What a page asks is asked for all shoppers at once. The same questions and the same seed give the same pages.

    Parameters
    ----------
    model : anything that recommends
    dataset : what the shop knows
        Read are `title`, `created` for new items, and the column `region` of `users` for what is popular near them.
    similar : item rows and a width to a `Ranking`, optional
        E.g. `model.similar`. Without it, the model is asked with a history of the one item.
    complements : carts (`Interactions`) and a width to a `Ranking`, optional
        What goes with a whole cart; without it there is no such shelf.
    search : queries and a width to a `Ranking`, optional
        Needed for pages of search results.
    layout : what decides which shelf stands where, optional
        Without it the order is fixed: what is nearest to the shopper comes first.
    options : optional
    popular_from : 1 or more
        Distinct people from whom on an item may stand on a shelf of what is popular, here or near.

    Raises
    ------
    DataError
        `dataset` has no items.

    Examples
    --------
    >>> from mmreco import IdMap, ItemKNN
    >>> shop = IdMap.of(["hat", "cap", "shoe", "sock"])
    >>> log = Interactions.from_histories([["hat", "cap"], ["shoe", "sock"]] * 3, items=shop)
    >>> dataset = Dataset.from_interactions(log)
    >>> composer = PageComposer(ItemKNN().fit(dataset), dataset, options=PageOptions(fewest=1, width=1))
    >>> page = composer.home(Interactions.from_histories([["hat"]], items=shop))[0]
    >>> page.shelves[0].title, shop.ids(page.shelves[0].rows)
    ('Picked for you', ['cap'])
    """

    def __init__(
        self,
        model: Recommends,
        dataset: Dataset,
        *,
        similar: Similar | None = None,
        complements: Complements | None = None,
        search: Search | None = None,
        layout: ArrangesShelves | None = None,
        options: PageOptions | None = None,
        popular_from: int = 1,
    ) -> None:
        if not len(require_kind("PageComposer", dataset, Dataset)):
            raise DataError("pages: the dataset has no items; expected one at least")
        self.dataset, self.options = dataset, PageOptions() if options is None else options
        require_kind("pages: options", self.options, PageOptions)
        self.facts = ShopFacts.of(dataset, "region", popular_from)
        self._search, self._layout = search, layout
        self._allowed: Bool | None = None
        width = min(_POOL * self.options.width, len(dataset))
        self._offers = Offers(model, dataset, self.facts, similar, complements, width)

    def asking(
        self,
        model: Recommends,
        *,
        similar: Similar | None = None,
        complements: Complements | None = None,
        search: Search | None = None,
        options: PageOptions | None = None,
        allowed: Bool | None = None,
    ) -> "PageComposer":
        """The same pages by another model over the same dataset, without looking its facts up again.

        Parameters
        ----------
        model, similar, complements, search : as the constructor
        options : optional
            Those of this composer when omitted.
        allowed : shape `(n_items,)`, bool, optional
            Which items may be shown; all when omitted.
        """
        other = copy(self)
        other._search, other._allowed = search, allowed
        other.options = self.options if options is None else options
        width = min(_POOL * other.options.width, len(self.dataset))
        other._offers = Offers(model, self.dataset, self.facts, similar, complements, width)
        return other

    # ---- pages

    def home(self, histories: Interactions, *, carts: Interactions | None = None, seed: int = 0) -> list[Page]:
        """The page each shopper lands on.

        Parameters
        ----------
        histories : `n` shoppers
            Their ids tell where they are; those without events are strangers.
        carts : `n` carts, optional
            What lies in each shopper's cart now; it is shown on no shelf.
        seed : 0 or more
            Of what is explored.

        Raises
        ------
        DataError
            There are not as many carts as histories.
        IncompatibleError
            Histories or carts are over other items than the dataset.
        """
        self._require(histories, carts)
        make = self._offers
        offers = [make.for_you(histories), *make.because(histories), make.again(histories), make.new(histories)]
        if carts is not None:
            offers.insert(1, make.completes(carts, "complements"))
        offers += [make.near(histories), make.popular(len(histories)), make.recent(histories)]
        return self._composed("home", offers, histories, barred=carts, seed=seed)

    def detail(
        self, item_rows: Sequence[int] | I64, *, histories: Interactions | None = None, seed: int = 0
    ) -> list[Page]:
        """The page of each of these items, shape `(n,)`, for shoppers with these histories.

        Parameters
        ----------
        item_rows : shape `(n,)`
        histories : `n` shoppers, optional
            Strangers when omitted.
        seed : as `home`

        Raises
        ------
        DataError
            A row lies outside the items, or there are not as many histories as items.
        IncompatibleError
            The histories are over other items than the dataset.
        """
        given = np.asarray(item_rows)
        rows = row_numbers("detail: rows", given if given.size else given.astype(np.int64), len(self.dataset))
        if rows.ndim != 1:
            raise DataError(f"detail: rows of shape {rows.shape}; expected (n,)")
        shoppers = self._strangers(len(rows)) if histories is None else histories
        subjects = Interactions.from_events(
            self._strangers(len(rows)).users, self.dataset.items, np.arange(len(rows)), rows
        )
        self._require(shoppers, subjects)
        make = self._offers
        offers = [make.completes(subjects, "together"), make.like(rows, "similar"), make.for_you(shoppers)]
        offers += [make.popular(len(rows)), make.recent(shoppers)]
        return self._composed("detail", offers, shoppers, barred=subjects, seed=seed, subjects=rows)

    def cart(self, carts: Interactions, *, histories: Interactions | None = None, seed: int = 0) -> list[Page]:
        """The page beside each cart: what completes it, and what else the shopper may want.

        Parameters
        ----------
        carts : `n` carts
        histories : of the `n` shoppers, optional
            Strangers when omitted.
        seed : as `home`

        Raises
        ------
        DataError, IncompatibleError
            As `home`.
        """
        shoppers = carts if histories is None else histories
        self._require(shoppers, carts)
        make = self._offers
        last = np.full(len(carts), -1, dtype=np.int64)
        filled = carts.lengths > 0
        last[filled] = carts.items_flat[carts.starts[1:][filled] - 1]
        offers = [make.completes(carts, "complements"), make.for_you(shoppers), make.like(last, "because")]
        offers += [make.again(shoppers), make.popular(len(carts)), make.recent(shoppers)]
        return self._composed("cart", offers, shoppers, barred=carts, seed=seed)

    def new_arrivals(self, histories: Interactions, *, seed: int = 0) -> list[Page]:
        """What came in lately, for each shopper.

        Parameters
        ----------
        histories, seed : as `home`

        Raises
        ------
        IncompatibleError
            The histories are over other items than the dataset.
        """
        self._require(histories, None)
        make = self._offers
        offers = [make.new(histories), make.newest(len(histories)), make.for_you(histories)]
        return self._composed("new_arrivals", [*offers, make.popular(len(histories))], histories, seed=seed)

    def search(self, queries: Sequence[str], *, histories: Interactions | None = None, seed: int = 0) -> list[Page]:
        """What each query finds, and what is like the first of it.

        Parameters
        ----------
        queries : `n` texts
        histories : of the `n` shoppers, optional
            Strangers when omitted.
        seed : as `home`

        Raises
        ------
        DataError
            The composer was made without `search=`, a query is not a string, or there are not as many histories.
        IncompatibleError
            The histories are over other items than the dataset.
        """
        if self._search is None:
            raise DataError("search: this composer has nothing to search with; give PageComposer(search=...)")
        asked = strings("queries", queries)
        shoppers = self._strangers(len(asked)) if histories is None else histories
        if len(shoppers) != len(asked):
            raise DataError(f"search: {len(shoppers)} histories for {len(asked)} queries; expected as many")
        self._require(shoppers, None)
        make = self._offers
        found = self._search(asked, make.width)
        none = np.full(len(asked), -1, dtype=np.int64)
        offers = [Offer("results", found, none, ("",) * len(asked)), make.like(found.rows[:, 0], "similar")]
        offers += [make.for_you(shoppers), make.popular(len(asked)), make.recent(shoppers)]
        return self._composed("search", offers, shoppers, seed=seed, queries=asked)

    # ---- composed

    def _composed(
        self,
        name: str,
        offers: list[Offer],
        histories: Interactions,
        *,
        barred: Interactions | None = None,
        seed: int,
        subjects: I64 | None = None,
        queries: Sequence[str] | None = None,
    ) -> list[Page]:
        seed = require_whole("seed", seed, least=0)
        order = self._order(offers, histories)
        pages = []
        for line in range(len(histories)):
            taken = set() if barred is None else set(barred.history(line).tolist())
            had = set() if self.facts.repeats else set(histories.history(line).tolist())
            shelves: list[Shelf] = []
            for place in order[line].tolist():
                if place < 0 or len(shelves) == self.options.shelves:
                    break
                offer = offers[place]
                barred_here = taken if offer.kind in _OF_HISTORY else taken | had
                shelf = self._shelf(offer, line, barred_here, (seed, line, place))
                if shelf is not None:
                    taken.update(shelf.rows.tolist())
                    shelves.append(shelf)
            pages.append(
                Page(
                    name=name,
                    shelves=tuple(shelves),
                    catalogue=self.dataset.catalogue,
                    language=self.options.language,
                    subject=None if subjects is None else int(subjects[line]),
                    query=None if queries is None else queries[line],
                )
            )
        return pages

    def _order(self, offers: list[Offer], histories: Interactions) -> I64:
        """Which offer stands where for each shopper, shape `(n, offers)`, -1 at the end."""
        everything = np.arange(len(offers))
        if self._layout is None:
            return np.broadcast_to(everything, (len(histories), len(offers)))
        available = np.stack([(offer.ranking.rows >= 0).any(axis=1) for offer in offers], axis=1)
        return self._layout.arrange(histories, tuple(offer.kind for offer in offers), available)

    def _shelf(self, offer: Offer, line: int, taken: set[int], luck: tuple[int, int, int]) -> Shelf | None:
        """The shelf of one shopper, None where the offer has too little left."""
        rows = offer.ranking.rows[line]
        free = rows[[row >= 0 and row not in taken for row in rows.tolist()]]
        if self._allowed is not None:
            free = free[self._allowed[free]]
        fewest = 1 if offer.kind == "results" else self.options.fewest
        if len(free) < fewest:
            return None
        width = self.options.width_of(offer.kind)
        rng = np.random.default_rng(luck) if self.options.exploration is not None else None
        shown, chances = fill(self.dataset.catalogue, free, width, self.options.rules, rng)
        if len(shown) < fewest:
            return None
        subject = int(offer.subjects[line])
        item = "" if subject < 0 else self._title(subject)
        event = offer.events[line] if offer.events else ""
        language, place = self.options.language, offer.places[line]
        title, reason = shelf_words(offer.kind, language, item=item, place=place, event=event)
        return Shelf(offer.kind, title, reason, shown, chances)

    # ---- checked

    def _title(self, row: int) -> str:
        catalogue = self.dataset.catalogue
        titled = "title" in catalogue.table.column_names
        written = catalogue.table["title"][row].as_py() if titled else None
        return written or catalogue.items.ids([row])[0]

    def _strangers(self, n: int) -> Interactions:
        return Interactions.from_histories([[]] * n, items=self.dataset.items)

    def _require(self, histories: Interactions, carts: Interactions | None) -> None:
        for what, given in (("histories", histories), ("carts", carts)):
            if given is None:
                continue
            if require_kind(f"pages: {what}", given, Interactions).items != self.dataset.items:
                raise IncompatibleError(
                    f"{what} over {len(given.items)} items, the dataset has {len(self.dataset)}, and not the same; "
                    "make them with Interactions.from_histories(..., items=dataset.items)"
                )
            if len(given) != len(histories):
                raise DataError(f"pages: {len(given)} {what} for {len(histories)} histories; expected as many")
