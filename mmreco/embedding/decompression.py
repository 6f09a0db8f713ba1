"""Compressed streams that nobody vouches for: checksums are minded, and neither memory nor time is without a bound."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from mmreco.errors import DataError

__all__ = ["Decompressed", "is_compressed"]

_PIECE: Final = 1 << 16  # bytes
_MEMORY: Final = 256 << 20  # bytes an xz stream may ask for
_FREE: Final = 64 << 20  # bytes that may come out before the ratio counts
_RATIO: Final = 200  # bytes out of one; texts give some 10, headers of small members 30


class _Gzip:
    """zlib's decompressor of gzip, with the interface of bz2's and lzma's."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail


_KINDS: Final[dict[bytes, Callable[[], Any]]] = {
    b"\x1f\x8b": _Gzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY),
}


class Decompressed:
    """A stream as it was before gzip, bzip2 or xz packed it; one that was not packed as it is.

    Parameters
    ----------
    file : from its begin
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        head = file.read(6)
        make = _kind(head)
        self._pieces = iter(self._plain(head)) if make is None else self._unpacked(make, head)
        self._rest, self._start = b"", 0  # what was unpacked, and where it was read to

    def read(self, n: int, /) -> bytes:
        """At most `n` bytes; none at the end.

        Raises
        ------
        DataError
            The stream is damaged, cut off, or far larger than what it was packed into.
        """
        try:
            while self._start == len(self._rest):
                self._rest, self._start = next(self._pieces), 0
        except StopIteration:
            return b""
        except EOFError as error:
            raise DataError("cut off inside the compressed stream") from error
        except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"damaged ({type(error).__name__}: {str(error)[:120]})") from error
        data = self._rest[self._start : self._start + n]
        self._start += len(data)
        return data

    def _plain(self, head: bytes) -> Iterator[bytes]:
        yield head
        while piece := self._file.read(_PIECE):
            yield piece

    def _unpacked(self, make: Callable[[], Any], data: bytes) -> Iterator[bytes]:
        unpack, taken, given = make(), len(data), 0
        while True:
            if unpack.eof:  # another stream may follow, or zeros
                data = unpack.unused_data.lstrip(b"\0")
                while not data and (piece := self._file.read(_PIECE)):
                    taken += len(piece)
                    data = piece.lstrip(b"\0")
                if not data:
                    return
                unpack = make()
            if unpack.needs_input and not data:
                data = self._file.read(_PIECE)
                taken += len(data)
                if not data:
                    raise EOFError
            piece, data = unpack.decompress(data, _PIECE), b""
            given += len(piece)
            if given > _FREE and given > _RATIO * taken:
                raise DataError(f"{given:,} bytes and more packed into {taken:,}; no pictures or texts are so alike")
            if piece:
                yield piece


def is_compressed(head: bytes) -> bool:
    """Whether a stream that begins with these 6 bytes is packed by gzip, bzip2 or xz."""
    return _kind(head) is not None


def _kind(head: bytes) -> Callable[[], Any] | None:
    return next((make for magic, make in _KINDS.items() if head.startswith(magic)), None)
