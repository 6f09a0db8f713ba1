"""The compiled map of characters inside a tokenizer: checked whole, as the library that walks it may end the process.

The layout is that of SentencePiece (Kudo, Richardson, 2018): four bytes with the size of a trie, the trie as a double
array of 32-bit units (darts-clone), and the texts that characters become, each ended by a zero byte.
"""

import base64
import binascii
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mmreco.arrays import I64
from mmreco.errors import DataError

__all__ = ["require_sound_charsmap"]

U32 = npt.NDArray[np.uint32]

_LARGEST: Final = 8 << 20  # characters of base64; SentencePiece's own has 320,000
_NODES: Final = 4_096  # looked at together
_BYTES: Final = np.arange(256, dtype=np.int64)


def require_sound_charsmap(path: Path, encoded: Any) -> None:
    """Nothing, where every walk through the map stays inside it.

    Raises
    ------
    DataError
        The map is damaged: no base64, cut off, or with a step or a text outside.
    """
    if encoded is None:
        return
    if not isinstance(encoded, str) or len(encoded) > _LARGEST:
        raise DataError(f"{path}: precompiled_charsmap: expected base64 of at most {_LARGEST:,} characters")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{path}: precompiled_charsmap: no base64 ({error})") from error
    size = int.from_bytes(data[:4], "little")
    if len(data) < 8 or size % 4 or not 4 <= size <= len(data) - 4:
        raise DataError(f"{path}: precompiled_charsmap: a trie of {size:,} bytes in {len(data):,}")
    try:
        texts = data[4 + size :].decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: precompiled_charsmap: its texts are not UTF-8 ({error.reason})") from error
    values = _values(path, np.frombuffer(data, dtype="<u4", count=size // 4, offset=4))
    lengths = np.array([len(character.encode()) for character in texts], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])  # where a character may begin, and the end
    if not np.isin(values, starts).all():
        raise DataError(f"{path}: precompiled_charsmap: a text outside the {len(data) - 4 - size:,} bytes there are")


def _values(path: Path, units: U32) -> I64:
    """What all leaves of the trie that can be reached point to."""
    seen = np.zeros(len(units), dtype=bool)
    values: list[I64] = []
    bases = _offset(units)
    waiting = [np.array([0], dtype=np.int64)]
    seen[0] = True
    while waiting:
        nodes = waiting.pop()
        for start in range(0, len(nodes), _NODES):
            block = nodes[start : start + _NODES]
            base = block ^ bases[block]  # (b,)
            children = base[:, None] ^ _BYTES  # (b, 256)
            if children.max() >= len(units):
                raise DataError(f"{path}: precompiled_charsmap: a step outside the trie of {len(units):,} units")
            leaves = base[(units[block] >> 8) & 1 == 1]
            values.append((units[leaves] & 0x7FFFFFFF).astype(np.int64))
            labels = units[children]
            there = (labels & 0x800000FF) == _BYTES  # a leaf's unit has the highest bit, so is no child
            fresh = np.unique(children[there])
            fresh = fresh[~seen[fresh]]
            seen[fresh] = True
            if len(fresh):
                waiting.append(fresh)
    return np.concatenate(values)


def _offset(units: U32) -> I64:
    wide = units.astype(np.int64)
    offsets: I64 = (wide >> 10) << ((wide & (1 << 9)) >> 6)
    return offsets
