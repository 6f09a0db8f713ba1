"""Which structure to build: from one word, the number and width of the vectors, and the memory there is.

The words say what is wanted, the recipes what FAISS builds for it, best first; the first whose size fits is taken.
Codes of one byte a number beside the exact vectors lose nothing once candidates are scored again exactly,
and they make a graph twice as fast to walk and to build (one thread, 100,000 x 64, clustered: `HNSW32,Flat` 31 s to
build and 5,900 queries a second at recall@10 0.98; `HNSW32,SQ8` 13 s and 10,700). Fewer links, chosen with more care,
are walked twice as fast again where hardly anything may be missed (100,000 x 128, recall@10 0.99: 32 links chosen among
40 candidates 13 s to build and 4,700 queries a second, 24 among 100 23 s and 9,900; at 0.95 both 13,700). Many lists
are found by a graph over their centres (1,000,000 x 128, 4,096 lists: one query 80 us instead of 95 at the same
recall, a thousand together the same; with 1,024 lists it gains nothing).
"""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from mmreco.errors import DataError

__all__ = ["PROMISED", "QUALITIES", "WORTH_FROM", "Recipe", "chosen", "recipes"]

WORTH_FROM: Final = 10_000  # items from which a structure is worth its building
# the recall@10 each word aims at on a sample of the items: two hundredths more than is promised of other queries
QUALITIES: Final = {"exact": 1.0, "high": 0.99, "fast": 0.97, "small": 0.97}
PROMISED: Final = {"high": 0.99, "fast": 0.95, "small": 0.95}
"""The recall@10 that each word promises of any query."""

_LINKS = 24  # neighbours of a node in a graph
_LINK_BYTES = 2 * _LINKS * 4 + 24  # twice as many at the bottom, of 4 bytes; offsets, levels and positions
_ID_BYTES = 8  # of an item in a list
_A_LIST = 39  # items a list needs to be trained on
_MANY = 4_096  # lists from which a graph over their centres finds them sooner than a look at all
_CODES_FROM = 32  # numbers a vector from which codes save more than links cost


_LONGEST = 200  # characters of a factory string
_BOUNDS = (  # what a number in a factory string may be, from where it stands
    (r"(?:HNSW|CAGRA|NNDescent)(\d+)", 2, 512),  # links
    (r"NSG(\d+)", 8, 512),  # links; with fewer its descent was seen not to end
    (r"\dx(\d+)", 1, 16),  # bits of a code word
    (r"(\d+)", 1, 1 << 22),
)


@dataclass(frozen=True)
class Recipe:
    """A structure FAISS can build: its factory string, and the bytes it takes."""

    factory: str
    bytes: int


def recipes(quality: str, n: int, dim: int) -> tuple[Recipe, ...]:
    """What can be built for this word over `n` vectors of width `dim`, best first; () where a scan is as good.

    Examples
    --------
    >>> [recipe.factory for recipe in recipes("high", 100_000, 64)][:2]
    ['HNSW24,SQ8', 'IVF1024,SQ8']
    """
    if quality == "exact" or n < WORTH_FROM:
        return ()
    lists = _lists(n)
    top = f"IVF{lists}" if lists < _MANY else f"IVF{lists}_HNSW16"
    centres = lists * (dim * 4 + (lists >= _MANY) * _LINK_BYTES)
    graph = Recipe(f"HNSW{_LINKS},Flat", n * (4 * dim + _LINK_BYTES))
    coded_graph = Recipe(f"HNSW{_LINKS},SQ8", n * (dim + _LINK_BYTES))
    bytes_each = Recipe(f"{top},SQ8", n * (dim + _ID_BYTES) + centres)
    nibbles = Recipe(f"{top},SQ4", n * ((dim + 1) // 2 + _ID_BYTES) + centres)
    parts = [part for part in (_part(dim, 4), _part(dim, 8)) if part]
    quantised = [Recipe(f"{top},PQ{m}", n * (m + _ID_BYTES) + centres + 256 * dim * 4) for m in dict.fromkeys(parts)]
    compact = quantised or [nibbles]
    if quality == "high":
        graphs = [coded_graph] if dim >= _CODES_FROM else [graph]
        return (*graphs, bytes_each, nibbles, *quantised)
    if quality == "fast":
        return (bytes_each, nibbles, *quantised)
    return tuple(compact)


def chosen(quality: str, n: int, dim: int, memory: int | None) -> str:
    """The factory string to build, or "" for a plain scan.

    Parameters
    ----------
    quality : a word of `QUALITIES`, or a factory string of FAISS, which is taken as it is
    n, dim : of the vectors
    memory : bytes the structure may take beside the vectors; None for any number

    Raises
    ------
    DataError
        `quality` is not text or holds a number that FAISS dies of, or `memory` is not a whole number of 0 or more.
    """
    if not isinstance(quality, str) or not quality:
        raise DataError(f"quality={quality!r}: expected {', '.join(map(repr, QUALITIES))} or a FAISS factory string")
    if memory is not None and (isinstance(memory, bool) or not isinstance(memory, (int, np.integer)) or memory < 0):
        raise DataError(f"memory={memory!r}: expected bytes, a whole number of 0 or more")
    if quality not in QUALITIES:
        require_factory(quality)
        return quality
    fitting = [one.factory for one in recipes(quality, n, dim) if memory is None or one.bytes <= memory]
    return fitting[0] if fitting else ""


def require_factory(factory: str) -> None:
    """Nothing, for a factory string without numbers that FAISS dies of: no links, no bits, sizes beyond all memory.

    Raises
    ------
    DataError
        It holds one, or is too long.
    """
    if len(factory) > _LONGEST or not (factory.isascii() and factory.isprintable()):
        raise DataError(f"quality={factory[:40]!r}: expected a factory string of FAISS, {_LONGEST} characters at most")
    for name, least, most in _BOUNDS:
        odd = next((n for n in re.findall(name, factory) if not least <= int(n) <= most), None)
        if odd is not None:
            raise DataError(f"quality={factory!r}: {odd} is no number for FAISS there; expected {least} to {most:,}")


def _lists(n: int) -> int:
    """About four roots of `n`, a power of two, each with enough to be trained on."""
    most = min(4 * n**0.5, n / _A_LIST)
    return 1 << max(0, int(most).bit_length() - 1)


def _part(dim: int, numbers: int) -> int:
    """How many parts of about `numbers` numbers `dim` falls into evenly; 0 where it does not."""
    for width in range(numbers, 2 * numbers):
        if dim % width == 0 and dim > width:
            return dim // width
    return 0
