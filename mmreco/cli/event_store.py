"""The event store that a command reads: opened, closed, and its database's errors as ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mmreco.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from mmreco.service.events import EventStore

__all__ = ["event_store"]


@contextmanager
def event_store(command: str, where: str, *, make: bool = False) -> "Iterator[EventStore]":
    """The store at a path or URL, while the command needs it.

    Parameters
    ----------
    command : for the message where an extra is missing
    where : a path of a SQLite file, or a URL of SQLAlchemy's
    make : optional
        Whether a file that is not there is made.

    Raises
    ------
    MissingExtraError
        The service is not installed.
    DataError
        There is no such store, or its database is away or fails.
    """
    try:
        from mmreco.service.database import FAULTS
        from mmreco.service.events import EventStore
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{command} needs {error.name}; run: pip install 'mmreco[serve]'") from error
    if not make and "://" not in where and not os.path.isfile(where):
        raise DataError(f"{where}: no such event store; expected the file or the URL that `mmreco serve` wrote to")
    try:
        store = EventStore.open(where)
        try:
            yield store
        finally:
            store.close()
    except FAULTS as error:
        words = " ".join(str(error).split())[:200]
        raise DataError(f"events: the database cannot be read ({words}); is it there, and is it running?") from error
