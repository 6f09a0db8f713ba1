"""A small synthetic shop behind HTTP, with a model that is fitted at once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs mmreco[serve]")

from starlette.testclient import TestClient

from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.models import EASE
from mmreco.recommender import Recommender
from mmreco.service.app import create_app
from mmreco.service.events import EventStore
from mmreco.service.live_shop import LiveShop

HOME = "http://127.0.0.1"


@pytest.fixture(scope="session")
def plant() -> SyntheticShop:
    return synthetic_shop(n_items=120, n_users=150, seed=3)


@pytest.fixture(scope="session")
def fitted(plant: SyntheticShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "artefact"
    Recommender.fit(plant.dataset, model=EASE(), image=[]).save(folder)
    return folder


@pytest.fixture
def artefact(fitted: Path, tmp_path: Path) -> Path:
    shutil.copytree(fitted, tmp_path / "artefact")
    return tmp_path / "artefact"


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    return EventStore.open(tmp_path / "events.db")


@pytest.fixture
def live(artefact: Path, store: EventStore) -> LiveShop:
    return LiveShop(artefact, store)


@pytest.fixture
def client(live: LiveShop) -> Iterator[TestClient]:
    with TestClient(create_app(live), base_url=HOME, raise_server_exceptions=False) as client:
        yield client
