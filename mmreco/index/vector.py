"""VectorIndex: the items nearest to a vector, exact where asked, with filters that are always right."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from mmreco.arguments import require_width
from mmreco.arrays import F32, I64, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.index.arguments import (
    array,
    excluded_pairs,
    id_list,
    mask_over,
    query_vectors,
    require_embeddings,
)
from mmreco.index.building import Builder
from mmreco.index.query import QueryBatch
from mmreco.index.state import IndexState
from mmreco.storage.artefact import publish, read_artefact

__all__ = ["VectorIndex"]


class VectorIndex:
    """An index over `Embeddings`, answering with the rows of `ids`.

    Parameters
    ----------
    embeddings : `n` vectors of width `dim`
    quality : "exact", "high", "fast", "small" or a FAISS factory string, optional
        "exact" looks at every allowed item. The others build a structure and look as hard as a sample of the items
        needs: "high" a graph for recall@10 of 0.99, "fast" lists, built in a third of the time, for 0.95, "small"
        lists of codes of a quarter of a byte a number, for 0.95. With fewer than 10,000 items, on a GPU, or without
        FAISS the words are exact as well. Any other text is handed to FAISS' `index_factory`; on a GPU "SQfp16" keeps
        the vectors there in 16 bits a number, answers stay exact, lists ("IVF1024,SQ8") need FAISS' build for it, and
        graphs ("CAGRA32", 32 links an item) its build with cuVS.
    device : "auto", "cpu" or "cuda", optional
        "auto" takes a GPU that torch can use when there is one: the vectors go to one GPU that has room for them, or
        over all there are, or over all in 16 bits a number, or stay on the CPU ("cuda" refuses that).
    memory : bytes, optional
        What the structure may take beside the vectors; a smaller one is built where the word's own does not fit, none
        where none does.

    Raises
    ------
    DataError
        `embeddings` is none, `quality`, `device` or `memory` is none of these, FAISS cannot build it over so few
        vectors, or "cuda" is asked for and there is no GPU.
    IncompatibleError
        Two builds of FAISS are installed over one another.

    Notes
    -----
    An index is a value: `add`, `update`, `remove` and `tune` answer with another one, which shares what has not
    changed, so a search under way sees the items it began with. Candidates of every path are scored again with the
    exact vectors, in one arithmetic. From 67 million numbers on, a single query of an exact index passes over one byte
    a number first, kept beside the vectors where `memory` allows it; where that does not prove the answer, over the
    vectors. Without FAISS every answer is exact, only slower; `report` and one line in the log say what to install. An
    index can be pickled, with its structure.

    Examples
    --------
    >>> shop = Embeddings(IdMap.of(["hat", "cap", "shoe"]), np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]))
    >>> index = VectorIndex(shop)
    >>> index.search(np.array([[1.0, 0.0]]), k=2).ids(index.ids)
    [['hat', 'cap']]
    >>> fewer = index.remove(["hat"])
    >>> fewer.search(np.array([[1.0, 0.0]]), k=2).ids(fewer.ids)
    [['cap', 'shoe']]
    """

    def __init__(
        self,
        embeddings: Embeddings,
        *,
        quality: Literal["exact", "high", "fast", "small"] | str = "exact",
        device: Literal["auto", "cpu", "cuda"] = "auto",
        memory: int | None = None,
    ) -> None:
        require_embeddings("VectorIndex", embeddings)
        n, dim = embeddings.vectors.shape
        self._begin(IndexState.built(embeddings, Builder.of(quality, memory, device, n, dim)), embeddings)

    def _begin(self, state: IndexState, embeddings: Embeddings | None = None) -> None:
        self._state = state
        self._embeddings = embeddings

    @classmethod
    def _of(cls, state: IndexState, embeddings: Embeddings | None = None) -> Self:
        index = object.__new__(cls)
        index._begin(state, embeddings)
        return index

    @property
    def ids(self) -> IdMap:
        """The ids of the items, in the order of their rows."""
        return self._state.ids

    @property
    def embeddings(self) -> Embeddings:
        """The items' vectors; copied together on first use where the index has changed since it was built."""
        if self._embeddings is None:
            self._embeddings = self._state.embeddings()
        return self._embeddings

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return self._state.items.dim

    @property
    def fingerprint(self) -> str:
        """What made the vectors."""
        return self._state.fingerprint

    @property
    def quality(self) -> str:
        """As given to the constructor."""
        return self._state.builder.quality

    @property
    def memory(self) -> int | None:
        """As given to the constructor."""
        return self._state.builder.memory

    @property
    def device(self) -> str:
        """Where the vectors are: "cpu" or "cuda"."""
        return self._state.builder.device

    def vectors_of(self, rows: I64) -> F32:
        """The vectors of `rows`, shape `(m,)`, as `(m, dim)`, whatever has changed.

        Raises
        ------
        DataError
            A row is below 0 or beyond the items.
        """
        given = array("rows", rows)
        if (
            given.ndim != 1
            or given.dtype.kind not in "iu"
            or (given.size and not 0 <= given.min() <= given.max() < len(self))
        ):
            raise DataError(f"rows: {given.dtype} of shape {given.shape}; expected rows of {len(self)} items")
        return self._state.items.take(given.astype(np.int64))

    def __len__(self) -> int:
        return len(self._state.items)

    def __repr__(self) -> str:
        return f"VectorIndex({len(self)} x {self.dim}, {self.report()['kind']}, {self.device})"

    def report(self) -> dict[str, Any]:
        """What was built: kind, size, device, bytes of memory, measured recall, and what would make it faster.

        `recall` is recall@10 on a sample of the items when the structure was built or tuned; 1.0 where all is exact.
        """
        return self._state.report()

    def tune(self, recall: float = 0.95, *, queries: F32 | None = None, seed: int = 0) -> Self:
        """The same index with the least search effort that reaches `recall`, measured against an exact search.

        Parameters
        ----------
        recall : above 0, at most 1
            The share of the true best ten that is to be found. Where nothing reaches it, the best there is is taken;
            `report()["recall"]` says what was reached.
        queries : shape `(n, dim)`, optional
            What will be asked. 256 of the items, each without itself, where omitted.
        seed : of that sample

        Raises
        ------
        DataError
            `recall` is not above 0 and at most 1, `seed` is not a whole number, or `queries` are not finite vectors
            of this width.
        """
        if isinstance(recall, bool) or not isinstance(recall, (int, float, np.number)) or not 0 < recall <= 1:
            raise DataError(f"recall={recall!r}: expected a number above 0 and at most 1")
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise DataError(f"seed={seed!r}: expected a whole number of 0 or more")
        given = None if queries is None else query_vectors(queries, self.dim, self._state.items.longest)
        return self._of(self._state.tuned(float(recall), given, int(seed)), self._embeddings)

    # ---- change

    def add(self, embeddings: Embeddings) -> Self:
        """The index with the items of `embeddings` as well, in rows after those it has.

        It costs what they do: nothing of the index is copied, and no structure is rebuilt, until very many have come.

        Raises
        ------
        DataError
            An id is in the index already (say `update`).
        IncompatibleError
            The vectors are of another width, or come from another encoder.
        """
        return self._of(self._state.added(self._alike("add", embeddings)))

    def update(self, embeddings: Embeddings) -> Self:
        """The index where the items of `embeddings` have these vectors; all keep their rows.

        Raises
        ------
        UnknownIdError
            An id is not in the index (say `add`).
        IncompatibleError
            The vectors are of another width, or come from another encoder.
        """
        return self._of(self._state.updated(self._alike("update", embeddings)))

    def remove(self, ids: Iterable[str]) -> Self:
        """The index without these items; those that stay close the gap in their order.

        Raises
        ------
        DataError
            `ids` is one string, or holds something else than strings.
        UnknownIdError
            An id is not in the index.
        """
        return self._of(self._state.without(id_list("remove", ids)))

    def compact(self) -> Self:
        """The same items in a rebuilt structure, without a tail or removed items."""
        return self._of(self._state.rebuilt())

    def _alike(self, verb: str, given: object) -> Embeddings:
        embeddings = require_embeddings(verb, given)
        self._state.require_alike(embeddings)
        return embeddings

    # ---- search

    def search(
        self, queries: F32, k: int, *, where: Bool | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        """The `k` items nearest to each query, best first.

        Similarity is the inner product, which is the cosine when both sides have unit length. Equal scores
        come lower row first.

        Parameters
        ----------
        queries : shape `(n, dim)`
            Copied only if not C-contiguous float32.
        k : 1 or more
            Width of the answer. Rows short of `k` items are padded with row -1 and score -inf.
        where : bool, shape `(n_items,)` or `(n, n_items)`, optional
            Which items may be returned, for all queries or for each; `mmreco.filters.parser.mask` makes one of a
            catalogue and `"price < 300"`.
        exclude : `n` users, optional
            Items that query `q` must not return, e.g. what the user already bought.

        Raises
        ------
        DataError
            `queries` is not `(n, dim)` or holds NaN or infinity, `k` is not a whole number of 1 or more, or above a
            million and the number of items, `where` is no such mask, or `exclude` has not `n` users.
        IncompatibleError
            `exclude` is over other items than the index.

        Notes
        -----
        Exact with `quality="exact"`, whatever the filters; otherwise recall is about what `report` says, and as many
        answers come as are allowed.
        Source: Johnson, Douze, Jegou, "Billion-scale similarity search with GPUs", 2017.
        """
        self._state.builder.require_own_process()
        n = len(self)
        k = require_width(k, n)
        queries = query_vectors(queries, self.dim, self._state.items.longest)
        where = mask_over(n, len(queries), where)
        excluded = excluded_pairs(exclude, len(queries), self.ids, where)
        batch = QueryBatch(queries, where, excluded, n)
        width = min(k, batch.n_allowed)
        if not width or not len(queries):
            return Ranking.from_scores(np.zeros((len(queries), 0), dtype=np.float32), k)
        rows, scores = self._state.nearest(batch, width)
        if width < k:
            missing = ((0, 0), (0, k - width))
            rows, scores = np.pad(rows, missing, constant_values=-1), np.pad(scores, missing, constant_values=-np.inf)
        return Ranking._ordered(rows, scores)

    # ---- storage

    def save(self, folder: str | Path) -> None:
        """Write the index to an artefact folder (see `mmreco.storage.artefact`).

        Raises
        ------
        DataError
            `folder` is no path, it holds something else, or another process is writing to it.
        """
        with publish(folder, "VectorIndex", {"n": len(self), "dim": self.dim}) as path:
            self._write(path)

    @classmethod
    def load(cls, folder: str | Path, *, device: Literal["auto", "cpu", "cuda"] = "auto") -> Self:
        """The index that `save` wrote; its vectors and its structure are memory-mapped.

        Parameters
        ----------
        folder : where it was saved
        device : "auto" for a GPU where there is one, "cpu" or "cuda"

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds something else.
        """
        return read_artefact(folder, "VectorIndex", lambda found: cls._read(found.path, device=device))

    def __getstate__(self) -> dict[str, Any]:
        return self._state.packed()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin(IndexState.unpacked(state))

    def _write(self, path: Path) -> None:
        self._state.write(path)

    @classmethod
    def _read(cls, path: Path, *, device: str = "auto") -> Self:
        return cls._of(IndexState.read(path, device))
