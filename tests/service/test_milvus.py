"""The items' vectors in Milvus answer as those in the process do, and are put there once."""

from pathlib import Path

import pytest

pytest.importorskip("pymilvus", reason="needs mmreco[milvus]")
pytest.importorskip("milvus_lite", reason="needs mmreco[milvus]")

from pymilvus import MilvusClient

from mmreco.datasets.synthetic import SyntheticShop
from mmreco.models import ALS
from mmreco.recommender import Recommender
from mmreco.service.events import EventStore
from mmreco.service.live_shop import LiveShop
from mmreco.service.milvus import in_milvus


def test_the_same_answers(plant: SyntheticShop, store: EventStore, tmp_path: Path) -> None:
    folder, uri = tmp_path / "als", str(tmp_path / "items.db")
    Recommender.fit(plant.dataset, model=ALS(dim=8), image=[]).save(folder)
    users = plant.interactions.users.ids(range(20))
    expected = LiveShop(folder, store).serving.recommender.recommend(users, k=10)
    for _ in range(2):
        live = LiveShop(folder, store, index=in_milvus(uri))
        found = live.serving.recommender.recommend(users, k=10)
        assert found.ids() == expected.ids()
    client = MilvusClient(uri)
    assert sum(name.startswith("mmreco_items") for name in client.list_collections()) == 1
    client.close()
