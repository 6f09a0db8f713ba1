"""PageLog: what was shown, where, with what chance, to whom, and what was clicked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32, F64, I64, Bool, frozen
from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.pages.page import Page

__all__ = ["PageLog"]


@dataclass(frozen=True, eq=False, repr=False)
class PageLog:
    """`n` slates that were shown: a shelf, a list, or the kinds of a page's shelves from the top down.

    Parameters
    ----------
    items : what the rows of `slates` stand for
    slates : shape `(n, width)`, int64
        Rows by place, -1 at the end of short ones.
    clicks : shape `(n, width)`, bool
        Never where nothing stood.
    propensities : shape `(n, width)`, float64
        The probability that this stood at this place, given what stood above; NaN where nothing stood, or unknown.
    contexts : shape `(n, c)`, float32
        What was known of the shopper, as numbers, e.g. `model.user_vectors(histories)`; `c` may be 0.

    Raises
    ------
    DataError
        Shapes disagree, a row lies outside `items` or stands twice on a slate, a click is where nothing stood, or a
        propensity is not above 0 and up to 1.
    """

    items: IdMap
    slates: I64
    clicks: Bool
    propensities: F64
    contexts: F32

    def __post_init__(self) -> None:
        for name, dtype in (
            ("slates", np.int64),
            ("clicks", np.bool_),
            ("propensities", np.float64),
            ("contexts", np.float32),
        ):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))
        shape = self.slates.shape
        if len(shape) != 2 or self.clicks.shape != shape or self.propensities.shape != shape:
            raise DataError(
                f"page log: slates {shape}, clicks {self.clicks.shape}, propensities {self.propensities.shape}; "
                "expected the same (n, width)"
            )
        if self.contexts.ndim != 2 or len(self.contexts) != shape[0] or not np.isfinite(self.contexts).all():
            raise DataError(f"page log: contexts {self.contexts.shape}; expected ({shape[0]}, c), all finite")
        there = self.slates >= 0
        if self.slates.size and not -1 <= self.slates.min() <= self.slates.max() < len(self.items):
            raise DataError(
                f"page log: rows {self.slates.min()}..{self.slates.max()} of {len(self.items)} items; a gap is -1"
            )
        if (there[:, 1:] & ~there[:, :-1]).any() or (self.clicks & ~there).any():
            raise DataError("page log: a slate has a gap, or a click where nothing stood")
        ordered = np.sort(self.slates, axis=1)
        if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
            raise DataError("page log: an item stands twice on a slate; expected different items")
        known = self.propensities[~np.isnan(self.propensities)]
        if not ((known > 0) & (known <= 1)).all():
            raise DataError("page log: a propensity is not above 0 and up to 1; NaN stands for unknown")

    @classmethod
    def of_pages(
        cls,
        pages: Sequence[Page],
        kinds: Sequence[str],
        clicked: Sequence[Sequence[str]],
        *,
        contexts: F32 | None = None,
    ) -> "PageLog":
        """Which kinds of shelves stood where, and on which of them something was clicked.

        Parameters
        ----------
        pages : `n` pages, as they were shown
        kinds : all kinds of shelves there are
            Of two shelves of one kind the first is kept.
        clicked : as many lists as pages
            The item ids that were clicked on each page.
        contexts : `n` lines, optional
            What was known of each shopper.

        Raises
        ------
        DataError
            There are not as many lists as pages, or a page has a shelf of another kind.
        """
        if len(clicked) != len(pages):
            raise DataError(f"page log: clicks of {len(clicked)} pages for {len(pages)} pages; expected as many")
        items = IdMap.of(kinds)
        width = max(1, len(items))
        slates = np.full((len(pages), width), -1, dtype=np.int64)
        clicks = np.zeros((len(pages), width), dtype=bool)
        for line, (page, chosen) in enumerate(zip(pages, clicked, strict=True)):
            seen: list[str] = []
            for shelf, ids in zip(page.shelves, page.ids(), strict=True):
                if shelf.kind in seen:
                    continue
                if shelf.kind not in kinds:
                    raise DataError(f"page log: a shelf of kind {shelf.kind!r}; expected one of {', '.join(kinds)}")
                slates[line, len(seen)] = kinds.index(shelf.kind)
                clicks[line, len(seen)] = not set(ids).isdisjoint(chosen)
                seen.append(shelf.kind)
        own = np.zeros((len(pages), 0), dtype=np.float32) if contexts is None else contexts
        return cls(items, slates, clicks, np.full(slates.shape, np.nan), own)

    def __len__(self) -> int:
        """The number of slates."""
        return len(self.slates)

    def __repr__(self) -> str:
        return f"PageLog({len(self)} slates of {self.width}, {int(self.clicks.sum())} clicks)"

    @property
    def width(self) -> int:
        """Places of a slate."""
        return int(self.slates.shape[1])

    def click_rates(self) -> F64:
        """The share of impressions that were clicked, by item and place, shape `(n_items, width)`; NaN for none."""
        there = self.slates >= 0
        cells = self.slates * self.width + np.arange(self.width)
        size = len(self.items) * self.width
        shown = np.bincount(cells[there], minlength=size)
        clicked = np.bincount(cells[there], weights=self.clicks[there], minlength=size)
        rates = np.divide(clicked, shown, out=np.full(size, np.nan), where=shown > 0)
        by_place: F64 = rates.reshape(len(self.items), self.width)
        return by_place

    def to_frame(self) -> pa.Table:
        """A row an impression: `slate`, `place` (from 1), `item_id`, `click`, `propensity` (null where unknown)."""
        slate, place = np.nonzero(self.slates >= 0)
        chance = self.propensities[slate, place]
        return pa.table(
            {
                "slate": pa.array(slate),
                "place": pa.array(place + 1),
                "item_id": self.items.array.take(pa.array(self.slates[slate, place])),
                "click": pa.array(self.clicks[slate, place]),
                "propensity": pa.array(chance, mask=np.isnan(chance)),
            }
        )

    @classmethod
    def from_frame(cls, table: pa.Table, *, items: IdMap, contexts: F32 | None = None) -> "PageLog":
        """The log in a table as `to_frame` writes it.

        Parameters
        ----------
        table : a row a place, as `to_frame` writes it
        items : the map of the items in it
        contexts : as many lines as slates, optional

        Raises
        ------
        DataError
            A column is missing, or what it holds is no log.
        UnknownIdError
            An item is not in `items`.
        """
        missing = {"slate", "place", "item_id", "click", "propensity"}.difference(table.column_names)
        if missing:
            raise DataError(
                f"page log: no column {', '.join(sorted(missing))}; there are {', '.join(table.column_names)}"
            )
        slate, place = (table[name].to_numpy().astype(np.int64) for name in ("slate", "place"))
        if len(slate) and (slate.min() < 0 or place.min() < 1):
            raise DataError("page log: slates count from 0 and places from 1")
        shape = (int(slate.max(initial=-1)) + 1 if contexts is None else len(contexts), int(place.max(initial=1)))
        slates = np.full(shape, -1, dtype=np.int64)
        clicks, chances = np.zeros(shape, dtype=bool), np.full(shape, np.nan)
        slates[slate, place - 1] = items.rows(table["item_id"].combine_chunks())
        clicks[slate, place - 1] = table["click"].to_numpy()
        chances[slate, place - 1] = table["propensity"].cast(pa.float64()).fill_null(float("nan")).to_numpy()
        own = np.zeros((shape[0], 0), dtype=np.float32) if contexts is None else contexts
        return cls(items, slates, clicks, chances, own)
