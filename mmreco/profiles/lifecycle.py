"""When shoppers come, how often, what they spend, and when they will be back.

Sources: Hughes, "Strategic database marketing", 1994 (recency, frequency, money, in fifths); Bhagat et al., "Buy it
again: modeling repeat purchase recommendations", 2018, for repeats: the interval of the shopper and item where there is
one, drawn to that of the item.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mmreco.arguments import require_number, require_whole
from mmreco.arrays import F64, I64
from mmreco.data.catalogue import Catalogue
from mmreco.data.interactions import Interactions
from mmreco.data.moment import newest
from mmreco.errors import DataError

__all__ = ["LifeStages", "life_stages", "next_purchases", "of_event", "prices", "recency_frequency_money"]

DAY = 86_400_000  # milliseconds


@dataclass(frozen=True, kw_only=True)
class LifeStages:
    """The limits between the life stages of a shopper, in days.

    Parameters
    ----------
    new : above 0
        A shopper is "new" for so long after their first event.
    lapsing, lost : above 0, `lost` the longer
        Without an event for so long they are "lapsing", and "lost"; otherwise "active". "unknown" without any event.
    """

    new: float = 14
    lapsing: float = 30
    lost: float = 90

    def __post_init__(self) -> None:
        for name in ("new", "lapsing", "lost"):
            require_number(name, getattr(self, name), above=0)
        if not self.lapsing < self.lost:
            raise DataError(
                f"new={self.new}, lapsing={self.lapsing}, lost={self.lost}: expected days above 0, lost the longest"
            )


def recency_frequency_money(
    log: Interactions, catalogue: Catalogue | None = None, *, event: str | None = None, at: int | None = None
) -> pa.Table:
    """`user_id`, `recency` in days, `frequency`, `money`, and the three as fifths from 1 to 5, a row a shopper.

    Parameters
    ----------
    log : with times
    catalogue : optional
        With a column `price`, `money` is the sum over the events; null without.
    event : optional
        Only events of this kind count, e.g. "purchase".
    at : milliseconds since 1970 UTC, optional
        When it is looked at; the time of the last event when omitted. Recency is null for a shopper without events.

    Raises
    ------
    DataError
        The log has no times, there is no such kind of event, or prices are no numbers.
    """
    some = of_event(log, event)
    last, _ = _ends(some)
    moment = moment_of(log, at)
    recency = np.where(some.lengths > 0, np.maximum(moment - last, 0) / DAY, np.nan)
    money = np.full(len(log), np.nan)
    if catalogue is not None and catalogue.has("price"):
        spent = np.nan_to_num(prices(catalogue)[some.items_flat])
        money = np.bincount(some.users_flat, weights=spent, minlength=len(log))
    columns = {
        "user_id": log.users.array,
        "recency": _nullable(recency),
        "frequency": some.lengths,
        "money": _nullable(money),
        "recency_fifth": _fifths(-recency),
        "frequency_fifth": _fifths(some.lengths.astype(np.float64)),
        "money_fifth": _fifths(money),
    }
    return pa.table(columns)


def life_stages(log: Interactions, stages: LifeStages | None = None, *, at: int | None = None) -> list[str]:
    """ "new", "active", "lapsing", "lost" or "unknown" for each shopper.

    Parameters
    ----------
    log : `n` shoppers
    stages : the days after which each stage begins, optional
    at : milliseconds since 1970 UTC, optional
        When it is looked at; the time of the last event when omitted.

    Raises
    ------
    DataError
        The log has no times.
    """
    limits = LifeStages() if stages is None else stages
    last, first = _ends(log)
    moment = moment_of(log, at)
    away, age = (moment - last) / DAY, (moment - first) / DAY
    names = np.select(
        [log.lengths == 0, away >= limits.lost, away >= limits.lapsing, age < limits.new],
        ["unknown", "lost", "lapsing", "new"],
        "active",
    )
    return [str(name) for name in names]


def next_purchases(log: Interactions, *, event: str | None = None, prior: float = 2.0) -> pa.Table:
    """When each shopper will buy again what they bought before, a row a shopper and item that was ever bought again.

    The interval is the mean of the shopper's own between purchases of the item, drawn to the median of all shoppers'
    by `prior` intervals. Columns: `user_id`, `item_id`, `purchases`, `interval_days`, `last` and `due` (UTC).

    Parameters
    ----------
    log : `n` shoppers
    event : optional
        Only events of this kind count, e.g. "purchase".
    prior : 0 or more
        Intervals that the median of all shoppers counts for.

    Raises
    ------
    DataError
        The log has no times, there is no such kind of event, or `prior` is below 0.
    """
    prior = require_number("prior", prior, least=0)
    some = of_event(log, event)
    times = _times(some)
    order = np.lexsort((times, some.items_flat, some.users_flat))
    users, items, when = some.users_flat[order], some.items_flat[order], times[order]
    same = np.zeros(len(order), dtype=np.bool_)
    same[1:] = (users[1:] == users[:-1]) & (items[1:] == items[:-1]) & (when[1:] > when[:-1])
    gaps = np.where(same, np.diff(when, prepend=when[:1]), 0) / DAY
    usual = _medians(items[same], gaps[same], len(log.items))  # (n_items,), NaN where never bought again
    keys, first, group = np.unique(users * max(1, len(log.items)) + items, return_index=True, return_inverse=True)
    sums, many = np.bincount(group, weights=gaps), np.bincount(group, weights=same)
    item = items[first]
    interval = (sums + prior * np.nan_to_num(usual[item])) / np.maximum(many + prior, 1e-9)
    known = ~np.isnan(usual[item]) & (interval > 0)
    last = np.zeros(len(keys), dtype=np.int64)
    np.maximum.at(last, group, when)
    due = last + (interval * DAY).astype(np.int64)
    moment = pa.timestamp("ms", tz="UTC")
    return pa.table(
        {
            "user_id": log.users.array.take(pa.array(users[first][known])),
            "item_id": log.items.array.take(pa.array(item[known])),
            "purchases": (np.bincount(group)[known]).astype(np.int64),
            "interval_days": interval[known],
            "last": pa.array(last[known], pa.int64()).cast(moment),
            "due": pa.array(due[known], pa.int64()).cast(moment),
        }
    )


def of_event(log: Interactions, event: str | None) -> Interactions:
    """The same shoppers with only the events of this kind.

    Raises
    ------
    DataError
        There is no such kind of event; those there are, are named.
    """
    if event is None:
        return log
    if event not in log.event_names:
        raise DataError(f"no event {event!r} in the log; there are {', '.join(log.event_names)}")
    return log.keep(log.event_types == log.event_names.index(event))


def prices(catalogue: Catalogue) -> F64:
    """The price of each item, shape `(n_items,)`; NaN where unknown.

    Raises
    ------
    DataError
        The column `price` holds no numbers.
    """
    try:
        column = catalogue.table["price"].cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"column 'price' holds {catalogue.table['price'].type}; expected numbers") from error
    return np.asarray(column.to_numpy(), dtype=np.float64)


def moment_of(log: Interactions, at: int | None) -> int:
    """`at`, or the time of the last event that can have happened; 0 where there is none."""
    return newest(_times(log)) if at is None else require_whole("at", at, least=0)


def _times(log: Interactions) -> I64:
    if log.times is None:
        raise DataError("the log has no times; recency, life stages and next purchases need a column 'timestamp'")
    return log.times


def _ends(log: Interactions) -> tuple[I64, I64]:
    """The times of each shopper's last and first event; 0 where they have none."""
    times = np.append(_times(log), 0)
    some = log.lengths > 0
    return np.where(some, times[log.starts[1:] - 1], 0), np.where(some, times[log.starts[:-1]], 0)


def _medians(groups: I64, values: F64, n: int) -> F64:
    order = np.lexsort((values, groups))
    groups, values = groups[order], values[order]
    out = np.full(n, np.nan)
    found, first, many = np.unique(groups, return_index=True, return_counts=True)
    out[found] = (values[first + (many - 1) // 2] + values[first + many // 2]) / 2
    return out


def _fifths(values: F64) -> pa.Array:
    """From 1, the smallest, to 5; null where unknown. Equal values share a fifth."""
    known = ~np.isnan(values)
    ranks = np.searchsorted(np.sort(values[known]), values, side="left") / max(1, int(known.sum()))
    return pa.array(np.where(known, 1 + np.minimum(4, (5 * ranks)).astype(np.int64), 0), mask=~known)


def _nullable(values: F64) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))
