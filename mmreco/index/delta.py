"""DeltaIndex: an index of the caller's that stays up to date, though nothing can be added to it.

What came or changed since it was made is searched beside it, exactly; when that has become much, or an item goes, the
caller's index is made anew.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from mmreco.arguments import require_width
from mmreco.arrays import F32, I64, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.index.arguments import mask_over, require_embeddings
from mmreco.index.vector import VectorIndex
from mmreco.protocols import Searches

__all__ = ["DeltaIndex"]

_MANY = 4_096  # items beside the caller's index, or
_SHARE = 1 / 8  # of its own, from which it is made anew


class DeltaIndex:
    """An index made by a function of the caller's, with what changed since beside it.

    Parameters
    ----------
    make : what makes an index of vectors; called again when much has changed
    embeddings : `n` vectors

    Raises
    ------
    DataError
        `embeddings` is none, or what `make` answers does not search.

    Notes
    -----
    A value, as `VectorIndex` is: `add`, `update` and `remove` answer with another one.
    """

    def __init__(self, make: Callable[[Embeddings], Searches], embeddings: Embeddings) -> None:
        require_embeddings("DeltaIndex", embeddings)
        self._begin(make, VectorIndex(embeddings, device="cpu"), self._made(make, embeddings))

    def _begin(
        self,
        make: Callable[[Embeddings], Searches],
        held: VectorIndex,
        base: tuple[Searches, IdMap],
        changed: I64 | None = None,
    ) -> None:
        self._make = make
        self._held = held  # all vectors as they are now
        self._base, self._base_ids = base
        self._changed = np.zeros(0, dtype=np.int64) if changed is None else changed  # rows the base knows otherwise

    @staticmethod
    def _made(make: Callable[[Embeddings], Searches], embeddings: Embeddings) -> tuple[Searches, IdMap]:
        base = make(embeddings)
        if not isinstance(base, Searches):
            raise DataError(f"index: made a {type(base).__name__}; expected something with search(queries, k, ...)")
        return base, embeddings.ids

    # ---- what it holds

    @property
    def ids(self) -> IdMap:
        """The ids of the items, in the order of their rows."""
        return self._held.ids

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return self._held.dim

    @property
    def fingerprint(self) -> str:
        """What made the vectors."""
        return self._held.fingerprint

    @property
    def embeddings(self) -> Embeddings:
        """The items' vectors; copied together on first use where something has changed."""
        return self._held.embeddings

    def vectors_of(self, rows: I64) -> F32:
        """The vectors of these rows, shape `(m, dim)`; see `VectorIndex.vectors_of`."""
        return self._held.vectors_of(rows)

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"DeltaIndex({type(self._base).__name__}, {len(self)} x {self.dim}, {len(self._changed)} changed)"

    # ---- change

    def add(self, embeddings: Embeddings) -> "DeltaIndex":
        """The index with these items as well, in rows after those it has; see `VectorIndex.add`."""
        held = self._held.add(embeddings)
        return self._after(held, np.arange(len(self), len(held)))

    def update(self, embeddings: Embeddings) -> "DeltaIndex":
        """The index where these items have these vectors; see `VectorIndex.update`."""
        held = self._held.update(embeddings)
        return self._after(held, self.ids.rows(embeddings.ids.ids(range(len(embeddings)))))

    def remove(self, ids: Iterable[str]) -> "DeltaIndex":
        """The index without these items, of which the caller's index keeps nothing either: it is made anew."""
        return DeltaIndex(self._make, self._held.remove(ids).compact().embeddings)

    def _after(self, held: VectorIndex, rows: I64) -> "DeltaIndex":
        changed = np.union1d(self._changed, rows)
        if len(changed) > max(_MANY, _SHARE * len(self._base_ids)):
            return DeltaIndex(self._make, held.embeddings)
        other = object.__new__(DeltaIndex)
        other._begin(self._make, held, (self._base, self._base_ids), changed)
        return other

    # ---- asked

    def search(
        self, queries: F32, k: int, *, where: Bool | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        """The `k` items nearest to each query, best first; see `VectorIndex.search`."""
        if not len(self._changed):
            return self._base.search(queries, k, where=where, exclude=exclude)
        n, n_base = len(self), len(self._base_ids)
        k = require_width(k, n)
        where = mask_over(n, len(queries), where)
        fresh = np.zeros(n, dtype=np.bool_)
        fresh[self._changed] = True
        allowed = ~fresh[:n_base] if fresh[:n_base].any() else None
        if where is not None:
            allowed = where[..., :n_base] if allowed is None else where[..., :n_base] & allowed
        barred = exclude
        if exclude is not None:
            inside = exclude.items_flat < n_base
            inside[inside] &= ~fresh[exclude.items_flat[inside]]
            barred = Interactions.from_events(
                exclude.users, self._base_ids, exclude.users_flat[inside], exclude.items_flat[inside]
            )
        old = self._base.search(queries, k, where=allowed, exclude=barred)
        new = self._held.search(queries, k, where=fresh if where is None else where & fresh, exclude=exclude)
        rows = np.concatenate([old.rows, new.rows], axis=1)
        return Ranking.from_scores(np.concatenate([old.scores, new.scores], axis=1), k, rows=rows)

    # ---- storage

    def _write(self, path: Path) -> None:
        """The vectors, as `VectorIndex` writes them; the caller's index is made again."""
        self._held._write(path)
