"""The service on Ray Serve: two replicas answer as the one process does, and see each other's events."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmreco.errors import DataError, MissingExtraError

pytest.importorskip("fastapi", reason="needs mmreco[serve]")

import httpx2
from starlette.testclient import TestClient

from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.distributed.serving import deployment
from mmreco.models import ALS, EASE
from mmreco.recommender import Recommender
from mmreco.service.keys import Keys
from mmreco.service.server import Settings

KEY = "0123456789abcdef"
HEAD = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def plant() -> SyntheticShop:
    return synthetic_shop(n_items=120, n_users=150, seed=3)


@pytest.fixture(scope="module")
def settings(plant: SyntheticShop, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("ray")
    Recommender.fit(plant.dataset, model=EASE(), image=[]).save(folder / "artefact")
    keys = Keys.parse(f"web ask,write {KEY}")
    return Settings(artefact=folder / "artefact", events=f"sqlite:///{folder / 'events.db'}", keys=keys)


@pytest.fixture(scope="module")
def served(settings: Settings) -> Iterator[str]:
    ray = pytest.importorskip("ray", reason="needs mmreco[ray]")
    serve = pytest.importorskip("ray.serve", reason="needs mmreco[ray]")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(deployment(settings, replicas=2, cpus=0.5), route_prefix="/")
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()
    ray.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_two_replicas_answer_as_one_process(plant: SyntheticShop, settings: Settings, served: str) -> None:
    users, items = plant.interactions.users.ids(range(30)), plant.catalogue.items.ids(range(30))
    bodies = [("recommend", {"users": [user]}) for user in users] + [("similar", {"items": [item]}) for item in items]
    with TestClient(settings.open(), base_url="http://127.0.0.1", headers=HEAD) as alone:
        for path, body in bodies:
            one, other = (
                alone.post(f"/v1/{path}", json=body),
                httpx2.post(f"{served}/v1/{path}", json=body, headers=HEAD),
            )
            assert (one.status_code, one.json()) == (other.status_code, other.json())
    assert httpx2.post(f"{served}/v1/recommend", json={"users": ["a"]}).status_code == 401
    assert httpx2.get(f"{served}/openapi.json").status_code == 200


@pytest.mark.filterwarnings("ignore")
def test_an_event_reaches_every_replica(plant: SyntheticShop, served: str) -> None:
    event = {"user_id": "somebody-new", "item_id": plant.catalogue.items.ids([7])[0]}
    assert httpx2.post(f"{served}/v1/events", json=event, headers=HEAD).json()["accepted"] == 1

    def known() -> bool:
        answer = httpx2.post(f"{served}/v1/recommend", json={"users": ["somebody-new"]}, headers=HEAD).json()
        return not answer["answers"][0]["popular"]

    end = time.monotonic() + 30  # a second, where the machine has nothing else to do
    while not all(known() for _ in range(20)):  # whichever replica answers
        assert time.monotonic() < end


@pytest.mark.filterwarnings("ignore")
def test_items_in_milvus_are_answered_alike(plant: SyntheticShop, served: str, tmp_path: Path) -> None:
    pytest.importorskip("pymilvus", reason="needs mmreco[milvus]")
    pytest.importorskip("milvus_lite", reason="needs mmreco[milvus]")
    from ray import serve

    Recommender.fit(plant.dataset, model=ALS(dim=8), text=[], image=[]).save(tmp_path / "artefact")
    keys = Keys.parse(f"web ask,write {KEY}")
    alone = Settings(artefact=tmp_path / "artefact", events=f"sqlite:///{tmp_path / 'alone.db'}", keys=keys)
    there = replace(alone, events=f"sqlite:///{tmp_path / 'ray.db'}", milvus=str(tmp_path / "items.db"))
    # one replica: a file of milvus-lite is opened by one process at a time
    serve.run(deployment(there, replicas=1, cpus=0.5), name="in-milvus", route_prefix="/in-milvus")
    users, items = plant.interactions.users.ids(range(20)), plant.catalogue.items.ids(range(20))
    bodies = [("recommend", {"users": [user]}) for user in users] + [("similar", {"items": [item]}) for item in items]
    bodies += [("recommend", {"users": [users[0]], "where": "price < 100"})]
    with TestClient(alone.open(), base_url="http://127.0.0.1", headers=HEAD) as one:
        for path, body in bodies:
            wanted = one.post(f"/v1/{path}", json=body)
            found = httpx2.post(f"{served}/in-milvus/v1/{path}", json=body, headers=HEAD)
            assert (wanted.status_code, found.status_code) == (200, 200)
            assert _ids(found.json()) == _ids(wanted.json())
            assert _scores(found.json()) == pytest.approx(_scores(wanted.json()), rel=1e-4)
    assert (tmp_path / "items.db").exists()


def _ids(answer: Any) -> list[list[str]]:
    return [[item["item_id"] for item in one["items"]] for one in answer["answers"]]


def _scores(answer: Any) -> list[float]:
    return [item["score"] for one in answer["answers"] for item in one["items"]]


def test_what_cannot_be(settings: Settings) -> None:
    for wrong in ({"replicas": 0}, {"cpus": 0.0}):
        with pytest.raises(DataError, match=next(iter(wrong))):
            deployment(settings, **wrong)


def test_without_ray(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"mmreco\[ray\]"):
        deployment(settings)
