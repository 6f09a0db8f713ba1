"""ItemPairs: which items are known to be bought together, and which are viewed one instead of the other.

Source: McAuley, Pandey, Leskovec, "Inferring networks of substitutable and complementary products", 2015: "also bought"
tells complements, "also viewed" substitutes, and what is both tells neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from mmreco.arrays import I64, Bool, frozen
from mmreco.baskets.associations import incidence
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError

__all__ = ["ItemPairs"]

_BOUGHT, _VIEWED = ("also_bought", "bought_together"), ("also_viewed",)


@dataclass(frozen=True, eq=False, repr=False)
class ItemPairs:
    """Known pairs of items, each with a direction: who looked at the first, then bought or viewed the second.

    Made by `from_frame` or `from_baskets`; the constructor only checks.

    Parameters
    ----------
    items : IdMap of the catalogue
    complements : shape `(c, 2)`, int64
        Bought together, and not viewed instead of each other.
    substitutes : shape `(s, 2)`, int64
        Viewed instead of each other, and not bought together.

    Raises
    ------
    DataError
        An array has another shape, or a row is outside the items.
    """

    items: IdMap
    complements: I64
    substitutes: I64

    def __post_init__(self) -> None:
        for name in ("complements", "substitutes"):
            pairs = frozen(np.asarray(getattr(self, name), dtype=np.int64).reshape(-1, 2), np.int64)
            if pairs.size and not 0 <= pairs.min() <= pairs.max() < len(self.items):
                raise DataError(f"{name}: a row outside 0..{len(self.items) - 1}, the items there are")
            object.__setattr__(self, name, pairs)

    @classmethod
    def from_frame(cls, frame: Any, items: IdMap, *, columns: Mapping[str, str] | None = None) -> "ItemPairs":
        """The pairs in an Arrow table with the columns `item_id`, `other_id` and `kind`.

        Parameters
        ----------
        frame : `kind` is "also_bought", "bought_together" or "also_viewed"
            Pairs of unknown items are left out.
        columns : optional
            The table's own names, e.g. `{"item_id": "sku"}`.
        items : the items of the shop

        Raises
        ------
        DataError
            A column is missing, or a kind is not one of the three.
        """
        table = frame if isinstance(frame, pa.Table) else pa.table(frame)
        names = {name: (columns or {}).get(name, name) for name in ("item_id", "other_id", "kind")}
        missing = [name for name in names.values() if name not in table.column_names]
        if missing:
            raise DataError(f"pairs: no column {missing[0]!r}; there are {', '.join(table.column_names)}")
        kinds = np.asarray(table[names["kind"]].to_pylist(), dtype=object)
        strange = ~np.isin(kinds, [*_BOUGHT, *_VIEWED])
        if strange.any():
            raise DataError(
                f"pairs: kind {kinds[strange.argmax()]!r} in row {int(strange.argmax())}; expected one of "
                f"{', '.join((*_BOUGHT, *_VIEWED))}"
            )
        sources, targets = (
            items.rows(table[names[name]].combine_chunks(), missing="mark") for name in ("item_id", "other_id")
        )
        known = (sources >= 0) & (targets >= 0) & (sources != targets)
        bought = np.isin(kinds, list(_BOUGHT))
        return cls._of(items, *(sources[known & m] * len(items) + targets[known & m] for m in (bought, ~bought)))

    @classmethod
    def from_baskets(
        cls, bought: Interactions, viewed: Interactions, *, least_support: int = 3, lift: float = 2.0
    ) -> "ItemPairs":
        """The pairs that a shop's own log tells of.

        Parameters
        ----------
        bought, viewed : a basket, and a visit, a user, as `baskets` gives them
            What is bought in one basket goes together; what is looked at in one visit stands for one another.
        least_support : 1 or more
            Pairs met less often are left out.
        lift : above 0
            How many times as often as by chance they must be met.

        Raises
        ------
        IncompatibleError
            The two logs are over different items.
        """
        if bought.items != viewed.items:
            raise IncompatibleError("pairs: baskets and visits are over different items; read them with one catalogue")
        return cls._of(bought.items, _met(bought, least_support, lift), _met(viewed, least_support, lift))

    @classmethod
    def _of(cls, items: IdMap, bought: I64, viewed: I64) -> "ItemPairs":
        n = max(1, len(items))
        only = (np.setdiff1d(bought, viewed), np.setdiff1d(viewed, bought))
        return cls(items, *(np.stack(np.divmod(keys, n), axis=1) for keys in only))

    def __repr__(self) -> str:
        return f"ItemPairs({len(self.complements)} complements, {len(self.substitutes)} substitutes)"

    def without(self, left_out: Bool) -> "ItemPairs":
        """The pairs that touch no item marked in `left_out`, shape `(n_items,)`."""
        kept = (pairs[~left_out[pairs].any(axis=1)] for pairs in (self.complements, self.substitutes))
        return ItemPairs(self.items, *kept)

    def of(self, sources: Bool) -> "ItemPairs":
        """The pairs whose first item is marked in `sources`, shape `(n_items,)`."""
        kept = (pairs[sources[pairs[:, 0]]] for pairs in (self.complements, self.substitutes))
        return ItemPairs(self.items, *kept)


def _met(carts: Interactions, least_support: int, lift: float) -> I64:
    bought = incidence(carts)
    counts = np.asarray(bought.sum(axis=0)).ravel()
    together = sp.coo_array(bought.T @ bought)
    expected = counts[together.row] * counts[together.col] / max(1, bought.shape[0])
    fine = (together.row != together.col) & (together.data >= least_support) & (together.data >= lift * expected)
    keys: I64 = together.row[fine].astype(np.int64) * len(carts.items) + together.col[fine]
    return keys
