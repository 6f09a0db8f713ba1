"""VectorIndex: the items nearest to a vector, exact where asked, with filters that are always right."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from mmreco.arrays import F32, I64, Bool, require_finite
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError
from mmreco.index import change, gpu
from mmreco.index import faiss_import as binding
from mmreco.index import storage as kept
from mmreco.index.device import TorchScan, choose
from mmreco.index.exact import faiss_flat as flat
from mmreco.index.exact.scan import Scan
from mmreco.index.quality import QUALITIES, chosen
from mmreco.index.query import Excluded, Question, mask_over
from mmreco.index.rescoring import ordered
from mmreco.index.segments import Segments
from mmreco.index.structure import Effort, Structure
from mmreco.index.tuning import AT, Sample, tuned
from mmreco.storage.artefact import publish, read_artefact

__all__ = ["VectorIndex"]

_log = logging.getLogger(__name__)

_HALVES = "SQfp16"  # the factory string of 16 bits a number, which a GPU takes at its word
_LARGEST = 1e37  # scores beyond it may overflow
_LEAST = {"high": 96}  # effort below which a word does not go, however good the sample looks


class VectorIndex:
    """An index over `Embeddings`, answering with the rows of `embeddings.ids`.

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
        `quality`, `device` or `memory` is none of these, FAISS cannot build it over so few vectors, or "cuda" is asked
        for and there is no GPU.
    IncompatibleError
        Two builds of FAISS are installed over one another.

    Notes
    -----
    An index is a value: `add`, `update`, `remove` and `tune` answer with another one, which shares what has not
    changed, so a search under way sees the items it began with. Candidates of every path are scored again with the
    exact vectors, in one arithmetic. Without FAISS every answer is exact, only slower; `report` and one line in
    the log say what to install.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> shop = Embeddings(IdMap.of(["hat", "cap", "shoe"]), np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]))
    >>> index = VectorIndex(shop)
    >>> index.search(np.array([[1.0, 0.0]]), k=2).ids(shop.ids)
    [['hat', 'cap']]
    >>> fewer = index.remove(["hat"])
    >>> fewer.search(np.array([[1.0, 0.0]]), k=2).ids(fewer.embeddings.ids)
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
        self._begin(embeddings, quality, device, memory)
        self._build()

    def _begin(self, embeddings: Embeddings, quality: str, device: str, memory: int | None) -> None:
        chosen(quality, len(embeddings), embeddings.dim, memory)  # refuses what is no quality
        self.embeddings = embeddings
        self.quality = quality
        self.memory = memory
        place = choose(device, embeddings.vectors.nbytes, half=quality == _HALVES)
        self.device = place.name
        self._faiss = binding.faiss()
        self._scan = TorchScan(embeddings.vectors, place) if place.devices else Scan(embeddings.vectors)
        self._held: Segments | None = None
        self._recall = 1.0

    def _build(self) -> None:
        factory = self._factory
        if not factory:
            return
        target, least = QUALITIES.get(self.quality, 0.95), _LEAST.get(self.quality, 1)
        with self._exact_where_gpus_refuse(factory):
            held = Segments.build(self._faiss, factory, self.embeddings.vectors, Effort(least), self._kind)
            self._held, self._recall = tuned(held, Sample(self._scan), target, least=least)

    @property
    def _kind(self) -> type[Structure]:
        return gpu.kind(self._factory) if self.device == "cuda" else Structure

    @contextmanager
    def _exact_where_gpus_refuse(self, factory: str) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # of FAISS
            if self.device != "cuda":
                raise
            _log.warning("%s: not on this GPU (%s); searches are exact", factory, str(error)[-160:])

    def _rebuild(self) -> None:
        """`_build`, but a scan where so few are left that FAISS cannot train on them."""
        try:
            self._build()
        except DataError as error:
            _log.warning("%s; searches are exact from now on", error)

    @property
    def _factory(self) -> str:
        if self._faiss is None or not len(self):
            return ""
        if self.device == "cuda" and (self.quality in (*QUALITIES, _HALVES) or not gpu.available(self._faiss)):
            return ""
        return chosen(self.quality, len(self), self.embeddings.dim, self.memory)

    def _like(self, embeddings: Embeddings) -> Self:
        """An index of the same settings over other items, its structure still to be given."""
        index = type(self).__new__(type(self))
        index._begin(embeddings, self.quality, self.device, self.memory)
        index._recall = self._recall if self._held is not None else 1.0
        return index

    def __len__(self) -> int:
        return len(self.embeddings)

    def __repr__(self) -> str:
        return f"VectorIndex({len(self)} x {self.embeddings.dim}, {self.report()['kind']}, {self.device})"

    def report(self) -> dict[str, Any]:
        """What was built: kind, size, device, bytes of memory, measured recall, and what would make it faster.

        `recall` is recall@10 on a sample of the items when the structure was built or tuned; 1.0 where all is exact.
        """
        held, vectors = self._held, self.embeddings.vectors
        return {
            "kind": "exact" if held is None else held.structure.kind,
            "factory": "" if held is None else held.structure.factory,
            "quality": self.quality,
            "device": self.device,
            "n": len(vectors),
            "dim": int(vectors.shape[1]),
            "bytes": int(vectors.nbytes) + (held.structure.bytes if held else 0),
            "recall": round(self._recall, 4),
            "effort": 0 if held is None else held.effort.search,
            "tail": 0 if held is None else len(held.tail),
            "dead": 0 if held is None else held.n_dead,
            "faiss": None if self._faiss is None else str(self._faiss.__version__),
            "advice": f"FAISS is not installed; for more speed: {binding.INSTALL}" if self._faiss is None else "",
        }

    def tune(self, recall: float = 0.95, *, queries: F32 | None = None, seed: int = 0) -> Self:
        """The same index looking just as hard as `recall` needs, by measurement against an exact search.

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
            `recall` is not above 0 and at most 1, or `queries` are no finite vectors of this width.
        """
        if not 0 < recall <= 1:
            raise DataError(f"recall={recall}: expected above 0 and at most 1")
        asked = None if queries is None else self._checked(queries, AT, None)[0]
        index = self._like(self.embeddings)
        if self._held is not None and len(self) and (asked is None or len(asked)):
            index._held, index._recall = tuned(self._held, Sample(self._scan, asked, seed=seed), recall)
        else:
            index._held = self._held
        return index

    # ---- change

    def add(self, embeddings: Embeddings) -> Self:
        """The index with these items as well, in rows after those it has. One pass over the vectors, no rebuild.

        Raises
        ------
        DataError
            An id is in the index already (say `update`).
        IncompatibleError
            The vectors are of another width, or come from another encoder.
        """
        whole = change.added(self.embeddings, embeddings)
        return self._changed(whole, np.zeros(0, dtype=np.int64))

    def update(self, embeddings: Embeddings) -> Self:
        """The index where these items have these vectors; all keep their rows.

        Raises
        ------
        UnknownIdError
            An id is not in the index (say `add`).
        IncompatibleError
            The vectors are of another width, or come from another encoder.
        """
        whole, rows = change.updated(self.embeddings, embeddings)
        return self._changed(whole, rows)

    def remove(self, ids: list[str]) -> Self:
        """The index without these items; those that stay close the gap in their order.

        Raises
        ------
        UnknownIdError
            An id is not in the index.
        """
        stays, left = change.removed(self.embeddings, ids)
        return self._after(left, None if self._held is None else self._held.without(stays))

    def compact(self) -> Self:
        """The same items in a structure built anew, without a tail or anything of items removed."""
        return self._after(self.embeddings, None)

    def _changed(self, embeddings: Embeddings, rows: I64) -> Self:
        held = None if self._held is None else self._held.with_new(rows, len(embeddings))
        return self._after(embeddings, held)

    def _after(self, embeddings: Embeddings, held: Segments | None) -> Self:
        index = self._like(embeddings)
        index._held = None if held is None else held.compacted(embeddings.vectors)
        if index._held is None:  # too much is dead, or there may be enough items for a structure now
            index._rebuild()
        return index

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
            Which items may be returned; `mmreco.filters.parser.mask` makes one of a catalogue and `"price < 300"`.
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
        Exact with `quality="exact"`, whatever the filters; otherwise recall is about what `report` says, and as many
        answers come as are allowed.
        Source: Johnson, Douze, Jegou, "Billion-scale similarity search with GPUs", 2017.
        """
        queries, where = self._checked(queries, k, where)
        asked = Question(queries, where, self._excluded(len(queries), where, exclude), len(self))
        width = min(k, asked.n_allowed)
        if not width or not len(asked):
            return Ranking.from_scores(np.zeros((len(queries), 0), dtype=np.float32), k)
        found, precision = self._candidates(asked, width)
        rows, scores = ordered(self._scan, asked, found, width, precision)
        if width < k:
            missing = ((0, 0), (0, k - width))
            rows, scores = np.pad(rows, missing, constant_values=-1), np.pad(scores, missing, constant_values=-np.inf)
        return Ranking._ordered(rows, scores)

    def _checked(self, queries: F32, k: int, where: Bool | None) -> tuple[F32, Bool | None]:
        given = np.asarray(queries)
        if given.ndim != 2 or given.shape[1] != self.embeddings.dim or given.dtype.kind not in "fiu":
            raise DataError(
                f"queries: {given.dtype} of shape {given.shape}; expected numbers of shape (n, {self.embeddings.dim})"
            )
        if given.dtype != np.float32 or not given.flags.c_contiguous:
            with np.errstate(over="ignore"):  # what overflows float32 is found as infinity
                given = np.ascontiguousarray(given, dtype=np.float32)
        if not float(np.vdot(given, given)) * self._scan.longest**2 <= _LARGEST:  # NaN where there is one
            require_finite(given, "queries")
            largest = float(np.abs(given).max(initial=0.0))
            if self._scan.longest * largest * given.shape[1] ** 0.5 > _LARGEST:
                raise DataError(f"queries: numbers up to {largest:.1e} overflow in float32; scale them down")
        if k < 1:
            raise DataError(f"k={k}: expected 1 or more")
        return given, mask_over(len(self), where)

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
        scan = self._scan
        fetched = min(asked.n_allowed, width + scan.slack)
        if self._held is not None:
            return self._held.best(scan, asked, width, fetched), None
        most = fetched + int(asked.n_excluded.max())  # what finds without looking at exclusions must find more
        plain = self._faiss is not None and asked.where is None and type(scan) is Scan
        if plain and flat.worth(self._faiss, asked.queries, most):
            rows = flat.best(self._faiss, self.embeddings.vectors, asked.queries, most)
            asked.excluded.strike(rows)
            return rows, scan.precision
        return scan.best(asked, fetched), scan.precision

    # ---- kept

    def save(self, folder: str | Path) -> None:
        """Write the index to an artefact folder (see `mmreco.storage.artefact`).

        Raises
        ------
        DataError
            `folder` holds something else, or another process is writing to it.
        """
        with publish(folder, "VectorIndex", {"n": len(self), "dim": self.embeddings.dim}) as path:
            self._write(path)

    @classmethod
    def load(cls, folder: str | Path, *, device: Literal["auto", "cpu", "cuda"] = "auto") -> Self:
        """The index that `save` wrote; its vectors and its structure are memory-mapped.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds something else.
        """
        return read_artefact(folder, "VectorIndex", lambda found: cls._read(found.path, device=device))

    def _write(self, path: Path) -> None:
        (path / "embeddings").mkdir()
        self.embeddings._write(path / "embeddings")
        kept.write(path, kept.Settings(self.quality, self.memory, self._recall), self._held)

    @classmethod
    def _read(cls, path: Path, *, device: str = "auto") -> Self:
        embeddings = Embeddings._read(path / "embeddings")
        settings = kept.settings(path)
        index = cls.__new__(cls)
        index._begin(embeddings, settings.quality, device, settings.memory)
        if index._factory:
            shape = (len(embeddings), embeddings.dim)
            with index._exact_where_gpus_refuse(index._factory):
                index._held = kept.held(index._faiss, path, shape, index._kind)
                index._recall = settings.recall
                if index._held is None:  # written where there was no FAISS
                    index._build()
        return index
