"""Logs with dates as a shop has them, prepared as a new user would, and what is asked about each.

retail: UCI Online Retail without cancellations, rows without a customer, quantities or prices of 0 and below, postage
and fees; one event per customer, invoice and product; trained before 2011-11-10, asked for the rest (for validation:
before 2011-10-10, asked for the month after).
tafeng: Ta-Feng; each user's last basket is asked (for validation: the one before it).
ml_time: MovieLens-1M, the last fifth of the events asked (for validation: the last fifth of the first four fifths).
ml_last: MovieLens-1M by the order of each user's ratings without times, the last asked, the one before it validation.
ml_last_times: the same with times, each asked when the last was rated; a rating without a time has that of the one
before it in its user's order (or after it, at the beginning; a user without any, his neighbour's), the order kept.
synthetic_last, synthetic_time: the synthetic shop, the last event asked, or the last fifth of all events.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mmreco import Dataset, IdMap, Interactions, by_time, leave_last_out
from mmreco.datasets.movielens import movielens
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.splitting import Holdout, Split

__all__ = ["LOGS", "Asked", "asked_of"]

_FEES = {"POST", "DOT", "M", "m", "D", "S", "B", "C2", "CRUK", "PADS", "AMAZONFEE", "BANK CHARGES"}
_FEES |= {"DCGSSBOY", "DCGSSGIRL"}
_DAY = 86_400_000


@dataclass(frozen=True)
class Asked:
    """A split; what the model is told to stop by, None where it finds that itself; whether repeats are asked about."""

    split: Split
    validation: Holdout | None = None
    repeats: bool = False


def retail(data: Path, *, validation: bool, order: str = "file") -> Asked:
    """Online Retail; `order` is that of the table's rows: "file", "code" or "shuffled"."""
    rows = pd.read_parquet(data / "online_retail/online_retail.parquet")
    kept = ~rows.InvoiceNo.str.startswith("C") & rows.CustomerID.notna() & (rows.Quantity > 0) & (rows.UnitPrice > 0)
    rows = rows[kept & ~rows.StockCode.isin(_FEES) & ~rows.StockCode.str.startswith("gift_")]
    rows = rows.drop_duplicates(["CustomerID", "InvoiceNo", "StockCode"])
    if order == "code":
        rows = rows.sort_values(["InvoiceNo", "StockCode"])
    elif order == "shuffled":
        rows = rows.sample(frac=1, random_state=0)
    if validation:
        rows = rows[rows.InvoiceDate < "2011-11-10"]
    people = rows.CustomerID.astype(int).astype(str)
    users, items = IdMap.of(sorted(people.unique())), IdMap.of(sorted(rows.StockCode.unique()))
    log = Interactions.from_events(
        users,
        items,
        users.rows(people.tolist()),
        items.rows(rows.StockCode.tolist()),
        times=rows.InvoiceDate.to_numpy().astype("datetime64[ms]").astype(np.int64),
    )
    at = "2011-10-10" if validation else "2011-11-10"
    return Asked(by_time(Dataset.from_interactions(log), at), repeats=True)


def tafeng(data: Path, *, validation: bool) -> Asked:
    """Ta-Feng, next basket."""
    rows = pd.read_parquet(data / "tafeng/baskets.parquet")
    if validation:
        rows = rows[rows.basket < rows.groupby("user_id").basket.transform("max")]
    users, items = IdMap.of(sorted(rows.user_id.unique())), IdMap.of(sorted(rows.item_id.unique()))
    log = Interactions.from_events(
        users,
        items,
        users.rows(rows.user_id.tolist()),
        items.rows(rows.item_id.tolist()),
        times=rows.basket.to_numpy() * _DAY,
    )
    return Asked(leave_last_out(Dataset.from_interactions(log)), repeats=True)


def ml_time(data: Path, *, validation: bool) -> Asked:
    """MovieLens-1M by time."""
    split = by_time(Dataset.from_interactions(movielens(data / "ml1m").interactions), 0.8)
    return Asked(by_time(split.train, 0.8) if validation else split)


def ml_last(data: Path, *, validation: bool) -> Asked:
    """MovieLens-1M, last item, ids alone."""
    log = movielens(data / "ml1m").interactions
    outer = leave_last_out(
        Dataset.from_interactions(Interactions.from_events(log.users, log.items, log.users_flat, log.items_flat))
    )
    inner = leave_last_out(outer.train)
    return Asked(inner if validation else Split(inner.train, outer.test), validation=inner.test)


def ml_last_times(data: Path, *, validation: bool) -> Asked:
    """MovieLens-1M, last item, ids and times."""
    rows = pd.read_parquet(data / "ml1m/ml1m_interactions.parquet")
    rows = rows[rows.pos >= 0].sort_values(["user", "pos"])
    times = rows.groupby("user").timestamp.ffill().fillna(rows.groupby("user").timestamp.bfill())
    rows = rows.assign(time=times.ffill().bfill().astype(np.int64))
    people, films = rows.user.astype(str), rows.movie.astype(str)
    users, items = IdMap.of(sorted(people.unique())), IdMap.of(sorted(films.unique()))
    log = Interactions.from_events(
        users,
        items,
        users.rows(people.tolist()),
        items.rows(films.tolist()),
        times=(rows.time.to_numpy() * 1_000, rows.pos.to_numpy()),
    )
    outer = leave_last_out(Dataset.from_interactions(log))
    inner = leave_last_out(outer.train)
    return Asked(inner if validation else Split(inner.train, outer.test), validation=inner.test)


def synthetic_last(data: Path, *, validation: bool) -> Asked:
    """The synthetic shop, last event."""
    split = leave_last_out(synthetic_shop(1_200, 3_000, seed=0).dataset)
    return Asked(leave_last_out(split.train) if validation else split)


def synthetic_time(data: Path, *, validation: bool) -> Asked:
    """The synthetic shop by time."""
    split = by_time(synthetic_shop(1_200, 3_000, seed=0).dataset, 0.8)
    return Asked(by_time(split.train, 0.8) if validation else split)


LOGS = {one.__name__: one for one in (retail, tafeng, ml_time, ml_last, ml_last_times, synthetic_last, synthetic_time)}


def asked_of(name: str, data: Path, *, validation: bool = False) -> Asked:
    """What is asked of a log by its name."""
    return LOGS[name](data, validation=validation)
