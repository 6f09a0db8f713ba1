"""Locks on folders: one writer refuses the next, readers keep what they read from being removed.

They lie on the folder itself, so there is no lock file to be left behind or to be opened for writing, and they end
when their process does, however it ends. A forked child inherits none. A lock for one is `filelock`'s, on a
descriptor of the folder; a lock that many share is the system's `flock`, because `filelock` shares none among readers
that may not write. Where the system has no locks on folders (Windows, some network file systems) there are none.
"""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType

import filelock

from mmreco.errors import DataError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["hold", "reading", "sweeping", "unread"]

_AGAIN = 0.01  # seconds between two tries while somebody sweeps
_LOCKLESS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EBADF)  # a file system without locks
_held: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())
_descriptors: set[int] = set()  # open in this process, to be closed in a forked child


def _let_go() -> None:
    for descriptor in tuple(_descriptors):
        os.close(descriptor)
    _descriptors.clear()
    _held.set(frozenset())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextmanager
def hold(folder: Path, *, nested: bool = True) -> Iterator[None]:
    """The right to write to `folder` for the length of the block.

    With `nested` a block inside, in the same thread, may take it again. A writer waits for those who sweep: their
    locks are shared, so that another shared one tells them from a writer.

    Raises
    ------
    DataError
        Another writer holds it.
    """
    name = str(folder.resolve())
    if nested and name in _held.get():
        yield
        return
    while True:
        with _locked(folder, shared=False) as alone:
            if alone:
                if nested:
                    _held.set(_held.get() | {name})
                try:
                    yield
                finally:
                    _held.set(_held.get() - {name})
                return
        with _locked(folder, shared=True) as swept:
            if not swept:
                raise DataError(f"{folder}: another writer is at work on it; let it finish, then try again")
        time.sleep(_AGAIN)


@contextmanager
def sweeping(folder: Path) -> Iterator[bool]:
    """Whether nobody writes to `folder`, this caller included; writers wait for the block to end."""
    if str(folder.resolve()) in _held.get():
        yield False
        return
    with _locked(folder, shared=True) as quiet:
        yield quiet


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """`folder` is read for the length of the block, and not to be removed.

    Raises
    ------
    FileNotFoundError
        There is no such folder (any more).
    """
    with _locked(folder, shared=True, wait=True):
        yield


@contextmanager
def unread(folder: Path) -> Iterator[bool]:
    """Whether nobody reads `folder`; nobody begins to for the length of the block.

    Raises
    ------
    FileNotFoundError
        There is no such folder (any more).
    """
    with _locked(folder, shared=False) as alone:
        yield alone


@contextmanager
def _locked(folder: Path, *, shared: bool, wait: bool = False) -> Iterator[bool]:
    """Whether the lock was got; it is let go with the descriptor."""
    if fcntl is None:
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    _descriptors.add(descriptor)
    try:
        yield _got(descriptor, shared=shared, wait=wait)
    finally:
        if descriptor in _descriptors:  # not in a child forked inside the block
            _descriptors.discard(descriptor)
            os.close(descriptor)


def _got(descriptor: int, *, shared: bool, wait: bool) -> bool:
    try:
        if not shared:
            return filelock.lock_descriptor(descriptor, blocking=wait)
        fcntl.flock(descriptor, fcntl.LOCK_SH | (0 if wait else fcntl.LOCK_NB))  # type: ignore[union-attr]
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _LOCKLESS:
            raise
    return True
