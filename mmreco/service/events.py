"""EventStore: what shoppers did and what became of items, written down before anybody is told that it is.

One table, read forward by sequence number. A number is taken from a row that the writer's transaction holds until it
commits, so that numbers are committed in their order in every database, and a reader that has seen number n has seen
everything below it. Whoever is forgotten is deleted; what stays is a keyed hash of the id, by which a restart knows
whom to leave out of an artefact that was trained before.
"""

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import sqlalchemy as sql
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from mmreco.arguments import require_whole
from mmreco.errors import DataError
from mmreco.service.tables import entries as _entries
from mmreco.service.tables import exposures as _exposures
from mmreco.service.tables import head as _head
from mmreco.service.tables import metadata, personal

__all__ = ["Entry", "EventStore", "NewEvent"]

_BUSY_SECONDS = 10  # how long a writer waits for another process's transaction
_PAGE = 10_000  # entries read together
_DAY = 86_400_000  # milliseconds

Kind = Literal["event", "item", "removed", "forgotten"]


class NewEvent(NamedTuple):
    """What a shopper did: times are milliseconds since 1970 UTC."""

    user_id: str
    item_id: str
    event: str
    weight: float
    time: int


class Entry(NamedTuple):
    """One line of the store.

    `kind` says what the rest is: an event; an item's columns in `body`; an item that was removed; or the keyed hash of
    a user that was forgotten, in `body`. `received` is when it was written, in milliseconds since 1970 UTC.
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
        """The columns of an item that was put."""
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
        """The store at a path of a SQLite file, or at a URL of SQLAlchemy's; made where there is none.

        Raises
        ------
        DataError
            The URL cannot be read, or its driver is not installed.
        DBAPIError
            The database is away.
        """
        engine = _engine(url)
        metadata.create_all(engine)
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
            key = bytes.fromhex(connection.execute(sql.select(_head.c.key)).scalar_one())
        return cls(engine, key)

    # ---- written

    def append(self, events: Sequence[NewEvent]) -> int:
        """Write events; the sequence number of the last one. They are on the disk when this returns."""
        return self._write([{"kind": "event", **event._asdict()} for event in events])

    def put_item(self, item_id: str, columns: dict[str, Any]) -> int:
        """Write what is to be known of an item from now on; the sequence number."""
        return self._write([{"kind": "item", "item_id": item_id, "body": json.dumps(columns)}])

    def remove_item(self, item_id: str) -> int:
        """Write that an item is gone; the sequence number."""
        return self._write([{"kind": "removed", "item_id": item_id}])

    def forget(self, user_id: str) -> int:
        """Erase a user from every table and from the files; how many rows there were. A keyed hash of the id stays.

        The database is rewritten, so this takes as long as copying it.
        """
        mark = {"kind": "forgotten", "body": self.pseudonym(user_id)}
        with self._writing, self.engine.begin() as connection:
            self._insert(connection, [mark])
            gone = sum(_erase(connection, table, user_id) for table in personal())
        self._vacuum()
        return int(gone)

    def expire(self, keep_days: int) -> int:
        """Erase what shoppers did, and what they were shown, more than so many days ago; how many rows there were.

        Raises
        ------
        DataError
            `keep_days` is no whole number of 1 or more.
        """
        oldest = _now() - require_whole("keep_days", keep_days) * _DAY
        with self._writing, self.engine.begin() as connection:
            gone = connection.execute(
                sql.delete(_entries).where(_entries.c.kind == "event", _entries.c.received < oldest)
            ).rowcount
            gone += connection.execute(sql.delete(_exposures).where(_exposures.c.received < oldest)).rowcount
        if gone:
            self._vacuum()
        return int(gone)

    # ---- read

    def after(self, sequence: int, *, most: int = _PAGE) -> list[Entry]:
        """The entries with a larger number, in their order, the first `most` of them."""
        asked = sql.select(_entries).where(_entries.c.sequence > sequence).order_by(_entries.c.sequence).limit(most)
        with self.engine.connect() as connection:
            return [Entry(*row) for row in connection.execute(asked)]

    def newest(self) -> int:
        """The largest number given so far; 0 for none."""
        with self.engine.connect() as connection:
            return int(connection.execute(sql.select(_head.c.newest)).scalar_one())

    def forgotten(self) -> set[str]:
        """The keyed hashes of everybody who was forgotten."""
        with self.engine.connect() as connection:
            return set(connection.execute(sql.select(_entries.c.body).where(_entries.c.kind == "forgotten")).scalars())

    def pseudonym(self, user_id: str) -> str:
        """The keyed hash of an id; the key is the store's own."""
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
        connection.execute(sql.update(_head).values(newest=_head.c.newest + len(entries)))  # held until the commit
        newest = int(connection.execute(sql.select(_head.c.newest)).scalar_one())
        first, received = newest - len(entries) + 1, _now()
        blank = dict.fromkeys(column.name for column in _entries.columns)
        rows = [{**blank, **one, "sequence": first + n, "received": received} for n, one in enumerate(entries)]
        connection.execute(sql.insert(_entries), rows)
        return newest

    def _vacuum(self) -> None:
        """Leave nothing of deleted rows in any file: the write-ahead log is emptied, the rest is written anew."""
        with self._writing, self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if self.engine.dialect.name == "postgresql":
                for table in personal():
                    connection.execute(sql.text(f"VACUUM FULL {table.name}"))
            if self.engine.dialect.name == "sqlite":
                for words in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                    connection.execute(sql.text(words)).close()


def _erase(connection: Connection, table: sql.Table, user_id: str) -> int:
    return connection.execute(sql.delete(table).where(table.c.user_id == user_id)).rowcount


def _engine(url: str | Path) -> Engine:
    try:
        where = make_url(url) if isinstance(url, str) and "://" in url else URL.create("sqlite", database=str(url))
        if where.get_backend_name() != "sqlite":
            return sql.create_engine(where, pool_pre_ping=True)
        if where.database in (None, "", ":memory:"):
            raise DataError(f"events: {url!s} is kept in memory and lost with the process; give the path of a file")
        engine = sql.create_engine(where, connect_args={"timeout": _BUSY_SECONDS})
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        shown = "the URL" if isinstance(url, str) else url  # a URL may hold a password
        raise DataError(
            f"events: {shown} cannot be used ({error}); give a path or e.g. postgresql+psycopg://"
        ) from error
    path = Path(str(where.database))
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # behaviour is nobody else's business
    sql.event.listen(engine, "connect", _safe)
    return engine


def _safe(connection: Any, _record: Any) -> None:
    """A commit is on the disk when it returns; readers do not wait for writers; what is deleted is overwritten."""
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _now() -> int:
    return int(time.time() * 1000)
