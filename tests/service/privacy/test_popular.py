"""Popular answers: what fewer than so many people turned to does not show in them."""

from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.live.popularity import Popularity
from mmreco.models import Popular
from mmreco.pages import PageComposer
from mmreco.recommender import Recommender
from mmreco.service.app import create_app
from mmreco.service.events import EventStore
from mmreco.service.live_shop import LiveShop

ITEMS = [f"item-{n}" for n in range(8)]


def log(people: dict[str, int]) -> Interactions:
    """So many people for each item, each twice."""
    lists = [[item] * 2 for item, n in people.items() for _ in range(n)]
    return Interactions.from_histories(lists, items=IdMap.of(ITEMS))


def test_the_order_says_nothing_of_few_people() -> None:
    counts = {"item-5": 12, "item-3": 11, "item-7": 9, "item-6": 3}
    popular = Popularity.of(log(counts), least=10)
    best = popular.best(8, None, 8)
    assert best.rows[0].tolist() == [5, 3, 0, 1, 2, 4, 6, 7], "then by row, whatever people did"
    assert best.scores[0].tolist() == [12, 11, 0, 0, 0, 0, 0, 0]
    assert popular.best(3, None, 8).rows[0].tolist() == [5, 3, 0]
    assert Popularity.of(log(counts)).best(4, None, 8).rows[0].tolist() == [5, 3, 7, 6]


def test_one_person_more_makes_ten() -> None:
    popular = Popularity.of(log({"item-5": 12, "item-7": 9}), least=10)
    popular.add(7, 1)
    assert popular.best(2, None, 8).rows[0].tolist() == [5, 0]
    later = popular.up_to(1)
    assert later.best(2, None, 8).rows[0].tolist() == [5, 7]
    assert later.has_popular(8)


def test_random_logs_agree_with_a_plain_count() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        people = {item: int(rng.integers(0, 15)) for item in ITEMS}
        popular = Popularity.of(log(people), least=5)
        later = {row: int(rng.integers(0, 6)) for row in range(8)}
        number = 0
        for row, n in later.items():
            for _ in range(n):
                number += 1
                popular.add(row, number)
        counts = np.array([people[item] + later[row] for row, item in enumerate(ITEMS)])
        shown = np.where(counts >= 5, counts, 0)
        wanted = np.lexsort((np.arange(8), -shown))
        k = int(rng.integers(1, 9))
        assert popular.up_to(number).best(k, None, 8).rows[0].tolist() == wanted[:k].tolist()


def test_the_service_asks_for_ten_people_and_small_shops_say_so(tmp_path: Path) -> None:
    dataset = Dataset.from_interactions(log({"item-5": 12, "item-7": 9, "item-6": 3}))
    Recommender.fit(dataset, model=Popular()).save(tmp_path / "artefact")
    store = EventStore.open(tmp_path / "events.db")
    with TestClient(create_app(LiveShop(tmp_path / "artefact", store)), base_url="http://127.0.0.1") as client:
        asked = {"users": ["nobody"], "k": 3}
        answer = client.post("/v1/recommend", json=asked).json()
        assert [one["item_id"] for one in answer["answers"][0]["items"]] == ["item-5", "item-0", "item-1"]
        assert not any("enough people" in note for note in answer["notes"])
        client.post("/v1/events", json={"user_id": "tenth", "item_id": "item-7"})
        answer = client.post("/v1/recommend", json=asked).json()
        assert [one["item_id"] for one in answer["answers"][0]["items"]] == ["item-5", "item-7", "item-0"]
        client.delete("/v1/users/tenth")
        answer = client.post("/v1/recommend", json=asked).json()
        assert [one["item_id"] for one in answer["answers"][0]["items"]] == ["item-5", "item-0", "item-1"]
    small = LiveShop(tmp_path / "artefact", store, popular_from=50)
    with TestClient(create_app(small), base_url="http://127.0.0.1") as client:
        answer = client.post("/v1/recommend", json=asked).json()
        assert "enough people" in answer["notes"][0]
    with pytest.raises(DataError, match="popular_from=0"):
        Recommender.load(tmp_path / "artefact", popular_from=0)


def test_a_refit_keeps_the_rule(tmp_path: Path) -> None:
    dataset = Dataset.from_interactions(log({"item-5": 12, "item-7": 9}))
    Recommender.fit(dataset, model=Popular()).save(tmp_path / "artefact")
    recommender = Recommender.load(tmp_path / "artefact", popular_from=10)
    recommender.refit()
    assert recommender.recommend(["nobody"], k=2).ids() == [["item-5", "item-0"]]
    recommender.forget(users=["0"])
    assert recommender.recommend(["nobody"], k=2).ids() == [["item-5", "item-0"]]


def test_pages_keep_it_too() -> None:
    dataset = Dataset.from_interactions(log({"item-5": 12, "item-7": 9, "item-6": 3}))
    composer = PageComposer(Popular().fit(dataset), dataset, popular_from=10)
    assert composer.facts.popular.tolist() == [5]
    assert PageComposer(Popular().fit(dataset), dataset).facts.popular.tolist() == [5, 7, 6]
