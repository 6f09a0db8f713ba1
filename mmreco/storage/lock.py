"""Locks on folders: one writer refuses the next, readers keep what they read from being removed.

They are `flock` on the folder itself, so there is no lock file to be left behind, and they end when their process
does, however it ends. Where the system has no `flock`, there are none.
"""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType

from mmreco.errors import DataError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["hold", "reading", "sweeping", "unread"]

_AGAIN = 0.01  # seconds between two tries while somebody sweeps
_HELD: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """The right to write to `folder` for the length of the block; a block inside may take it again.

    It waits for those who sweep (their locks are shared, so another shared one tells them from a writer).

    Raises
    ------
    DataError
        Another writer holds it.
    """
    name = str(folder.resolve())
    if name in _HELD.get():
        yield
        return
    while True:
        with _locked(folder, alone=True, wait=False) as got:
            if got:
                token = _HELD.set(_HELD.get() | {name})
                try:
                    yield
                finally:
                    _HELD.reset(token)
                return
        with _locked(folder, alone=False, wait=False) as swept:
            if not swept:
                raise DataError(f"{folder}: another writer is at work on it; let it finish, then try again")
        time.sleep(_AGAIN)


@contextmanager
def sweeping(folder: Path) -> Iterator[bool]:
    """Whether nobody writes to `folder`, this caller included; writers wait for the block to end."""
    if str(folder.resolve()) in _HELD.get():
        yield False
        return
    with _locked(folder, alone=False, wait=False) as got:
        yield got


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """`folder` is read for the length of the block, and not to be removed.

    Raises
    ------
    FileNotFoundError
        There is no such folder (any more).
    """
    with _locked(folder, alone=False, wait=True):
        yield


@contextmanager
def unread(folder: Path) -> Iterator[bool]:
    """Whether nobody reads `folder`; nobody begins to for the length of the block.

    Raises
    ------
    FileNotFoundError
        There is no such folder (any more).
    """
    with _locked(folder, alone=True, wait=False) as got:
        yield got


@contextmanager
def _locked(folder: Path, *, alone: bool, wait: bool) -> Iterator[bool]:
    if fcntl is None:
        yield True
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        got = True
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            got = False
        except OSError as error:  # a file system without locks
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL):
                raise
        yield got
    finally:
        os.close(handle)
