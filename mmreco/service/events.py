"""EventStore: what shoppers did and what became of items, written down before anybody is told that it is.

One table, read forward by sequence number. A number is taken from a row that the writer's transaction holds until it
commits, so that numbers are committed in their order in every database, and a reader that has seen number n has seen
everything below it. Whoever is forgotten is deleted; what stays is a keyed hash of the id, by which a restart knows
whom to leave out of an artefact that was trained before.
"""

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import sqlalchemy as sql
from sqlalchemy.engine import Connection, Engine

from mmreco.arguments import require_whole
from mmreco.service.database import create, open_engine, vacuum
from mmreco.service.tables import entries as _entries
from mmreco.service.tables import exposures as _exposures
from mmreco.service.tables import head as _head
from mmreco.service.tables import metadata, personal, seldom

__all__ = ["Entry", "EventStore", "NewEvent"]

_PAGE = 10_000  # entries read together
_DAY = 86_400_000  # milliseconds
_BLANK = dict.fromkeys(column.name for column in _entries.columns)

# Made once, as every event needs them.
_FURTHER = sql.update(_head).values(newest=_head.c.newest + sql.bindparam("more")).returning(_head.c.newest)
_INSERT = sql.insert(_entries)
_AFTER = (
    sql.select(_entries)
    .where(_entries.c.sequence > sql.bindparam("since"))
    .order_by(_entries.c.sequence)
    .limit(sql.bindparam("most"))
)

Kind = Literal["event", "item", "removed", "forgotten", "refit"]


class NewEvent(NamedTuple):
    """What a shopper did: times are milliseconds since 1970 UTC."""

    user_id: str
    item_id: str
    event: str
    weight: float
    time: int


class Entry(NamedTuple):
    """One entry of the event store.

    `kind` says what the rest is: an event; an item's columns in `body`; an item that was removed; the keyed hash of a
    user that was forgotten, in `body`; or what came of a refit, in `body`. `received` is when it was written, in
    milliseconds since 1970 UTC.
    """

    sequence: int
    kind: Kind
    received: int
    user_id: str | None
    item_id: str | None
    event: str | None
    weight: float | None
    time: int | None
    body: str | None

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of an item that was put, or the figures of a refit."""
        return dict(json.loads(self.body or "{}"))


@dataclass(frozen=True, eq=False)
class EventStore:
    """Entries in a database, made by `open`. May be used from many threads and many processes at once.

    Every method raises SQLAlchemy's `DBAPIError` where the database is away or its disk is full; nothing is
    acknowledged then.
    """

    engine: Engine
    _key: bytes = field(repr=False)
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def open(cls, url: str | Path) -> "EventStore":
        """The store at `url`, a path of a SQLite file or a URL of SQLAlchemy's; made where there is none.

        Raises
        ------
        DataError
            The URL cannot be read, or its driver is not installed.
        DBAPIError
            The database is away.
        """
        engine = open_engine(url)
        with ExitStack() as refused:
            refused.callback(engine.dispose)
            store = cls(engine, _key_of(engine))
            refused.pop_all()
        return store

    # ---- written

    def append(self, events: Sequence[NewEvent]) -> int:
        """Write `events`; the sequence number of the last one. They are on the disk when this returns."""
        return self._write([{"kind": "event", **event._asdict()} for event in events])

    def put_item(self, item_id: str, columns: dict[str, Any]) -> int:
        """Write `columns`, what is to be known of the item `item_id` from now on; the sequence number."""
        return self._write([{"kind": "item", "item_id": item_id, "body": json.dumps(columns)}])

    def remove_item(self, item_id: str) -> int:
        """Write that the item `item_id` is gone; the sequence number."""
        return self._write([{"kind": "removed", "item_id": item_id}])

    def note_refit(self, figures: dict[str, Any]) -> int:
        """Write `figures`, what came of a refit; the sequence number."""
        return self._write([{"kind": "refit", "body": json.dumps(figures)}])

    def forget(self, user_id: str) -> int:
        """Erase the user `user_id` from every table and from the files; how many rows there were.

        A keyed hash of the id stays. The database is rewritten, so this takes as long as copying it.
        """
        mark = {"kind": "forgotten", "body": self.pseudonym(user_id)}
        with self._writing, self.engine.begin() as connection:
            self._insert(connection, [mark])
            gone = sum(_erase(connection, table, user_id) for table in personal())
        with self._writing:
            vacuum(self.engine, personal())
        return int(gone)

    def expire(self, keep_days: int) -> int:
        """Erase what shoppers did, and what they were shown, more than so many days ago; how many rows there were.

        Raises
        ------
        DataError
            `keep_days` is not a whole number of 1 or more.
        """
        oldest = _now() - require_whole("keep_days", keep_days) * _DAY
        with self._writing, self.engine.begin() as connection:
            gone = connection.execute(
                sql.delete(_entries).where(_entries.c.kind == "event", _entries.c.received < oldest)
            ).rowcount
            gone += connection.execute(sql.delete(_exposures).where(_exposures.c.received < oldest)).rowcount
        if gone:
            with self._writing:
                vacuum(self.engine, personal())
        return int(gone)

    # ---- read

    def after(self, sequence: int, *, most: int = _PAGE) -> list[Entry]:
        """The entries with a larger number than `sequence`, in their order, the first `most` of them."""
        with self.engine.connect() as connection:
            return [Entry(*row) for row in connection.execute(_AFTER, {"since": sequence, "most": most})]

    def pages(self, sequence: int) -> Iterator[list[Entry]]:
        """The entries with a larger number than `sequence`, in their order, some together."""
        while entries := self.after(sequence):
            yield entries
            if len(entries) < _PAGE:
                return
            sequence = entries[-1].sequence

    def refits(self, *, most: int = 20) -> list[Entry]:
        """What came of the last refits, `most` of them, the newest first."""
        refits = sql.select(_entries).where(seldom, _entries.c.kind == "refit")
        with self.engine.connect() as connection:
            found = connection.execute(refits.order_by(_entries.c.sequence.desc()).limit(most))
            return [Entry(*row) for row in found]

    def newest(self) -> int:
        """The largest number given so far; 0 for none."""
        with self.engine.connect() as connection:
            return int(connection.execute(sql.select(_head.c.newest)).scalar_one())

    def forgotten(self) -> set[str]:
        """The keyed hashes of everybody who was forgotten."""
        with self.engine.connect() as connection:
            marks = sql.select(_entries.c.body).where(seldom, _entries.c.kind == "forgotten")
            return set(connection.execute(marks).scalars())

    def pseudonym(self, user_id: str) -> str:
        """The keyed hash of the id `user_id`; the key is the store's own."""
        return hmac.new(self._key, user_id.encode(), hashlib.sha256).hexdigest()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    # ---- parts

    def _write(self, entries: list[dict[str, Any]]) -> int:
        if not entries:
            return self.newest()
        with self._writing, self.engine.begin() as connection:
            return self._insert(connection, entries)

    def _insert(self, connection: Connection, entries: list[dict[str, Any]]) -> int:
        newest = int(connection.execute(_FURTHER, {"more": len(entries)}).scalar_one())  # held until the commit
        first, received = newest - len(entries) + 1, _now()
        rows = [{**_BLANK, **one, "sequence": first + n, "received": received} for n, one in enumerate(entries)]
        connection.execute(_INSERT, rows)
        return newest


def _key_of(engine: Engine) -> bytes:
    """The key of the store, whose tables are made where they are missing."""
    create(engine, metadata.sorted_tables)
    with engine.begin() as connection:
        if connection.execute(sql.select(_head.c.one)).first() is None:
            first = {"one": 1, "newest": 0, "key": secrets.token_hex(32)}
            if engine.dialect.name in ("sqlite", "postgresql"):  # two processes may be the first
                words = sql.text(
                    "INSERT INTO head (one, newest, key) VALUES (:one, :newest, :key) ON CONFLICT DO NOTHING"
                )
                connection.execute(words, first)
            else:
                connection.execute(sql.insert(_head), first)
    with engine.connect() as connection:
        return bytes.fromhex(connection.execute(sql.select(_head.c.key)).scalar_one())


def _erase(connection: Connection, table: sql.Table, user_id: str) -> int:
    return connection.execute(sql.delete(table).where(table.c.user_id == user_id)).rowcount


def _now() -> int:
    return int(time.time() * 1000)
