"""Structures on GPUs, played by a FAISS that keeps their rules: no selectors, 2,048 answers, one search at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.index import building, gpu
from mmreco.index.device import Place
from mmreco.index.gpu import GpuStructure
from mmreco.index.vector import VectorIndex

faiss = pytest.importorskip("faiss")
N, DIM = 6_000, 16


class There:
    """What lies on the GPUs: a copy of the index."""

    def __init__(self, index: Any) -> None:
        if isinstance(faiss.downcast_index(index), faiss.IndexHNSW):
            raise RuntimeError("This index type is not implemented on GPU.")
        self.index = faiss.clone_index(index)
        self.busy, self.asked = threading.Lock(), 0

    def search(self, queries: np.ndarray, k: int, params: Any = None) -> Any:
        assert k <= 2_048
        assert self.busy.acquire(blocking=False), "two searches at once"
        self.asked += 1
        try:
            return self.index.search(queries, k, params=params)
        finally:
            self.busy.release()


class Walked(There):
    """A graph of CAGRA: what it does not find comes as any number, and a thing may be found twice."""

    def __init__(self, index: Any) -> None:
        self.index = index
        self.busy, self.asked = threading.Lock(), 0

    def search(self, queries: np.ndarray, k: int, params: Any = None) -> Any:
        own = faiss.SearchParametersHNSW()
        own.efSearch = max(k, params.itopk_size)
        scores, rows = super().search(queries, k, own)
        rows[rows < 0] = 2**32 - 1
        rows[:, -1] = rows[:, 0]
        return scores, rows


class Machine:
    """faiss, of a build for GPUs, on a machine with two."""

    def __init__(self) -> None:
        self.copies: list[There] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(faiss, name)

    def get_num_gpus(self) -> int:
        return 2

    class StandardGpuResources:
        pass

    class GpuMultipleClonerOptions:
        useFloat16 = shard = False  # noqa: N815  # FAISS' own name

    class GpuParameterSpace:
        def set_index_parameter(self, index: There, name: str, value: int) -> None:
            assert name == "nprobe"
            faiss.extract_index_ivf(index.index).nprobe = value

    class GpuIndexCagraConfig:
        graph_degree = intermediate_graph_degree = 0

    class SearchParametersCagra:
        itopk_size = 64

    class GpuIndexCagra:
        """The graph that cuVS builds: FAISS' own for the CPU, without levels, in its place."""

        def __init__(self, resources: Any, dim: int, metric: int, config: Any) -> None:
            assert config.intermediate_graph_degree == 2 * config.graph_degree
            self.index = faiss.IndexHNSWCagra(dim, config.graph_degree // 2, metric)

        def train(self, vectors: np.ndarray) -> None:
            self.index.add(vectors)
            self.index.base_level_only, self.index.num_base_level_search_entrypoints = True, 32

    def index_gpu_to_cpu(self, index: Any) -> Any:
        return index.index

    def index_cpu_to_gpu(self, resources: Any, number: int, index: Any) -> There:
        assert number == 0
        self.copies.append(Walked(index))
        return self.copies[-1]

    def index_cpu_to_gpu_multiple_py(self, resources: list[Any], index: Any, co: Any, gpus: list[int]) -> There:
        assert co.useFloat16
        assert co.shard
        assert len(resources) == len(gpus) == 2
        self.copies.append(There(index))
        return self.copies[-1]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    played = Machine()
    monkeypatch.setattr(building.faiss_import, "faiss", lambda: played)
    monkeypatch.setattr(building, "choose", lambda *_, half: Place(("cpu", "cpu"), half))
    return played


def shop(n: int = N, seed: int = 0) -> Embeddings:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, DIM))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(40, size=n)] + 0.4 * rng.standard_normal((n, DIM))
    return Embeddings(IdMap.of([f"{seed}-{row}" for row in range(n)]), vectors.astype(np.float32))


def recall(index: VectorIndex, **given: Any) -> float:
    queries = shop(60, seed=9).vectors
    found = index.search(queries, 10, **given).rows
    true = VectorIndex(index.embeddings, device="cpu").search(queries, 10, **given).rows
    return float(np.mean([np.isin(t, f).mean() for t, f in zip(true, found, strict=True)]))


def test_lists_on_gpus_answer_as_on_the_cpu(machine: Machine) -> None:
    index = VectorIndex(shop(), quality="IVF64,SQ8")
    assert index.device == "cuda"
    assert index.report()["kind"] == "lists"
    assert isinstance(index._state.segments.structure, GpuStructure)  # type: ignore[union-attr]
    asked = machine.copies[-1].asked
    assert recall(index) >= 0.93
    assert machine.copies[-1].asked == asked + 1


@pytest.mark.parametrize("share", [0.9, 0.3, 0.02, 0.0005])
def test_filters_and_exclusions_hold_on_gpus(machine: Machine, share: float) -> None:
    index = VectorIndex(shop(), quality="IVF64,Flat").tune(0.95)
    where = np.random.default_rng(1).random(N) < share
    rows = np.random.default_rng(2).integers(N, size=(60, 30))
    exclude = Interactions.from_histories([index.embeddings.ids.ids(line) for line in rows], items=index.embeddings.ids)
    found = index.search(shop(60, seed=9).vectors, 10, where=where, exclude=exclude).rows
    assert where[found[found >= 0]].all()
    assert not any(np.isin(line, barred).any() for line, barred in zip(found, rows, strict=True))
    assert ((found >= 0).sum(axis=1) == [min(10, int(where.sum() - where[np.unique(b)].sum())) for b in rows]).all()
    assert recall(index, where=where, exclude=exclude) >= 0.9


def test_more_than_a_gpu_answers_is_exact(machine: Machine) -> None:
    index = VectorIndex(shop(), quality="IVF64,Flat")
    asked = machine.copies[-1].asked
    queries = shop(3, seed=9).vectors
    expected = VectorIndex(index.embeddings, device="cpu").search(queries, 2_500)
    np.testing.assert_array_equal(index.search(queries, 2_500).rows, expected.rows)
    assert machine.copies[-1].asked == asked


def test_changes_reach_the_gpus(machine: Machine) -> None:
    index = VectorIndex(shop(), quality="IVF64,Flat")
    grown = index.add(shop(5_000, seed=3)).remove([f"0-{row}" for row in range(500)])
    assert len(machine.copies) == 2  # a larger copy, as the tail was long
    assert recall(grown) >= 0.93


def test_many_threads_search_one_after_another(machine: Machine) -> None:
    index = VectorIndex(shop(), quality="IVF64,Flat")
    queries = shop(40, seed=9).vectors
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda line: index.search(queries[line : line + 1], 5).rows[0], range(40)))
    np.testing.assert_array_equal(np.stack(found), index.search(queries, 5).rows)


def test_what_gpus_have_not_is_exact_and_said(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    index = VectorIndex(shop(), quality="HNSW16,Flat")
    assert "HNSW16,Flat: not on this GPU" in caplog.text
    assert index.report()["kind"] == "exact"
    assert recall(index) == 1.0
    assert VectorIndex(shop(), quality="high").report()["kind"] == "exact"  # words are exact on a GPU
    assert not machine.copies


def test_kept_on_a_gpu_and_loaded_there(machine: Machine, tmp_path: Path) -> None:
    index = VectorIndex(shop(), quality="IVF64,SQ8")
    index.save(tmp_path / "index")
    again = VectorIndex.load(tmp_path / "index")
    assert isinstance(again._state.segments.structure, GpuStructure)  # type: ignore[union-attr]
    queries = shop(20, seed=9).vectors
    np.testing.assert_array_equal(again.search(queries, 10).rows, index.search(queries, 10).rows)


def test_a_graph_that_a_gpu_walks(machine: Machine) -> None:
    index = VectorIndex(shop(), quality="CAGRA32").tune(0.95)
    assert index.report()["kind"] == "graph"
    assert index.report()["recall"] >= 0.95
    asked = machine.copies[-1].asked
    assert recall(index) >= 0.9
    assert machine.copies[-1].asked == asked + 1
    for share in (0.9, 0.3, 0.02, 0.0005):
        where = np.random.default_rng(1).random(N) < share
        found = index.search(shop(60, seed=9).vectors, 10, where=where).rows
        assert where[found[found >= 0]].all()
        assert ((found >= 0).sum(axis=1) == min(10, where.sum())).all()
        assert all(len(np.unique(line[line >= 0])) == (line >= 0).sum() for line in found)
        assert recall(index, where=where) >= 0.9


def test_a_graph_of_a_gpu_is_built_anew_when_its_tail_is_long(machine: Machine) -> None:
    index = VectorIndex(shop(), quality="CAGRA32")
    assert len(machine.copies) == 1
    few = index.add(shop(100, seed=3))
    assert few.report()["tail"] == 100
    assert len(machine.copies) == 1
    many = few.add(shop(5_000, seed=4))
    assert many.report()["tail"] == 0
    assert len(machine.copies) == 2
    assert recall(many) >= 0.9


def test_a_graph_of_a_gpu_is_kept_and_walked_on_a_cpu_too(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = VectorIndex(shop(), quality="CAGRA32").tune(0.95)
    index.save(tmp_path / "index")
    queries = shop(20, seed=9).vectors
    again = VectorIndex.load(tmp_path / "index")
    assert isinstance(again._state.segments.structure, gpu.GpuGraph)  # type: ignore[union-attr]
    np.testing.assert_array_equal(again.search(queries, 10).rows, index.search(queries, 10).rows)
    monkeypatch.undo()
    without = VectorIndex.load(tmp_path / "index", device="cpu")
    assert without.report()["kind"] == "graph"
    assert recall(without) >= 0.9
    assert len(without.add(shop(5_000, seed=4))) == N + 5_000  # no graph of the kind is built on a CPU


def test_graphs_need_cuvs(machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match="CAGRA32"):
        VectorIndex(shop(), quality="CAGRAmany")
    monkeypatch.delattr(Machine, "GpuIndexCagra")
    assert VectorIndex(shop(), quality="CAGRA32").report()["kind"] == "exact"
    assert "mmreco[cuvs]" in caplog.text


def test_a_build_for_the_cpu_has_no_gpus() -> None:
    assert gpu.available(None) == 0
    assert gpu.available(faiss) == (faiss.get_num_gpus() if hasattr(faiss, "StandardGpuResources") else 0)
