"""What a content is before an encoder sees it: read and hashed."""

import errno
import hashlib
import os
from pathlib import Path
from stat import S_ISREG
from typing import Any, Protocol, runtime_checkable

from mmreco.encoders.text.texts import is_blank
from mmreco.errors import DataError

__all__ = ["LARGEST_FILE", "LONGEST_TEXT", "Readable", "read"]

LONGEST_TEXT = 1_000_000  # characters; no title or description is longer, and a tokeniser would choke
LARGEST_FILE = 256 << 20  # bytes
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # the machine is short of something; the file is not to blame


@runtime_checkable
class Readable(Protocol):
    """A content that lies elsewhere and is fetched by the thread that needs it."""

    def read(self) -> bytes:
        """Its bytes; raises DataError when they cannot be had."""


def read(content: Any) -> tuple[Any, bytes]:
    """What the encoder is to be given, a file as its bytes, and the content's SHA-256; DataError when unusable."""
    if isinstance(content, str):
        if is_blank(content):
            raise DataError("empty text")
        if len(content) > LONGEST_TEXT:
            raise DataError(f"text of {len(content):,} characters; the limit is {LONGEST_TEXT:,}")
        try:
            data = content.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"text is not Unicode: {error.reason} at character {error.start}") from error
    elif isinstance(content, Path):
        content = data = _file(content)
    elif isinstance(content, bytes):
        data = content
    elif isinstance(content, DataError):
        raise content  # the source could not give it
    elif isinstance(content, Readable):
        content = data = content.read()
    else:
        raise DataError(f"content is a {type(content).__name__}; expected str, Path or bytes")
    return content, hashlib.sha256(data).digest()


def _file(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not make us wait
        with open(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not S_ISREG(status.st_mode):
                raise DataError("not a plain file")
            if status.st_size > LARGEST_FILE:
                raise DataError(f"file of {status.st_size:,} bytes; the limit is {LARGEST_FILE:,}")
            if not status.st_size:
                raise DataError("empty file")
            return file.read(LARGEST_FILE)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, DataError) or getattr(error, "errno", None) in _OURS:
            raise
        raise DataError(f"cannot read the file: {getattr(error, 'strerror', None) or error}") from error
