"""Questions of many threads, answered together."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mmreco.arrays import F32, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.index.batching import BatchingIndex
from mmreco.index.vector import VectorIndex
from mmreco.protocols import Searches

N, DIM = 200, 8
ITEMS = IdMap.of([f"i{row}" for row in range(N)])


class Slow:
    """An index that is held up until it is let go, and remembers how many queries it was asked at a time."""

    def __init__(self) -> None:
        vectors = np.random.default_rng(0).standard_normal((N, DIM)).astype(np.float32)
        self.index = VectorIndex(Embeddings(ITEMS, vectors), device="cpu")
        self.asked: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def search(
        self, queries: F32, k: int, *, where: Bool | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        self.asked.append(len(queries))
        self.begun.set()
        assert self.go.wait(30)
        return self.index.search(queries, k, where=where, exclude=exclude)


def arrived(batched: BatchingIndex, many: int) -> None:
    """Wait until so many calls wait."""
    for _ in range(3_000):
        if len(batched._waiting) >= many:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{len(batched._waiting)} of {many} calls came")


def test_what_waits_is_asked_at_once_and_answered_as_alone() -> None:
    slow = Slow()
    batched = BatchingIndex(slow)
    assert isinstance(batched, Searches)
    rng = np.random.default_rng(1)
    asked = [rng.standard_normal((int(n), DIM)).astype(np.float32) for n in rng.integers(1, 4, 12)]
    histories = [
        Interactions.from_histories([[f"i{i}" for i in rng.integers(0, N, 60)] for _ in queries], items=ITEMS)
        for queries in asked
    ]
    where = rng.random(N) < 0.5
    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(batched.search, asked[0], 5)
        assert slow.begun.wait(30)
        plain = [pool.submit(batched.search, queries, 5) for queries in asked]
        arrived(batched, 12)
        pairs = list(zip(asked[:5], histories[:5], strict=True))
        rest = [pool.submit(batched.search, q, 7, where=where, exclude=h) for q, h in pairs]
        arrived(batched, 17)
        slow.go.set()
        found = [call.result(30) for call in [first, *plain, *rest]]
    alone = [slow.index.search(queries, 5) for queries in [asked[0], *asked]]
    alone += [slow.index.search(q, 7, where=where, exclude=h) for q, h in pairs]
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_array_equal(one.scores, other.scores)
    assert slow.asked == [len(asked[0]), sum(map(len, asked)), sum(map(len, asked[:5]))]


def test_an_error_is_that_of_who_made_it() -> None:
    slow = Slow()
    batched = BatchingIndex(slow)
    good, bad = np.ones((1, DIM), dtype=np.float32), np.full((1, DIM), np.nan, dtype=np.float32)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batched.search, good, 3)
        assert slow.begun.wait(30)
        calls = [
            pool.submit(batched.search, q, k) for q, k in [(good, 3), (bad, 3), (good, 3), (good, 0), (good[0], 3)]
        ]
        arrived(batched, 5)
        slow.go.set()
        np.testing.assert_array_equal(calls[0].result(30).rows, first.result(30).rows)
        np.testing.assert_array_equal(calls[2].result(30).rows, first.result(30).rows)
        for call, said in ((calls[1], "NaN"), (calls[3], "k=0"), (calls[4], "shape")):
            with pytest.raises(DataError, match=said):
                call.result(30)


@pytest.mark.parametrize(
    "bad",
    [
        {"queries": [[1.0], [1.0, 2.0]], "k": 3},
        {"queries": np.ones((1, DIM)), "k": [3]},
        {"queries": np.ones((1, DIM)), "k": 3, "exclude": "nothing"},
        {"queries": None, "k": 3},
    ],
)
def test_what_is_no_question_troubles_nobody_else(bad: dict[str, object]) -> None:
    slow = Slow()
    batched = BatchingIndex(slow)
    good = np.ones((1, DIM), dtype=np.float32)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batched.search, good, 3)
        assert slow.begun.wait(30)
        calls = [pool.submit(batched.search, good, 3), pool.submit(batched.search, **bad)]  # type: ignore[arg-type]
        calls.append(pool.submit(batched.search, good, 3))
        arrived(batched, 3)
        slow.go.set()
        for call in (first, calls[0], calls[2]):
            assert len(call.result(30)) == 1
        with pytest.raises((DataError, TypeError, ValueError, AttributeError)):
            calls[1].result(30)
    assert not batched._searching


def test_no_search_is_larger_than_asked_for() -> None:
    slow = Slow()
    batched = BatchingIndex(slow, most=4)
    query = np.ones((1, DIM), dtype=np.float32)
    with ThreadPoolExecutor(12) as pool:
        first = pool.submit(batched.search, np.ones((9, DIM), dtype=np.float32), 3)
        assert slow.begun.wait(30)
        calls = [pool.submit(batched.search, query, 3) for _ in range(10)]
        arrived(batched, 10)
        slow.go.set()
        assert len(first.result(30)) == 9
        assert all(len(call.result(30)) == 1 for call in calls)
    assert slow.asked == [9, 4, 4, 2]
    with pytest.raises(DataError, match="most=0: expected 1 or more"):
        BatchingIndex(slow, most=0)


def test_an_interrupted_search_leaves_the_others_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    slow.go.set()
    batched = BatchingIndex(slow)
    query = np.ones((1, DIM), dtype=np.float32)
    calls = iter([KeyboardInterrupt])

    def search(queries: F32, k: int, **beside: object) -> Ranking:
        for interrupt in calls:
            raise interrupt
        return slow.index.search(queries, k)

    monkeypatch.setattr(slow, "search", search)
    with pytest.raises(KeyboardInterrupt):
        batched.search(query, 3)
    assert len(batched.search(query, 3)) == 1
    assert not batched._waiting


@pytest.mark.parametrize("woken", [False, True])
def test_whoever_leaves_while_waiting_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, woken: bool) -> None:
    """Interrupted before it is its turn, and just after it was told so."""
    slow = Slow()
    batched = BatchingIndex(slow)
    query = np.ones((1, DIM), dtype=np.float32)

    wait = threading.Event.wait

    def interrupted(event: threading.Event, timeout: float | None = None) -> bool:
        if event in (slow.begun, slow.go) or threading.current_thread() is not threading.main_thread():
            return wait(event, 30)
        slow.go.set()
        assert not woken or wait(event, 30)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batched.search, query, 3)
        assert slow.begun.wait(30)
        monkeypatch.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            batched.search(query, 3)
        monkeypatch.setattr(threading.Event, "wait", wait)
        rest = [pool.submit(batched.search, query, 3) for _ in range(2)]
        assert [len(call.result(30)) for call in [first, *rest]] == [1, 1, 1]
    assert not batched._waiting
    assert not batched._searching
