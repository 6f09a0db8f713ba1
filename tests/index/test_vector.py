import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmreco.arrays import F32, I64, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError
from mmreco.index import faiss_import, filtering, structure
from mmreco.index.device import Place, TorchScan
from mmreco.index.exact import scan
from mmreco.index.exact.pairs import scored
from mmreco.index.exact.scan import Scan
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.vector import VectorIndex

DIM = 16


def clustered(n: int, dim: int = DIM, *, clusters: int = 20, seed: int = 0) -> F32:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((clusters, dim))
    vectors = centres[rng.integers(clusters, size=n)] + 0.4 * rng.standard_normal((n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def embeddings(vectors: F32) -> Embeddings:
    return Embeddings(IdMap.of([f"i{row}" for row in range(len(vectors))]), vectors)


def excluding(per_query: list[list[int]] | list[I64], ids: IdMap) -> Interactions:
    lines = np.repeat(np.arange(len(per_query)), [len(rows) for rows in per_query])
    users = IdMap.of([str(line) for line in range(len(per_query))])
    flat = np.concatenate([np.asarray(rows, dtype=np.int64) for rows in per_query])
    return Interactions.from_events(users, ids, lines, flat)


def brute_force(
    vectors: F32, queries: F32, k: int, where: Bool | None = None, exclude: Interactions | None = None
) -> tuple[I64, F32]:
    """The slow twin: all scores, sorted; equal ones by row."""
    rows = np.full((len(queries), k), -1)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    for line, query in enumerate(queries):
        score = scored(vectors, query[None], np.arange(len(vectors))[None])[0]  # see test_order
        allowed = np.ones(len(vectors), dtype=bool) if where is None else where.copy()
        if exclude is not None:
            allowed[exclude.history(line)] = False
        best = [row for row in np.argsort(-score, kind="stable") if allowed[row]][:k]
        rows[line, : len(best)] = best
        scores[line, : len(best)] = score[best]
    return rows, scores


def without_faiss(index: VectorIndex) -> VectorIndex:
    index._state = replace(index._state, items=ItemVectors(Scan(index.embeddings.vectors)))
    return index


def on_torch(index: VectorIndex) -> VectorIndex:
    index._state = replace(
        index._state, items=ItemVectors(TorchScan(index.embeddings.vectors, Place(("cpu",))))
    )  # what a GPU runs, here
    return index


def on_three_in_halves(index: VectorIndex) -> VectorIndex:
    index._state = replace(
        index._state, items=ItemVectors(TorchScan(index.embeddings.vectors, Place(("cpu", "cpu", "cpu"), half=True)))
    )
    return index


PATHS = {"faiss": lambda index: index, "matrix": without_faiss, "torch": on_torch, "halves": on_three_in_halves}


# ---- exact against brute force


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("b", [1, 3, 20])
@pytest.mark.parametrize("allowed", [None, "all", "half", "few", "one", "none"])
def test_exact_search_equals_brute_force(path: str, b: int, allowed: str | None) -> None:
    vectors = clustered(700)
    vectors[100:130] = vectors[99]  # equals
    vectors[:7] = 0
    held = embeddings(vectors)
    index = PATHS[path](VectorIndex(held, device="cpu"))
    rng = np.random.default_rng(b)
    queries = clustered(b, seed=b)
    queries[b // 2] = vectors[99]
    if b > 4:
        queries[:2] = 0  # every score is 0
    share = {"all": 1.0, "half": 0.5, "few": 0.03, "one": 0.0, "none": 0.0}
    where = None if allowed is None else rng.random(len(vectors)) < share[allowed]
    if where is not None and allowed == "one":
        where[634] = True
    for k in (1, 10, 150, 1_000):
        for n_excluded in (0, 8, 1_000):
            exclude = excluding([rng.integers(700, size=n_excluded) for _ in range(b)], held.ids)
            found = index.search(queries, k, where=where, exclude=exclude if n_excluded else None)
            rows, scores = brute_force(vectors, queries, k, where, exclude)
            np.testing.assert_array_equal(found.rows, rows)
            np.testing.assert_array_equal(found.scores, scores)


@pytest.mark.parametrize("threads", [2, 3, 4])
@pytest.mark.parametrize("b", [1, 3, 2_000])  # FAISS in parts, shared products, FAISS' own threads
def test_several_threads_among_equals_answer_as_one(monkeypatch: pytest.MonkeyPatch, threads: int, b: int) -> None:
    faiss = pytest.importorskip("faiss")
    monkeypatch.setattr("mmreco.index.faiss_import._PART", 1 << 10)  # numbers, so that there are parts to share
    rng = np.random.default_rng(0)
    vectors = rng.integers(-1, 2, (3_000, 4)).astype(np.float32)  # 81 vectors at most, all scores exact
    index = VectorIndex(embeddings(vectors), device="cpu")
    queries = rng.integers(-1, 2, (b, 4)).astype(np.float32)
    asked = rng.choice(b, min(b, 40), replace=False)
    rows, scores = brute_force(vectors, queries[asked], 60)
    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(threads)
        for _ in range(3):
            found = index.search(queries, 60)
            np.testing.assert_array_equal(found.rows[asked], rows)
            np.testing.assert_array_equal(found.scores[asked], scores)
    finally:
        faiss.omp_set_num_threads(before)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_exact_search_equals_brute_force_on_anything(data: st.DataObject) -> None:
    n, dim, b, k = (data.draw(st.integers(1, most)) for most in (30, 5, 6, 40))
    numbers = st.integers(-2, 2)  # many equal scores, and all of them exact
    vectors = np.array(data.draw(st.lists(numbers, min_size=n * dim, max_size=n * dim)), dtype=np.float32)
    queries = np.array(data.draw(st.lists(numbers, min_size=b * dim, max_size=b * dim)), dtype=np.float32)
    vectors, queries = vectors.reshape(n, dim), queries.reshape(b, dim)
    held = embeddings(vectors)
    where = data.draw(st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(np.array))
    seen = st.lists(st.integers(0, n - 1), max_size=n)
    exclude = excluding(data.draw(st.lists(seen, min_size=b, max_size=b)), held.ids)
    found = VectorIndex(held, device="cpu").search(queries, k, where=where, exclude=exclude)
    rows, scores = brute_force(vectors, queries, k, where, exclude)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.scores, scores)


@pytest.mark.parametrize("rising", [True, False])
def test_blocks_join_whatever_the_order_of_the_items(monkeypatch: pytest.MonkeyPatch, rising: bool) -> None:
    monkeypatch.setattr(scan, "_BLOCK", 1)  # blocks as small as they get
    monkeypatch.setattr(scan, "_QUERIES", 7)
    vectors = np.sort(clustered(9_000), axis=0)[:: 1 if rising else -1].copy()  # later items are all better, or none
    held = embeddings(vectors)
    queries = np.abs(clustered(20, seed=3))
    exclude = excluding([list(range(line, 9_000, 50)) for line in range(20)], held.ids)
    for k in (5, 1_200):
        found = VectorIndex(held, device="cpu").search(queries, k, exclude=exclude)
        np.testing.assert_array_equal(found.rows, brute_force(vectors, queries, k, None, exclude)[0])


@pytest.mark.parametrize("path", PATHS)
def test_a_batch_equals_its_queries_one_by_one_to_the_last_bit(path: str) -> None:
    index = PATHS[path](VectorIndex(embeddings(clustered(3_000)), device="cpu"))
    queries = clustered(33, seed=5)
    together = index.search(queries, 20)
    for line in range(len(queries)):
        alone = index.search(queries[line : line + 1], 20)
        np.testing.assert_array_equal(alone.rows[0], together.rows[line])
        np.testing.assert_array_equal(alone.scores[0], together.scores[line])


def test_rounding_that_hides_an_item_is_settled() -> None:
    vectors = np.ones((4_000, DIM), dtype=np.float32)
    vectors += np.float32(1e-7) * np.random.default_rng(0).standard_normal(vectors.shape).astype(np.float32)
    queries = clustered(40, seed=1)
    found = VectorIndex(embeddings(vectors), device="cpu").search(queries, 10)
    np.testing.assert_array_equal(found.rows, brute_force(vectors, queries, 10)[0])


@pytest.mark.gpu
def test_the_gpu_equals_brute_force() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    vectors = clustered(20_000)
    held = embeddings(vectors)
    index = VectorIndex(held, device="cuda")
    assert index.device == "cuda"
    queries = clustered(50, seed=2)
    rng = np.random.default_rng(0)
    exclude = excluding([rng.integers(20_000, size=300) for _ in range(50)], held.ids)
    for share in (1.0, 0.3, 0.001):
        where = rng.random(20_000) < share
        found = index.search(queries, 100, where=where, exclude=exclude)
        np.testing.assert_array_equal(found.rows, brute_force(vectors, queries, 100, where, exclude)[0])


# ---- the graph


@pytest.fixture(scope="module")
def large() -> VectorIndex:
    return VectorIndex(embeddings(clustered(10_000)), quality="high", device="cpu")


def shared(found: I64, expected: I64) -> float:
    return float(
        np.mean([np.isin(a, b[b >= 0]).sum() / max(1, (b >= 0).sum()) for a, b in zip(found, expected, strict=True)])
    )


@pytest.mark.parametrize("share", [None, 0.5, 0.1])
def test_the_graph_finds_95_of_100(large: VectorIndex, share: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "_GRAPH_WORTH", 0)  # the graph itself, also where a scan would be quicker
    assert large.report()["kind"] == "graph"
    queries = clustered(50, seed=8)
    where = None if share is None else np.random.default_rng(0).random(10_000) < share
    expected, _ = brute_force(large.embeddings.vectors, queries, 10, where)
    assert shared(large.search(queries, 10, where=where).rows, expected) >= 0.95


def test_the_graph_finds_what_a_filter_leaves_far_away(large: VectorIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "_GRAPH_WORTH", 0)
    vectors = large.embeddings.vectors
    queries = clustered(30, seed=8)
    where = vectors @ queries[0] < np.quantile(vectors @ queries[0], 0.2)  # none of them near the first query
    expected, _ = brute_force(vectors, queries[:1], 10, where)
    assert shared(large.search(queries[:1], 10, where=where).rows, expected) >= 0.9


@pytest.mark.parametrize("n_allowed", [0, 1, 4, 30])
def test_the_graph_is_exact_where_little_is_allowed(large: VectorIndex, n_allowed: int) -> None:
    queries = clustered(9, seed=4)
    where = np.zeros(10_000, dtype=bool)
    where[np.random.default_rng(1).permutation(10_000)[:n_allowed]] = True
    expected, _ = brute_force(large.embeddings.vectors, queries, 10, where)
    np.testing.assert_array_equal(large.search(queries, 10, where=where).rows, expected)


def test_the_graph_answers_in_full_whatever_is_excluded(large: VectorIndex) -> None:
    vectors = large.embeddings.vectors
    queries = clustered(4, seed=4)
    nearest = np.argsort(-(queries @ vectors.T), axis=1)
    exclude = excluding([nearest[0, :0], nearest[1, :40], nearest[2, :900], nearest[3, :9_997]], large.embeddings.ids)
    found = large.search(queries, 10, exclude=exclude)
    assert (found.rows >= 0).sum(axis=1).tolist() == [10, 10, 10, 3]
    assert not any(np.isin(found.rows[line], exclude.history(line)).any() for line in range(4))
    assert shared(found.rows, brute_force(vectors, queries, 10, None, exclude)[0]) >= 0.95


def test_a_heavy_user_does_not_change_his_neighbours_answers(large: VectorIndex) -> None:
    queries = clustered(5, seed=6)
    exclude = excluding([[1], [2], [3], [4], list(range(3_000))], large.embeddings.ids)
    together = large.search(queries, 10, exclude=exclude)
    for line in range(5):
        alone = large.search(queries[line : line + 1], 10, exclude=exclude.take([line]))
        np.testing.assert_array_equal(alone.rows[0], together.rows[line])


def test_few_items_need_no_graph() -> None:
    assert VectorIndex(embeddings(clustered(50)), quality="high", device="cpu").report()["kind"] == "exact"


# ---- asked wrongly


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"queries": np.zeros((2, DIM + 1))}, r"queries: float64 of shape \(2, 17\); expected .*\(n, 16\)"),
        ({"queries": np.zeros(DIM)}, r"queries: .*\(16,\)"),
        ({"queries": np.full((2, DIM), "a")}, "queries: .*expected numbers"),
        ({"queries": np.full((2, DIM), np.nan)}, "queries: NaN or infinity in row 0"),
        ({"queries": np.full((2, DIM), 1e300)}, "queries: NaN or infinity in row 0"),
        ({"queries": np.full((2, DIM), 1e38)}, r"queries: numbers up to 1.0e\+38 overflow"),
        ({"k": 0}, "k=0: expected 1 to 1,000,000"),
        (
            {"where": np.ones(9, dtype=bool)},
            r"where: bool of shape \(9,\); expected bool of shape \(50,\), or \(2, 50\)",
        ),
        ({"where": np.ones(50)}, "where: float64"),
        ({"where": "price < 3"}, r"say where=mask\(catalogue, 'price < 3'\)"),
    ],
)
def test_bad_questions_are_refused(options: dict[str, object], said: str) -> None:
    index = VectorIndex(embeddings(clustered(50)), device="cpu")
    with pytest.raises(DataError, match=said):
        index.search(**{"queries": np.zeros((2, DIM)), "k": 3, **options})  # type: ignore[arg-type]


def test_large_numbers_are_answered_while_scores_fit() -> None:
    index = VectorIndex(embeddings(clustered(50)), device="cpu")
    queries = clustered(3)
    assert np.array_equal(index.search(queries * 1e30, 5).rows, index.search(queries, 5).rows)


def test_exclusions_must_fit() -> None:
    index = VectorIndex(embeddings(clustered(50)), device="cpu")
    queries = clustered(2)
    with pytest.raises(DataError, match="exclude: 1 users for 2 queries"):
        index.search(queries, 3, exclude=excluding([[1]], index.embeddings.ids))
    with pytest.raises(IncompatibleError, match="exclude: over 1 items that are not the 50 of this index"):
        index.search(queries, 3, exclude=Interactions.from_histories([[], []], items=IdMap.of(["other"])))


def test_bad_options_are_refused() -> None:
    held = embeddings(clustered(5))
    with pytest.raises(DataError, match=r"quality='best': neither a word .* nor a factory string"):
        VectorIndex(held, quality="best")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="device='tpu': expected 'auto', 'cpu' or 'cuda'"):
        VectorIndex(held, device="tpu")  # type: ignore[arg-type]


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert VectorIndex(embeddings(clustered(5))).device == "cpu"
    with pytest.raises(DataError, match="torch sees no GPU"):
        VectorIndex(embeddings(clustered(5)), device="cuda")


def test_empty_batch_and_empty_index() -> None:
    index = VectorIndex(embeddings(clustered(5)), device="cpu")
    assert index.search(np.zeros((0, DIM), dtype=np.float32), 3).rows.shape == (0, 3)
    nothing = VectorIndex(Embeddings(IdMap.of([]), np.zeros((0, DIM), dtype=np.float32)), quality="high", device="cpu")
    assert nothing.search(clustered(2), 3).rows.tolist() == [[-1] * 3] * 2


def test_questions_and_vectors_are_only_read() -> None:
    vectors = clustered(500)
    held = embeddings(vectors)
    queries, where = clustered(9, seed=1), np.random.default_rng(0).random(500) < 0.5
    for array in (queries, where):
        array.flags.writeable = False
    before = vectors.tobytes()
    for b in (1, 9):
        VectorIndex(held, device="cpu").search(queries[:b], 5, where=where)
    assert vectors.tobytes() == before


# ---- kept


@pytest.mark.parametrize("quality", ["exact", "high"])
def test_a_loaded_index_answers_the_same(tmp_path: Path, quality: str) -> None:
    index = VectorIndex(embeddings(clustered(10_000)), quality=quality, device="cpu")  # type: ignore[arg-type]
    index.save(tmp_path / "index")
    loaded = VectorIndex.load(tmp_path / "index", device="cpu")
    queries = clustered(20, seed=7)
    expected, found = index.search(queries, 10), loaded.search(queries, 10)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert loaded.report() == index.report()
    assert loaded.embeddings.ids == index.embeddings.ids
    assert sorted(p.suffix for p in (tmp_path / "index").rglob("*") if p.suffix == ".faiss") == [".faiss"] * (
        quality == "high"
    )


def test_a_structure_over_other_vectors_is_refused(tmp_path: Path, large: VectorIndex) -> None:
    assert large._state.segments is not None
    file = tmp_path / "structure.faiss"
    large._state.segments.structure.write(file)
    with pytest.raises(IncompatibleError, match=r"IndexHNSWFlat of 10000 x 16; expected .* over 2500 x 16"):
        structure.Structure.read(large._state.builder.faiss, file, "HNSW32,Flat", (2_500, 16))
    file.write_bytes(b"not an index")
    with pytest.raises(DataError, match="not a FAISS index"):
        structure.Structure.read(large._state.builder.faiss, file, "HNSW32,Flat", (2_500, 16))


def test_an_index_of_something_else_is_refused(tmp_path: Path) -> None:
    held = embeddings(clustered(5))
    held.save(tmp_path / "vectors")
    with pytest.raises(IncompatibleError, match="holds a Embeddings; expected a VectorIndex"):
        VectorIndex.load(tmp_path / "vectors")


# ---- FAISS or none


def test_without_faiss_all_is_exact_and_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(faiss_import.importlib, "import_module", missing)
    faiss_import.faiss.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            index = VectorIndex(embeddings(clustered(10_000)), quality="high", device="cpu")
            VectorIndex(embeddings(clustered(30)), device="cpu")
    finally:
        faiss_import.faiss.cache_clear()
    assert [r.message for r in caplog.records] == [
        "FAISS is not installed: searches are exact, by matrix products; for more speed: pip install 'mmreco[cpu]'"
    ]
    assert index.report()["kind"] == "exact"
    assert "pip install 'mmreco[cpu]'" in index.report()["advice"]
    queries = clustered(2, seed=1)
    expected, _ = brute_force(index.embeddings.vectors, queries, 10)
    np.testing.assert_array_equal(index.search(queries, 10).rows, expected)


def test_two_builds_of_faiss_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"faiss-cpu": "1.15.1", "faiss-gpu-cuvs": "1.15.0"}

    def version(name: str) -> str:
        if name not in there:
            raise faiss_import.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(faiss_import, "version", version)
    faiss_import.faiss.cache_clear()
    try:
        with pytest.raises(IncompatibleError, match=r"2 builds of FAISS .*faiss-cpu 1.15.1 and faiss-gpu-cuvs 1.15.0"):
            VectorIndex(embeddings(clustered(5)), device="cpu")
    finally:
        faiss_import.faiss.cache_clear()


def test_importing_the_index_loads_neither_faiss_nor_torch() -> None:
    code = "import sys, mmreco.index.vector as v; print('faiss' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "False"]
