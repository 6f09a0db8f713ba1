"""Requests that are put together are answered as each would be alone."""

import asyncio
import threading
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from mmreco.datasets.synthetic import SyntheticShop
from mmreco.errors import DataError
from mmreco.service.batching import Batching


def test_what_arrives_meanwhile_is_answered_together() -> None:
    calls: list[tuple[Hashable, list[int]]] = []
    go_on = threading.Event()

    def answer(kind: Hashable, questions: Sequence[int]) -> list[str]:
        calls.append((kind, list(questions)))
        if len(calls) == 1:
            assert go_on.wait(10)
        return [f"{kind}{question}" for question in questions]

    async def ask() -> list[str]:
        batching = Batching(answer, most=3)
        first = asyncio.create_task(batching.ask("a", 0))
        while not calls:
            await asyncio.sleep(0.001)
        rest = [asyncio.create_task(batching.ask("a" if n % 2 else "b", n)) for n in range(1, 9)]
        await asyncio.sleep(0.01)
        go_on.set()
        return await asyncio.gather(first, *rest)

    assert asyncio.run(ask()) == ["a0", "a1", "b2", "a3", "b4", "a5", "b6", "a7", "b8"]
    assert calls == [("a", [0]), ("a", [1, 3, 5]), ("b", [2, 4, 6]), ("a", [7]), ("b", [8])]


def test_one_that_is_refused_harms_no_other() -> None:
    def answer(_: Hashable, questions: Sequence[int]) -> list[int]:
        if 3 in questions:
            raise DataError("no threes")
        return list(questions)

    async def ask() -> list[int | BaseException]:
        batching = Batching(answer)
        return await asyncio.gather(*(batching.ask("", n) for n in range(6)), return_exceptions=True)

    found = asyncio.run(ask())
    assert [n for n in found if isinstance(n, int)] == [0, 1, 2, 4, 5]
    assert isinstance(found[3], DataError)


def test_a_fault_reaches_everybody() -> None:
    def answer(_: Hashable, __: Sequence[int]) -> list[int]:
        raise ZeroDivisionError

    async def ask() -> None:
        batching = Batching(answer)
        found = await asyncio.gather(batching.ask("", 1), batching.ask("", 2), return_exceptions=True)
        assert [type(one) for one in found] == [ZeroDivisionError] * 2

    asyncio.run(ask())


def test_many_clients_get_what_each_would_get_alone(client: TestClient, plant: SyntheticShop) -> None:
    users, items = plant.interactions.users.ids(range(12)), plant.catalogue.items.ids(range(12))
    bodies: list[dict[str, object]] = [{"users": [user], "k": 5} for user in users]
    bodies += [{"users": [users[0], "nobody", users[3]], "k": 5}, {"users": [users[1]] * 3, "k": 5}]
    bodies += [{"history": [[item, "?"], [items[0]]], "k": 5} for item in items]
    bodies += [{"users": [user], "k": 7, "exclude_seen": False} for user in users[:3]]
    bodies += [{"users": [user], "where": "price <"} for user in users[:2]]
    alone = [client.post("/v1/recommend", json=body) for body in bodies]
    with ThreadPoolExecutor(16) as pool:
        for _ in range(5):
            together = list(pool.map(lambda body: client.post("/v1/recommend", json=body), bodies))
            for one, other in zip(alone, together, strict=True):
                assert one.status_code == other.status_code
                if one.status_code == 200:
                    same(one.json(), other.json())
    assert alone[12].json()["unknown"] == ["nobody"]
    assert alone[14].json()["unknown"] == ["?"]
    assert [line["question"] for line in alone[14].json()["answers"]] == ["0", "1"]


def same(one: dict[str, object], other: dict[str, object]) -> None:
    """Equal, but for the last digits of scores."""
    scores = [
        [item.pop("score") for line in answer["answers"] for item in line["items"]]  # type: ignore[attr-defined]
        for answer in (one, other)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)
    assert one == other
