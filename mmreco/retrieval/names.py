"""What items are called: the writings of a query that mean one item and no other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mmreco.arrays import I64, frozen
from mmreco.data.catalogue import Catalogue
from mmreco.retrieval.terms import codes, compact, key

__all__ = ["Name", "Names", "names_of"]

_NUMBERS = ("sku", "model", "mpn", "gtin", "ean", "barcode")  # columns that name an item
_COMMON = 8  # items that share a code found in titles; a code of more is a kind, not a name
_MANY = 2_048  # items that changed, from which all are put together anew

_U64 = npt.NDArray[np.uint64]


class Name(NamedTuple):
    """A writing, as 64 bits, and the model code of a title it rests on, 0 where it rests on none."""

    key: int
    code: int = 0


def names_of(catalogue: Catalogue) -> list[frozenset[Name]]:
    """The names of each item.

    A name is an item's title, its id, what stands in a column `sku`, `model`, `mpn`, `gtin`, `ean` or `barcode`, and
    a model code that its title holds; the last two also with the brand before or after them.
    """
    titles, brands = _column(catalogue, "title"), _column(catalogue, "brand")
    numbers = [_column(catalogue, name) for name in _NUMBERS if name in catalogue.table.column_names]
    found = []
    for row, item in enumerate(catalogue.items.ids(range(len(catalogue)))):
        own = {Name(key(compact(item))), Name(key(compact(titles[row])))}
        held = codes(titles[row])
        models = [compact(of[row]) for of in numbers if of[row]]
        makers = _makers(titles[row], brands[row]) if held or models else []
        own |= {Name(key(name)) for model in models for name in _written(model, makers)}
        own |= {Name(key(name), key(code)) for code in held for name in _written(code, makers)}
        found.append(frozenset(name for name in own if name.key))
    return found


@dataclass(frozen=True, eq=False)
class Names:
    """The names of items that change; see `mmreco.retrieval.lexicon` for how.

    Parameters
    ----------
    keys, codes : shape `(m,)`, uint64
        The names, by increasing key, and the code each rests on.
    rows : shape `(m,)`, int64
        The item of each.
    gone : rows whose names there no longer count
    later : by row, the names of an item that came or changed since
    """

    keys: _U64
    codes: _U64
    rows: I64
    gone: frozenset[int] = frozenset()
    later: Mapping[int, frozenset[Name]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, dtype in (("keys", np.uint64), ("codes", np.uint64), ("rows", np.int64)):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))

    @classmethod
    def of(cls, names: Sequence[frozenset[Name]]) -> "Names":
        """The names of all items, a set an item."""
        flat = [name for own in names for name in own]
        keys = np.array([name.key for name in flat], dtype=np.uint64)
        rows = np.repeat(np.arange(len(names)), [len(own) for own in names])
        return cls._sorted(keys, np.array([name.code for name in flat], dtype=np.uint64), rows)

    @classmethod
    def _sorted(cls, keys: _U64, codes: _U64, rows: I64) -> "Names":
        order = np.lexsort((codes, rows, keys))
        return cls(keys[order], codes[order], rows[order])

    def with_named(self, rows: I64, names: Sequence[frozenset[Name]]) -> "Names":
        """The names where these rows have these."""
        later = {**self.later, **dict(zip(rows.tolist(), names, strict=True))}
        changed = Names(self.keys, self.codes, self.rows, self.gone | frozenset(rows.tolist()), later)
        return changed.merged() if len(later) > _MANY else changed

    def merged(self) -> "Names":
        """The same in one part."""
        if not self.gone and not self.later:
            return self
        stay = ~np.isin(self.rows, np.array(list(self.gone), dtype=np.int64))
        added = [(name, row) for row, own in self.later.items() for name in own]
        return self._sorted(
            np.concatenate([self.keys[stay], np.array([name.key for name, _ in added], dtype=np.uint64)]),
            np.concatenate([self.codes[stay], np.array([name.code for name, _ in added], dtype=np.uint64)]),
            np.concatenate([self.rows[stay], np.array([row for _, row in added], dtype=np.int64)]),
        )

    def called(self, query: str) -> I64:
        """The rows of the items that are called exactly so, increasing."""
        asked = key(compact(query))
        if not asked:
            return np.zeros(0, dtype=np.int64)
        entries = self._entries(asked)
        rare = {code: self._holders(code) <= _COMMON for code in {code for _, code in entries if code}}
        return np.array(sorted({row for row, code in entries if rare.get(code, True)}), dtype=np.int64)

    def _entries(self, asked: int) -> list[tuple[int, int]]:
        """The row and the code of each name that is written so."""
        first = int(np.searchsorted(self.keys, np.uint64(asked), "left"))
        last = int(np.searchsorted(self.keys, np.uint64(asked), "right"))
        both = zip(self.rows[first:last].tolist(), self.codes[first:last].tolist(), strict=True)
        return [pair for pair in both if pair[0] not in self.gone] + self._later_by_key.get(asked, [])

    def _holders(self, code: int) -> int:
        """How many titles hold a code: each of their items is called so by it."""
        return sum(own == code for _, own in self._entries(code))

    @cached_property
    def _later_by_key(self) -> dict[int, list[tuple[int, int]]]:
        found: dict[int, list[tuple[int, int]]] = {}
        for row, own in self.later.items():
            for name in own:
                found.setdefault(name.key, []).append((row, name.code))
        return found


def _makers(title: str, brand: str) -> list[str]:
    """Who may have made it: the brand, and the title's first word; letters and digits alone."""
    first = title.split(maxsplit=1)[0] if title.strip() else ""
    return [maker for maker in dict.fromkeys((compact(brand), compact(first))) if maker]


def _written(model: str, makers: list[str]) -> Iterator[str]:
    yield model
    for maker in makers:
        yield maker + model
        yield model + maker


def _column(catalogue: Catalogue, name: str) -> list[str]:
    if name not in catalogue.table.column_names:
        return [""] * len(catalogue)
    return [str(value or "") for value in catalogue.column(name)]
