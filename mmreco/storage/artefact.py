"""Artefacts: folders that are either whole or refused.

A folder holds numbered generations and a pointer::

    artefact/
      CURRENT          the generation that counts and the SHA-256 of its manifest, replaced in one step
      g-000007/
        manifest.json  format, kind, what the writer says about it, SHA-256 of every file
        ...            safetensors, parquet, a FAISS index
      SIGNATURE        optional, see `mmreco.storage.signature`

A writer fills a new generation, syncs it to the disk, writes the manifest last and then moves the
pointer, so that a kill at any moment leaves the old generation answering. A reader checks every hash
before it opens a file, because neither FAISS nor safetensors nor parquet notices a flipped bit itself.
Nothing is ever pickled. Whatever else lies in the folder is left as it is.

The manifest protects from damage, not from an author: who can write the folder can write hashes that agree.
`mmreco.storage.signature` tells whose an artefact is.

One writer at a time holds a lock on the folder, and a second is refused; any number of readers hold one on the
generation they read, so that it is retired after them. The locks are the system's, on the folders themselves:
they leave no files and end with their process.
"""

import errno
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from safetensors import SafetensorError

from mmreco.arguments import path_of
from mmreco.errors import DataError, MMRecoError
from mmreco.storage.generation import (
    FORMAT,
    POINTER,
    Artefact,
    begin,
    check,
    complete,
    generations,
    kind_of,
    leftovers,
    read_pointer,
    remove,
)
from mmreco.storage.lock import hold, reading, sweeping, unread

__all__ = [
    "FORMAT",
    "Artefact",
    "current",
    "erase",
    "open_artefact",
    "publish",
    "read_artefact",
    "require_place",
    "retire",
    "settled",
    "verify",
]

Read = TypeVar("Read")

_ATTEMPTS = 20  # a reader may point at a generation that a writer retires before it is held
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EFBIG)
_MISREAD = (
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
    ArithmeticError,
    MemoryError,
    RuntimeError,  # torch, FAISS, and Python's RecursionError
    SafetensorError,
    pa.ArrowException,
)
"""What the libraries raise that read files whose hashes are right and whose contents are not."""


@contextmanager
def publish(
    folder: str | Path,
    kind: str,
    about: Mapping[str, Any] | None = None,
    *,
    beside: Collection[str] = (),
    locked: bool = False,
) -> Iterator[Path]:
    """A new generation of the artefact at `folder` to write into; it counts once the block ends well.

    Parameters
    ----------
    folder : created when missing
    kind : what is stored, e.g. "Recommender"
    about : plain JSON values kept in the manifest, optional
    beside : names that may lie in a folder without any generation yet, optional
    locked : whether the caller holds the folder's lock already

    Raises
    ------
    DataError
        `folder` exists and holds something that is not an artefact, another writer is at work on it, or it cannot be
        written: the disk is full, say, or the right to is missing. What was published before still counts.
    """
    top = path_of("folder", folder)
    try:
        require_place(top, beside)
        top.mkdir(parents=True, exist_ok=True)
        with nullcontext() if locked else hold(top):
            fresh = begin(top, kind)
            yield from _published(fresh, kind, about or {})
            retire(top, fresh)
    except MMRecoError:
        raise
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = _disk_fault(error)
        if reason is None:
            raise
        raise DataError(f"{top}: cannot be written ({reason}); what was there before still counts") from error


def require_place(folder: str | Path, beside: Collection[str] = ()) -> None:
    """Refuse a folder that `publish` would not write to, so that it is known before the work is done.

    Parameters
    ----------
    folder : where an artefact is to be written; may be missing
    beside : names of files that may lie there already

    Raises
    ------
    DataError
        It exists and holds something that is not an artefact, or is no folder.
    """
    top = path_of("folder", folder)
    if not os.path.lexists(top):
        return
    if not top.is_dir():
        raise DataError(f"{top} exists and is not an mmreco artefact; choose a new or empty folder")
    if os.path.lexists(top / POINTER):
        if not (top / POINTER).is_file() or (top / POINTER).is_symlink():
            raise DataError(f"{top / POINTER}: a link or special file, not mmreco's; choose a new or empty folder")
        if not generations(top):
            read_pointer(top)  # refuses a file of this name that is not mmreco's
        return
    if generations(top) or leftovers(top, None):
        return
    if any(name not in beside for name in os.listdir(top)):
        raise DataError(f"{top} exists and is not an mmreco artefact; choose a new or empty folder")


def _published(fresh: Path, kind: str, about: Mapping[str, Any]) -> Iterator[Path]:
    process = os.getpid()
    try:
        yield fresh
        if os.getpid() == process:
            complete(fresh, kind, about)
            return
        raise DataError(f"{fresh.parent}: a forked process left the save of its parent; save in one of the two only")
    except BaseException:
        # A fault after the pointer moved must not take away what it points to; nor must a child what its parent writes.
        if os.getpid() == process and not _counts(fresh):
            remove(fresh)
        raise


def _disk_fault(error: BaseException) -> str | None:
    """What the system said, where it is at fault; libraries that write themselves hand its words on in theirs."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    words = " ".join(str(error).split())
    return next((os.strerror(number) for number in _DISK if os.strerror(number) in words), None)


def read_artefact(folder: str | Path, kind: str | None, read: Callable[[Artefact], Read]) -> Read:
    """What `read` makes of the current generation at `folder`, which stays on the disk until it is done.

    Raises
    ------
    DataError
        As `open_artefact`, or the files are whole and hold something else than a `kind` (libraries' errors end here).
    IncompatibleError
        As `open_artefact`, and whatever else of mmreco's `read` raises.
    """
    top = path_of("folder", folder)
    for attempt in range(_ATTEMPTS):
        path, digest = read_pointer(top)
        try:
            if path.is_symlink():
                raise DataError(f"{path}: a link; an artefact holds plain files and folders only")
            with reading(path):
                result = _made(check(path, digest, kind), read)
            _sweep(top, path)
            return result
        except (DataError, OSError) as error:
            if attempt == _ATTEMPTS - 1 or read_pointer(top) == (path, digest):
                if isinstance(error, OSError):
                    raise DataError(f"{folder}: the artefact cannot be read ({error})") from error
                raise
    raise DataError(f"{folder}: the artefact changed {_ATTEMPTS} times while it was read; try again")


def _made(artefact: Artefact, read: Callable[[Artefact], Read]) -> Read:
    try:
        return read(artefact)
    except (MMRecoError, OSError):
        raise
    except _MISREAD as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(
            f"{artefact.path}: whole, but not what a {artefact.kind} is made of ({words}); was it made elsewhere?"
        ) from error


def settled(folder: str | Path) -> bool:
    """Whether only the current generation is left at `folder`, once every other that nobody reads is removed.

    Raises
    ------
    DataError, IncompatibleError
        As `open_artefact`.
    """
    counts = open_artefact(folder).path
    return not leftovers(Path(folder), counts)


def _sweep(top: Path, counts: Path) -> None:
    """Remove what a killed writer left beside the generation `counts`, which was found whole."""
    try:
        if leftovers(top, counts):
            with sweeping(top) as alone:
                if alone and current(top) == counts:
                    retire(top, counts)
    except (DataError, OSError):  # the pointer was damaged meanwhile, or the disk is not ours to write to
        return


def retire(top: Path, counts: Path | None) -> None:
    """Remove every generation in `top` but `counts` that nobody reads; the caller makes sure that nobody writes."""
    for old in leftovers(top, counts):
        with suppress(OSError), unread(old) as alone:
            if alone:
                remove(old)


def erase(folder: str | Path, kind: str) -> None:
    """Remove an artefact of this kind, as far as mmreco wrote it and nobody reads it; whatever else is there stays.

    Parameters
    ----------
    folder : of the artefact
    kind : what it must hold, e.g. "ItemKNN"; another one stays

    Raises
    ------
    DataError
        Another writer is at work on it.
    """
    top = Path(folder)
    try:
        counts = read_pointer(top)[0]
    except DataError:
        return
    if top.is_symlink() or kind_of(counts) != kind:
        return
    try:
        with hold(top):
            (top / POINTER).unlink()
            retire(top, None)
            with suppress(OSError):  # something else is there
                top.rmdir()
    except OSError as error:
        raise DataError(f"{top}: cannot be removed ({error.strerror or error})") from error


def open_artefact(folder: str | Path, kind: str | None = None) -> Artefact:
    """The current generation at `folder`, every file checked against its SHA-256.

    A writer may retire it while its files are opened; `read_artefact` sees to that.

    Raises
    ------
    DataError
        There is no artefact, or a file is missing, added or changed.
    IncompatibleError
        It holds another `kind`, or was written in a format this version does not read.
    """
    return read_artefact(folder, kind, lambda artefact: artefact)


def verify(folder: str | Path) -> Artefact:
    """As `open_artefact` of `folder`, for any kind: nothing but the check.

    Raises
    ------
    DataError
        As `open_artefact`.
    """
    return open_artefact(folder)


def current(folder: str | Path) -> Path | None:
    """The generation that `folder` points to, unchecked; None where there is no pointer yet.

    Raises
    ------
    DataError
        The pointer is damaged.
    """
    return read_pointer(Path(folder))[0] if os.path.lexists(Path(folder) / POINTER) else None


def _counts(generation: Path) -> bool:
    try:
        return current(generation.parent) == generation
    except DataError:
        return True  # unknown, so nothing is removed
