"""Approximate search: what a call costs beside FAISS's own, speed at equal recall beside other graphs, and filters.

Run: `make bench`; `MMRECO_BENCH_PEERS=hnswlib,usearch` builds their graphs as well, which takes minutes. Sizes
and threads: see `clustered`. `python benchmarks/plot.py FILE` draws recall against queries a second from the JSON.
"""

import os
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from clustered import DIM, RECALLED, SIZES, THREADS, K, asked, beside, brute_force, built, recall, shop, turns
from pytest_benchmark.fixture import BenchmarkFixture

from mmreco.arrays import F32, I64
from mmreco.index.exact.pairs import scored
from mmreco.index.faiss_training import _CARE
from mmreco.index.structure import Effort

WORTH = [n for n in SIZES if n >= 50_000]  # below, the words are exact or nearly so
EFFORTS = [round(10 * 2 ** (step / 6)) for step in range(35)]  # 10 to 508, each an eighth more than the last
TARGET = 0.95
PEERS = [name for name in os.environ.get("MMRECO_BENCH_PEERS", "").split(",") if name]

Search = Callable[[F32], I64]

pytestmark = pytest.mark.benchmark(max_time=0.3, min_rounds=5, warmup=False, disable_gc=True)


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("b", [1, 16, 1_024])
@pytest.mark.parametrize("n", WORTH)
@pytest.mark.parametrize("quality", ["exact", "high", "fast"])
def test_cost_of_a_call(benchmark: BenchmarkFixture, quality: str, n: int, b: int) -> None:
    """`search`, also with ids and with what users have seen left out, beside FAISS called directly.

    Beside its flat index where all is exact. Else beside what FAISS makes of the same factory string with the same
    care, scoring as many candidates exactly (`IndexRefine`), with the least effort that finds as much; without those
    scores, at the same effort; and so on the very structure that mmreco built.

    Each call asks something else, as shoppers do: asked the same again and again, FAISS walks in the cache.
    """
    index, queries = built(n, quality)[0], asked(n, 1_024).queries
    batches = [queries[start : start + b] for start in range(0, min(1_024, 256 * b), b)]
    seen, held = asked(n, b, "seen").exclude, index._state.segments
    ways: dict[str, Callable[[], Any]] = {
        "mmreco": lambda: [index.search(batch, K) for batch in batches],
        "with ids": lambda: [index.search(batch, K).ids(index.embeddings.ids) for batch in batches],
        "with seen items left out": lambda: [index.search(batch, K, exclude=seen) for batch in batches],
    }
    if held is None:
        ways["FAISS"] = lambda: [flat(n).search(batch, K) for batch in batches]
    else:
        own, ours, options = plain(n, held.structure.factory), held.structure._index, held.structure._options
        both, fetched = faiss().IndexRefine(own, flat(n)), (K + index._state.items.slack) / K
        expected, sample = brute_force(n, RECALLED, RECALLED), asked(n, RECALLED).queries
        found = recall(expected, index.search(sample, K).rows)
        for effort in sorted({*range(1, 17), *EFFORTS}):
            wide = faiss().IndexRefineSearchParameters(k_factor=fetched, base_index_params=options(effort))
            theirs = recall(expected, both.search(sample, K, params=wide)[1])
            if theirs >= found:
                break
        told = options(effort)
        ways["FAISS, scored exactly"] = lambda: [both.search(batch, K, params=wide) for batch in batches]
        ways["FAISS"] = lambda: [own.search(batch, K, params=told) for batch in batches]
        ways["FAISS on our structure"] = lambda: [ours.search(batch, K, params=told) for batch in batches]
        benchmark.extra_info["recall"] = {"mmreco": round(found, 4), "FAISS, scored exactly": round(theirs, 4)}
        benchmark.extra_info["effort"] = {"mmreco": held.effort.search, "FAISS": effort}
    medians = turns(ways)
    benchmark.extra_info["microseconds_a_call"] = {
        name: round(taken / len(batches) * 1e6, 1) for name, taken in medians.items()
    }
    for theirs in [name for name in ways if name.startswith("FAISS")]:
        benchmark.extra_info[f"of {theirs}"] = {
            name: round(medians[name] / medians[theirs], 3) for name in ways if not name.startswith("FAISS")
        }
    benchmark(ways["mmreco"])


@cache
def flat(n: int) -> Any:
    """FAISS' own index of all vectors."""
    index = faiss().IndexFlatIP(DIM)
    index.add(shop(n).vectors)
    return index


@cache
def plain(n: int, factory: str) -> Any:
    """What FAISS makes of a factory string by itself, a graph with as much care as ours."""
    index = faiss().index_factory(DIM, factory, faiss().METRIC_INNER_PRODUCT)
    if isinstance(index, faiss().IndexHNSW):
        index.hnsw.efConstruction = _CARE
    index.train(shop(n).vectors)
    index.add(shop(n).vectors)
    return index


def faiss() -> Any:
    """FAISS, or the test is skipped."""
    return pytest.importorskip("faiss")


@pytest.mark.timeout(7_200)
@pytest.mark.skipif(not PEERS, reason="builds for minutes; MMRECO_BENCH_PEERS=hnswlib,usearch")
@pytest.mark.parametrize("n", WORTH)
def test_at_equal_recall(benchmark: BenchmarkFixture, n: int) -> None:
    """Every library with the least effort that finds 95 of the best 100, over queries that are no items."""
    sample, queries = asked(n, RECALLED).queries, asked(n, 1_024).queries
    expected = brute_force(n, RECALLED, RECALLED)
    ways: dict[str, dict[str, Callable[[], Any]]] = {"one": {}, "many": {}}
    for name in ("mmreco", *PEERS):
        effort, search, seconds = LIBRARIES[name](n)
        curve = []
        for value in EFFORTS:
            effort(value)
            reached = recall(expected, search(sample))
            curve.append([round(reached, 4), round(len(queries) / turns({name: lambda s=search: s(queries)}, 1)[name])])
            if reached >= TARGET:
                break
        assert curve[-1][0] >= TARGET, f"{name}: {curve}"
        benchmark.extra_info[f"curve {name}"] = curve
        benchmark.extra_info[f"built in seconds {name}"] = round(seconds, 1)
        ways["many"][name] = lambda s=search: s(queries)
        ways["one"][name] = lambda s=search: [s(queries[line : line + 1]) for line in range(500)]
    for many, of in ways.items():
        benchmark.extra_info[f"times, {many} at a time"] = beside(turns(of), "mmreco")
    benchmark.pedantic(ways["many"]["mmreco"], rounds=5)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("n", WORTH)
def test_filtered(benchmark: BenchmarkFixture, n: int, share: float) -> None:
    """Filters beside asking FAISS's same structure for more and throwing away what is not allowed.

    Both with the least effort that finds 95 of the best 100 that are allowed, and both score as many of them exactly.
    """
    question, expected = asked(n, RECALLED, "filter", share), brute_force(n, RECALLED, RECALLED, "filter", share)
    index, where = built(n, "high")[0], question.where
    assert index._state.segments is not None
    assert where is not None
    structure, held, tried = index._state.segments.structure, index._state.segments, copy(index)

    def before(effort: int) -> I64:
        tried._state = replace(tried._state, segments=replace(held, effort=Effort(effort)))
        return tried.search(question.queries, K, where=where).rows

    def after(wide: int) -> I64:
        found = structure._index.search(question.queries, wide, params=structure._options(wide))[1]
        found = np.where((found >= 0) & where[found], found, -1)
        first = np.argsort(found < 0, axis=1, kind="stable")[:, : K + index._state.items.slack]
        rows = np.take_along_axis(found, first, axis=1)
        best = np.argsort(-scored(index.embeddings.vectors, question.queries, rows), axis=1)[:, :K]
        return np.take_along_axis(rows, best, axis=1)

    widths = [int(K / share * more) for more in (1, 1.25, 1.5, 2, 3, 4)]
    ways: dict[str, Callable[[], I64]] = {}
    for name, search, efforts in (("mmreco", before, EFFORTS), ("after", after, widths)):
        least = next((value for value in efforts if recall(expected, search(value)) >= TARGET), efforts[-1])
        benchmark.extra_info[name] = {"effort": least, "recall": round(recall(expected, search(least)), 4)}
        ways[name] = lambda search=search, least=least: search(least)
    assert benchmark.extra_info["mmreco"]["recall"] >= TARGET
    benchmark.extra_info["times"] = beside(turns(ways), "mmreco")
    benchmark.pedantic(ways["mmreco"], rounds=3)


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("quality", ["high", "fast"])
@pytest.mark.parametrize("n", WORTH)
def test_filtered_by_kind(benchmark: BenchmarkFixture, n: int, quality: str, share: float) -> None:
    """Filters that leave what is alike, mostly far from the query, beside the filters (selectors) of FAISS.

    FAISS looks harder by as much as the filter takes away, and what it finds is scored exactly.
    """
    question, expected = asked(n, RECALLED, "kinds", share), brute_force(n, RECALLED, RECALLED, "kinds", share)
    index, where = built(n, quality)[0], question.where
    assert index._state.segments is not None
    assert where is not None
    structure, effort = index._state.segments.structure, index._state.segments.effort.search
    bitmap = np.packbits(where, bitorder="little")
    options = type(structure._options(effort))()
    name = "efSearch" if structure.kind == "graph" else "nprobe"
    setattr(options, name, round(effort * n / np.count_nonzero(where)))
    options.sel = faiss().IDSelectorBitmap(len(bitmap), faiss().swig_ptr(bitmap))

    def theirs() -> I64:
        rows = structure._index.search(question.queries, K + index._state.items.slack, params=options)[1]
        best = np.argsort(-scored(index.embeddings.vectors, question.queries, rows), axis=1)[:, :K]
        return np.take_along_axis(rows, best, axis=1)

    ways = {"mmreco": lambda: index.search(question.queries, K, where=where).rows, "FAISS": theirs}
    benchmark.extra_info["recall"] = {name: round(recall(expected, ask()), 4) for name, ask in ways.items()}
    benchmark.extra_info["times"] = beside(turns(ways), "mmreco")
    assert benchmark.extra_info["recall"]["mmreco"] >= TARGET
    benchmark.pedantic(ways["mmreco"], rounds=3)


# ---- libraries: a way to set the effort, the search, and the seconds of building


@cache
def ours(n: int) -> tuple[Callable[[int], None], Search, float]:
    index, seconds = built(n, "high")
    tried = copy(index)
    assert index._state.segments is not None
    begun = index._state.segments

    def effort(value: int) -> None:  # `tune` chooses by recall; here the same steps as everybody else's
        tried._state = replace(tried._state, segments=replace(begun, effort=Effort(value)))

    return effort, lambda queries: tried.search(queries, K).rows, seconds


@cache
def hnswlib_graph(n: int) -> tuple[Callable[[int], None], Search, float]:
    hnswlib = pytest.importorskip("hnswlib")
    vectors, start = shop(n).vectors, perf_counter()
    graph = hnswlib.Index("ip", DIM)
    graph.init_index(n, M=16, ef_construction=200)
    graph.set_num_threads(THREADS)
    graph.add_items(vectors)
    seconds = perf_counter() - start
    return graph.set_ef, lambda queries: graph.knn_query(queries, K, num_threads=THREADS)[0].astype(np.int64), seconds


@cache
def usearch_graph(n: int) -> tuple[Callable[[int], None], Search, float]:
    usearch = pytest.importorskip("usearch.index")
    vectors, start = shop(n).vectors, perf_counter()
    graph = usearch.Index(ndim=DIM, metric="ip", dtype="f32", expansion_add=128)
    graph.add(np.arange(n), vectors, threads=THREADS)
    seconds = perf_counter() - start

    def effort(value: int) -> None:
        graph.expansion_search = value

    def search(queries: F32) -> I64:
        keys = np.asarray(graph.search(queries, K, threads=THREADS).keys)
        return keys.reshape(len(queries), K).astype(np.int64)

    return effort, search, seconds


LIBRARIES = {"mmreco": ours, "hnswlib": hnswlib_graph, "usearch": usearch_graph}
