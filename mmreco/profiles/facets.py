"""Facets: the sides of an item that a shopper may like: category, brand, price band, and words such as its colour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from mmreco.arguments import require_whole, strings
from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.text.segmentation import segment_all

__all__ = ["COLOURS", "Facet", "facets"]

COLOURS: Mapping[str, Sequence[str]] = {
    "red": ("red", "scarlet", "crimson", "红", "红色", "大红色", "大红"),
    "blue": ("blue", "navy", "蓝", "蓝色", "宝蓝色", "宝蓝", "藏青"),
    "green": ("green", "emerald", "olive", "绿", "绿色", "墨绿色", "墨绿"),
    "yellow": ("yellow", "mustard", "黄", "黄色", "姜黄色", "姜黄"),
    "black": ("black", "jet", "黑", "黑色", "纯黑色"),
    "white": ("white", "ivory", "白", "白色", "米白色", "米白"),
    "pink": ("pink", "rose", "粉", "粉色", "粉红色", "粉红"),
    "purple": ("purple", "violet", "紫", "紫色", "紫罗兰色", "紫罗兰"),
    "orange": ("orange", "橙", "橙色", "橘色"),
    "brown": ("brown", "tan", "棕", "棕色", "咖啡色"),
    "grey": ("grey", "gray", "灰", "灰色"),
}
"""Words for colours in English and Chinese."""

_COLUMNS = ("category", "brand", "price")


@dataclass(frozen=True, eq=False, repr=False)
class Facet:
    """One property of the items, e.g. their category or colour.

    Parameters
    ----------
    items : IdMap of `n` items
    values : one name a value, e.g. `("dress", "hat")`
    matrix : sparse, shape `(n, len(values))`
        The share of an item that each value has; a line adds up to 1, or to 0 where nothing is known.
    """

    items: IdMap
    values: tuple[str, ...]
    matrix: Any

    def __repr__(self) -> str:
        return f"Facet({len(self.items)} items, {len(self.values)} values)"


def facets(
    catalogue: Catalogue,
    *,
    columns: Sequence[str] | None = None,
    vocabularies: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    price_bins: int = 5,
) -> dict[str, Facet]:
    """The facets of a catalogue by name.

    Parameters
    ----------
    catalogue : `n` items
    columns : optional
        Those of `category`, `brand` and `price` that there are, when omitted. Prices become bands "1" (cheapest) to
        `price_bins`, each with about as many items.
    vocabularies : facet to value to its words, optional
        What is looked for in titles and texts; `{"colour": COLOURS}` when omitted. Of the values that an item's words
        name, the most frequent counts, in the title before the text.
    price_bins : 1 or more

    Raises
    ------
    DataError
        There is no such column, or it holds neither text nor numbers nor lists of them.
    """
    price_bins = require_whole("price_bins", price_bins)
    chosen = [c for c in _COLUMNS if catalogue.has(c)] if columns is None else strings("columns", columns)
    found = {column: _of_column(catalogue, column, price_bins) for column in chosen}
    spoken = {"colour": COLOURS} if vocabularies is None else vocabularies
    for name, vocabulary in spoken.items():
        if name in found:
            raise DataError(f"facets: {name!r} is a column and a vocabulary; rename one of them")
        found[name] = _of_words(catalogue, vocabulary)
    return {name: facet for name, facet in found.items() if facet.matrix.nnz}


def _of_column(catalogue: Catalogue, column: str, price_bins: int) -> Facet:
    bags = Attributes.from_catalogue(catalogue, columns=[column], price_bins=price_bins, at_least=1)
    values = tuple(name.partition("=")[2] for name in bags.names)
    if column in bags.cuts:
        values = tuple(str(int(value) + 1) for value in values)
    return Facet(catalogue.items, values, _shared(bags.matrix()))


def _of_words(catalogue: Catalogue, vocabulary: Mapping[str, Sequence[str]]) -> Facet:
    values = tuple(vocabulary)
    meant = {_plain(word): row for row, value in enumerate(values) for word in vocabulary[value]}
    longest = sorted((word for word in meant if not word.isascii()), key=len, reverse=True)
    counts = np.zeros((len(catalogue), len(values)))
    for weight, column in ((100.0, "title"), (1.0, "text")):
        if not catalogue.has(column):
            continue
        texts = [text or "" for text in catalogue.column(column)]
        for row, words in enumerate(segment_all(texts)):
            for word in words:
                value = meant.get(word, _inside(word, longest, meant))
                if value >= 0:
                    counts[row, value] += weight
    best = counts.argmax(axis=1)
    named = np.flatnonzero(counts.max(axis=1, initial=0) > 0)
    matrix = sp.csr_array((np.ones(len(named)), (named, best[named])), shape=counts.shape)
    return Facet(catalogue.items, values, matrix)


def _inside(word: str, longest: Sequence[str], meant: Mapping[str, int]) -> int:
    """The value of a Chinese word that holds one of the vocabulary, e.g. 大红色连衣裙; -1 for none."""
    if word.isascii():
        return -1
    return next((meant[part] for part in longest if len(part) > 1 and part in word), -1)


def _plain(word: str) -> str:
    return word.lower().replace("-", "")


def _shared(matrix: sp.csr_array) -> sp.csr_array:
    each = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1, each, out=np.zeros(len(each)), where=each > 0)
    return sp.csr_array(sp.diags_array(scale) @ matrix)
