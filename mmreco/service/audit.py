"""Audit: who erased, exported or changed what and when, by the name of a key; never of whom.

Written before the act is answered. Questions and events are not in it: `/metrics` counts those.
"""

import time
from typing import Literal, NamedTuple

import sqlalchemy as sql

from mmreco.service.events import EventStore
from mmreco.service.tables import audit

__all__ = ["Act", "Action", "acts", "record"]

Action = Literal["forget", "export", "put item", "remove item", "refit"]


class Act(NamedTuple):
    """One act: when, in ms since 1970 UTC, by which key, what, and how many rows it touched.

    `who` is "" without keys, and "a visitor" in the shop window.
    """

    received: int
    who: str
    action: str
    touched: int


def record(store: EventStore, who: str, action: Action, touched: int) -> None:
    """Write an act down.

    Raises
    ------
    DBAPIError
        It could not be written.
    """
    act = Act(int(time.time() * 1000), who, action, touched)
    with store.engine.begin() as connection:
        connection.execute(sql.insert(audit), [act._asdict()])


def acts(store: EventStore) -> list[Act]:
    """Every act, the oldest first."""
    columns = [audit.c[name] for name in Act._fields]
    with store.engine.connect() as connection:
        return [Act._make(row) for row in connection.execute(sql.select(*columns).order_by(audit.c.number))]
