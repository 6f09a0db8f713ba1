"""The items' vectors in Milvus answer as those in the process do, and are put there once."""

from pathlib import Path

from milvus_place import place

from mmreco.datasets.synthetic import SyntheticShop
from mmreco.index.milvus.collection import connected
from mmreco.models import ALS
from mmreco.recommender import Recommender
from mmreco.service.events import EventStore
from mmreco.service.live_shop import LiveShop
from mmreco.service.milvus import in_milvus


def test_the_same_answers(plant: SyntheticShop, store: EventStore, tmp_path: Path) -> None:
    folder = tmp_path / "als"
    Recommender.fit(plant.dataset, model=ALS(dim=8), image=[]).save(folder)
    users = plant.interactions.users.ids(range(20))
    expected = LiveShop(folder, store).serving.recommender.recommend(users, k=10)
    with place(tmp_path, "mmreco_items") as uri:
        for _ in range(2):
            live = LiveShop(folder, store, index=in_milvus(uri))
            found = live.serving.recommender.recommend(users, k=10)
            assert found.ids() == expected.ids()
        client = connected(uri)
        assert sum(name.startswith("mmreco_items") for name in client.list_collections()) == 1
