"""A live shop: it survives restarts, sees what other processes write, and swaps artefacts under questions."""

import threading
import time
from pathlib import Path

import pytest

from mmreco.datasets.synthetic import SyntheticShop
from mmreco.recommender import Recommender
from mmreco.service.events import EventStore, NewEvent
from mmreco.service.live_shop import LiveShop

NOW = 1_800_000_000_000


def history(shop: LiveShop, user: str) -> list[str]:
    log = shop.serving.recommender.dataset.interactions
    row = int(log.users.rows([user], missing="mark")[0])
    return [] if row < 0 else log.items.ids(log.history(row))


def test_a_restart_replays_what_the_artefact_lacks(plant: SyntheticShop, artefact: Path, store: EventStore) -> None:
    first = LiveShop(artefact, store)
    items = plant.catalogue.items.ids([7, 8])
    first.observe([NewEvent("new", items[0], "click", 1.0, NOW), NewEvent("new", items[1], "click", 1.0, NOW + 1)])
    first.put_item("fresh", {"title": "Zirconium teapot"})
    first.remove_item(plant.catalogue.items.ids([9])[0])
    for _ in range(2):
        again = LiveShop(artefact, store)
        assert history(again, "new") == items
        assert again.serving.recommender.search(text=["zirconium"], k=1).ids() == [["fresh"]]
        assert plant.catalogue.items.ids([9])[0] not in again.serving.recommender.catalogue.items.array.to_pylist()
        again.serving.recommender.save(artefact)  # the second time the artefact has them, and they are not told twice


def test_who_was_forgotten_stays_so(plant: SyntheticShop, artefact: Path, store: EventStore) -> None:
    user, item = plant.interactions.users.ids([4])[0], plant.catalogue.items.ids([7])[0]
    assert history(LiveShop(artefact, store), user)
    LiveShop(artefact, store).forget(user)
    again = LiveShop(artefact, store)
    assert history(again, user) == []
    again.observe([NewEvent(user, item, "click", 1.0, NOW)])  # and may come back
    assert history(again, user) == history(LiveShop(artefact, store), user) == [item]


def test_workers_see_each_other_within_a_second(plant: SyntheticShop, artefact: Path, url: str) -> None:
    one, two = (LiveShop(artefact, EventStore.open(url)) for _ in range(2))
    item, user = plant.catalogue.items.ids([7])[0], plant.interactions.users.ids([4])[0]
    two.start()
    try:
        one.observe([NewEvent("new", item, "click", 1.0, NOW)])
        one.forget(user)
        end = time.monotonic() + 10
        while not (history(two, "new") == [item] and history(two, user) == []) and time.monotonic() < end:
            time.sleep(0.05)
        assert history(two, "new") == [item]
        assert history(two, user) == []
    finally:
        two.stop()
        for shop in (one, two):
            shop.store.close()


def test_artefacts_are_swapped_under_questions(plant: SyntheticShop, artefact: Path, live: LiveShop) -> None:
    users, stop, seen, faults = plant.interactions.users.ids([1, 2, 3]), threading.Event(), set(), []
    expected = live.serving.recommender.recommend(users, k=5).ids()

    def ask() -> None:
        while not stop.is_set():
            now = live.serving
            if now.recommender.recommend(users, k=5).ids() != expected:
                faults.append(now.generation)
            seen.add(now.generation)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    writer = Recommender.load(artefact)
    for number in range(3):
        writer.save(artefact)
        live.observe([NewEvent("new", plant.catalogue.items.ids([number])[0], "click", 1.0, NOW + number)])
        live.look()
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert live.serving.generation == "g-000004"
    assert len(seen) >= 2
    assert history(live, "new") == plant.catalogue.items.ids([0, 1, 2])


def test_a_damaged_artefact_is_not_taken(artefact: Path, live: LiveShop, caplog: pytest.LogCaptureFixture) -> None:
    Recommender.load(artefact).save(artefact)
    (artefact / "g-000002" / "catalogue.parquet").write_bytes(b"x")
    live.look()
    assert live.serving.generation == "g-000001"
    assert "cannot be loaded" in caplog.text
