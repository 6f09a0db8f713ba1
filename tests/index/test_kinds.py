"""Every structure FAISS can build: chosen by one word, right under every filter, as good as a measurement says."""

import numpy as np
import pytest

from mmreco.arrays import F32, I64, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.index import filtering
from mmreco.index.quality import chosen, recipes
from mmreco.index.structure import Effort
from mmreco.index.vector import VectorIndex

faiss = pytest.importorskip("faiss")

N, DIM = 2_000, 32
KINDS = ["HNSW16,SQ8", "IVF32,SQ8", "IVF32_HNSW16,SQ8", "IVF32,PQ8x4fs", "PCA16,IVF32,SQ8", "SQfp16"]


def clustered(n: int, *, seed: int = 0) -> F32:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((40, DIM))
    vectors = centres[rng.integers(40, size=n)] + 0.5 * rng.standard_normal((n, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def shop(n: int) -> Embeddings:
    return Embeddings(IdMap.of([f"i{row}" for row in range(n)]), clustered(n))


def brute_force(vectors: F32, queries: F32, k: int, allowed: Bool) -> I64:
    """The slow twin; `allowed` has a line a query."""
    rows = np.full((len(queries), k), -1)
    for line, query in enumerate(queries):
        best = [row for row in np.argsort(-(vectors @ query), kind="stable") if allowed[line, row]][:k]
        rows[line, : len(best)] = best
    return rows


def recall(found: I64, expected: I64) -> float:
    hits = sum(np.isin(true[true >= 0], line).sum() for line, true in zip(found, expected, strict=True))
    return float(hits / (expected >= 0).sum()) if (expected >= 0).any() else 1.0


@pytest.fixture(scope="module", params=KINDS)
def index(request: pytest.FixtureRequest) -> VectorIndex:
    return VectorIndex(shop(N), quality=request.param, device="cpu")


# ---- filters


@pytest.mark.parametrize("n_allowed", [N, N // 2, N // 10, 11, 3, 1, 0])
def test_every_filter_is_obeyed_and_filled(index: VectorIndex, n_allowed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "_GRAPH_WORTH", 0)  # the structure itself, also where a scan would be quicker
    monkeypatch.setattr(filtering, "_LIST_WORTH", 0)
    rng = np.random.default_rng(n_allowed)
    queries = clustered(24, seed=5)
    where = np.zeros(N, dtype=bool)
    where[rng.permutation(N)[:n_allowed]] = True
    expected = brute_force(index.embeddings.vectors, queries, 10, np.repeat(where[None], 24, axis=0))
    found = index.search(queries, 10, where=where).rows
    assert ((found >= 0).sum(axis=1) == min(10, n_allowed)).all()
    assert where[found[found >= 0]].all()
    assert all(len(np.unique(line[line >= 0])) == (line >= 0).sum() for line in found)
    if n_allowed <= 10:
        np.testing.assert_array_equal(found, expected)
    assert recall(found, expected) >= 0.9


def test_a_filter_that_leaves_only_what_is_far_away_is_filled(index: VectorIndex) -> None:
    queries = clustered(1, seed=8)
    scores = index.embeddings.vectors @ queries[0]
    for share in (0.5, 0.1, 0.01):
        where = scores < np.quantile(scores, share)
        found = index.search(queries, 20, where=where).rows[0]
        assert where[found].all()
        assert len(np.unique(found)) == 20


@pytest.mark.parametrize("quality", ["HNSW16,SQ8", "IVF64,SQ8"])
def test_a_filter_by_what_is_alike_is_answered_from_afar(quality: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a page of shoes is asked for by who looked at dresses."""
    monkeypatch.setattr(filtering, "_GRAPH_WORTH", 0)
    monkeypatch.setattr(filtering, "_LIST_WORTH", 0)
    index = VectorIndex(shop(8 * N), quality=quality, device="cpu").tune(0.99)
    queries, vectors = clustered(60, seed=5), index.embeddings.vectors
    kinds = np.argmax(vectors @ clustered(10, seed=11).T, axis=1)
    for kind in range(10):
        expected = brute_force(vectors, queries, 10, np.repeat((kinds == kind)[None], 60, axis=0))
        assert recall(index.search(queries, 10, where=kinds == kind).rows, expected) >= 0.9


def test_exclusions_and_a_filter_together(index: VectorIndex) -> None:
    rng = np.random.default_rng(1)
    queries, where = clustered(12, seed=6), rng.random(N) < 0.4
    nearest = np.argsort(-(queries @ index.embeddings.vectors.T), axis=1)
    barred = [nearest[line, : [0, 5, 80, 1_500][line % 4]] for line in range(12)]
    lines = np.repeat(np.arange(12), [len(rows) for rows in barred])
    users = IdMap.of([str(line) for line in range(12)])
    exclude = Interactions.from_events(users, index.embeddings.ids, lines, np.concatenate(barred))
    allowed = np.repeat(where[None], 12, axis=0)
    allowed[lines, np.concatenate(barred)] = False
    found = index.search(queries, 10, where=where, exclude=exclude).rows
    assert (found >= 0).all()
    assert np.take_along_axis(allowed, found, axis=1).all()
    assert recall(found, brute_force(index.embeddings.vectors, queries, 10, allowed)) >= 0.9


def test_more_than_there_are(index: VectorIndex) -> None:
    found = index.search(clustered(3, seed=7), N + 50)
    assert ((found.rows >= 0).sum(axis=1) == N).all()


# ---- the dial


def test_a_word_becomes_a_structure_that_fits_the_memory() -> None:
    assert recipes("exact", 10**6, 64) == recipes("high", 9_999, 64) == ()
    assert chosen("high", 10**6, 64, None) == "HNSW24,SQ8"
    assert chosen("high", 10**6, 8, None) == "HNSW24,Flat"
    assert chosen("high", 10**6, 64, 100 << 20) == "IVF2048,SQ8"
    assert chosen("fast", 2 * 10**6, 64, None) == "IVF4096_HNSW16,SQ8"  # many lists: a graph over their centres
    assert chosen("fast", 10**6, 64, 50 << 20) == "IVF2048,SQ4"
    assert chosen("fast", 10**6, 64, 30 << 20) == "IVF2048,PQ16"
    assert chosen("small", 10**6, 64, None) == "IVF2048,PQ16"
    assert chosen("small", 10**6, 37, None) == "IVF2048,SQ4"  # a prime width falls into no equal parts
    assert chosen("small", 10**6, 64, 1_000) == ""
    assert chosen("PCA16,IVF8,Flat", 10, 64, 0) == "PCA16,IVF8,Flat"


@pytest.mark.parametrize("quality", ["high", "fast", "small"])
def test_each_word_keeps_what_it_says(quality: str) -> None:
    index = VectorIndex(shop(10_000), quality=quality, device="cpu")
    report = index.report()
    queries = clustered(200, seed=9)
    exact = VectorIndex(index.embeddings, device="cpu").search(queries, 10).rows
    assert recall(index.search(queries, 10).rows, exact) >= 0.95
    assert report["kind"] == ("graph" if quality == "high" else "lists")
    assert report["recall"] >= (0.99 if quality == "high" else 0.97)
    estimated = {one.factory: one.bytes for one in recipes(quality, 10_000, DIM)}[report["factory"]]
    built = report["bytes"] - index.embeddings.vectors.nbytes
    assert 0.7 * estimated <= built <= 1.1 * estimated


def test_a_structure_that_does_not_say_how_large_it_is_is_measured() -> None:
    index = VectorIndex(shop(N), quality="NSG16", device="cpu")
    assert index.report()["bytes"] > 2 * index.embeddings.vectors.nbytes
    assert index.report()["recall"] > 0.9


def test_coarse_codes_are_fetched_more_of_and_not_looked_for_harder() -> None:
    index = VectorIndex(shop(4 * N), quality="IVF32,PQ4", device="cpu")
    held = index._state.segments
    assert held is not None
    assert held.effort.fetch > 1
    assert held.effort.search <= 8


def test_a_budget_no_structure_fits_leaves_a_scan() -> None:
    report = VectorIndex(shop(10_000), quality="high", device="cpu", memory=1_000).report()
    assert (report["kind"], report["recall"]) == ("exact", 1.0)


def test_a_search_looks_as_hard_as_it_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    held = VectorIndex(shop(N), quality="IVF64,SQ8", device="cpu")._state.segments
    assert held is not None
    asked: list[int] = []
    ask = held.structure._ask
    monkeypatch.setattr(held.structure, "_ask", lambda q, k, search: asked.append(search) or ask(q, k, search))
    for effort in (1, 2, 3, 5, 12):
        for wanted in (10, 11):  # the measure asks for ten and finds the item that is looked for besides
            filtering.find(held.structure, clustered(3, seed=4), wanted + 8, Effort(effort), wanted, None)
    assert asked[::2] == asked[1::2] == [1, 2, 3, 5, 12]


def test_lists_that_are_far_away_are_not_visited() -> None:
    index = VectorIndex(shop(N), quality="IVF64,SQ8", device="cpu")
    held, queries = index._state.segments, clustered(200, seed=4)
    assert held is not None
    expected = VectorIndex(index.embeddings, device="cpu").search(queries, 10).rows
    stats = faiss.cvar.indexIVF_stats
    options, found, visited = held.structure._options(16), [], []
    for ask in (lambda: held.structure._all(queries, 10, options), lambda: held.structure._ask(queries, 10, 16)):
        stats.reset()
        found.append(recall(ask(), expected))
        visited.append(stats.ndis)
    assert found[1] >= found[0] - 0.01
    assert visited[1] < 0.6 * visited[0]


def test_a_query_among_few_is_taken_further_than_to_the_nearest_lists() -> None:
    rng = np.random.default_rng(0)
    crowd = rng.standard_normal((3_000, DIM)) * 0.1 + np.eye(DIM)[0]
    alone = rng.standard_normal((5, DIM)) * 0.01 + 3 * np.eye(DIM)[1]
    vectors = np.concatenate([crowd, alone]).astype(np.float32)
    items = Embeddings(IdMap.of([str(row) for row in range(len(vectors))]), vectors)
    held = VectorIndex(items, quality="IVF32,Flat", device="cpu")._state.segments
    assert held is not None
    rows = held.structure._ask(vectors[-1:], 20, 8)
    assert set(rows[0, :5]) == set(range(3_000, 3_005))
    assert (rows >= 0).all()


def test_tuning_looks_as_hard_as_it_must() -> None:
    index = VectorIndex(shop(N), quality="IVF32,SQ8", device="cpu")
    queries = clustered(300, seed=3)
    exact = VectorIndex(index.embeddings, device="cpu").search(queries, 10).rows
    efforts = []
    for wanted in (0.5, 0.9, 0.999):
        tuned = index.tune(wanted, queries=queries)
        assert tuned.report()["recall"] == pytest.approx(recall(tuned.search(queries, 10).rows, exact), abs=1e-4)
        assert tuned.report()["recall"] >= wanted
        efforts.append(tuned.report()["effort"])
    assert efforts == sorted(efforts)
    assert efforts[0] < efforts[2]
    assert index.report()["effort"] not in (0, None)
    again = VectorIndex(index.embeddings, device="cpu").tune(1.0)
    assert again.report()["recall"] == 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quality": "best"}, r"quality='best': neither a word .* expected 'exact', 'high', 'fast', 'small'"),
        ({"quality": ""}, "quality='': expected 'exact'"),
        ({"quality": 3}, "quality=3: expected 'exact'"),
        ({"quality": "IVF32,Flat"}, "quality='IVF32,Flat': cannot be built over 30 vectors"),
        ({"quality": "exact", "memory": -1}, "memory=-1: expected bytes"),
    ],
)
def test_bad_dials_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        VectorIndex(shop(30), device="cpu", **options)  # type: ignore[arg-type]


def test_bad_tuning_is_refused() -> None:
    index = VectorIndex(shop(30), device="cpu")
    for wanted in (0.0, 1.1, -1.0, float("nan")):
        with pytest.raises(DataError, match=r"recall=.*: expected a number above 0"):
            index.tune(wanted)
    with pytest.raises(DataError, match="queries: "):
        index.tune(queries=np.zeros((2, DIM + 1), dtype=np.float32))
