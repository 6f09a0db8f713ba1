"""What a file of FAISS holds, told from the names in it, before FAISS reads it.

FAISS' reader makes whatever kind a file names: some of them die of damaged numbers, some open a further file that they
name. So the names are followed from one structure to the next inside it, without reading what lies between, and only
files of the kinds below are handed on. Whatever else a file is, it is not read: the index is built anew from its
vectors.

Source: faiss/impl/index_write.cpp of FAISS 1.15.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mmreco.errors import DataError

__all__ = ["holds_known_kinds"]

_HEADER = 33  # bytes after a kind's name: width, number, two unused, trained, metric
_METRIC = 29  # where the metric is in it
_DEPTH = 6  # kinds inside each other
_TRANSFORMS = 8  # one after another


class _UnknownError(Exception):
    """A kind that is not known."""


class _DamagedError(Exception):
    """The file ends too early, or is none of FAISS."""


def holds_known_kinds(path: Path) -> bool:
    """Whether the file names nothing but kinds whose damage FAISS' reader survives.

    Raises
    ------
    DataError
        It is not a file of FAISS, or ends too early.
    """
    with path.open("rb") as file:
        try:
            _index(_Reader(file, path.stat().st_size), _DEPTH)
        except _UnknownError:
            return False
        except _DamagedError as error:
            raise DataError(f"{path}: not a FAISS index ({error}); build the index again") from error
    return True


class _Reader:
    """A file's fields, one after the other, none beyond its end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size

    def take(self, n_bytes: int) -> bytes:
        """The next bytes."""
        taken = self._file.read(n_bytes)
        if len(taken) < n_bytes:
            raise _DamagedError("it ends too early")
        return taken

    def count(self) -> int:
        """The next eight bytes, a number of 0 or more."""
        number: int = struct.unpack("<Q", self.take(8))[0]
        return number

    def skip_vector(self, width: int) -> None:
        """Past a vector of elements of `width` bytes, which its number stands before."""
        end = self._file.tell() + 8 + self.count() * width
        if end > self._size:
            raise _DamagedError("it claims more than it holds")
        self._file.seek(end)


def _index(file: _Reader, depth: int) -> None:
    """Past an index and all inside it."""
    name = file.take(4)
    inside, header = _KINDS.get(name), file.take(_HEADER)
    if not name.startswith(b"I"):
        raise _DamagedError(f"{name!r} where a kind of index is named")
    if inside is None or depth == 0 or header[_METRIC:] not in (bytes(4), b"\x01\0\0\0"):  # others have an argument
        raise _UnknownError
    inside(file, depth - 1)


def _numbered(file: _Reader, depth: int) -> None:
    _index(file, depth)


def _flat(file: _Reader, depth: int) -> None:
    file.skip_vector(4)


def _scalar_codes(file: _Reader, depth: int) -> None:
    _scalar_quantizer(file)
    file.skip_vector(1)


def _scalar_quantizer(file: _Reader) -> None:
    file.take(4 + 4 + 4 + 8 + 8)  # type, range statistic and its argument, width, bytes of a code
    file.skip_vector(4)


def _graph(file: _Reader, depth: int) -> None:
    for width in (8, 4, 4, 8, 4):  # chances of levels, neighbours by level, levels, offsets, neighbours
        file.skip_vector(width)
    file.take(5 * 4)  # entry, highest level, two efforts, one unused
    _index(file, depth)


def _gpu_graph(file: _Reader, depth: int) -> None:
    file.take(1 + 1 + 4 + 4)  # how it was built and is walked, type of its numbers
    _graph(file, depth)


def _transformed(file: _Reader, depth: int) -> None:
    n_steps = int.from_bytes(file.take(4), "little")
    if n_steps > _TRANSFORMS:
        raise _UnknownError
    for _ in range(n_steps):
        kind = file.take(4)
        if kind == b"Pcam":
            file.take(4 + 4 + 1 + 4)  # power, epsilon, rotated, balanced
            for _ in range(3):  # mean, eigenvalues, matrix
                file.skip_vector(4)
        elif kind not in (b"LTra", b"rrot"):
            raise _UnknownError
        file.take(1)  # has an offset
        file.skip_vector(4)
        file.skip_vector(4)
        file.take(4 + 4 + 1)  # widths in and out, trained
    _index(file, depth)


def _lists(codec: Callable[[_Reader], None]) -> Callable[[_Reader, int], None]:
    def inside(file: _Reader, depth: int) -> None:
        file.take(8 + 8)  # lists, lists searched
        _index(file, depth)
        if file.take(1) != b"\0":  # a second table of the lists
            raise _UnknownError
        file.skip_vector(8)
        codec(file)
        if file.take(4) != b"ilar":  # lists held in the file itself
            raise _UnknownError

    return inside


def _no_codec(file: _Reader) -> None:
    pass


def _scalar_codec(file: _Reader) -> None:
    _scalar_quantizer(file)
    file.take(8 + 1)  # bytes of a code, of residuals


def _product_codec(file: _Reader) -> None:
    file.take(1 + 8 + 8 + 8 + 8)  # of residuals, bytes of a code, width, parts, bits
    file.skip_vector(4)


_KINDS: dict[bytes, Callable[[_Reader, int], None]] = {
    b"IxFI": _flat,
    b"IxF2": _flat,
    b"IxSQ": _scalar_codes,
    b"IHNf": _graph,
    b"IHNs": _graph,
    b"IHc2": _gpu_graph,
    b"IxPT": _transformed,
    b"IxMp": _numbered,
    b"IwFl": _lists(_no_codec),
    b"IwSq": _lists(_scalar_codec),
    b"IwPQ": _lists(_product_codec),
}
