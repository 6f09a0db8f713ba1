"""What the retrieval benchmarks share: clustered vectors, questions about them, the slow twin, and taking turns.

Vectors are clustered, as those of products are: a thousand centres, uneven in size. `MMRECO_BENCH_ITEMS` gives other
sizes, e.g. `MMRECO_BENCH_ITEMS=200000,1000000`, and `OMP_NUM_THREADS` every library as many threads.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from time import perf_counter, sleep
from typing import Any

import numpy as np

from mmreco.arrays import F32, I64, Bool
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.index.vector import VectorIndex

DIM, K = 128, 10
SIZES = [int(size) for size in os.environ.get("MMRECO_BENCH_ITEMS", "10000,100000").split(",")]
THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
RECALLED = 500  # queries over which recall is measured
_SEEN = 50  # items each user has seen
_ROUNDS = 5
_PAUSE = 0.1  # seconds


@dataclass(frozen=True)
class Question:
    """A batch of queries with what may be answered."""

    queries: F32
    where: Bool | None
    exclude: Interactions | None


def drawn(n: int, seed: int) -> F32:
    """Vectors of unit length around a thousand centres, a few of which hold many and most of which hold few."""
    centres = np.random.default_rng(0).standard_normal((1_000, DIM)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, 1_001) ** 0.7
    around = centres[rng.choice(1_000, size=n, p=popularity / popularity.sum())]
    vectors = around + rng.standard_normal((n, DIM), dtype=np.float32) * np.float32(0.5 / np.sqrt(DIM))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@cache
def shop(n: int) -> Embeddings:
    """So many items."""
    return Embeddings(IdMap.of([f"item-{row}" for row in range(n)]), drawn(n, seed=1))


@cache
def built(n: int, quality: str) -> tuple[VectorIndex, float]:
    """The index over them, and how many seconds it took to build."""
    vectors, start = shop(n), perf_counter()
    return VectorIndex(vectors, quality=quality, device="cpu"), perf_counter() - start


@cache
def kinds(n: int) -> I64:
    """Which of a hundred kinds each item is of, by what it is most like."""
    return np.concatenate(
        [np.argmax(part @ drawn(100, seed=4).T, axis=1) for part in np.array_split(shop(n).vectors, 64)]
    )


@cache
def asked(n: int, b: int, kind: str = "all", share: float = 0.1) -> Question:
    """ "all" items, a `share` that a "filter" leaves by chance or by "kinds", or all but what each user has "seen"."""
    rng = np.random.default_rng(b)
    where = rng.random(n) < share if kind == "filter" else None
    if kind == "kinds":
        where = np.isin(kinds(n), rng.permutation(100)[: round(100 * share)])
    exclude = None
    if kind == "seen":
        users = IdMap.of([f"user-{line}" for line in range(b)])
        rows = rng.integers(n, size=b * _SEEN)
        exclude = Interactions.from_events(users, shop(n).ids, np.repeat(np.arange(b), _SEEN), rows)
    return Question(drawn(b, seed=2), where, exclude)


@cache
def brute_force(n: int, b: int, lines: int, kind: str = "all", share: float = 0.1) -> I64:
    """The true answers to the first `lines` queries of a question, shape `(lines, K)`: the slow twin."""
    vectors, question = shop(n).vectors, asked(n, b, kind, share)
    rows = np.full((lines, K), -1)
    for line in range(lines):
        scores = np.vecdot(vectors, question.queries[line])
        if question.where is not None:
            scores[~question.where] = -np.inf
        if question.exclude is not None:
            scores[question.exclude.history(line)] = -np.inf
        rows[line] = np.argsort(-scores, kind="stable")[:K]
    return rows


def recall(expected: I64, found: I64) -> float:
    """The share of the expected rows, `(n, K)`, that were found."""
    return float(np.mean([np.isin(right, some).mean() for right, some in zip(expected, found, strict=True)]))


def turns(ways: Mapping[str, Callable[[], Any]], rounds: int = _ROUNDS) -> dict[str, float]:
    """Median seconds of each way, which take turns, after a round that does not count.

    A pause before each, as threads of a matrix product spin on for some 25 ms, at the expense of whoever comes next.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, work in ways.items():
            sleep(_PAUSE)
            start = perf_counter()
            work()
            seconds[name].append(perf_counter() - start)
    return {name: float(np.median(taken[1:])) for name, taken in seconds.items()}


def beside(medians: Mapping[str, float], ours: str) -> dict[str, float]:
    """How often what others take fits into what `ours` takes: above 1, they are slower."""
    return {name: round(taken / medians[ours], 3) for name, taken in medians.items() if name != ours}
