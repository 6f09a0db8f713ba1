"""ShopFacts: what every page needs of a dataset, looked up once: what is popular, where, what is new, what repeats."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.arrays import I64, Bool, frozen
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions

__all__ = ["ShopFacts"]

_NEW_DAYS = 30  # an item is new that was listed so many days before the newest at most
_NEW_AT_LEAST = 100  # and the newest so many are new in any case
_KEPT = 1_000  # popular items kept, in all and a region
_REPEATING = 0.05  # share of repeats from which a shop's customers are taken to buy again
_DAY = 86_400_000


@dataclass(frozen=True, eq=False)
class ShopFacts:
    """What every page needs of a dataset, looked up once.

    Parameters
    ----------
    popular : shape `(p,)`, int64
        Item rows by how many events they have, at most 1,000.
    newest : shape `(w,)`, int64
        The new items, the newest first: those of the last 30 days, 100 at least. Empty where no time is known.
    new : shape `(n_items,)`, bool
        The same as a mask.
    near : place to popular item rows there
    places : user id to place
    repeats : whether customers of this shop buy again
    """

    popular: I64
    newest: I64
    new: Bool
    near: dict[str, I64]
    places: dict[str, str]
    repeats: bool

    @classmethod
    def of(cls, dataset: Dataset, region: str, popular_from: int = 1) -> "ShopFacts":
        """The facts of a dataset; `region` is the column of `users` that says where a shopper is.

        What fewer than `popular_from` distinct people turned to is not popular.
        """
        newest = _newest(dataset)
        new = np.zeros(len(dataset), dtype=bool)
        new[newest] = True
        places = _places(dataset, region)
        return cls(
            popular=frozen(_most(dataset.interactions, len(dataset), popular_from), np.int64),
            newest=frozen(newest, np.int64),
            new=frozen(new, np.bool_),
            near=_near(dataset, places, popular_from),
            places=places,
            repeats=_repeats(dataset.interactions),
        )


def _most(log: Interactions, n_items: int, least: int) -> I64:
    counts = np.bincount(log.items_flat, minlength=n_items)
    if least > 1:
        pairs = np.unique(log.users_flat * n_items + log.items_flat)
        counts[np.bincount(pairs % n_items, minlength=n_items) < least] = 0
    chosen = np.argpartition(-counts, _KEPT)[:_KEPT] if len(counts) > _KEPT else np.arange(len(counts))
    order = chosen[np.lexsort((chosen, -counts[chosen]))]
    return order[counts[order] > 0] if log.n_events else order


def _newest(dataset: Dataset) -> I64:
    if not dataset.catalogue.has("created"):
        return np.zeros(0, dtype=np.int64)
    moments = _moments(dataset.catalogue.table["created"])
    known = np.flatnonzero(moments > np.iinfo(np.int64).min)
    order = known[np.lexsort((known, -moments[known]))]
    recent = int((moments[order] > moments[order[0]] - _NEW_DAYS * _DAY).sum())
    return order[: max(recent, _NEW_AT_LEAST)]


def _moments(column: pa.ChunkedArray) -> I64:
    """Milliseconds since 1970 UTC; the lowest number where unknown."""
    lowest = np.iinfo(np.int64).min
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        cast = column.cast(pa.timestamp("ms", tz=getattr(kind, "tz", None)), safe=False).cast(pa.int64())
        return np.asarray(cast.fill_null(lowest).to_numpy(), dtype=np.int64)
    if pa.types.is_integer(kind):
        return np.asarray(column.cast(pa.int64()).fill_null(lowest).to_numpy(), dtype=np.int64)
    return np.array([_moment(value) for value in column.to_pylist()], dtype=np.int64)


def _moment(value: Any) -> int:
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return int(np.iinfo(np.int64).min)
    if isinstance(read, date) and not isinstance(read, datetime):
        read = datetime.combine(read, time())
    if not isinstance(read, datetime):
        return int(np.iinfo(np.int64).min)
    return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)


def _places(dataset: Dataset, region: str) -> dict[str, str]:
    users = dataset.users
    if users is None or region not in users.table.column_names:
        return {}
    known = zip(users.ids.array.to_pylist(), users.table[region].to_pylist(), strict=True)
    return {user: str(place) for user, place in known if place is not None}


def _near(dataset: Dataset, places: dict[str, str], least: int) -> dict[str, I64]:
    if not places:
        return {}
    log = dataset.interactions
    of = np.array([places.get(user, "") for user in log.users.array.to_pylist()], dtype=object)
    n_items = len(dataset)
    return {
        place: _most(log.take(np.flatnonzero(of == place)), n_items, least) for place in sorted(set(places.values()))
    }


def _repeats(log: Interactions) -> bool:
    if not log.n_events:
        return False
    moments = np.arange(log.n_events) if log.times is None else log.times
    order = np.lexsort((moments, log.items_flat, log.users_flat))
    users, items, times = log.users_flat[order], log.items_flat[order], moments[order]
    again = (users[1:] == users[:-1]) & (items[1:] == items[:-1]) & (times[1:] > times[:-1])
    return bool(again.sum() >= _REPEATING * log.n_events)
