"""What every index promises, and what those of the library add."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.index.batching import BatchingIndex
from mmreco.index.device import Place, TorchScan
from mmreco.index.exact.scan import Scan
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.vector import VectorIndex
from mmreco.protocols import Searches
from mmreco.testing.indexes import IndexContract


class _VectorIndexContract(IndexContract):
    """What `VectorIndex` adds to the contract."""

    def make(self, embeddings: Embeddings) -> VectorIndex:
        return VectorIndex(embeddings, device="cpu")

    @property
    def vector_index(self) -> VectorIndex:
        index = self.index
        assert isinstance(index, VectorIndex)
        return index

    def test_the_vectors_stay_byte_identical(self) -> None:
        before = self.vector_index.embeddings.vectors.tobytes()
        self.index.search(self._past(np.arange(9)), 5)
        assert self.vector_index.embeddings.vectors.tobytes() == before
        assert not self.vector_index.embeddings.vectors.flags.writeable

    def test_a_saved_index_answers_the_same(self, tmp_path: Path) -> None:
        self.vector_index.save(tmp_path / "index")
        loaded = VectorIndex.load(tmp_path / "index", device="cpu")
        self._require_same(loaded)

    def test_a_pickled_index_answers_the_same(self) -> None:
        self._require_same(pickle.loads(pickle.dumps(self.vector_index)))

    def _require_same(self, other: VectorIndex) -> None:
        queries = self._past(np.arange(0, self.n, 100))
        np.testing.assert_array_equal(other.search(queries, 9).rows, self.index.search(queries, 9).rows)
        assert other.ids == self.vector_index.ids

    def test_a_damaged_index_is_refused(self, tmp_path: Path) -> None:
        self.vector_index.save(tmp_path / "index")
        target = next((tmp_path / "index").rglob("vectors.npy"))
        content = bytearray(target.read_bytes())
        content[-1] ^= 1
        target.write_bytes(content)
        with pytest.raises(DataError, match=r"vectors\.npy: damaged"):
            VectorIndex.load(tmp_path / "index")


class TestExact(_VectorIndexContract):
    pass


class TestExactWithoutFaiss(_VectorIndexContract):
    def make(self, embeddings: Embeddings) -> VectorIndex:
        index = super().make(embeddings)
        index._state = replace(index._state, items=ItemVectors(Scan(embeddings.vectors)))
        return index


class TestExactByTorch(_VectorIndexContract):
    def make(self, embeddings: Embeddings) -> VectorIndex:
        index = super().make(embeddings)
        index._state = replace(
            index._state, items=ItemVectors(TorchScan(embeddings.vectors, Place(("cpu",))))
        )  # what a GPU runs, here
        return index


class TestChanged(_VectorIndexContract):
    """An index that was grown, and lost items, and whose items were given other vectors."""

    def make(self, embeddings: Embeddings) -> VectorIndex:
        half = len(embeddings) // 2
        first, rest = (
            Embeddings(embeddings.ids.take(rows), embeddings.vectors[rows])
            for rows in (np.arange(half), np.arange(half, len(embeddings)))
        )
        wrong = Embeddings(first.ids, first.vectors[::-1])
        gone = Embeddings(IdMap.of(["gone"]), np.ones((1, 2), dtype=np.float32))
        return super().make(wrong).add(gone).add(rest).update(first).remove(["gone"])


class TestGraph(_VectorIndexContract):
    n = 10_000

    def make(self, embeddings: Embeddings) -> VectorIndex:
        index = VectorIndex(embeddings, quality="high", device="cpu")
        assert index.report()["kind"] == "graph"
        return index


class TestLists(_VectorIndexContract):
    recall = 0.9

    def make(self, embeddings: Embeddings) -> VectorIndex:
        return VectorIndex(embeddings, quality="IVF32,SQ8", device="cpu")


class TestBatching(IndexContract):
    def make(self, embeddings: Embeddings) -> Searches:
        return BatchingIndex(VectorIndex(embeddings, device="cpu"))
