"""Interactions: who did what with which item, in time order. Training set, test set and requests alike."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from mmreco.arguments import (
    id_strings,
    listed,
    require_kind,
    require_mask,
    require_whole,
    row_numbers,
    whole_numbers,
)
from mmreco.arrays import F32, F64, I64, Bool, frozen
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.matching import match_items, numbered
from mmreco.errors import DataError
from mmreco.tables.events import event_columns
from mmreco.tables.files import read_table
from mmreco.tables.items import text_columns

__all__ = ["Interactions"]


@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """A ragged array of item rows: the events of user `u` are `starts[u]:starts[u + 1]`, oldest first.

    Made by `read`, `from_frame`, `from_events` or `from_histories`; the constructor only checks.

    Parameters
    ----------
    users : IdMap of `n` users
        Users without any event are allowed (an empty history is a request like any other).
    items : IdMap of the catalogue
        Every item that could be answered, clicked or not.
    starts : shape `(n + 1,)`, int64
        Where each user's events begin; the last entry is `e`, the number of events.
    items_flat : shape `(e,)`, int64
        Item rows.
    event_types : shape `(e,)`, int64
        Indices into `event_names`.
    event_names : one name a kind of event
        E.g. `("view", "cart", "purchase")`; `("event",)` where the log does not say.
    weights : shape `(e,)`, float32
        How much an event counts; finite, and negative where it speaks against the item (a return, a dislike).
    times : shape `(e,)`, int64, or None
        Milliseconds since 1970-01-01 UTC, not decreasing inside a user; None where only the order is known.
    dropped : optional
        How many events or history entries named an unknown user or item and were left out.
    nanoseconds : shape `(e,)`, int64, or None
        What the times have below their millisecond, 0 to 999,999; None where nothing is known of it.

    Raises
    ------
    DataError
        Shapes disagree, rows or times are no whole numbers, a row is outside its map, a weight is not finite, or
        times decrease.

    Examples
    --------
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> requests = Interactions.from_histories([["hat", "coat"], []], items=shop)
    >>> requests.history(0)
    array([0, 2])
    """

    users: IdMap
    items: IdMap
    starts: I64
    items_flat: I64
    event_types: I64
    event_names: tuple[str, ...]
    weights: F32
    times: I64 | None = None
    dropped: int = 0
    nanoseconds: I64 | None = None

    def __post_init__(self) -> None:
        if self.times is None and self.nanoseconds is not None:
            raise DataError("interactions: nanoseconds without times; expected both, or times alone")
        for name in ("starts", "items_flat", "event_types", "times", "nanoseconds"):
            if getattr(self, name) is not None:
                rows = whole_numbers(f"interactions: {name}", getattr(self, name))
                object.__setattr__(self, name, frozen(rows, np.int64))
        with np.errstate(over="ignore"):  # a weight too large for float32 turns infinite and is refused below
            object.__setattr__(self, "weights", frozen(self.weights, np.float32))
        n, e = len(self.users), len(self.items_flat)
        if self.starts.shape != (n + 1,) or self.starts[0] != 0 or self.starts[-1] != e or (self.lengths < 0).any():
            raise DataError(f"interactions: starts must be {n + 1} numbers rising from 0 to {e}")
        for name in ("event_types", "weights", "times", "nanoseconds"):
            array = getattr(self, name)
            if array is not None and array.shape != (e,):
                raise DataError(f"interactions: {name} has shape {array.shape}; expected ({e},)")
        _inside("item row", self.items_flat, len(self.items))
        _inside("event", self.event_types, len(self.event_names))
        bad = ~np.isfinite(self.weights)
        if bad.any():
            first = int(bad.argmax())
            raise DataError(f"interactions: weight {self.weights[first]} at event {first}; expected a finite number")
        if self.times is not None and e > 1:
            falls = np.diff(self.times) < 0
            if self.nanoseconds is not None:
                falls |= (np.diff(self.times) == 0) & (np.diff(self.nanoseconds) < 0)
            inside = self.starts[1:-1]
            falls[inside[(inside > 0) & (inside < e)] - 1] = False  # a new user may begin earlier
            if falls.any():
                raise DataError(f"interactions: time goes back at event {int(falls.argmax()) + 1}; sort inside a user")

    # ---- made from

    @classmethod
    def from_events(
        cls,
        users: IdMap,
        items: IdMap,
        user_rows: I64,
        item_rows: I64,
        *,
        times: I64 | tuple[I64, I64] | None = None,
        event_types: I64 | None = None,
        event_names: tuple[str, ...] = ("event",),
        weights: F32 | F64 | None = None,
        dropped: int = 0,
    ) -> "Interactions":
        """The interactions of a flat log, shape `(e,)` each; sorted by user, then time.

        Events of one user at one time are a set: they are kept by item, kind and weight, so that nothing depends on the
        order of the rows. Without times the order given is that of the events.

        Parameters
        ----------
        users, items : the maps that the rows point into
        user_rows, item_rows : shape `(e,)`, int64
        times : shape `(e,)`, optional
            Milliseconds since 1970 UTC, or two arrays, these and the nanoseconds below them, or `datetime64` of any
            unit, read down to the nanosecond.
        event_types : shape `(e,)`, optional
            Which of `event_names` each is; the first when omitted.
        event_names : one name a kind of event
        weights : shape `(e,)`, optional
            What each event counts; 1 when omitted.
        dropped : 0 or more
            Events of the source that are not among these, e.g. of unknown items.

        Raises
        ------
        DataError
            As the constructor, and when a user row is outside `users`, the arrays differ in length, or a time is NaT.
        """
        user_rows = whole_numbers("interactions: user_rows", user_rows)
        moments, below = (None, None) if times is None else _milliseconds(times)
        for name, values in (
            ("item_rows", item_rows),
            ("times", moments),
            ("nanoseconds", below),
            ("event_types", event_types),
            ("weights", weights),
        ):
            if values is not None and len(values) != len(user_rows):
                raise DataError(f"interactions: {len(values)} {name} for {len(user_rows)} user rows; expected as many")
        _inside("user row", user_rows, len(users))
        keys = [key for key in (weights, event_types, item_rows, below, moments, user_rows) if key is not None]
        order = np.argsort(user_rows, kind="stable") if moments is None else np.lexsort(keys)
        starts = np.zeros(len(users) + 1, dtype=np.int64)
        np.cumsum(np.bincount(user_rows, minlength=len(users)), out=starts[1:])
        e = len(user_rows)
        with np.errstate(over="ignore"):  # a weight too large for float32 turns infinite and is refused below
            worth = np.ones(e, dtype=np.float32) if weights is None else np.asarray(weights, dtype=np.float32)[order]
        return cls(
            users=users,
            items=items,
            starts=starts,
            items_flat=np.asarray(item_rows)[order],
            event_types=np.zeros(e, dtype=np.int64) if event_types is None else np.asarray(event_types)[order],
            event_names=event_names,
            weights=worth,
            times=None if moments is None else moments[order],
            dropped=dropped,
            nanoseconds=None if below is None else below[order],
        )

    @classmethod
    def from_histories(
        cls, histories: Sequence[Sequence[str]], *, items: IdMap, users: Sequence[str] | None = None
    ) -> "Interactions":
        """Requests of unseen users: one list of item ids a user, oldest first.

        Unknown items are dropped and counted in `dropped`; a list may be empty. Ids that are whole numbers are written
        out, as in tables.

        Parameters
        ----------
        histories : `n` lists of item ids
        items : the map that their rows point into
        users : as many ids as histories, optional
            Names for the users; "0", "1", ... when omitted.

        Raises
        ------
        DataError
            A history is a string (wrap it in a list) or None, or holds what is neither text nor a whole number, or
            `users` has another length.
        """
        require_kind("items", items, IdMap)
        histories = listed("histories", histories)
        for row, history in enumerate(histories):
            if isinstance(history, str) or not isinstance(history, Collection):
                raise DataError(f"history {row} is {history!r}; expected a list of item ids")
        if users is not None and len(users) != len(histories):
            raise DataError(f"{len(users)} users for {len(histories)} histories; expected as many")
        lengths = np.fromiter((len(h) for h in histories), dtype=np.int64, count=len(histories))
        rows = items.rows(id_strings("histories", (i for h in histories for i in h)), missing="mark")
        owner = np.repeat(np.arange(len(histories)), lengths)
        in_map = rows >= 0
        return cls.from_events(
            IdMap.of([str(u) for u in range(len(histories))] if users is None else id_strings("users", users)),
            items,
            owner[in_map],
            rows[in_map],
            dropped=int((~in_map).sum()),
        )

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        catalogue: Catalogue | None = None,
        columns: Mapping[str, str] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> "Interactions":
        """The interactions in a dataframe (pandas, polars, pyarrow, anything narwhals reads), a row an event.

        Parameters
        ----------
        frame : columns `user_id`, `item_id`, and where known `timestamp`, `event`, `weight`
            `timestamp` is a datetime, or a number of seconds or milliseconds since 1970 UTC. Events inside one
            millisecond are in the order of their finest times. An unknown event is of the kind "unknown", an unknown
            weight 1, an unknown time that of the user's row before it, or else after.
        catalogue : optional
            The items there are; events on others are dropped and counted. Without it, the items seen are all.
        columns : optional
            The frame's own names, e.g. `{"user_id": "customer"}`.
        weights : optional
            Weight of each kind of event, e.g. `{"view": 1, "purchase": 5}`, where there is no `weight` column.

        Raises
        ------
        DataError
            A column is missing, or holds a value it must not; column and row are named.
        """
        table = event_columns(frame, columns=columns, weights=weights)
        matched = match_items(table.item_ids, table.item_column, None if catalogue is None else catalogue.items)
        users, user_rows = numbered(matched.narrow_column(table.user_ids))
        times, below = matched.narrow(table.times), matched.narrow(table.below)
        return cls.from_events(
            users,
            matched.items,
            user_rows,
            matched.rows,
            times=times if times is None or below is None else (times, below),
            event_types=matched.narrow(table.event_types),
            event_names=table.event_names,
            weights=matched.narrow(table.weights),
            dropped=matched.dropped,
        )

    @classmethod
    def read(
        cls,
        path: Any,
        *,
        catalogue: Catalogue | None = None,
        columns: Mapping[str, str] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> "Interactions":
        """The interactions in a `.parquet`, `.csv`, `.tsv` or `.jsonl` file; see `from_frame`.

        Parameters
        ----------
        path : of the file
            Its ending says what it is.
        catalogue, columns, weights : as `from_frame`

        Raises
        ------
        DataError
            The file is missing, damaged, of another kind, or its table is unusable.
        """
        table = read_table(path, text=text_columns(columns))
        return cls.from_frame(table, catalogue=catalogue, columns=columns, weights=weights)

    # ---- asked

    def __len__(self) -> int:
        """The number of users (histories), with or without events."""
        return len(self.users)

    def __repr__(self) -> str:
        return f"Interactions({len(self)} users, {self.n_events} events, {len(self.items)} items)"

    @property
    def n_events(self) -> int:
        """The number of events."""
        return len(self.items_flat)

    @cached_property
    def lengths(self) -> I64:
        """Events a user, shape `(n,)`."""
        return frozen(np.diff(self.starts), np.int64)

    @cached_property
    def users_flat(self) -> I64:
        """The user row of every event, shape `(e,)`."""
        return frozen(np.repeat(np.arange(len(self)), self.lengths), np.int64)

    def history(self, row: int) -> I64:
        """The item rows of the user at `row`, oldest first."""
        return self.items_flat[self.starts[row] : self.starts[row + 1]]

    def matrix(self) -> sp.csr_array:
        """Summed weights as a sparse `(n, n_items)` matrix, float32."""
        flat = sp.coo_array(
            (self.weights, (self.users_flat, self.items_flat)), shape=(len(self), len(self.items)), dtype=np.float32
        )
        return flat.tocsr()  # sums what repeats

    def mean_weights(self) -> sp.csr_array:
        """The mean weight of each user's events with an item, sparse `(n, n_items)`, float32; a mean of 0 is in it."""
        total = self.matrix()
        total.sort_indices()
        times = replace(self, weights=np.ones_like(self.weights)).matrix()
        times.sort_indices()
        return sp.csr_array((total.data / times.data, total.indices, total.indptr), shape=total.shape)

    def counts(self) -> I64:
        """Events an item, shape `(n_items,)`."""
        return np.bincount(self.items_flat, minlength=len(self.items)).astype(np.int64)

    @cached_property
    def begins_moment(self) -> Bool:
        """Which events are at another moment than the one before them, or of another user, shape `(e,)`.

        Without times every event is at a moment of its own.
        """
        begins = np.ones(self.n_events, dtype=np.bool_)
        if self.times is not None:
            begins[1:] = (np.diff(self.users_flat) != 0) | (np.diff(self.times) != 0)
            if self.nanoseconds is not None:
                begins[1:] |= np.diff(self.nanoseconds) != 0
        return frozen(begins, np.bool_)

    # ---- narrowed

    def take(self, rows: Sequence[int] | I64) -> "Interactions":
        """The histories of the users at `rows`, shape `(m,)`, in this order, renumbered from 0.

        Raises
        ------
        DataError
            The rows are a mask or fractions, or a row is below 0, beyond the users, or asked for twice.
        """
        chosen = row_numbers("users", rows, len(self))
        users = self.users.take(chosen)
        lengths = self.lengths[chosen]
        starts = np.zeros(len(chosen) + 1, dtype=np.int64)
        np.cumsum(lengths, out=starts[1:])
        where = np.arange(starts[-1]) + np.repeat(self.starts[chosen] - starts[:-1], lengths)
        return self.regrouped(users, starts, where)

    def keep(self, chosen: Bool) -> "Interactions":
        """The same users with only the events where `chosen`, shape `(e,)`, is true.

        Raises
        ------
        DataError
            `chosen` is not a mask of shape `(e,)`.
        """
        chosen = require_mask("keep", chosen, self.n_events)
        starts = np.zeros(len(self) + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.users_flat[chosen], minlength=len(self)), out=starts[1:])
        return self.regrouped(self.users, starts, np.flatnonzero(chosen))

    def over(self, items: IdMap) -> "Interactions":
        """The same events over the map `items`, matched by id; those of items that are not in it are left out."""
        rows = items.rows(self.items.array, missing="mark")
        kept = self if (rows >= 0).all() else self.keep(rows[self.items_flat] >= 0)
        return replace(kept, items=items, items_flat=rows[kept.items_flat])

    def with_users(self, users: IdMap) -> "Interactions":
        """The same events under a map that begins with these users; those after them have no event.

        Raises
        ------
        DataError
            `users` does not begin with the users there are.
        """
        if len(users) < len(self) or IdMap(users.array[: len(self)]) != self.users:
            raise DataError(f"users: a map of {len(users)} that does not begin with the {len(self)} users there are")
        starts = np.concatenate([self.starts, np.full(len(users) - len(self), self.n_events)])
        return replace(self, users=users, starts=starts)

    def last(self, n: int) -> "Interactions":
        """The same users with only their `n` latest events.

        Raises
        ------
        DataError
            `n` is not a whole number of 0 or more.
        """
        n = require_whole("n", n, least=0)
        from_end = np.repeat(self.starts[1:], self.lengths) - np.arange(self.n_events)
        return self.keep(from_end <= n)

    def regrouped(self, users: IdMap, starts: I64, where: I64) -> "Interactions":
        """These events, as histories of other users.

        Parameters
        ----------
        users : `n` users
        starts : shape `(n + 1,)`
            User `u` has `where[starts[u]:starts[u + 1]]`.
        where : the events, any of them as often as is wished
        """
        return Interactions(
            users=users,
            items=self.items,
            starts=starts,
            items_flat=self.items_flat[where],
            event_types=self.event_types[where],
            event_names=self.event_names,
            weights=self.weights[where],
            times=None if self.times is None else self.times[where],
            dropped=self.dropped,
            nanoseconds=None if self.nanoseconds is None else self.nanoseconds[where],
        )


def _milliseconds(times: Any) -> tuple[I64, I64 | None]:
    """Times in milliseconds, and the nanoseconds below; None where there are none."""
    if isinstance(times, tuple):
        whole, below = (whole_numbers("interactions: times", part) for part in times)
        _require_known(whole)
        return whole, below
    array = np.asarray(times)
    if array.dtype.kind != "M":
        moments = whole_numbers("interactions: times", array)
        _require_known(moments)
        return moments, None
    _require_known(array)
    moments = array.astype("datetime64[ms]")
    below = (array - moments).astype("timedelta64[ns]").astype(np.int64)
    return moments.astype(np.int64), below if below.any() else None


def _require_known(times: npt.NDArray[Any]) -> None:
    unknown = np.isnat(times.astype("datetime64[ms]"))  # the least int64 is what NaT becomes as a number
    if unknown.any():
        raise DataError(f"interactions: time NaT at event {int(unknown.argmax())}; expected a time")


def _inside(what: str, rows: I64, n: int) -> None:
    if rows.size and (rows.min() < 0 or rows.max() >= n):
        bad = int(((rows < 0) | (rows >= n)).argmax())
        raise DataError(f"interactions: {what} {int(rows[bad])} at event {bad}; expected 0..{n - 1}")
