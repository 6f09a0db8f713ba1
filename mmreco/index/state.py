"""What an index is at one time: its items, the structure over them, and how they change, are searched and stored."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.data.embeddings import Embeddings
from mmreco.data.extended_ids import extend_ids, keep_ids
from mmreco.data.ids import IdMap
from mmreco.errors import DataError, IncompatibleError
from mmreco.index import faiss_import, storage
from mmreco.index.building import Builder
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.query import QueryBatch
from mmreco.index.rescoring import ordered
from mmreco.index.segments import Segments
from mmreco.index.tuning import Sample, tuned

__all__ = ["IndexState"]


@dataclass(frozen=True, eq=False)
class IndexState:
    """Never changed; its methods answer with another, which shares what is the same.

    Parameters
    ----------
    ids : of the items, in the order of their rows
    fingerprint : of the encoder that made the vectors
    builder : the settings
    items : the vectors
    segments : the structure; None where all is scanned
    recall : recall@10 on a sample when the structure was tuned
    """

    ids: IdMap
    fingerprint: str
    builder: Builder
    items: ItemVectors
    segments: Segments | None = None
    recall: float = 1.0

    @classmethod
    def scanned(cls, embeddings: Embeddings, builder: Builder) -> "IndexState":
        """Of these vectors, without a structure."""
        return cls(embeddings.ids, embeddings.fingerprint, builder, builder.items(embeddings.vectors))

    @classmethod
    def built(cls, embeddings: Embeddings, builder: Builder) -> "IndexState":
        """Of these vectors, with the structure that the settings name.

        Raises
        ------
        DataError
            FAISS cannot build it.
        """
        state = cls.scanned(embeddings, builder)
        segments, recall = builder.segments(state.items)
        return replace(state, segments=segments, recall=recall)

    def embeddings(self) -> Embeddings:
        """The items' vectors, copied together where the base is not all there is."""
        return Embeddings(self.ids, self.items.whole(), self.fingerprint)

    def report(self) -> dict[str, Any]:
        """See `VectorIndex.report`."""
        segments, faiss = self.segments, self.builder.faiss
        return {
            "kind": "exact" if segments is None else segments.structure.kind,
            "factory": "" if segments is None else segments.structure.factory,
            "quality": self.builder.quality,
            "device": self.builder.device,
            "n": len(self.items),
            "dim": self.items.dim,
            "bytes": self.items.nbytes + (segments.structure.bytes if segments else 0),
            "recall": round(self.recall, 4),
            "effort": 0 if segments is None else segments.effort.search,
            "tail": 0 if segments is None else len(segments.tail),
            "dead": 0 if segments is None else segments.positions.n_dead,
            "faiss": None if faiss is None else str(faiss.__version__),
            "advice": f"FAISS is not installed; for more speed: {faiss_import.INSTALL}" if faiss is None else "",
        }

    # ---- search

    def nearest(self, batch: QueryBatch, width: int) -> tuple[I64, F32]:
        """Rows and scores of the `width` best of each query, shape `(b, width)`, best first."""
        items = self.items
        few = batch.few()
        if few is not None:
            return ordered(items, batch, few, width, None)
        fetched = min(batch.n_allowed, width + items.slack)
        if self.segments is not None:
            return ordered(items, batch, self.segments.best(items, batch, width, fetched), width, None)
        return ordered(items, batch, items.best(batch, fetched), width, items.precision, fetched)

    def tuned(self, recall: float, queries: F32 | None, seed: int) -> "IndexState":
        """With as much effort as `recall` needs."""
        if self.segments is None or not len(self.items) or (queries is not None and not len(queries)):
            return self
        segments, reached = tuned(self.segments, Sample(self.items, queries, seed=seed), recall)
        return replace(self, segments=segments, recall=reached)

    # ---- change

    def added(self, new: Embeddings) -> "IndexState":
        """With these items after those there are.

        Raises
        ------
        DataError
            An id is there already.
        """
        try:
            ids = extend_ids(self.ids, new.ids)
        except DataError as error:
            raise DataError(f"add: {error}; use update()") from error
        segments = None if self.segments is None else self.segments.with_added(len(self.items), len(ids))
        return self._changed(ids, self.items.added(new.vectors), segments)

    def updated(self, new: Embeddings) -> "IndexState":
        """With these vectors for these items.

        Raises
        ------
        UnknownIdError
            An id is not there.
        """
        rows = self.ids.rows(new.ids.ids(range(len(new))))
        segments = None if self.segments is None else self.segments.with_updated(rows, len(self.items))
        return self._changed(self.ids, self.items.updated(rows, new.vectors), segments)

    def without(self, ids: list[str]) -> "IndexState":
        """Without these items.

        Raises
        ------
        UnknownIdError
            An id is not there.
        """
        stay = np.ones(len(self.items), dtype=bool)
        stay[self.ids.rows(ids)] = False
        segments = None if self.segments is None else self.segments.without(stay)
        return self._changed(keep_ids(self.ids, stay), self.items.without(stay), segments)

    def rebuilt(self) -> "IndexState":
        """The same items in one base, and in a structure built anew."""
        items = self.builder.items(self.items.whole())
        segments, recall = self.builder.segments_or_scan(items)
        return replace(self, items=items, segments=segments, recall=recall)

    def require_alike(self, embeddings: Embeddings) -> None:
        """Nothing, where these vectors can be compared with those of the index.

        Raises
        ------
        IncompatibleError
            They are of another width, or come from another encoder.
        """
        if embeddings.dim != self.items.dim:
            raise IncompatibleError(
                f"vectors of width {embeddings.dim} for an index of width {self.items.dim}; encode them alike"
            )
        own, other = self.fingerprint, embeddings.fingerprint
        if own and other and own != other:
            raise IncompatibleError(f"vectors of the encoder {other!r} for an index of {own!r}; encode them alike")

    def _changed(self, ids: IdMap, items: ItemVectors, segments: Segments | None) -> "IndexState":
        segments = None if segments is None else segments.compacted(items)
        recall = 1.0 if segments is None else self.recall
        state = replace(self, ids=ids, items=items, segments=segments, recall=recall)
        if segments is None and self.builder.factory(len(items), items.dim):
            return state.rebuilt()  # too much is dead, or there are enough items for a structure now
        return replace(state, items=self.builder.items(items.whole())) if items.outgrown() else state

    # ---- storage

    def write(self, path: Path) -> None:
        """Write everything into the folder `path`."""
        (path / "embeddings").mkdir()
        self.embeddings()._write(path / "embeddings")
        storage.write(path, self._settings, self.segments)

    @classmethod
    def read(cls, path: Path, device: str) -> "IndexState":
        """What `write` wrote.

        Raises
        ------
        DataError
            A file is damaged.
        IncompatibleError
            The structure is over other vectors.
        """
        embeddings = Embeddings._read(path / "embeddings")
        settings = storage.read_settings(path)
        n, dim = embeddings.vectors.shape
        builder = Builder.of(settings.quality, settings.memory, device, n, dim)
        factory = builder.factory(n, dim)
        if not factory:
            return cls.scanned(embeddings, builder)

        def read() -> Segments | None:
            return storage.read_segments(builder.faiss, path, (n, dim), builder.kind(factory))

        segments = builder.unless_gpus_refuse(factory, read)
        if segments is None:  # written where there was no FAISS
            return cls.built(embeddings, builder)
        return replace(cls.scanned(embeddings, builder), segments=segments, recall=settings.recall)

    @property
    def _settings(self) -> storage.Settings:
        return storage.Settings(self.builder.quality, self.builder.memory, self.recall)

    def packed(self) -> dict[str, Any]:
        """Everything as values that can be pickled."""
        segments = None if self.segments is None else storage.packed(self.segments)
        device = self.builder.device
        return {"embeddings": self.embeddings(), "settings": self._settings, "device": device, "segments": segments}

    @classmethod
    def unpacked(cls, state: dict[str, Any]) -> "IndexState":
        """What `packed` made, on the devices of this process."""
        embeddings, settings, segments = state["embeddings"], state["settings"], state["segments"]
        device = "cpu" if state["device"] == "cpu" else "auto"
        builder = Builder.of(settings.quality, settings.memory, device, *embeddings.vectors.shape)
        scanned = cls.scanned(embeddings, builder)
        if segments is None or builder.faiss is None:
            return scanned
        factory = segments["factory"]
        kind = builder.kind(factory)
        restored = builder.unless_gpus_refuse(factory, lambda: storage.unpacked(builder.faiss, segments, kind))
        return scanned if restored is None else replace(scanned, segments=restored, recall=settings.recall)
