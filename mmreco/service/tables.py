"""The tables of an event store, in whatever database it lies. A table with a column `user_id` holds what is forgotten.

`entries` is the log itself, `head` its newest number and its key. `exposures` says what an experiment showed to whom;
`audit` who did what, and names no shopper.
"""

import sqlalchemy as sql

__all__ = ["audit", "entries", "exposures", "head", "metadata", "personal", "seldom"]

_NUMBER = sql.BigInteger().with_variant(sql.Integer, "sqlite")  # SQLite counts up by itself only in this type

metadata = sql.MetaData()

entries = sql.Table(
    "entries",
    metadata,
    sql.Column("sequence", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("kind", sql.String(16), nullable=False),
    sql.Column("received", sql.BigInteger, nullable=False, index=True),
    sql.Column("user_id", sql.Text, index=True),
    sql.Column("item_id", sql.Text),
    sql.Column("event", sql.Text),
    sql.Column("weight", sql.Double),
    sql.Column("time", sql.BigInteger),
    sql.Column("body", sql.Text),
)

seldom = entries.c.kind != sql.literal_column("'event'")  # in a query, it leads to the few entries that are no events
sql.Index("ix_entries_seldom", entries.c.kind, sqlite_where=seldom, postgresql_where=seldom)

head = sql.Table(
    "head",
    metadata,
    sql.Column("one", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("newest", sql.BigInteger, nullable=False),
    sql.Column("key", sql.String(64), nullable=False),
)

exposures = sql.Table(
    "exposures",
    metadata,
    sql.Column("number", _NUMBER, primary_key=True),
    sql.Column("experiment", sql.Text, nullable=False, index=True),
    sql.Column("variant", sql.Text, nullable=False),
    sql.Column("place", sql.Integer, nullable=False),  # of the variant in its experiment, from 0
    sql.Column("share", sql.Double, nullable=False),  # of the variant, when this was shown
    sql.Column("user_id", sql.Text, nullable=False, index=True),
    sql.Column("received", sql.BigInteger, nullable=False, index=True),  # when it was shown, ms since 1970 UTC
    sql.Column("items", sql.Text, nullable=False),  # JSON: item ids from the top down, of a page with their shelves
    sql.Column("propensities", sql.Text, nullable=False),  # JSON: the chance of each at its place
    sql.Column("teams", sql.Text),  # JSON: whose pick each was, where two variants are interleaved
)

audit = sql.Table(
    "audit",
    metadata,
    sql.Column("number", _NUMBER, primary_key=True),
    sql.Column("received", sql.BigInteger, nullable=False, index=True),
    sql.Column("who", sql.Text, nullable=False),  # the name of a key, "" without keys
    sql.Column("action", sql.String(32), nullable=False),
    sql.Column("touched", sql.BigInteger, nullable=False),  # rows
)


def personal() -> list[sql.Table]:
    """The tables that name shoppers."""
    return [table for table in metadata.sorted_tables if "user_id" in table.c]
