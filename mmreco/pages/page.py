"""Page and Shelf: what a shopper is shown, shelf by shelf, as item rows and words."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmreco.arrays import F64, I64, frozen
from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError

__all__ = ["Page", "PageName", "Shelf"]

PageName = Literal["home", "detail", "cart", "new_arrivals", "search"]


@dataclass(frozen=True, eq=False, repr=False)
class Shelf:
    """A row of items under a title.

    Parameters
    ----------
    kind : what fills it, e.g. "because" or "new"; see `mmreco.pages.KINDS`
    title, reason : in the page's language; the reason may be empty
    rows : shape `(m,)`, int64
        Item rows, the most prominent place first.
    propensities : shape `(m,)`, float64
        The probability that each item stood where it stands; 1 where nothing is drawn.

    Raises
    ------
    DataError
        An item stands twice on the shelf, or there are not as many propensities as items.
    """

    kind: str
    title: str
    reason: str
    rows: I64
    propensities: F64

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", frozen(self.rows, np.int64))
        object.__setattr__(self, "propensities", frozen(self.propensities, np.float64))
        if len(np.unique(self.rows)) < len(self.rows):
            raise DataError(f"shelf {self.kind!r}: an item stands twice; expected different items")
        if self.propensities.shape != self.rows.shape:
            raise DataError(f"shelf {self.kind!r}: {len(self.propensities)} propensities for {len(self.rows)} items")

    def __len__(self) -> int:
        """The number of items."""
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Shelf({self.kind}: {len(self)} items)"


@dataclass(frozen=True, eq=False, repr=False)
class Page:
    """Shelves, the top one first.

    Parameters
    ----------
    name : "home", "detail", "cart", "new_arrivals" or "search"
    shelves : no item stands on two of them
    catalogue : the items are from
    language : "en" or "zh"
    subject : row of the item a detail page is about, optional
    query : what was searched for, optional

    Raises
    ------
    DataError
        An item stands on two shelves.
    """

    name: str
    shelves: tuple[Shelf, ...]
    catalogue: Catalogue
    language: str = "en"
    subject: int | None = None
    query: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "shelves", tuple(self.shelves))
        rows = self.rows
        if len(np.unique(rows)) < len(rows):
            raise DataError(f"page {self.name!r}: an item stands on two shelves; expected each item once")

    @property
    def rows(self) -> I64:
        """All item rows, from the top left on."""
        if not self.shelves:
            return np.zeros(0, dtype=np.int64)
        return np.concatenate([shelf.rows for shelf in self.shelves])

    def ids(self) -> list[list[str]]:
        """The item ids of each shelf."""
        return [self.catalogue.items.ids(shelf.rows) for shelf in self.shelves]

    def __len__(self) -> int:
        """The number of shelves."""
        return len(self.shelves)

    def __repr__(self) -> str:
        titles = self.catalogue.table["title"] if self.catalogue.has("title") else None
        lines = [f"Page({self.name}: {len(self)} shelves, {len(self.rows)} items)"]
        for shelf in self.shelves:
            ids = self.catalogue.items.ids(shelf.rows)
            named = (
                ids
                if titles is None
                else [titles[int(row)].as_py() or i for i, row in zip(ids, shelf.rows, strict=True)]
            )
            lines.append(f"{shelf.title}: {' | '.join(str(name)[:28] for name in named)}")
        return "\n".join(lines)
