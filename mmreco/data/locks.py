"""Locks on folders: one writer refuses the next, readers keep what they read from being removed.

They are `flock` on the folder itself, so there is no lock file to be left behind, and they end when their process
does, however it ends. Where the system has no `flock`, there are none.
"""

import errno
import os
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

__all__ = ["hold", "reading", "unread"]

_HELD: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """The right to write to `folder` for the length of the block; a block inside may take it again.

    Raises
    ------
    DataError
        Someone else holds it.
    """
    name = str(folder.resolve())
    if name in _HELD.get():
        yield
        return
    with _locked(folder, alone=True, wait=False) as got:
        if not got:
            raise DataError(f"{folder}: another writer is at work on it; let it finish, then try again")
        token = _HELD.set(_HELD.get() | {name})
        try:
            yield
        finally:
            _HELD.reset(token)


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
