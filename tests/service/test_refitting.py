"""A refit takes over where it is no worse on the newest events, and only there; with its figures."""

import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from mmreco.cli import app
from mmreco.data.interactions import Interactions
from mmreco.datasets.synthetic import SyntheticShop
from mmreco.errors import DataError
from mmreco.models import EASE
from mmreco.recommender import Recommender
from mmreco.service.events import EventStore, NewEvent
from mmreco.service.live_shop import LiveShop
from mmreco.service.refitting import Verdict, refit
from mmreco.service.replay import held_until
from mmreco.storage.generation import read_pointer
from mmreco.storage.lock import hold

LATER = 2_000_000_000_000


@pytest.fixture(scope="module")
def young(plant: SyntheticShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact that was trained on the first two events of each shopper alone."""
    folder = tmp_path_factory.mktemp("young") / "artefact"
    log = plant.interactions
    first = np.concatenate([np.arange(s, min(s + 2, e)) for s, e in zip(log.starts, log.starts[1:], strict=False)])
    early = np.zeros(log.n_events, dtype=np.bool_)
    early[first] = True
    Recommender.fit(plant.dataset.with_interactions(log.keep(early)), model=EASE(), image=[]).save(folder)
    return folder


def later(log: Interactions, *, skip: int = 2) -> list[NewEvent]:
    """What each shopper did after their first events, in the order in which it came."""
    rounds = []
    for user, name in enumerate(log.users.ids(range(len(log.users)))):
        for place, item in enumerate(log.items.ids(log.history(user))[skip:]):
            rounds.append((place, NewEvent(name, item, "click", 1.0, LATER + place)))
    return [event for _, event in sorted(rounds, key=lambda one: one[0])]


def test_what_is_no_worse_takes_over(plant: SyntheticShop, young: Path, artefact: Path, store: EventStore) -> None:
    shutil.rmtree(artefact)
    shutil.copytree(young, artefact)
    events = later(plant.interactions)
    store.append(events)
    store.put_item("fresh", {"title": "Zirconium teapot"})
    live = LiveShop(artefact, store)
    verdict = refit(artefact, store)
    assert verdict.taken == "g-000002"
    assert verdict.generation == "g-000001"
    assert verdict.events + verdict.held_out == len(events)
    assert verdict.held_out == int(0.2 * len(events))
    assert verdict.shoppers >= 20
    assert verdict.ndcg_before is not None
    assert verdict.ndcg_after is not None
    assert verdict.ndcg_after > verdict.ndcg_before
    live.look()
    assert live.serving.generation == "g-000002"
    assert live.last_refit is not None
    assert live.last_refit["ndcg_after"] == verdict.ndcg_after
    assert held_until(store, read_pointer(artefact)[1]) == len(events) + 1, "a restart replays nothing"
    again = Recommender.load(artefact)
    assert again.dataset.interactions.n_events == live.serving.recommender.dataset.interactions.n_events
    assert again.search(text=["zirconium"], k=1).ids() == [["fresh"]]
    assert refit(artefact, store).reason == "0 new events; too few to part"


def test_what_is_worse_does_not(
    plant: SyntheticShop, artefact: Path, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(recommender: Recommender, *, from_scratch: bool = False, progress: bool = False) -> None:
        """Train on a log that has every item mistaken for another."""
        log = recommender.dataset.interactions
        mistaken = np.roll(np.arange(len(log.items)), 1)[log.items_flat]
        model = EASE().fit(recommender.dataset.with_interactions(replace(log, items_flat=mistaken)))
        recommender._state = replace(recommender._state, model=model)

    store.append([event._replace(user_id=f"twin of {event.user_id}") for event in later(plant.interactions, skip=0)])
    before = read_pointer(artefact)
    with monkeypatch.context() as patch:
        patch.setattr(Recommender, "refit", spoil)
        verdict = refit(artefact, store)
    assert verdict.ndcg_before is not None
    assert verdict.ndcg_after is not None
    assert verdict.ndcg_after < 0.98 * verdict.ndcg_before
    assert verdict.taken is None
    assert read_pointer(artefact) == before
    assert store.refits()[0].columns["taken"] is None
    assert held_until(store, before[1]) == 0, "the events are still to be learnt from"
    assert refit(artefact, store).taken == "g-000002"


def test_too_little_is_no_ground(plant: SyntheticShop, artefact: Path, store: EventStore) -> None:
    assert refit(artefact, store).taken is None
    items, users = plant.catalogue.items.ids(range(10)), plant.interactions.users.ids([0, 1])
    store.append([NewEvent(user, item, "click", 1.0, LATER) for user in users for item in items])
    verdict = refit(artefact, store)
    assert (verdict.taken, verdict.events, verdict.held_out, verdict.shoppers) == (None, 16, 4, 1)
    assert "20 or more" in verdict.reason


def test_one_at_a_time(artefact: Path, store: EventStore) -> None:
    refused: list[str] = []

    def other() -> None:
        try:
            refit(artefact, store)
        except DataError as error:
            refused.append(str(error))

    with hold(artefact):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "another writer" in refused[0]


def test_by_command(artefact: Path, store: EventStore) -> None:
    done = CliRunner().invoke(app, ["refit", str(artefact), "--json"])
    assert done.exit_code == 0
    assert Verdict(**json.loads(done.output.splitlines()[-1])).taken is None


def test_over_http(plant: SyntheticShop, client: TestClient, live: LiveShop) -> None:
    assert client.get("/v1/refit").json() == {"running": False, "last": None}
    for event in later(plant.interactions, skip=0)[:300]:
        live.store.append([event._replace(user_id=f"twin of {event.user_id}")])
    assert client.post("/v1/refit").status_code == 202
    assert client.post("/v1/refit").status_code == 409
    end = time.monotonic() + 120
    while client.get("/v1/refit").json()["last"] is None and time.monotonic() < end:
        time.sleep(0.1)
    last = client.get("/v1/refit").json()["last"]
    assert last["events"] == 240
    assert last["ndcg_after"] > 0


def test_a_refit_from_scratch_keeps_nothing_of_the_weights(
    young: Path, artefact: Path, plant: SyntheticShop, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(artefact)
    shutil.copytree(young, artefact)
    store.append(later(plant.interactions))
    asked, original = [], Recommender.refit

    def spy(self: Recommender, **options: bool) -> None:
        asked.append(options["from_scratch"])
        original(self, **options)

    monkeypatch.setattr(Recommender, "refit", spy)
    arguments = ["refit", str(artefact), "--events", str(store.engine.url.database)]
    assert CliRunner().invoke(app, [*arguments, "--from-scratch"]).exit_code == 0
    assert asked == [True]
