"""A small synthetic shop behind HTTP, with a model that is fitted at once."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs mmreco[serve]")

from postgres import NOT_INSTALLED, Postgres, binaries, temporary_postgres
from sqlalchemy.engine import Engine
from starlette.testclient import TestClient

from mmreco.data.dataset import Dataset
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.datasets.synthetic.pictures import draw
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.models import EASE
from mmreco.recommender import Recommender
from mmreco.service.app import create_app
from mmreco.service.database import open_engine
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


@pytest.fixture(scope="session")
def pictured(plant: SyntheticShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an artefact that has pictures, and the pictures."""
    folder = tmp_path_factory.mktemp("pictured")
    catalogue = draw(plant, folder / "pictures")
    encoder = ImageEncoder.fit(catalogue, epochs=1)
    dataset = Dataset(catalogue, plant.interactions, plant.reviews)
    Recommender.fit(dataset, model=EASE(), image=[encoder]).save(folder / "artefact")
    return folder


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Engine]]:
    """Those a test opens, closed after it: SQLite's that are left open are a warning from Python 3.13 on."""
    engines: list[Engine] = []

    def opened(url: str | Path) -> Engine:
        engines.append(open_engine(url))
        return engines[-1]

    monkeypatch.setattr("mmreco.service.events.open_engine", opened)
    yield engines
    for engine in engines:
        engine.dispose()


@pytest.fixture
def artefact(fitted: Path, tmp_path: Path) -> Path:
    shutil.copytree(fitted, tmp_path / "artefact")
    return tmp_path / "artefact"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    pytest.importorskip("psycopg", reason="needs mmreco[postgres]")
    if binaries() is None:
        pytest.skip(NOT_INSTALLED)
    with temporary_postgres(durable=False) as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'events.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Where events are kept: every test of what is asked of any store runs on both."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return str(request.getfixturevalue("postgres").create(f"shop-{uuid.uuid4().hex}"))


@pytest.fixture
def store(sqlite_url: str) -> Iterator[EventStore]:
    store = EventStore.open(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def live(artefact: Path, store: EventStore) -> LiveShop:
    return LiveShop(artefact, store)


@pytest.fixture
def client(live: LiveShop) -> Iterator[TestClient]:
    with TestClient(create_app(live), base_url=HOME, raise_server_exceptions=False) as client:
        yield client
