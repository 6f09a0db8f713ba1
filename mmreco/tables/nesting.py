"""How deep the lists and objects of a JSON file lie in one another; parsers that recurse die of depth."""

import io
import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mmreco.errors import DataError

__all__ = ["DEEPEST", "Shallow", "depth"]

DEEPEST = 64
_STRING = re.compile(rb'"(?:[^"\\]|\\.?)*+"?', re.DOTALL)  # one that never ends counts to the end: linear
_STEP = np.zeros(256, dtype=np.int8)
_STEP[[ord("["), ord("{")]] = 1
_STEP[[ord("]"), ord("}")]] = -1


def depth(line: bytes) -> int:
    """How deep lists and objects lie in one another in a line of JSON; brackets inside strings do not count."""
    steps = _STEP[np.frombuffer(_STRING.sub(b"", line), dtype=np.uint8)]
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))


class Shallow(io.RawIOBase):
    """A file of JSON lines, handed on as it is read, refused where a line nests more than 64 deep."""

    def __init__(self, path: str | Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._line, self._pieces = 1, [b""]  # the number of the line in hand, and what was read of it

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer`; how many bytes."""
        data = self._file.read(len(buffer))
        self._look(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file below."""
        self._file.close()
        super().close()

    def _look(self, data: bytes) -> None:
        first, *others = data.split(b"\n") if data else (b"", b"")  # at the end the last line is complete
        self._pieces.append(first)
        if not others:
            return
        for line in (b"".join(self._pieces), *others[:-1]):
            if line.count(b"[") + line.count(b"{") > DEEPEST and depth(line) > DEEPEST:
                raise DataError(f"{self._path}, line {self._line}: lists in lists more than {DEEPEST} deep")
            self._line += 1
        self._pieces = [others[-1]]
