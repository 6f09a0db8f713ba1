"""Facets: what the items found differ in, with how many there are of each, and the filter that narrows to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arguments import require_kind
from mmreco.arrays import I64
from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError

__all__ = ["Facet", "FacetValue", "facets"]

_NOT_FACETS = ("title", "text", "image", "created")
_RANGES = 4  # of a column of numbers
_MOST_KINDS = 200  # distinct values of a column that still sorts items
_DIGITS = 2  # significant ones of a range's ends


@dataclass(frozen=True)
class FacetValue:
    """One value or range: how it reads, how many items have it, and the `where=` that keeps them.

    Parameters
    ----------
    label : how it reads
    count : items that have it
    where : the filter that keeps them, for `where=`
    """

    label: str
    count: int
    where: str


@dataclass(frozen=True)
class Facet:
    """A column with its values, the commonest first; ranges of numbers from low to high.

    Parameters
    ----------
    column : its name
    values : the commonest first; ranges of numbers from low to high
    """

    column: str
    values: tuple[FacetValue, ...]


def facets(
    catalogue: Catalogue, rows: I64, *, columns: Sequence[str] | None = None, n_values: int = 10
) -> tuple[Facet, ...]:
    """The columns in which these items differ, the one that divides them best first.

    Parameters
    ----------
    catalogue : the items
    rows : shape `(m,)`, int64
        Of the items found; -1 is left out.
    columns : optional
        Which columns, in this order; all that hold values worth choosing among when omitted.
    n_values : 1 or more, optional
        Values of a column at most.

    Raises
    ------
    DataError
        There is no such column, or `n_values` is below 1.

    Examples
    --------
    >>> shop = Catalogue.from_frame(pa.table({"item_id": ["a", "b", "c"], "category": ["hat", "hat", "coat"]}))
    >>> facets(shop, np.array([0, 1, 2]))[0].values[0]
    FacetValue(label='hat', count=2, where="category == 'hat'")
    """
    if n_values < 1:
        raise DataError(f"n_values={n_values}: expected 1 or more")
    require_kind("facets", catalogue, Catalogue)
    there = np.asarray(rows, dtype=np.int64)
    found = catalogue.table.take(pa.array(there[there >= 0]))
    names = catalogue.table.column_names
    for name in columns or ():
        if name not in names:
            raise DataError(f"facets: no column {name!r}; there are {', '.join(names)}")
    made = []
    for name in columns if columns is not None else [name for name in names if name not in _NOT_FACETS]:
        values = _values(name, found[name], n_values)
        if columns is None and (len(values) < 2 or _only_names(values)):
            continue
        made.append((_parting(values), Facet(name, values)))
    if columns is None:
        made.sort(key=lambda one: -one[0])
    return tuple(facet for _, facet in made)


def _values(name: str, column: pa.ChunkedArray, n: int) -> tuple[FacetValue, ...]:
    kind = column.type
    if pa.types.is_boolean(kind):
        return _kinds(name, column, n)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _ranges(name, column)
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    return _kinds(name, column, n) if pa.types.is_string(kind) or pa.types.is_large_string(kind) else ()


def _kinds(name: str, column: pa.ChunkedArray, n: int) -> tuple[FacetValue, ...]:
    counted = [(one["values"], one["counts"]) for one in pc.value_counts(column.drop_null()).to_pylist()]
    if len(counted) > _MOST_KINDS:
        return ()
    counted.sort(key=lambda pair: (-pair[1], str(pair[0])))
    return tuple(FacetValue(str(value), count, f"{name} == {_literal(value)}") for value, count in counted[:n])


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def _ranges(name: str, column: pa.ChunkedArray) -> tuple[FacetValue, ...]:
    numbers = column.drop_null().to_numpy().astype(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers) or numbers.min() == numbers.max():
        return ()
    quantiles = np.quantile(numbers, np.linspace(0, 1, _RANGES + 1)[1:-1])
    ends = [float(end) for end in dict.fromkeys(_rounded(q) for q in quantiles) if numbers.min() < end <= numbers.max()]
    made = []
    for low, high in zip([None, *ends], [*ends, None], strict=True):
        inside = np.ones(len(numbers), dtype=bool)
        conditions = []
        if low is not None:
            inside &= numbers >= low
            conditions.append(f"{name} >= {low:g}")
        if high is not None:
            inside &= numbers < high
            conditions.append(f"{name} < {high:g}")
        label = f"{low:g} to {high:g}" if low is not None and high is not None else ""
        label = label or (f"below {high:g}" if high is not None else f"from {low:g}")
        if inside.any() and conditions:
            made.append(FacetValue(label, int(inside.sum()), " and ".join(conditions)))
    return tuple(made)


def _only_names(values: Sequence[FacetValue]) -> bool:
    """Whether each value is one item's alone: a name, not a kind."""
    return max(value.count for value in values) == 1


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def _parting(values: Sequence[FacetValue]) -> float:
    """The entropy of the counts: how much a choice among the values narrows."""
    counts = np.array([value.count for value in values], dtype=np.float64)
    shares = counts / max(1.0, counts.sum())
    return float(-(shares * np.log(np.maximum(shares, 1e-12))).sum())
