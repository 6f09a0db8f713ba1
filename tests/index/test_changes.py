"""An index that changes answers like one built anew, and whoever holds the old one is not disturbed."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmreco.arrays import F32, I64
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError, UnknownIdError
from mmreco.index import item_vectors, segments
from mmreco.index.vector import VectorIndex

DIM = 16
N = 3_000
KINDS = ["exact", "HNSW16,Flat", "IVF32,SQ8"]


def clustered(n: int, *, seed: int = 0, dim: int = DIM) -> F32:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((30, dim))
    vectors = centres[rng.integers(30, size=n)] + 0.4 * rng.standard_normal((n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def some(names: list[str], *, seed: int = 0, fingerprint: str = "") -> Embeddings:
    return Embeddings(IdMap.of(names), clustered(len(names), seed=seed), fingerprint)


def named(prefix: str, n: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(n)]


def answers(index: VectorIndex, queries: F32, k: int = 10) -> list[list[str]]:
    return index.search(queries, k).ids(index.embeddings.ids)


def brute_force(vectors: dict[str, F32], queries: F32, k: int) -> list[list[str]]:
    """The slow twin: a dict of what is there now."""
    names, stacked = list(vectors), np.array(list(vectors.values()))
    return [[names[row] for row in np.argsort(-(stacked @ query), kind="stable")[:k]] for query in queries]


def shared(found: list[list[str]], expected: list[list[str]]) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, expected, strict=True)]))


@pytest.fixture(params=KINDS)
def quality(request: pytest.FixtureRequest) -> str:
    if request.param != "exact":
        pytest.importorskip("faiss")
    return str(request.param)


@pytest.mark.parametrize("tail", [4_096, 300])  # waiting in the tail, or taken into the structure
def test_a_third_of_churn_costs_no_recall(quality: str, tail: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_TAIL_MOST", tail)
    index = VectorIndex(some(named("i", N)), quality=quality, device="cpu")
    there = dict(zip(named("i", N), index.embeddings.vectors, strict=True))
    rng = np.random.default_rng(0)
    for turn in range(3):  # a tenth goes, a tenth comes, a tenth changes
        gone = list(rng.choice(list(there), N // 10, replace=False))
        fresh = some(named(f"new{turn}-", N // 10), seed=turn + 1)
        index = index.remove(gone).add(fresh)
        for name in gone:
            del there[name]
        there |= dict(zip(fresh.ids.ids(range(len(fresh))), fresh.vectors, strict=True))
        changed = some(list(rng.choice(list(there), N // 10, replace=False)), seed=turn + 10)
        index = index.update(changed)
        there |= dict(zip(changed.ids.ids(range(len(changed))), changed.vectors, strict=True))
    assert dict(zip(index.embeddings.ids.ids(range(len(index))), range(len(index)), strict=True)).keys() == there.keys()
    queries = clustered(100, seed=77)
    expected = brute_force(there, queries, 10)
    rebuilt = VectorIndex(index.embeddings, quality=quality, device="cpu")
    assert shared(answers(index, queries), expected) >= shared(answers(rebuilt, queries), expected) - 0.01
    if quality == "exact":
        assert answers(index, queries) == expected
    else:
        assert index.report()["dead"] > 0 or tail == 300
        assert (index.report()["tail"] > 0) == (tail == 4_096) or index.report()["tail"] <= 300


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_course_of_changes_equals_a_dict(data: st.DataObject) -> None:
    vectors = clustered(40, seed=3)
    index = VectorIndex(Embeddings(IdMap.of(named("i", 5)), vectors[:5]), device="cpu")
    there = dict(zip(named("i", 5), vectors[:5], strict=True))
    for turn in range(data.draw(st.integers(1, 6))):
        chosen = data.draw(st.lists(st.sampled_from(sorted(there)), unique=True)) if there else []
        what = data.draw(st.sampled_from(["add", "remove", "update"]))
        if what == "remove":
            index = index.remove(chosen)
            there = {name: vector for name, vector in there.items() if name not in chosen}
            continue
        names = named(f"new{turn}-", data.draw(st.integers(0, 4))) if what == "add" else chosen
        given_ = Embeddings(IdMap.of(names), clustered(len(names), seed=turn + 50))
        index = index.add(given_) if what == "add" else index.update(given_)
        there |= dict(zip(given_.ids.ids(range(len(given_))), given_.vectors, strict=True))
    assert index.embeddings.ids.ids(range(len(index))) == list(there)
    queries = clustered(3, seed=9)
    if there:
        assert answers(index, queries) == brute_force(there, queries, 10)
    else:
        assert answers(index, queries) == [[], [], []]


def test_what_is_removed_is_never_answered_again(quality: str) -> None:
    index = VectorIndex(some(named("i", N)), quality=quality, device="cpu")
    gone = named("i", N)[::7]
    fewer = index.remove(gone)
    rows = fewer.search(clustered(1_000, seed=4), 10).rows
    assert (rows >= 0).all()
    left = set(fewer.embeddings.ids.ids(range(len(fewer))))
    assert left.isdisjoint(gone)
    assert rows.max() < len(left)
    where = np.arange(len(fewer)) % 2 == 0
    assert (fewer.search(clustered(50, seed=4), 10, where=where).rows % 2 == 0).all()


def test_what_is_added_and_updated_is_found_at_once(quality: str) -> None:
    index = VectorIndex(some(named("i", N)), quality=quality, device="cpu")
    lone = np.zeros((2, DIM), dtype=np.float32)
    lone[0, 0], lone[1, 1] = 3.0, 3.0
    index = index.add(Embeddings(IdMap.of(["new"]), lone[:1])).update(Embeddings(IdMap.of(["i7"]), lone[1:]))
    assert [line[0] for line in answers(index, lone, 3)] == ["new", "i7"]
    assert index.embeddings.ids.rows(["i7"]).tolist() == [7]  # an update keeps its row
    users = IdMap.of(["a", "b"])
    exclude = Interactions.from_events(users, index.embeddings.ids, np.array([0, 1]), np.array([N, 7]))
    found = index.search(lone, 3, exclude=exclude).rows
    assert not (found == np.array([[N], [7]])).any()


def test_who_holds_the_old_index_is_not_disturbed(quality: str) -> None:
    index = VectorIndex(some(named("i", N)), quality=quality, device="cpu")
    queries = clustered(20, seed=5)
    before: I64 = index.search(queries, 10).rows
    index.remove(named("i", N)[:500]).add(some(named("new", 900), seed=3)).update(some(named("new", 10), seed=4))
    np.testing.assert_array_equal(index.search(queries, 10).rows, before)
    assert len(index) == N


def test_a_filter_may_leave_nothing_of_the_tail(quality: str) -> None:
    index = VectorIndex(some(named("i", N)), quality=quality, device="cpu").add(some(named("new", 50), seed=3))
    found = index.search(clustered(20, seed=4), 10, where=np.arange(N + 50) < N).rows
    assert (found < N).all()
    assert (found >= 0).all()


def test_compacting_leaves_neither_dead_nor_tail(quality: str) -> None:
    index = VectorIndex(some(named("i", N)), quality=quality, device="cpu")
    index = index.remove(named("i", N)[:200]).add(some(named("new", 50), seed=3))
    compact = index.compact()
    assert (compact.report()["dead"], compact.report()["tail"]) == (0, 0)
    queries = clustered(20, seed=5)
    assert shared(answers(compact, queries), answers(index, queries)) >= 0.9


def test_all_may_go_and_come_back(quality: str) -> None:
    index = VectorIndex(some(named("i", N)), quality=quality, device="cpu").remove(named("i", N))
    assert index.search(clustered(2), 3).rows.tolist() == [[-1] * 3] * 2
    back = index.add(some(named("i", 20)))
    assert answers(back, back.embeddings.vectors[:3], 1) == [["i0"], ["i1"], ["i2"]]


def test_bad_changes_are_refused() -> None:
    index = VectorIndex(some(named("i", 20), fingerprint="a"), device="cpu")
    with pytest.raises(DataError, match=r"add: 2 of 3 ids already exist, first 'i4'; use update\(\)"):
        index.add(some(["x", "i4", "i5"]))
    with pytest.raises(UnknownIdError, match="1 of 2 ids unknown, first 'x'"):
        index.update(some(["i1", "x"]))
    with pytest.raises(UnknownIdError, match="first 'x'"):
        index.remove(["x"])
    with pytest.raises(DataError, match="remove: 'i1' is a single value; give a list"):
        index.remove("i1")  # type: ignore[arg-type]
    with pytest.raises(IncompatibleError, match="vectors of width 8 for an index of width 16"):
        index.add(Embeddings(IdMap.of(["x"]), clustered(1, dim=8)))
    with pytest.raises(IncompatibleError, match="vectors of the encoder 'b' for an index of 'a'"):
        index.add(some(["x"], fingerprint="b"))


def test_poor_new_items_do_not_stand_in_for_good_ones_a_shopper_excludes_the_best_of(quality: str) -> None:
    queries = clustered(10, seed=5)
    index = VectorIndex(some(named("i", N)), quality=quality, device="cpu")
    poor = Embeddings(IdMap.of(named("poor", 100)), -0.01 * clustered(100, seed=6))  # waiting in the tail
    index = index.add(poor)
    scores = queries @ index.embeddings.vectors.T  # (10, N + 100)
    order = np.argsort(-scores, axis=1, kind="stable")
    users = IdMap.of(named("u", 10))
    exclude = Interactions.from_events(users, index.embeddings.ids, np.repeat(np.arange(10), 40), order[:, :40].ravel())
    found = index.search(queries, 10, exclude=exclude).rows
    assert np.mean([np.isin(a, b).mean() for a, b in zip(order[:, 40:50], found, strict=True)]) >= 0.9


@pytest.mark.parametrize("dim", [64, 384])
def test_one_more_item_copies_nothing_of_a_large_index(quality: str, dim: int) -> None:
    """A copy of the vectors or a pass over the ids would take as long as the index is large."""
    n = 300_000 if quality == "exact" else 20_000
    large = Embeddings(IdMap.of(named("i", n)), np.zeros((n, dim), dtype=np.float32) + clustered(1, dim=dim))
    if quality != "exact":
        large = Embeddings(large.ids, clustered(n, dim=dim))
    index = VectorIndex(large, quality="exact" if quality == "exact" else "IVF32,SQ8", device="cpu")
    seconds = []
    for number in range(21):
        new = Embeddings(IdMap.of([f"new{number}"]), clustered(1, seed=number, dim=dim))
        start = perf_counter()
        index = index.add(new)
        seconds.append(perf_counter() - start)
        assert index.ids.ids([n + number]) == [f"new{number}"]
    assert np.median(seconds) < 0.005
    assert index._state.items._scan.vectors is large.vectors
    assert index.embeddings.vectors.shape == (n + 21, dim)
    np.testing.assert_array_equal(index.embeddings.vectors[-1:], clustered(1, seed=20, dim=dim))


def test_many_threads_grow_one_index_without_loss_or_mixture() -> None:
    first = VectorIndex(some(named("i", 100)), device="cpu")

    def grown(thread: int) -> VectorIndex:
        index = first
        for number in range(30):
            index = index.add(some([f"{thread}-{number}"], seed=100 * thread + number))
        return index

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(grown, range(8)))
    for thread, index in enumerate(values):
        assert index.ids.ids(range(100, 130)) == [f"{thread}-{number}" for number in range(30)]
        expected = np.concatenate([clustered(1, seed=100 * thread + number) for number in range(30)])
        np.testing.assert_array_equal(index.embeddings.vectors[100:], expected)


def test_what_has_changed_much_is_copied_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_vectors, "_TAIL_MOST", 50)
    index = VectorIndex(some(named("i", 100)), device="cpu")
    for number in range(4):
        index = index.add(some(named(f"n{number}-", 30), seed=number))
    assert len(index._state.items._scan.vectors) >= 151
    index = index.remove(named("i", 100)[:95])
    assert len(index._state.items._scan.vectors) == 125
    queries = clustered(10, seed=3)
    there = dict(zip(index.ids.ids(range(len(index))), index.embeddings.vectors, strict=True))
    assert answers(index, queries) == brute_force(there, queries, 10)
