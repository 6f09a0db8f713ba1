"""What items are called: the writings of a query that mean one item and no other."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mmreco.arrays import I64
from mmreco.data.catalogue import Catalogue
from mmreco.retrieval.terms import codes, key

__all__ = ["exact_names"]

_NUMBERS = ("sku", "model", "mpn", "gtin", "ean", "barcode")  # columns that name an item
_COMMON = 8  # items that share a code found in titles; a code of more is a kind, not a name


def exact_names(catalogue: Catalogue) -> tuple[npt.NDArray[np.uint64], I64]:
    """The names of all items as 64-bit keys, and the item row of each, both of shape `(m,)`.

    A name is an item's title, its id, what stands in a column `sku`, `model`, `mpn`, `gtin`, `ean` or `barcode`, and
    a model code that its title holds; the last two also with the brand before or after them.
    """
    titles = _column(catalogue, "title")
    brands = _column(catalogue, "brand")
    found = [codes(title) for title in titles]
    often = Counter(code for own in found for code in own)
    numbers = [_column(catalogue, name) for name in _NUMBERS if name in catalogue.table.column_names]
    names: list[int] = []
    rows: list[int] = []
    for row, item in enumerate(catalogue.items.ids(range(len(catalogue)))):
        models = [code for code in found[row] if often[code] <= _COMMON] + [of[row] for of in numbers if of[row]]
        own = {key([name]) for name in _names(item, titles[row], brands[row], models)} - {0}
        names.extend(own)
        rows.extend([row] * len(own))
    return np.array(names, dtype=np.uint64), np.array(rows, dtype=np.int64)


def _names(item: str, title: str, brand: str, models: list[str]) -> Iterator[str]:
    yield item
    yield title
    makers = [maker for maker in dict.fromkeys((brand, title.split(maxsplit=1)[0] if title.strip() else "")) if maker]
    for model in models:
        yield model
        for maker in makers:
            yield maker + model
            yield model + maker


def _column(catalogue: Catalogue, name: str) -> list[str]:
    if name not in catalogue.table.column_names:
        return [""] * len(catalogue)
    return [str(value or "") for value in catalogue.column(name)]
