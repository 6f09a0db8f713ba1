"""Attributes: a bag of plain facts an item (category, brand, price range), as rows a model can look up."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sp

from mmreco.arguments import id_strings, listed, require_kind, row_numbers, whole_numbers
from mmreco.arrays import I64, frozen
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.errors import DataError

__all__ = ["Attributes"]

_USUAL = ("category", "brand", "price", "title_word")


@dataclass(frozen=True, eq=False, repr=False)
class Attributes:
    """A ragged array of attribute rows: those of item `i` are `flat[starts[i]:starts[i + 1]]`.

    Made by `from_catalogue`, `from_lists` or `describe`; the constructor only checks.

    Parameters
    ----------
    items : IdMap of `n` items
    names : one name an attribute row
        E.g. `("category=dress", "brand=Acme", "price=3")`.
    starts : shape `(n + 1,)`, int64
        Where each item's attributes begin; the last entry is `e`.
    flat : shape `(e,)`, int64
        Indices into `names`; rising inside an item, so none twice.
    cuts : optional
        For each column cut into ranges, where the cuts lie: range `r` holds what is at or above cut `r - 1`
        and below cut `r`.

    Raises
    ------
    DataError
        Shapes disagree, a row is outside `names`, or an item has an attribute twice.

    Examples
    --------
    >>> shop = IdMap.of(["hat", "coat", "scarf"])
    >>> facts = Attributes.from_lists(shop, {"hat": ["wool", "red"], "scarf": ["wool"]})
    >>> facts.names
    ('red', 'wool')
    >>> facts.matrix().toarray().tolist()
    [[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]]
    """

    items: IdMap
    names: tuple[str, ...]
    starts: I64
    flat: I64
    cuts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        for name in ("starts", "flat"):
            rows = whole_numbers(f"attributes: {name}", getattr(self, name))
            object.__setattr__(self, name, frozen(rows, np.int64))
        n, e = len(self.items), len(self.flat)
        starts = self.starts
        if starts.shape != (n + 1,) or starts[0] != 0 or starts[-1] != e or (np.diff(starts) < 0).any():
            raise DataError(f"attributes: starts must be {n + 1} numbers rising from 0 to {e}")
        if e and (self.flat.min() < 0 or self.flat.max() >= len(self.names)):
            raise DataError(f"attributes: a row outside 0..{len(self.names) - 1}, the rows of names")
        owner = np.repeat(np.arange(n), np.diff(starts))
        if ((np.diff(self.flat) <= 0) & (np.diff(owner) == 0)).any():
            raise DataError("attributes: rows must rise inside an item, none twice")

    # ---- made from

    @classmethod
    def from_catalogue(
        cls, catalogue: Catalogue, *, columns: Sequence[str] | None = None, price_bins: int = 10, at_least: int = 2
    ) -> "Attributes":
        """What these columns say of each item, as `column=value`.

        Parameters
        ----------
        catalogue : `n` items
        columns : optional
            Which columns; those of `category`, `brand`, `price` and `title_word` (see `mmreco.with_title_tokens`) that
            there are when omitted. A column may hold lists (every value counts). Numbers with a fraction, and `price`
            always, are cut into ranges.
        price_bins : 1 or more
            How many ranges, each holding about as many items (quantiles); fewer where values repeat.
        at_least : 1 or more
            Values seen on fewer items are left out: nothing could be learnt from them.

        Raises
        ------
        DataError
            There is no such column, a column holds neither text nor numbers, or a number is out of range.
        """
        if price_bins < 1 or at_least < 1:
            raise DataError(f"price_bins={price_bins}, at_least={at_least}: expected 1 or more")
        require_kind("Attributes.from_catalogue", catalogue, Catalogue)
        names = [c for c in _USUAL if catalogue.has(c)] if columns is None else listed("columns", columns)
        cuts = {c: _cuts(_column(catalogue, c), price_bins, c) for c in names if _ranged(catalogue, c)}
        return _bags(catalogue.items, [_named(catalogue, c, cuts.get(c)) for c in names], at_least, cuts=cuts)

    @classmethod
    def from_lists(
        cls,
        items: IdMap,
        lists: Mapping[str, Iterable[str]] | Sequence[Iterable[str]],
        *,
        at_least: int = 1,
    ) -> "Attributes":
        """These words for each item: a mapping from item id, or one list an item.

        Ids that are not in `items` are passed over, and items that are not in the mapping have no attribute.

        Parameters
        ----------
        items : IdMap of `n` items
        lists : words by item id, or `n` lists of words
        at_least : 1 or more
            Items a word must be of to count; rarer ones are left out.

        Raises
        ------
        DataError
            A list is a string, holds something else than strings, or there is another number of lists than items.
        """
        if isinstance(lists, Mapping):
            rows = items.rows(id_strings("attributes: items", lists), missing="mark")
            pairs = [(int(r), bag) for r, bag in zip(rows, lists.values(), strict=True) if r >= 0]
        else:
            if len(lists) != len(items):
                raise DataError(f"attributes: {len(lists)} lists for {len(items)} items; expected one an item")
            pairs = list(enumerate(lists))
        owners: list[int] = []
        words: list[str] = []
        for row, bag in pairs:
            listed = [bag] if isinstance(bag, str) else list(bag)
            if isinstance(bag, str) or not all(isinstance(word, str) for word in listed):
                raise DataError(f"attributes: item {items.ids([row])[0]!r} has {bag!r}; expected a list of strings")
            owners += [row] * len(listed)
            words += listed
        owner = np.asarray(owners, dtype=np.int64)
        return _bags(items, [(owner, pa.array(words, pa.large_string()))], at_least, cuts={})

    def add(self, more: "Attributes") -> "Attributes":
        """These attributes of the same items, and those of `more` as well.

        Raises
        ------
        DataError
            A name is in both.
        """
        shared = set(self.names) & set(more.names)
        if shared:
            raise DataError(f"attributes: {len(shared)} names are in both, e.g. {min(shared)!r}; rename one side's")
        other = more.aligned(self.items)
        lengths = np.diff(self.starts), np.diff(other.starts)
        starts = np.concatenate([[0], np.cumsum(lengths[0] + lengths[1])])
        owner = np.concatenate([np.repeat(np.arange(len(self)), each) for each in lengths])
        flat = np.concatenate([self.flat, other.flat + len(self.names)])
        flat = flat[np.argsort(owner, kind="stable")]
        return Attributes(self.items, self.names + other.names, starts, flat, {**self.cuts, **other.cuts})

    def describe(self, catalogue: Catalogue) -> "Attributes":
        """The attributes of other items under the same `names` and ranges; what is not among them is left out.

        For items that arrive after a model was trained on `from_catalogue`.

        Raises
        ------
        DataError
            As `from_catalogue`; a column that `catalogue` lacks is merely unknown.
        """
        columns = [c for c in dict.fromkeys(name.partition("=")[0] for name in self.names) if catalogue.has(c)]
        named = [_named(catalogue, c, self.cuts.get(c)) for c in columns]
        return _bags(catalogue.items, named, 1, cuts=self.cuts, names=self.names)

    # ---- asked

    def __len__(self) -> int:
        """The number of items."""
        return len(self.items)

    def __repr__(self) -> str:
        return f"Attributes({len(self)} items, {len(self.names)} attributes)"

    def of(self, row: int) -> tuple[str, ...]:
        """The names of the attributes of the item at `row`."""
        return tuple(self.names[a] for a in self.flat[self.starts[row] : self.starts[row + 1]])

    def matrix(self) -> sp.csr_array:
        """1 where an item has an attribute: sparse, shape `(n, len(names))`, float32."""
        ones = np.ones(len(self.flat), dtype=np.float32)
        return sp.csr_array((ones, self.flat.copy(), self.starts.copy()), shape=(len(self), len(self.names)))

    def take(self, rows: Sequence[int] | I64) -> "Attributes":
        """The items at `rows`, shape `(m,)`, renumbered from 0; the names stay.

        Raises
        ------
        DataError
            The rows are a mask or fractions, or a row is below 0, beyond the items, or asked for twice.
        """
        chosen = row_numbers("rows", rows, len(self))
        return self._gathered(self.items.take(chosen), chosen)

    def aligned(self, items: IdMap) -> "Attributes":
        """The attributes in the order of `items`; an item that is unknown here has none."""
        return self if items == self.items else self._gathered(items, self.items.rows(items.array, missing="mark"))

    def _gathered(self, items: IdMap, rows: I64) -> "Attributes":
        lengths = np.where(rows >= 0, np.diff(self.starts)[rows] if len(self) else 0, 0)  # (n,)
        starts = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=starts[1:])
        begins = self.starts[np.maximum(rows, 0)]
        where = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], lengths)
        return Attributes(items, self.names, starts, self.flat[where], self.cuts)

    def _write(self, path: Path) -> None:
        lists = pa.LargeListArray.from_arrays(pa.array(self.starts), pa.array(self.flat))
        pq.write_table(pa.table({"item_id": self.items.array, "attributes": lists}), path / "attributes.parquet")
        about = {"names": self.names, "cuts": {c: list(cuts) for c, cuts in self.cuts.items()}}
        (path / "attributes.json").write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def _read(cls, path: Path) -> "Attributes":
        table = pq.read_table(path / "attributes.parquet").combine_chunks()
        about = json.loads((path / "attributes.json").read_text(encoding="utf-8"))
        lists = table["attributes"].combine_chunks()
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        cuts = {c: tuple(values) for c, values in about["cuts"].items()}
        return cls(IdMap(table["item_id"]), tuple(about["names"]), starts, lists.flatten().to_numpy(), cuts)


Named = tuple[I64, pa.Array]  # item rows (e,), and what each has, as large strings (e,)


def _bags(
    items: IdMap,
    named: list[Named],
    at_least: int,
    *,
    cuts: Mapping[str, tuple[float, ...]],
    names: tuple[str, ...] | None = None,
) -> Attributes:
    owner = np.concatenate([rows for rows, _ in named] or [np.zeros(0, dtype=np.int64)])
    words = pa.chunked_array([w for _, w in named], pa.large_string()).combine_chunks()
    if names is None:
        vocabulary = pc.unique(words)
        vocabulary = vocabulary.take(pc.array_sort_indices(vocabulary))
    else:
        vocabulary = pa.array(names, pa.large_string())
    places = pc.index_in(words, value_set=vocabulary).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    pairs = np.unique(np.stack([owner[places >= 0], places[places >= 0]], axis=1), axis=0)  # (e, 2), by item, then name
    if names is None:
        often = np.bincount(pairs[:, 1], minlength=len(vocabulary)) >= at_least
        pairs = pairs[often[pairs[:, 1]]]
        pairs[:, 1] = (np.cumsum(often) - 1)[pairs[:, 1]]
        vocabulary = vocabulary.filter(pa.array(often))
    starts = np.zeros(len(items) + 1, dtype=np.int64)
    np.cumsum(np.bincount(pairs[:, 0], minlength=len(items)), out=starts[1:])
    return Attributes(items, tuple(vocabulary.to_pylist()), starts, pairs[:, 1], dict(cuts))


def _column(catalogue: Catalogue, name: str) -> pa.Array:
    if name not in catalogue.table.column_names:
        there = ", ".join(catalogue.table.column_names)
        raise DataError(f"attributes: the catalogue has no column {name!r}; there are {there}")
    array = catalogue.table[name].combine_chunks()
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _ranged(catalogue: Catalogue, name: str) -> bool:
    kind = _column(catalogue, name).type
    return name == "price" or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _numbers(array: pa.Array, name: str) -> Any:
    try:
        values = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"attributes: column {name!r} holds {array.type}; expected numbers") from error
    if np.isinf(values).any():
        row = int(np.isinf(values).argmax())
        raise DataError(f"attributes: column {name!r}, row {row}: infinite; expected a finite number or null")
    return values


def _cuts(array: pa.Array, bins: int, name: str) -> tuple[float, ...]:
    values = _numbers(array, name)
    values = values[~np.isnan(values)]
    if not values.size:
        return ()
    inner = np.quantile(values, np.arange(1, bins) / bins)
    return tuple(float(c) for c in np.unique(inner[inner > values.min()]))


def _named(catalogue: Catalogue, name: str, cuts: tuple[float, ...] | None) -> Named:
    array = _column(catalogue, name)
    rows = np.arange(len(array))
    if cuts is not None:
        values = _numbers(array, name)
        rows = np.flatnonzero(~np.isnan(values))
        array = pa.array(np.searchsorted(np.asarray(cuts), values[rows], side="right"))
    elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        rows = pc.list_parent_indices(array).to_numpy().astype(np.int64)
        array = array.flatten()
    if not _plain(array.type):
        raise DataError(f"attributes: column {name!r} holds {array.type}; expected text, numbers or lists of them")
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    words = array.filter(pa.array(valid)).cast(pa.large_string())
    prefix = pa.scalar(f"{name}=", pa.large_string())
    joined = pc.binary_join_element_wise(prefix, words, pa.scalar("", pa.large_string()))
    return rows[valid], joined.cast(pa.large_string())


def _plain(kind: pa.DataType) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
    return bool(text or pa.types.is_integer(kind) or pa.types.is_boolean(kind))
