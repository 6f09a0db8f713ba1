"""VectorIndex: the items nearest to a vector, exact where asked, with filters that are always right."""

import json
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from mmreco.arrays import F32, I64, Bool, require_finite
from mmreco.data.artefact import open_artefact, publish
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError
from mmreco.index import binding
from mmreco.index.device import TorchScan, choose
from mmreco.index.graph import Graph
from mmreco.index.order import SLACK, ordered
from mmreco.index.question import Excluded, Question
from mmreco.index.scan import Scan

__all__ = ["VectorIndex"]

_FLAT_FEW = 3  # queries up to which FAISS' flat scan is the fastest (measured in benchmarks/)
_FLAT_WIDE = 1_024  # candidates up to which its heap is
_GRAPH_FROM = 10_000  # items from which a graph is worth its building
_GRAPH_WIDE = 1_024  # candidates up to which a graph is asked
_FLOAT32 = 2.0**-23  # its relative rounding
_LARGEST = 1e37  # scores beyond it may overflow


class VectorIndex:
    """An index over `Embeddings`, answering with the rows of `embeddings.ids`.

    Parameters
    ----------
    embeddings : `n` vectors of width `dim`
    quality : "exact" or "high", optional
        "exact" looks at every allowed item. "high" walks an HNSW graph and finds at least 95 of the best 100
        on clustered vectors (see `benchmarks/`), in a fraction of the time. With few items, on a GPU, or without
        FAISS it is exact as well.
    device : "auto", "cpu" or "cuda", optional
        "auto" takes a GPU that torch can use when there is one.

    Raises
    ------
    DataError
        `quality` or `device` is none of these, or "cuda" is asked for and there is no GPU.
    IncompatibleError
        Two builds of FAISS are installed over one another.

    Notes
    -----
    Without FAISS every answer is the same, only slower; `report` and one line in the log say what to install.
    All answers come from the same arithmetic at the end, whatever path found them: a batch equals its queries one by
    one, and a GPU equals a CPU.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> shop = Embeddings(IdMap.of(["hat", "cap", "shoe"]), np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]))
    >>> VectorIndex(shop).search(np.array([[1.0, 0.0]]), k=2).ids(shop.ids)
    [['hat', 'cap']]
    """

    def __init__(
        self,
        embeddings: Embeddings,
        *,
        quality: Literal["exact", "high"] = "exact",
        device: Literal["auto", "cpu", "cuda"] = "auto",
    ) -> None:
        if quality not in ("exact", "high"):
            raise DataError(f"quality={quality!r}: expected 'exact' or 'high'")
        self._begin(embeddings, quality, device)
        self._graph = Graph.build(self._faiss, embeddings.vectors) if self._wants_graph() else None

    def _begin(self, embeddings: Embeddings, quality: str, device: str) -> None:
        self.embeddings = embeddings
        self.quality = quality
        self.device = choose(device, embeddings.vectors.nbytes)
        self._faiss = binding.faiss()
        self._scan = Scan(embeddings.vectors)
        self._gpu = TorchScan(embeddings.vectors, self.device) if self.device == "cuda" else None

    def _wants_graph(self) -> bool:
        return (
            self.quality == "high"
            and self._faiss is not None
            and self._gpu is None
            and len(self.embeddings) >= _GRAPH_FROM
        )

    def __len__(self) -> int:
        return len(self.embeddings)

    def __repr__(self) -> str:
        return f"VectorIndex({len(self)} x {self.embeddings.dim}, {self.report()['kind']}, {self.device})"

    def report(self) -> dict[str, Any]:
        """What was built: kind, size, device, bytes of memory, and what would make it faster."""
        vectors = self.embeddings.vectors
        advice = f"FAISS is not installed; for more speed: {binding.INSTALL}" if self._faiss is None else ""
        return {
            "kind": "exact" if self._graph is None else "graph",
            "quality": self.quality,
            "device": self.device,
            "n": len(vectors),
            "dim": int(vectors.shape[1]),
            "bytes": int(vectors.nbytes) + (self._graph.bytes if self._graph else 0),
            "faiss": None if self._faiss is None else str(self._faiss.__version__),
            "advice": advice,
        }

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
            One vector a question. Copied only if not C-contiguous float32.
        k : 1 or more
            Width of the answer. Rows short of `k` items are padded with row -1 and score -inf.
        where : shape `(n_items,)` of bool, optional
            Which items may be returned.
        exclude : `n` users, optional
            Items that query `q` must not return, e.g. what the user already bought.

        Raises
        ------
        DataError
            `queries` is not `(n, dim)` or holds NaN or infinity, `k` < 1, `where` is not a mask over the items,
            or `exclude` has not `n` users.
        IncompatibleError
            `exclude` is over other items than the index.

        Notes
        -----
        Exact with `quality="exact"`, whatever the filters; otherwise recall is what `benchmarks/` reports.
        Source: Johnson, Douze, Jegou, "Billion-scale similarity search with GPUs", 2017.
        """
        queries, where = self._checked(queries, k, where)
        asked = Question(queries, where, self._excluded(len(queries), where, exclude), len(self))
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        width = min(k, asked.n_allowed)
        if len(asked) and width:
            found, precision = self._candidates(asked, width)
            rows[:, :width], scores[:, :width] = ordered(self._scan, asked, found, width, precision)
        return Ranking(rows, scores)

    def _checked(self, queries: F32, k: int, where: Bool | None) -> tuple[F32, Bool | None]:
        given = np.asarray(queries)
        if given.ndim != 2 or given.shape[1] != self.embeddings.dim or given.dtype.kind not in "fiu":
            raise DataError(
                f"queries: {given.dtype} of shape {given.shape}; expected numbers of shape (n, {self.embeddings.dim})"
            )
        with np.errstate(over="ignore"):  # what overflows float32 is found as infinity
            given = np.ascontiguousarray(given, dtype=np.float32)
        require_finite(given, "queries")
        if given.size and self._scan.longest * float(np.abs(given).max()) * np.sqrt(given.shape[1]) > _LARGEST:
            raise DataError(f"queries: numbers up to {np.abs(given).max():.1e} overflow in float32; scale them down")
        if k < 1:
            raise DataError(f"k={k}: expected 1 or more")
        if where is not None and (np.shape(where) != (len(self),) or np.asarray(where).dtype != np.bool_):
            raise DataError(
                f"where: {np.asarray(where).dtype} of shape {np.shape(where)}; expected bool of shape ({len(self)},)"
            )
        return given, None if where is None else np.asarray(where)

    def _excluded(self, n: int, where: Bool | None, exclude: Interactions | None) -> Excluded:
        if exclude is None:
            return Excluded.none()
        if len(exclude) != n:
            raise DataError(f"exclude: {len(exclude)} users for {n} queries; expected one user a query")
        if exclude.items != self.embeddings.ids:
            raise IncompatibleError(
                f"exclude: over {len(exclude.items)} items that are not the {len(self)} of this index; make it with "
                "Interactions.from_histories(..., items=index.embeddings.ids)"
            )
        queries, rows = exclude.users_flat, exclude.items_flat
        if where is not None:
            queries, rows = queries[where[rows]], rows[where[rows]]
        return Excluded.of(queries, rows, len(self))

    def _candidates(self, asked: Question, width: int) -> tuple[I64, float | None]:
        """Candidates for `width` places, shape `(b, width or more)`, and their choice's rounding (see `ordered`)."""
        fetched = min(asked.n_allowed, width + SLACK)
        if self._gpu is not None:
            return self._gpu.best(asked, fetched), self._gpu.precision
        if self._graph is not None:
            return self._by_graph(self._graph, asked, width, fetched), None
        most = fetched + int(asked.n_excluded.max())  # what finds without looking at exclusions must find more
        if self._faiss is not None and len(asked) <= _FLAT_FEW and asked.where is None and most <= _FLAT_WIDE:
            metric = self._faiss.METRIC_INNER_PRODUCT
            rows = self._faiss.knn(asked.queries, self.embeddings.vectors, min(len(self), most), metric=metric)[1]
            return self._dropped(asked, rows.astype(np.int64)), _FLOAT32
        return self._scan.best(asked, fetched), _FLOAT32

    def _by_graph(self, graph: Graph, asked: Question, width: int, fetched: int) -> I64:
        """The graph's candidates; queries that exclude much, or that it finds too little for, are scanned."""
        # as many more as it excludes, in coarse steps: a query's answer must not hang on its neighbours in the batch
        more = 2 ** np.ceil(np.log2(np.maximum(asked.n_excluded, 32))).astype(np.int64)
        wide = np.minimum(asked.n_allowed, fetched + np.where(asked.n_excluded > 0, more, 0))
        wide[wide > _GRAPH_WIDE] = 0
        rows = np.full((len(asked), max(fetched, int(wide.max()))), -1, dtype=np.int64)
        for each in np.unique(wide[wide > 0]):
            lines = np.flatnonzero(wide == each)
            part = asked.take(lines)
            found = graph.best(part, int(each))
            if found is not None:
                rows[lines, :each] = self._dropped(part, found)
        short = np.flatnonzero((rows >= 0).sum(axis=1) < np.minimum(width, asked.available))
        if len(short):
            rows[short] = -1
            rows[short, :fetched] = self._scan.best(asked.take(short), fetched)
        return rows

    def _dropped(self, asked: Question, rows: I64) -> I64:
        return np.where(asked.excluded.bar(rows, asked.n_items), -1, rows)

    # ---- kept

    def save(self, folder: str | Path) -> None:
        """Write the index to an artefact folder (see `mmreco.data.artefact`).

        Raises
        ------
        DataError
            `folder` holds something else.
        """
        with publish(folder, "VectorIndex", {"n": len(self), "dim": self.embeddings.dim}) as path:
            self._write(path)

    @classmethod
    def load(cls, folder: str | Path, *, device: Literal["auto", "cpu", "cuda"] = "auto") -> Self:
        """The index that `save` wrote; its vectors are memory-mapped.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds something else.
        """
        return cls._read(open_artefact(folder, "VectorIndex").path, device=device)

    def _write(self, path: Path) -> None:
        (path / "embeddings").mkdir()
        self.embeddings._write(path / "embeddings")
        (path / "index.json").write_text(json.dumps({"quality": self.quality}), encoding="utf-8")
        if self._graph is not None:
            self._graph.write(path / "graph.faiss")

    @classmethod
    def _read(cls, path: Path, *, device: str = "auto") -> Self:
        embeddings = Embeddings._read(path / "embeddings")
        about = json.loads((path / "index.json").read_text(encoding="utf-8"))
        index = cls.__new__(cls)
        index._begin(embeddings, about["quality"], device)
        stored = path / "graph.faiss"
        if not index._wants_graph():
            index._graph = None
        elif stored.exists():
            index._graph = Graph.read(index._faiss, stored, embeddings.vectors)
        else:  # written where there was no FAISS
            index._graph = Graph.build(index._faiss, embeddings.vectors)
        return index
