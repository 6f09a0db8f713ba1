"""How an index is built: which structure for its quality, on which device, tuned to the recall the quality promises."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from mmreco.arrays import F32
from mmreco.errors import DataError
from mmreco.index import faiss_import, gpu
from mmreco.index.device import Place, TorchScan, choose
from mmreco.index.exact import codes
from mmreco.index.exact.scan import Scan
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.positions import alike
from mmreco.index.quality import PROMISED, QUALITIES, chosen
from mmreco.index.segments import Segments
from mmreco.index.structure import Effort, Structure
from mmreco.index.tuning import Sample, tuned

__all__ = ["Builder"]

Made = TypeVar("Made")

_log = logging.getLogger(__name__)

_HALVES = "SQfp16"  # the factory string of 16 bits a number, which a GPU takes at its word
_LEAST = {"high": 96}  # effort below which a word does not go, however good the sample looks


@dataclass(frozen=True)
class Builder:
    """The settings of an index.

    Parameters
    ----------
    quality : a word of `QUALITIES`, or a factory string of FAISS
    memory : bytes a structure may take, None for any number
    place : where the vectors are
    faiss : the module, None where it is not installed
    process : the number of the one that built the index
    """

    quality: str
    memory: int | None
    place: Place
    faiss: Any
    process: int = field(default_factory=os.getpid)

    @classmethod
    def of(cls, quality: str, memory: int | None, device: str, n: int, dim: int) -> "Builder":
        """The settings for `n` vectors of width `dim`.

        Raises
        ------
        DataError
            `quality`, `memory` or `device` is none.
        IncompatibleError
            Two builds of FAISS are installed over one another.
        """
        chosen(quality, n, dim, memory)  # refuses what is no quality
        place = choose(device, n * dim * 4, half=quality == _HALVES)
        return cls(str(quality), None if memory is None else int(memory), place, faiss_import.faiss())

    @property
    def device(self) -> str:
        """ "cpu" or "cuda"."""
        return self.place.name

    def require_own_process(self) -> None:
        """Nothing, or an error where the vectors are on a GPU that this process cannot reach.

        Raises
        ------
        DataError
            The process was forked from the one that built the index; CUDA would hang or fail in it.
        """
        if self.place.devices and self.place.devices[0] != "cpu" and self.process != os.getpid():
            raise DataError(
                "an index on a GPU cannot be searched in a forked process; start processes with "
                "multiprocessing.get_context('spawn'), load the index in each, or build it with device='cpu'"
            )

    def items(self, vectors: F32) -> ItemVectors:
        """The vectors, where they are to be searched exactly."""
        place, (n, dim) = self.place, vectors.shape
        if place.devices:
            return ItemVectors(TorchScan(vectors, place))
        coded = not self.factory(n, dim) and codes.worth(self.faiss, n, dim, self.memory)
        return ItemVectors(Scan(vectors, self.faiss, codes.Codes(self.faiss, vectors) if coded else None))

    def factory(self, n: int, dim: int) -> str:
        """The factory string of the structure for `n` vectors, "" where they are scanned."""
        if self.faiss is None or not n:
            return ""
        if self.device == "cuda" and (self.quality in (*QUALITIES, _HALVES) or not gpu.available(self.faiss)):
            return ""
        return chosen(self.quality, n, dim, self.memory)

    def kind(self, factory: str) -> type[Structure]:
        """What holds a structure of this factory string."""
        return gpu.kind(factory) if self.device == "cuda" else Structure

    def segments(self, items: ItemVectors) -> tuple[Segments | None, float]:
        """The structure over these items, tuned, and its recall; None and 1.0 where they are scanned.

        Raises
        ------
        DataError
            FAISS does not understand the factory string, or cannot build it over so few vectors.
        """
        if not self.factory(len(items), items.dim):
            return None, 1.0
        first = alike(items, np.arange(len(items)))
        n_distinct = int(np.count_nonzero(first == np.arange(len(items))))
        factory = self.factory(n_distinct, items.dim)
        if not factory:  # so few different vectors are scanned as soon
            return None, 1.0
        target, least = QUALITIES.get(self.quality, 0.95), _LEAST.get(self.quality, 1)

        def build() -> tuple[Segments, float]:
            untuned = Segments.build(self.faiss, factory, items, first, Effort(least), self.kind(factory))
            return tuned(untuned, Sample(items), target, least=least)

        segments, recall = self.unless_gpus_refuse(factory, build) or (None, 1.0)
        promised = PROMISED.get(self.quality, 0.0)
        if segments is not None and recall < promised:
            _log.warning(
                "quality=%r: recall@10 of %.3f on a sample of the items, where %.2f is promised; choose a better "
                "quality, or 'exact'",
                self.quality,
                recall,
                promised,
            )
        return segments, recall

    def segments_or_scan(self, items: ItemVectors) -> tuple[Segments | None, float]:
        """As `segments`, but a scan where so few items are left that FAISS cannot train on them."""
        try:
            return self.segments(items)
        except DataError as error:
            _log.warning("%s; searches are exact from now on", error)
            return None, 1.0

    def unless_gpus_refuse(self, factory: str, make: Callable[[], Made]) -> Made | None:
        """What `make` makes; None, and a line in the log, where FAISS has no such structure on this GPU."""
        try:
            return make()
        except RuntimeError as error:  # of FAISS
            if self.device != "cuda":
                raise
            _log.warning("%s: not on this GPU (%s); searches are exact", factory, str(error)[-160:])
            return None
