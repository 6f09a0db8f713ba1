"""IdMap: the only wall between a shop's ids (`str`) and our rows (`int64`)."""

import hashlib
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arguments import listed, row_numbers
from mmreco.arrays import I64, frozen
from mmreco.errors import DataError, UnknownIdError
from mmreco.tables.columns import encodable

__all__ = ["IdMap"]

_SMALL = 4_096  # requests up to this size look ids up in a dict; larger ones go through Arrow's hash join


@dataclass(frozen=True, eq=False, repr=False)
class IdMap:
    """Unique strings in a fixed order: row `r` of every array belongs to the `r`-th id.

    Parameters
    ----------
    array : Arrow array of strings
        No nulls, no empty strings, no repeats. Use `IdMap.of` to start from Python strings.

    Raises
    ------
    DataError
        An id is null, empty, repeated or not a string; the first offender is named.

    Examples
    --------
    >>> ids = IdMap.of(["sku-7", "sku-1"])
    >>> ids.rows(["sku-1", "sku-9"], missing="mark")
    array([ 1, -1])
    >>> ids.ids([0])
    ['sku-7']
    """

    array: pa.LargeStringArray

    def __post_init__(self) -> None:
        array = self.array
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if not isinstance(array, pa.Array):
            raise DataError(f"ids: given a {type(array).__name__}; expected an Arrow array, or say IdMap.of(ids)")
        if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
            raise DataError(f"ids: expected strings, given {array.type}; convert the column to text first")
        array = array.cast(pa.large_string())
        if array.null_count:
            row = pc.index(array.is_null(), True).as_py()
            raise DataError(f"ids: {array.null_count} of {len(array)} are null, first at row {row}; expected none")
        empty = pc.index(array, pa.scalar("", pa.large_string())).as_py()
        if empty >= 0:
            raise DataError(f"ids: empty string at row {empty}; every id needs at least one character")
        if pc.count_distinct(array).as_py() != len(array):
            first = _first_repeat(array)
            raise DataError(
                f"ids: {len(array) - pc.count_distinct(array).as_py()} of {len(array)} are repeats, "
                f"first {array[first].as_py()!r} at row {first}; expected each id once"
            )
        object.__setattr__(self, "array", array)

    @classmethod
    def of(cls, ids: Iterable[str]) -> "IdMap":
        """The map of these strings, in this order.

        Raises
        ------
        DataError
            Some id is not a `str`, cannot be written as UTF-8, is empty or repeated; or `ids` is one string.
        """
        if isinstance(ids, str):
            raise DataError(f"ids: the string {ids!r}; expected a list of ids")
        texts = ids if isinstance(ids, list) else listed("ids", ids)  # type: ignore[arg-type]  # any iterable
        try:
            return cls(pa.array(texts, type=pa.large_string()))
        except UnicodeEncodeError as error:
            row = next(r for r, text in enumerate(texts) if not encodable(text))
            raise DataError(f"ids: row {row} cannot be written as UTF-8 ({error.reason})") from error
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
            row = next((r for r, text in enumerate(texts) if not isinstance(text, str)), 0)
            raise DataError(f"ids: row {row} is {texts[row]!r}; expected a string") from error

    def __len__(self) -> int:
        return len(self.array)

    def __repr__(self) -> str:
        return f"IdMap({len(self)} ids)"

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same ids in the same order, told by `checksum`."""
        return isinstance(other, IdMap) and (self is other or self.checksum == other.checksum)

    def __hash__(self) -> int:
        return hash(self.checksum)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 (hexadecimal) over the ids and their lengths, in order."""
        _, ends, text = self.array.buffers()
        digest = hashlib.sha256()
        if ends is not None and text is not None:  # there are none of no id at all
            places = np.frombuffer(ends, dtype=np.int64)[self.array.offset :][: len(self) + 1]
            digest.update(np.diff(places).tobytes())
            digest.update(memoryview(text)[int(places[0]) : int(places[-1])])
        return digest.hexdigest()

    def rows(self, ids: Sequence[str] | pa.Array, *, missing: Literal["raise", "mark"] = "raise") -> I64:
        """The rows of these ids, shape `(n,)`; with `missing="mark"` an unknown id is -1.

        Raises
        ------
        UnknownIdError
            `missing` is "raise" and an id is not in the map.
        DataError
            `missing` is neither "raise" nor "mark", or `ids` is one string.
        """
        _require_list(ids)
        if missing not in ("raise", "mark"):
            raise DataError(f"missing={missing!r}: expected 'raise' or 'mark'")
        if isinstance(ids, (pa.Array, pa.ChunkedArray)) and len(ids) <= _SMALL and "_lookup" in self.__dict__:
            ids = ids.to_pylist()
        if isinstance(ids, (pa.Array, pa.ChunkedArray)) or len(ids) > _SMALL:
            column = ids if isinstance(ids, (pa.Array, pa.ChunkedArray)) else IdMap._column(ids)
            places = pc.index_in(column.cast(pa.large_string()), value_set=self.array, skip_nulls=True)
            flat = places.combine_chunks() if isinstance(places, pa.ChunkedArray) else places
            rows: I64 = flat.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        else:
            lookup = self._lookup
            rows = np.fromiter((lookup.get(i, -1) if isinstance(i, str) else -1 for i in ids), np.int64, len(ids))
        if missing == "raise" and (rows < 0).any():
            first = int((rows < 0).argmax())
            offender = ids[first].as_py() if isinstance(ids, (pa.Array, pa.ChunkedArray)) else ids[first]
            raise UnknownIdError(
                f"{int((rows < 0).sum())} of {len(rows)} ids unknown, first {offender!r}; "
                "pass ids of this map, or missing='mark' to get -1 for the unknown"
            )
        return rows

    def ids(self, rows: Sequence[int] | I64) -> list[str]:
        """The ids of `rows`, shape `(m,)`, in order.

        Raises
        ------
        DataError
            A row is below 0 or beyond the map.
        """
        return list(self._texts.take(self._inside(rows).ravel()).tolist())

    def take(self, rows: Sequence[int] | I64) -> "IdMap":
        """The map of the ids at `rows`, shape `(m,)`, renumbered from 0.

        Raises
        ------
        DataError
            A row is below 0, beyond the map, or asked for twice.
        """
        return IdMap(self.array.take(pa.array(self._inside(rows))))

    def _inside(self, rows: Sequence[int] | I64) -> I64:
        return row_numbers("rows", rows, len(self))

    @cached_property
    def _texts(self) -> npt.NDArray[np.object_]:
        """The ids as Python's strings, shape `(n,)`; some 65 bytes each, kept for whoever asks for a few."""
        return frozen(self.array.to_numpy(zero_copy_only=False), np.object_)

    @cached_property
    def _lookup(self) -> dict[str, int]:
        return {text: row for row, text in enumerate(self._texts.tolist())}

    @staticmethod
    def _column(ids: Sequence[str]) -> pa.Array:
        try:
            return pa.array(ids, type=pa.large_string())
        except (UnicodeEncodeError, pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
            # an id no map can hold is merely unknown
            return pa.array([i if isinstance(i, str) and encodable(i) else None for i in ids], type=pa.large_string())


def _first_repeat(array: pa.Array) -> int:
    seen: set[str] = set()
    for row, text in enumerate(array.to_pylist()):
        if text in seen:
            return row
        seen.add(text)
    return -1


def _require_list(ids: object) -> None:
    if isinstance(ids, str):
        raise DataError(f"ids: the string {ids!r}; expected a list of ids")
    if not isinstance(ids, Sized):
        raise DataError(f"ids: given a {type(ids).__name__}; expected a list of ids")
