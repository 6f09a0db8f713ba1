"""Facts in common: what the catalogue says of an item and of what carries it, and phrases of its reviews."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mmreco.data.dataset import Dataset
from mmreco.text.segmentation import segment

__all__ = ["Fact", "common_facts", "good_phrases"]

_COLUMNS = ("category", "brand")
_BAND = 1.25  # prices within this factor of one another are of one band
_LONGEST = 90  # characters of a phrase
_SENTENCE = re.compile(r"[。！？；!?;\n]+|(?<=[^\d])\.(?:\s|$)")
_GOOD = 4  # stars


@dataclass(frozen=True)
class Fact:
    """A value that an item shares with items of the history.

    Parameters
    ----------
    column : "category", "brand" or "price"
    value : of the item
    rows : the items of the history that share it
    """

    column: str
    value: str
    rows: tuple[int, ...]


def common_facts(dataset: Dataset, item: int, rows: Sequence[int]) -> tuple[Fact, ...]:
    """What the catalogue says alike of `item` and of some of `rows`: category, brand, a price within a quarter."""
    table, found = dataset.catalogue.table, []
    for column in _COLUMNS:
        if column not in table.column_names:
            continue
        own = table[column][item].as_py()
        alike = tuple(row for row in rows if own is not None and table[column][row].as_py() == own)
        if alike:
            found.append(Fact(column, str(own), alike))
    if "price" in table.column_names:
        own = table["price"][item].as_py()
        alike = tuple(row for row in rows if _one_band(own, table["price"][row].as_py()))
        if alike:
            found.append(Fact("price", f"{own:g}", alike))
    return tuple(found)


def good_phrases(dataset: Dataset, item: int, rows: Sequence[int], *, n: int = 2) -> tuple[str, ...]:
    """Up to `n` phrases of the item's good reviews, word for word, that speak of what `rows` are also called."""
    reviews = dataset.reviews
    if reviews is None:
        return ()
    wanted = {word for row in rows for word in segment(_title(dataset, row))}
    first, last = int(reviews.starts[item]), int(reviews.starts[item + 1])
    found: dict[str, int] = {}
    for place in range(first, last):
        if not reviews.ratings[place] >= _GOOD:
            continue
        for phrase in _SENTENCE.split(reviews.texts[place]):
            stripped = phrase.strip()
            shared = wanted.intersection(segment(stripped)) if 4 <= len(stripped) <= _LONGEST else set()
            if shared:
                found[stripped] = len(shared)
    return tuple(sorted(found, key=lambda phrase: (-found[phrase], len(phrase), phrase))[:n])


def _title(dataset: Dataset, row: int) -> str:
    table = dataset.catalogue.table
    return (table["title"][row].as_py() or "") if "title" in table.column_names else ""


def _one_band(a: float | None, b: float | None) -> bool:
    if a is None or b is None or not (a > 0 and b > 0):
        return False
    return abs(math.log(a / b)) <= math.log(_BAND)
