"""An index in other processes: forked, spawned, pickled, copied."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from joblib import Parallel, delayed

from mmreco.arrays import F32, I64
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.index.batching import BatchingIndex
from mmreco.index.building import Builder
from mmreco.index.device import Place
from mmreco.index.vector import VectorIndex

N, DIM = 3_000, 16


def vectors(n: int = N, seed: int = 0) -> F32:
    return np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)


def built(quality: str) -> VectorIndex:
    if quality != "exact":
        pytest.importorskip("faiss")
    index = VectorIndex(Embeddings(IdMap.of([f"i{row}" for row in range(N)]), vectors()), quality=quality, device="cpu")
    return index.remove(["i5"]).add(Embeddings(IdMap.of(["new"]), vectors(1, 7)))


def found(index: VectorIndex, queries: F32) -> I64:
    return index.search(queries, 5).rows


_FORKED = """
import os, sys, numpy as np
from mmreco import Embeddings, IdMap, VectorIndex
rng = np.random.default_rng(0)
vectors = rng.standard_normal((12_000, 32), dtype=np.float32)
shop = Embeddings(IdMap.of([str(row) for row in range(12_000)]), vectors)
index = VectorIndex(shop, quality=sys.argv[1], device="cpu")
queries = vectors[:1_500]
expected = index.search(queries, 10).rows
child = os.fork()
if not child:
    rows = index.search(queries, 10).rows
    one = index.search(queries[:1], 10).rows
    grown = index.add(Embeddings(IdMap.of(["new"]), 9 * vectors[:1])).search(queries[:1], 1).rows
    os._exit(0 if (rows == expected).all() and (one == expected[:1]).all() and grown == 12_000 else 3)
print(os.waitpid(child, 0)[1], (index.search(queries, 10).rows == expected).all())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("quality", ["exact", "HNSW16,Flat", "IVF32,SQ8"])
def test_a_forked_child_searches_though_its_parent_used_threads(quality: str) -> None:
    pytest.importorskip("faiss")
    env = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-c", _FORKED, quality]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["0", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_forked_in_the_midst_of_a_batch_does_not_wait_for_it() -> None:
    index = built("exact")
    begun, go = threading.Event(), threading.Event()

    class Slow:
        def search(self, queries, k, *, where=None, exclude=None):  # type: ignore[no-untyped-def]
            if os.getpid() == parent:
                begun.set()
                assert go.wait(60)
            return index.search(queries, k, where=where, exclude=exclude)

    parent, batching = os.getpid(), BatchingIndex(Slow())
    thread = threading.Thread(target=batching.search, args=(vectors(1), 3))
    thread.start()
    assert begun.wait(60)
    child = os.fork()
    if not child:
        threading.Timer(60, os._exit, (4,)).start()
        os._exit(0 if batching.search(vectors(1), 3).rows.shape == (1, 3) else 3)
    assert os.waitpid(child, 0)[1] == 0
    go.set()
    thread.join()


def test_an_index_on_a_gpu_says_that_a_fork_cannot_search_it(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = Builder("exact", None, Place(("cuda:0",)), None)
    builder.require_own_process()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(DataError, match=r"on a GPU cannot be searched in a forked process; .*spawn"):
        builder.require_own_process()


@pytest.mark.parametrize("quality", ["exact", "HNSW16,Flat", "IVF32,SQ8"])
def test_a_pickled_index_is_the_same(quality: str) -> None:
    index, queries = built(quality), vectors(30, 3)
    for other in (pickle.loads(pickle.dumps(index)), copy.deepcopy(index), copy.copy(index)):
        np.testing.assert_array_equal(found(other, queries), found(index, queries))
        assert {**other.report(), "bytes": 0} == {**index.report(), "bytes": 0}
        assert len(other.add(Embeddings(IdMap.of(["x"]), vectors(1))).remove(["i7"])) == N
    assert index.ids.rows(["i5"], missing="mark").tolist() == [-1]


def test_other_processes_search_it() -> None:
    index, queries = built("IVF32,SQ8"), vectors(8, 3)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        rows = pool.starmap(found, [(index, queries), (index, queries[:2])])
    np.testing.assert_array_equal(rows[0], found(index, queries))
    rows = Parallel(n_jobs=2)(delayed(found)(index, part) for part in (queries[:4], queries[4:]))
    np.testing.assert_array_equal(np.concatenate(rows), found(index, queries))


def test_a_batching_index_travels_too() -> None:
    batching = BatchingIndex(built("exact"), most=7)
    other = pickle.loads(pickle.dumps(batching))
    assert other.most == 7
    np.testing.assert_array_equal(other.search(vectors(3), 4).rows, batching.search(vectors(3), 4).rows)
