"""Exposures: what an experiment showed to whom, with the chance of each item, written down about once a second.

They are written behind the answers, so that nobody waits for the disk: a kill loses the last second of them, and of
nothing else. Whoever was forgotten meanwhile is not written.
"""

import json
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError

from mmreco.service.events import EventStore
from mmreco.service.tables import entries, exposures, head

__all__ = ["Exposure", "ExposureLog", "names", "now", "read_exposures"]

_SECONDS = 1.0
_OF_PAGES = ("page", "shelves")  # written with the items
_MOST = 100_000  # exposures that wait for a store that is away
_log = logging.getLogger(__name__)


class Exposure(NamedTuple):
    """One list, or one page, that one user was shown.

    `place` is that of the variant in its experiment, from 0, and `share` its share; `received` is when the list was
    shown, in milliseconds since 1970 UTC. `propensities` holds the chance of each item to stand at its place in this
    variant, None where it is not known; `teams` whose pick each item was, 0, 1 or -1, where two are interleaved. Of a
    page `page` is the name and `shelves` the kind of shelf of each item; items are from the top left on.
    """

    experiment: str
    variant: str
    place: int
    share: float
    user_id: str
    received: int
    items: Sequence[str]
    propensities: Sequence[float | None]
    teams: Sequence[int] | None = None
    page: str | None = None
    shelves: Sequence[str] = ()


class ExposureLog:
    """Takes exposures at once, and writes them in a thread of its own between `start` and `stop`."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self._lock = threading.Lock()
        self._waiting: list[Exposure] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, exposure: Exposure) -> None:
        """Take one."""
        with self._lock:
            self._waiting.append(exposure)

    def flush(self) -> int:
        """Write what waits; how many there were.

        Raises
        ------
        DBAPIError
            They could not be written, and wait on; the oldest above 100,000 are dropped.
        """
        with self._lock:
            some, self._waiting = self._waiting, []
        if not some:
            return 0
        try:
            self._write(some)
        except SQLAlchemyError:
            with self._lock:
                self._waiting = [*some, *self._waiting][-_MOST:]
            raise
        return len(some)

    def start(self) -> None:
        """Begin to write, in a thread of its own."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._watch, name="mmreco-exposures", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        there = True
        while not self._stopping.wait(_SECONDS):
            there = self._flushed(there)
        self._flushed(there)

    def _flushed(self, there: bool) -> bool:
        try:
            self.flush()
        except SQLAlchemyError as error:
            if there:
                _log.error("exposures cannot be written, and are tried again: %s", str(error).splitlines()[0])
            return False
        return True

    def _write(self, some: list[Exposure]) -> None:
        with self.store.engine.begin() as connection:
            connection.execute(sql.update(head).values(newest=head.c.newest))  # nobody is forgotten until the commit
            since = min(one.received for one in some)
            asked = sql.select(entries.c.body, entries.c.received)
            marks = connection.execute(asked.where(entries.c.kind == "forgotten", entries.c.received >= since))
            gone: dict[str, int] = dict(iter(marks))
            if gone:
                some = [one for one in some if one.received > gone.get(self.store.pseudonym(one.user_id), -1)]
            if some:
                connection.execute(sql.insert(exposures), [_row(one) for one in some])


def read_exposures(store: EventStore, experiment: str) -> list[Exposure]:
    """All that one experiment showed, in the order of time."""
    columns = [exposures.c[name] for name in Exposure._fields if name not in _OF_PAGES]
    asked = sql.select(*columns).where(exposures.c.experiment == experiment)
    with store.engine.connect() as connection:
        found = connection.execute(asked.order_by(exposures.c.received, exposures.c.number)).all()
    shown = []
    for *about, items, chances, teams in found:
        written = json.loads(items)
        page = written if isinstance(written, dict) else {"items": written, "page": None, "shelves": ()}
        drafted = None if teams is None else json.loads(teams)
        shown.append(
            Exposure._make((*about, page["items"], json.loads(chances), drafted, page["page"], page["shelves"]))
        )
    return shown


def names(store: EventStore) -> list[str]:
    """The experiments that showed anything."""
    with store.engine.connect() as connection:
        return list(connection.execute(sql.select(exposures.c.experiment).distinct().order_by("experiment")).scalars())


def now() -> int:
    """Milliseconds since 1970 UTC."""
    return int(time.time() * 1000)


def _row(one: Exposure) -> dict[str, Any]:
    teams = None if one.teams is None else json.dumps(list(one.teams))
    shown: Any = list(one.items)
    if one.page is not None:
        shown = {"page": one.page, "shelves": list(one.shelves), "items": shown}
    written = {"items": json.dumps(shown), "propensities": json.dumps(list(one.propensities)), "teams": teams}
    return {name: value for name, value in one._asdict().items() if name not in _OF_PAGES} | written
