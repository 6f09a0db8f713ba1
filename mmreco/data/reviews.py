"""Reviews: what people wrote about items, with stars, time and helpful votes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmreco.arguments import require_mask, whole_numbers
from mmreco.arrays import F32, I64, Bool, frozen
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.matching import match_items, numbered
from mmreco.errors import DataError
from mmreco.tables.files import read_table
from mmreco.tables.items import text_columns
from mmreco.tables.reviews import review_columns

__all__ = ["Reviews"]


@dataclass(frozen=True, eq=False, repr=False)
class Reviews:
    """A flat list of reviews, grouped by item: those of item `i` are `starts[i]:starts[i + 1]`, oldest first.

    Made by `read`, `from_frame` or `from_rows`; the constructor only checks.

    Parameters
    ----------
    items : IdMap of the catalogue
        Every item, reviewed or not.
    items_flat : shape `(r,)`, int64
        Which item each review is about; not decreasing.
    texts : `r` strings
        "" where stars were given without a word.
    ratings : shape `(r,)`, float32
        Stars from 1 to 5, NaN where unknown.
    times : shape `(r,)`, int64, or None
        Milliseconds since 1970-01-01 UTC, not decreasing inside an item.
    helpful : shape `(r,)`, float32
        How many people found the review helpful; 0 where unknown.
    users : IdMap, or None
        Who wrote.
    users_flat : shape `(r,)`, int64, or None
        Which user wrote each review; goes with `users`.
    dropped : optional
        How many reviews were of unknown items and were left out.

    Raises
    ------
    DataError
        Shapes disagree, a row is outside its map, reviews are not grouped by item, or a value is out of range.

    Examples
    --------
    >>> shop = IdMap.of(["hat", "coat"])
    >>> reviews = Reviews.from_rows(shop, [1, 0, 1], ["warm", "red", "too long"], ratings=[5, 4, 2])
    >>> reviews.of(1)
    ('warm', 'too long')
    """

    items: IdMap
    items_flat: I64
    texts: tuple[str, ...]
    ratings: F32
    times: I64 | None
    helpful: F32
    users: IdMap | None = None
    users_flat: I64 | None = None
    dropped: int = 0

    def __post_init__(self) -> None:
        for name in ("ratings", "helpful"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))
        for name in ("items_flat", "times", "users_flat"):
            if getattr(self, name) is not None:
                rows = whole_numbers(f"reviews: {name}", getattr(self, name))
                object.__setattr__(self, name, frozen(rows, np.int64))
        object.__setattr__(self, "texts", tuple(self.texts))
        r = len(self.texts)
        for name in ("items_flat", "ratings", "times", "helpful", "users_flat"):
            array = getattr(self, name)
            if array is not None and array.shape != (r,):
                raise DataError(f"reviews: {name} has shape {array.shape}; expected ({r},), one value a text")
        if (self.users is None) != (self.users_flat is None):
            raise DataError("reviews: users and users_flat go together; give both or neither")
        _inside("item", self.items_flat, len(self.items))
        if self.users is not None and self.users_flat is not None:
            _inside("user", self.users_flat, len(self.users))
        if (np.diff(self.items_flat) < 0).any():
            raise DataError("reviews: not grouped by item; make them with Reviews.from_rows")
        _refuse("rating", self.ratings, (self.ratings < 1) | (self.ratings > 5), "1 to 5, or NaN for unknown")
        _refuse("helpful", self.helpful, ~np.isfinite(self.helpful) | (self.helpful < 0), "0 or more")
        if self.times is not None:
            _refuse("time", self.times[1:], (np.diff(self.times) < 0) & (np.diff(self.items_flat) == 0), "oldest first")

    @classmethod
    def from_rows(
        cls,
        items: IdMap,
        item_rows: Any,
        texts: Any,
        *,
        ratings: Any = None,
        times: Any = None,
        helpful: Any = None,
        users: tuple[IdMap, Any] | None = None,
        dropped: int = 0,
    ) -> "Reviews":
        """The reviews of a flat log, `r` values each; sorted by item, then time, then order given.

        Parameters
        ----------
        items : the map of items
        item_rows : shape `(r,)`, int64
        texts : `r` strings
        ratings : shape `(r,)`, optional
            Stars from 1 to 5; NaN where unknown.
        times : shape `(r,)`, optional
            Milliseconds since 1970 UTC.
        helpful : shape `(r,)`, 0 or more, optional
            How many readers found each helpful; 0 when omitted.
        users : the map of users and their rows, shape `(r,)`, optional
        dropped : 0 or more
            Reviews of the source that are not among these.

        Raises
        ------
        DataError
            As the constructor.
        """
        rows = whole_numbers("reviews: item_rows", item_rows)
        written = list(texts)
        for name, values in (("ratings", ratings), ("times", times), ("helpful", helpful), ("texts", written)):
            if values is not None and len(values) != len(rows):
                raise DataError(f"reviews: {len(values)} {name} for {len(rows)} item rows; expected as many")
        moments = None if times is None else whole_numbers("reviews: times", times)
        order = np.argsort(rows, kind="stable") if moments is None else np.lexsort((moments, rows))
        return cls(
            items=items,
            items_flat=rows[order],
            texts=tuple([written[i] for i in order.tolist()]),
            ratings=_sorted(ratings, order, np.nan),
            times=None if moments is None else moments[order],
            helpful=_sorted(helpful, order, 0),
            users=None if users is None else users[0],
            users_flat=None if users is None else whole_numbers("reviews: users", users[1])[order],
            dropped=dropped,
        )

    @classmethod
    def from_frame(
        cls, frame: Any, *, catalogue: Catalogue | None = None, columns: Mapping[str, str] | None = None
    ) -> "Reviews":
        """The reviews in a dataframe (pandas, polars, pyarrow, anything narwhals reads), a row a review.

        Parameters
        ----------
        frame : columns `item_id`, `text`, and where known `user_id`, `rating`, `timestamp`, `helpful`
            A null text is an empty one, a null rating unknown, a null `helpful` 0, a null time that of the item's
            review before it in the table, or else after. Markup and entities are taken out of the texts.
        catalogue : optional
            The items there are; reviews of others are dropped and counted. Without it, the items seen are all.
        columns : optional
            The frame's own names, e.g. `{"text": "comment"}`.

        Raises
        ------
        DataError
            A column is missing, or holds a value it must not; column and row are named.
        """
        table = review_columns(frame, columns=columns)
        matched = match_items(table.item_ids, table.item_column, None if catalogue is None else catalogue.items)
        users = None if table.user_ids is None else numbered(matched.narrow_column(table.user_ids))
        texts = matched.narrow_column(table.texts)
        below = matched.narrow(table.below)
        order = np.arange(len(matched.rows)) if below is None else np.argsort(below, kind="stable")

        def sorted_finely(values: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
            return None if values is None else matched.narrow(values)[order]  # type: ignore[index]

        return cls.from_rows(
            matched.items,
            matched.rows[order],
            texts.take(pa.array(order)).to_pylist(),
            ratings=sorted_finely(table.ratings),
            times=sorted_finely(table.times),
            helpful=sorted_finely(table.helpful),
            users=None if users is None else (users[0], users[1][order]),
            dropped=matched.dropped,
        )

    @classmethod
    def read(
        cls, path: Any, *, catalogue: Catalogue | None = None, columns: Mapping[str, str] | None = None
    ) -> "Reviews":
        """The reviews in a `.parquet`, `.csv`, `.tsv` or `.jsonl` file; see `from_frame`.

        Parameters
        ----------
        path : of the file
            Its ending says what it is.
        catalogue, columns : as `from_frame`

        Raises
        ------
        DataError
            The file is missing, damaged, of another kind, or its table is unusable.
        """
        table = read_table(path, text=text_columns(columns))
        return cls.from_frame(table, catalogue=catalogue, columns=columns)

    def __len__(self) -> int:
        """The number of reviews."""
        return len(self.texts)

    def __repr__(self) -> str:
        return f"Reviews({len(self)} reviews of {len(self.items)} items)"

    @cached_property
    def starts(self) -> I64:
        """Where each item's reviews begin, shape `(n_items + 1,)`."""
        starts = np.zeros(len(self.items) + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.items_flat, minlength=len(self.items)), out=starts[1:])
        return frozen(starts, np.int64)

    def keep(self, chosen: Bool) -> "Reviews":
        """The reviews where `chosen`, shape `(r,)` of bool, is true.

        Raises
        ------
        DataError
            `chosen` is not a mask over the reviews.
        """
        mask = require_mask("keep", chosen, len(self))
        return replace(
            self,
            items_flat=self.items_flat[mask],
            texts=tuple(text for text, wanted in zip(self.texts, mask.tolist(), strict=True) if wanted),
            ratings=self.ratings[mask],
            times=None if self.times is None else self.times[mask],
            helpful=self.helpful[mask],
            users_flat=None if self.users_flat is None else self.users_flat[mask],
        )

    def add(self, more: "Reviews") -> "Reviews":
        """These reviews, and those of `more`, which are of the same items."""
        both, timed = (self, more), self.times is not None and more.times is not None
        users = None
        if self.users is not None and more.users is not None:
            strangers = more.users.take(np.flatnonzero(self.users.rows(more.users.array, missing="mark") < 0))
            everybody = IdMap(pa.concat_arrays([self.users.array, strangers.array]))
            writers = [everybody.rows(part.users.array)[part.users_flat] for part in both]  # type: ignore[union-attr]
            users = everybody, np.concatenate(writers)
        return Reviews.from_rows(
            self.items,
            np.concatenate([part.items_flat for part in both]),
            [*self.texts, *more.texts],
            ratings=np.concatenate([part.ratings for part in both]),
            times=np.concatenate([part.times for part in both]) if timed else None,
            helpful=np.concatenate([part.helpful for part in both]),
            users=users,
            dropped=self.dropped + more.dropped,
        )

    def over(self, items: IdMap) -> "Reviews":
        """The same reviews over the map `items`, matched by id; those of items that are not in it are left out."""
        rows = items.rows(self.items.array, missing="mark")[self.items_flat]
        kept = self.keep(rows >= 0)
        return Reviews.from_rows(
            items,
            rows[rows >= 0],
            kept.texts,
            ratings=kept.ratings,
            times=kept.times,
            helpful=kept.helpful,
            users=None if kept.users is None else (kept.users, kept.users_flat),
            dropped=self.dropped,
        )

    def of(self, row: int) -> tuple[str, ...]:
        """What was written about the item at `row`, oldest first."""
        return self.texts[int(self.starts[row]) : int(self.starts[row + 1])]

    def interactions(self) -> Interactions:
        """Who reviewed what, as events named "review" of weight 1.

        Raises
        ------
        DataError
            It is not known who wrote the reviews.
        """
        if self.users is None or self.users_flat is None:
            raise DataError("reviews: no review has a user; expected a column user_id")
        return Interactions.from_events(
            self.users,
            self.items,
            self.users_flat,
            self.items_flat,
            times=self.times,
            event_names=("review",),
            dropped=self.dropped,
        )


def _sorted(values: Any, order: I64, unknown: float) -> F32:
    if values is None:
        return np.full(len(order), unknown, dtype=np.float32)
    return np.asarray(values, dtype=np.float32)[order]


def _inside(what: str, rows: I64, n: int) -> None:
    bad = (rows < 0) | (rows >= n)
    if bad.any():
        raise DataError(f"reviews: {what} row {int(rows[bad.argmax()])} at review {int(bad.argmax())}; of {n} {what}s")


def _refuse(what: str, values: Any, bad: Any, expected: str) -> None:
    if bad.any():
        first = int(bad.argmax())
        raise DataError(f"reviews: {what} {values[first]} at review {first}; expected {expected}")
