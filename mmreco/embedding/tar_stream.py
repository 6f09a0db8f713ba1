"""Members of tar archives as a stream: what is damaged, cut off or too large is an error, never an end.

Python's `tarfile` ends in silence at a damaged header, at a block of zeros and where a file is cut between two members,
and reads extended headers whole, however large they claim to be. This reader knows the formats ustar, GNU and pax
(POSIX.1-2001), reads headers and the members that are asked for, and nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from mmreco.errors import DataError

__all__ = ["Member", "Source", "TarStream"]

_BLOCK: Final = 512  # bytes
_PIECE: Final = 1 << 20
_LONGEST_NAME: Final = 1 << 16  # bytes of a GNU long name
_LARGEST_HEADER: Final = 1 << 20  # bytes of a pax header
_LARGEST_MEMBER: Final = 1 << 40  # bytes; what claims more is damage
_ZEROS: Final = bytes(_BLOCK)
_REGULAR: Final = (b"0", b"\0", b"7")
_WITHOUT_DATA: Final = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders, pipes


class Source(Protocol):
    """Where bytes come from."""

    def read(self, n: int, /) -> bytes:
        """At most `n` bytes; none at the end."""


@dataclass(frozen=True)
class Member:
    """One member, as its headers say.

    Parameters
    ----------
    name : with `/` between folders, bytes that are no UTF-8 as surrogates
    size : bytes of content
    regular : whether it is a plain file
    folder : whether it is a folder
    """

    name: str
    size: int
    regular: bool
    folder: bool


class TarStream:
    """An archive read once, from its begin to its end.

    Parameters
    ----------
    source : the archive, already decompressed

    Attributes
    ----------
    gap : where blocks of zeros stand between members, in bytes from the begin; None where there are none
    """

    def __init__(self, source: Source) -> None:
        self.gap: int | None = None
        self._source = source
        self._place = 0  # bytes read
        self._left = 0  # bytes of the current member's content that were not read
        self._padding = 0

    def members(self) -> Iterator[Member]:
        """Each member; its content may be read by `content` before the next is asked for.

        Raises
        ------
        DataError
            A header is damaged or too large, or the archive is cut off.
        """
        zeros = 0
        while True:
            self._skip(self._left + self._padding)
            self._left = self._padding = 0
            block = self._read(_BLOCK)
            if not block:
                break
            if len(block) < _BLOCK:
                raise DataError(f"cut off at byte {self._place:,}, inside a header")
            if block == _ZEROS:
                zeros += 1
                continue
            if zeros and self.gap is None:
                self.gap = self._place - (zeros + 1) * _BLOCK
            zeros = 0
            yield self._member(block, "", None)
        if zeros < 2:
            raise DataError(f"cut off at byte {self._place:,}: the mark of its end is missing")

    def content(self, largest: int) -> bytes:
        """The content of the current member, which is at most `largest` bytes.

        Raises
        ------
        DataError
            The archive is cut off inside it.
        """
        size = min(self._left, largest)
        data = self._exactly(size)
        self._left -= size
        return data

    def _member(self, block: bytes, name: str, size: int | None) -> Member:
        """The member of this header, which extended headers before it may have given a name and a size."""
        while True:
            kind, own = block[156:157], self._size(block)
            if kind not in (b"x", b"g", b"X", b"L", b"K"):
                break
            if own > (_LONGEST_NAME if kind in (b"L", b"K") else _LARGEST_HEADER):
                raise DataError(f"an extended header of {own:,} bytes at byte {self._place - _BLOCK:,}; not read")
            data = self._exactly(own)
            self._exactly(-own % _BLOCK)
            if kind == b"L":
                name = _text(data.rstrip(b"\0"))
            elif kind in (b"x", b"X"):
                records = self._records(data)
                name = _text(records[b"path"]) if b"path" in records else name
                size = self._number(records[b"size"]) if b"size" in records else size
            block = self._exactly(_BLOCK)
        if not name:
            name = _text(block[:100].partition(b"\0")[0])
            prefix = _text(block[345:500].partition(b"\0")[0]) if block[257:263] == b"ustar\0" else ""
            name = f"{prefix}/{name}" if prefix else name
        size = own if size is None else size
        if size > _LARGEST_MEMBER:
            raise DataError(f"member {name[:80]!r} claims {size:,} bytes")
        folder = kind == b"5" or (kind in _REGULAR and name.endswith("/"))
        self._left = 0 if kind in _WITHOUT_DATA else size
        self._padding = -self._left % _BLOCK
        return Member(name, size, kind in _REGULAR and not folder, folder)

    def _size(self, block: bytes) -> int:
        """The size a header gives, once its checksum was found right."""
        stated = _octal(block[148:156])
        unsigned = sum(block) - sum(block[148:156]) + 8 * 32
        signed = unsigned - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
        if stated is None or stated not in (unsigned, signed):
            raise DataError(f"a damaged header at byte {self._place - _BLOCK:,}")
        field = block[124:136]
        size = int.from_bytes(field[1:]) if field[0] == 0x80 else _octal(field)
        if size is None:
            raise DataError(f"a header without a size at byte {self._place - _BLOCK:,}")
        return size

    def _records(self, data: bytes) -> dict[bytes, bytes]:
        """The records of a pax header, each written as its length, a blank, `key=value` and a newline."""
        records, place = {}, 0
        while place < len(data) and data[place]:
            digits, blank, _ = data[place : place + 20].partition(b" ")
            length = self._number(digits)
            record = data[place + len(digits) + 1 : place + length]
            key, equals, value = record[:-1].partition(b"=")
            if not blank or not equals or not record.endswith(b"\n") or place + length > len(data):
                raise DataError(f"a damaged pax header before byte {self._place:,}")
            if key.startswith(b"GNU.sparse"):
                raise DataError(f"a sparse file before byte {self._place:,}; pack it whole")
            records[key] = value
            place += length
        return records

    def _number(self, digits: bytes) -> int:
        if not digits.isdigit() or len(digits) > 20:
            raise DataError(f"a damaged pax header before byte {self._place:,}")
        return int(digits)

    def _read(self, size: int) -> bytes:
        pieces = []
        while size and (piece := self._source.read(min(size, _PIECE))):
            pieces.append(piece)
            size -= len(piece)
            self._place += len(piece)
        return b"".join(pieces)

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) < size:
            raise DataError(f"cut off at byte {self._place:,}, {size - len(data):,} bytes short")
        return data

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._exactly(min(size, _PIECE)))


def _octal(field: bytes) -> int | None:
    digits = field.strip(b" \0")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else None if digits else 0


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
