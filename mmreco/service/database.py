"""The database below the event store: how it is opened, set up by whoever comes first, and rid of what was deleted."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from mmreco.errors import DataError

__all__ = ["FAULTS", "create", "open_engine", "vacuum"]

FAULTS = (SQLAlchemyError,)
"""What a database raises that is away, full, or none."""

_SQLITE = b"SQLite format 3\0"  # how its files begin
_BUSY_SECONDS = 10  # how long a writer waits for another process's transaction, a request for a free connection
_AWAY_SECONDS = 5  # after which a PostgreSQL that does not answer is away
_ONE_AT_A_TIME = 0x6D6D7265636F  # the advisory lock of whoever sets a database up


def open_engine(url: str | Path) -> Engine:
    """Connections to a SQLite file at a path, made where there is none, or to a database at a URL of SQLAlchemy's.

    A commit is on the disk when it returns. Errors show no values.

    Raises
    ------
    DataError
        The URL cannot be read, its driver is not installed, or a path is that of something else.
    """
    try:
        where = make_url(url) if isinstance(url, str) and "://" in url else URL.create("sqlite", database=str(url))
        if where.get_backend_name() == "sqlite":
            return _sqlite(where)
        return sql.create_engine(
            where,
            pool_pre_ping=True,  # a connection may have died with its server
            pool_timeout=_BUSY_SECONDS,
            hide_parameters=True,
            connect_args=_postgres_options(where),
        )
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        shown = "the URL" if isinstance(url, str) else url  # a URL may hold a password
        raise DataError(
            f"events: {shown} cannot be used ({error}); give a path or e.g. postgresql+psycopg:// with mmreco[postgres]"
        ) from error


def create(engine: Engine, tables: Sequence[sql.Table]) -> None:
    """Make the tables that are not there yet; several processes may begin at once.

    Raises
    ------
    DataError
        The SQLite file holds tables of something else, and none of these.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            _require_own(engine, set(sql.inspect(connection).get_table_names()), {table.name for table in tables})
        if engine.dialect.name == "postgresql":  # IF NOT EXISTS is no help there against another's transaction
            connection.execute(sql.select(sql.func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))
        for table in tables:
            new = engine.dialect.name == "postgresql" and not sql.inspect(connection).has_table(table.name)
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in sorted(table.indexes, key=lambda one: str(one.name)):
                connection.execute(CreateIndex(index, if_not_exists=True))
            if new:
                _without_statistics(connection, table)


def vacuum(engine: Engine, tables: Sequence[sql.Table]) -> None:
    """Leave nothing of deleted rows in any file of these tables.

    SQLite's write-ahead log is emptied, and the rest is written anew. PostgreSQL writes the tables anew; its own
    write-ahead log, and backups, hold older pages until they are recycled.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            for table in tables:
                connection.execute(sql.text(f'VACUUM FULL "{table.name}"'))
        if engine.dialect.name == "sqlite":
            for words in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                connection.execute(sql.text(words)).close()


def _require_own(engine: Engine, present: set[str], own: set[str]) -> None:
    if present and not present & own:
        raise DataError(
            f"events: {engine.url.database} holds tables of something else ({sorted(present)[0]!r}); give another path"
        )


def _sqlite(where: URL) -> Engine:
    if where.database in (None, "", ":memory:"):
        raise DataError("events: a SQLite in memory is lost with the process; give the path of a file")
    path = Path(str(where.database))
    if path.is_dir():
        raise DataError(f"events: {path} is a folder; give the path of a file")
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(len(_SQLITE)) != _SQLITE:
                raise DataError(f"events: {path} is a file of something else; expected a database of SQLite, or none")
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # behaviour is nobody else's business
    engine = sql.create_engine(
        where, pool_timeout=_BUSY_SECONDS, hide_parameters=True, connect_args={"timeout": _BUSY_SECONDS}
    )
    sql.event.listen(engine, "connect", _safe)
    return engine


def _safe(connection: Any, _record: Any) -> None:
    """A commit is on the disk when it returns; readers do not wait for writers; what is deleted is overwritten."""
    for pragma in (f"busy_timeout={1000 * _BUSY_SECONDS}", "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _postgres_options(where: URL) -> dict[str, Any]:
    """Short waits, so that a request is told when the database is away; the URL's own options come first."""
    if where.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    own = {
        "connect_timeout": _AWAY_SECONDS,
        "tcp_user_timeout": 1000 * _AWAY_SECONDS,
        "options": f"-c lock_timeout={_BUSY_SECONDS}s",
    }
    return {name: value for name, value in own.items() if name not in where.query}


def _without_statistics(connection: Connection, table: sql.Table) -> None:
    """PostgreSQL keeps the commonest values of a column apart, where no deletion reaches them; not of these."""
    for column in table.columns:
        if isinstance(column.type, sql.Text):
            connection.execute(sql.text(f'ALTER TABLE "{table.name}" ALTER COLUMN "{column.name}" SET STATISTICS 0'))
