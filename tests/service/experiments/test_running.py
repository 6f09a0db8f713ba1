"""An experiment over a synthetic shop: who gets what, at every restart; what is written; what is refused."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from mmreco.datasets.synthetic import SyntheticShop
from mmreco.errors import DataError
from mmreco.models import Popular
from mmreco.recommender import Recommender
from mmreco.rerank import RerankOptions
from mmreco.service.app import create_app
from mmreco.service.events import EventStore
from mmreco.service.experiments.exposures import ExposureLog, read_exposures
from mmreco.service.experiments.outcomes import outcomes
from mmreco.service.experiments.report import experiment_report
from mmreco.service.experiments.running import Experiment
from mmreco.service.experiments.settings import ExperimentSettings, Variant
from mmreco.service.live_shop import LiveShop

HALVES = {"old": Variant(share=0.5), "varied": Variant(share=0.5, rerank=RerankOptions(diversity=0.9))}
HOME = "http://127.0.0.1"
SETTINGS = ExperimentSettings(name="home", variants=HALVES)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_are_read(tmp_path: Path) -> None:
    text = """
name = "home"
[variants.old]
share = 0.75
[variants.new]
share = 0.25
explore = 0.1
artefact = "other"
rerank = { diversity = 0.4, caps = { brand = 2 } }
"""
    read = ExperimentSettings.read(written(tmp_path / "e.toml", text))
    assert read.shares == {"old": 0.75, "new": 0.25}
    new = read.variants["new"]
    assert (new.artefact, new.explore) == (tmp_path / "other", 0.1)
    assert new.rerank is not None
    assert dict(new.rerank.caps) == {"brand": 2}
    both = {"name": "x", "interleave": True, "variants": {"a": {}, "b": {"artefact": "/abs"}}}
    again = ExperimentSettings.read(written(tmp_path / "e.json", json.dumps(both)))
    assert again.interleave
    assert again.variants["b"].artefact == Path("/abs")


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({}, "no variants"),
        ({"name": "x", "variants": {"a": {"share": 1}}}, "1 variants"),
        ({"name": "x", "variants": {"a": {"share": 0.5}, "b": {"share": 0.4}}}, "0.9 together"),
        ({"name": "x", "variants": {"a": {"share": 0.5}, "b": {"share": 0.5, "explor": 1}}}, "'explor'"),
        ({"name": "x", "variants": {"a": {"share": 0.5}, "b": {"share": "x"}}}, "expected numbers"),
        ({"name": "x", "variants": {"a": {"share": 0.5}, "b": {"share": 0.5, "explore": 1}}}, "explore=1"),
        ({"name": "x", "variants": {"a": {"share": 0.5}, "b": {"share": 0.5, "rerank": {"k": 3}}}}, "'k'"),
        ({"name": "x", "variants": {"a": {"share": 0.5}, "b": {"share": 0.5, "rerank": {"caps": 3}}}}, "caps=3"),
        ({"name": "x", "interleave": True, "variants": {"a": {}, "b": {}, "c": {}}}, "together"),
        ({"name": 3, "variants": {"a": {}}}, 'name = "..."'),
        ({"name": "x", "variants": {"a": 3, "b": 4}}, "a table"),
    ],
)
def test_unusable_settings(tmp_path: Path, given: object, word: str) -> None:
    with pytest.raises(DataError, match=word):
        ExperimentSettings.read(written(tmp_path / "e.json", json.dumps(given)))


def test_unreadable_settings(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        ExperimentSettings.read(tmp_path / "none.toml")
    with pytest.raises(DataError, match="cannot be read"):
        ExperimentSettings.read(written(tmp_path / "e.toml", "name ="))


def test_users_keep_their_variant(plant: SyntheticShop, artefact: Path, store: EventStore) -> None:
    users = plant.interactions.users.ids(range(100))
    first = Experiment(SETTINGS, LiveShop(artefact, store))
    drawn = [first.variant_of(user) for user in users]
    assert {"old", "varied"} == set(drawn)
    again = Experiment(SETTINGS, LiveShop(artefact, EventStore.open(Path(str(store.engine.url.database)))))
    assert [again.variant_of(user) for user in users] == drawn


def test_each_variant_answers_and_is_written_down(plant: SyntheticShop, live: LiveShop, store: EventStore) -> None:
    users = plant.interactions.users.ids(range(30))
    experiment = Experiment(SETTINGS, live)
    with TestClient(create_app(live, experiment=experiment), base_url="http://127.0.0.1") as client:
        answer = client.post("/v1/recommend", json={"users": users, "k": 5}).json()
        stranger = client.post("/v1/recommend", json={"history": [[]]}).json()
        narrowed = client.post("/v1/recommend", json={"users": users[:1], "refuse": ["?"]})
        assert narrowed.status_code == 200
    assert [one["question"] for one in answer["answers"]] == users
    assert stranger["answers"][0]["variant"] is None
    plain = live.serving.recommender.recommend(users, k=5).ids()
    shown = read_exposures(store, "home")
    assert len(shown) == 31, "written when the service stops, at the latest"
    by_user = {one.user_id: one for one in shown[:-1]}
    differs = 0
    for one, old in zip(answer["answers"], plain, strict=True):
        ids = [item["item_id"] for item in one["items"]]
        exposure = by_user[one["question"]]
        assert one["variant"] == experiment.variant_of(one["question"]) == exposure.variant
        assert ids == exposure.items
        assert exposure.propensities == [1.0] * 5
        assert (exposure.share, exposure.place) == (0.5, int(one["variant"] == "varied"))
        assert ids == old or one["variant"] == "varied"
        differs += ids != old
    assert differs
    assert set(shown[-1].propensities) == {None}, "of what was narrowed, the chance is not known"


def test_another_artefact_is_a_variant(plant: SyntheticShop, live: LiveShop, tmp_path: Path) -> None:
    Recommender.fit(plant.dataset, model=Popular(), image=[]).save(tmp_path / "other")
    variants = {"old": Variant(share=0.5), "new": Variant(share=0.5, artefact=tmp_path / "other", explore=0.5)}
    experiment = Experiment(ExperimentSettings(name="two", variants=variants), live)
    users = plant.interactions.users.ids(range(40))
    other = Recommender.load(tmp_path / "other")
    for part in experiment.recommend(users, k=4):
        own = [users[place] for place in part.places]
        wanted = {"old": live.serving.recommender, "new": other}[part.variant].recommend(own, k=4).ids()
        agreed = np.mean([a == b for a, b in zip(part.answer.ids(), wanted, strict=True)])
        assert agreed == 1 if part.variant == "old" else 0.1 < agreed < 0.9
    user = next(user for user in users if experiment.variant_of(user) == "new")
    before = other.dataset.interactions.n_events
    live.store.append([_click(user, plant.catalogue.items.ids([3])[0])])
    assert experiment.serving_of(user).recommender.dataset.interactions.n_events == before + 1, "in the next answer"


def test_pages_take_part(plant: SyntheticShop, live: LiveShop, store: EventStore) -> None:
    varied = RerankOptions(diversity=0.3, caps={"category": 2})
    variants = {"old": Variant(share=0.5), "varied": Variant(share=0.5, explore=0.5, rerank=varied)}
    experiment = Experiment(ExperimentSettings(name="home", variants=variants), live)
    users = plant.interactions.users.ids(range(40))
    by_user, drawn = {}, 0
    with TestClient(create_app(live, experiment=experiment), base_url=HOME) as client:
        for user in users:
            page = client.post("/v1/page/home", json={"user": user, "width": 5}).json()
            by_user[user] = page
            assert page["variant"] == experiment.variant_of(user)
            shown = [item for shelf in page["shelves"] for item in shelf["items"]]
            assert len({one["item_id"] for one in shown}) == len(shown)
            for shelf in page["shelves"]:
                assert 0 < len(shelf["items"]) <= 5
                assert all(0 < one["propensity"] <= 1 for one in shelf["items"])
                drawn += any(one["propensity"] < 0.5 for one in shelf["items"])
                if page["variant"] == "old" or shelf["kind"] in ("recent", "again"):
                    assert all(one["propensity"] == 1 for one in shelf["items"])
        assert drawn, "some shelves were in random order"
        stranger = client.post("/v1/page/home", json={"history": plant.catalogue.items.ids([3])}).json()
        assert stranger["variant"] is None
        client.post("/v1/recommend", json={"users": users[:1]})
        experiment.exposures.flush()
        written = read_exposures(store, "home")
        pages = {one.user_id: one for one in written if one.page is not None}
        assert len(written) == 41
        assert pages.keys() == set(users)
        for user, one in pages.items():
            shelves = by_user[user]["shelves"]
            assert one.page == "home"
            assert one.variant == by_user[user]["variant"]
            assert list(one.items) == [item["item_id"] for shelf in shelves for item in shelf["items"]]
            assert list(one.propensities) == [item["propensity"] for shelf in shelves for item in shelf["items"]]
            assert list(one.shelves) == [shelf["kind"] for shelf in shelves for _ in shelf["items"]]
        client.post("/v1/events", json={"user_id": users[1], "item_id": pages[users[1]].items[3], "event": "click"})
        joined = outcomes(store, read_exposures(store, "home"), ["click"])
        line = [one.user_id for one in joined.exposures if one.page is not None].index(users[1])
        at = [n for n, one in enumerate(joined.exposures) if one.page is not None][line]
        assert joined.earned["click"][at][3] == 1
        assert sum(map(sum, joined.earned["click"])) == 1
        assert "lists and pages shown" in str(experiment_report(store, "home"))
        client.delete(f"/v1/users/{users[1]}")
        assert users[1] not in {one.user_id for one in read_exposures(store, "home")}
    only_pages = [one for one in read_exposures(store, "home") if one.page is None]
    assert len(only_pages) == 1, "what never ran is judged by lists alone"


def test_the_window_shows_a_visitor_their_variant(live: LiveShop, store: EventStore) -> None:
    variants = {"old": Variant(share=0.5), "varied": Variant(share=0.5, rerank=RerankOptions(diversity=0.5))}
    experiment = Experiment(ExperimentSettings(name="window", variants=variants), live)
    with TestClient(create_app(live, experiment=experiment, window=True), base_url=HOME) as client:
        for _ in range(3):
            client.cookies.clear()
            client.get("/")  # nobody knows whether this one keeps the cookie
        experiment.exposures.flush()
        assert read_exposures(store, "window") == []
        client.get("/")
        item = live.serving.recommender.catalogue.items.ids([5])[0]
        client.get(f"/items/{item}")
        client.get("/new")
        client.get("/cart")
        experiment.exposures.flush()
        written = read_exposures(store, "window")
        assert [one.page for one in written] == ["home", "detail", "new_arrivals", "home"]
        assert len({one.user_id for one in written}) == 1 == len({one.variant for one in written})
        assert written[0].variant == experiment.variant_of(written[0].user_id)
        client.get(f"/items/{written[2].items[0]}")
        joined = outcomes(store, written, ["view"])
        assert sum(map(sum, joined.earned["view"])) >= 1


def test_interleaving_over_http(plant: SyntheticShop, live: LiveShop, store: EventStore, tmp_path: Path) -> None:
    Recommender.fit(plant.dataset, model=Popular(), image=[]).save(tmp_path / "other")
    variants = {"old": Variant(share=0.5), "new": Variant(share=0.5, artefact=tmp_path / "other")}
    experiment = Experiment(ExperimentSettings(name="draft", variants=variants, interleave=True), live)
    users = plant.interactions.users.ids(range(20))
    (part,) = experiment.recommend(users, k=6)
    assert experiment.recommend(users, k=6)[0].answer.ids() == part.answer.ids(), "until a list changes"
    experiment.exposures.flush()
    lists = [
        live.serving.recommender.recommend(users, k=6).ids(),
        Recommender.load(tmp_path / "other").recommend(users, k=6).ids(),
    ]
    shown = read_exposures(store, "draft")[:20]
    for line, one in enumerate(shown):
        assert one.teams is not None
        assert len(one.items) == len(set(one.items)) == 6
        for item, team in zip(one.items, one.teams, strict=True):
            assert item in lists[team][line]
        assert sum(one.teams) == 3
    assert 2 <= sum(one.teams[0] for one in shown if one.teams) <= 18, "the coin is fair"


def test_a_variant_that_cannot_answer_is_refused(live: LiveShop) -> None:
    capped = Variant(share=0.5, rerank=RerankOptions(caps={"nosuch": 1}))
    with pytest.raises(DataError, match="nosuch"):
        Experiment(ExperimentSettings(name="x", variants={"a": Variant(share=0.5), "b": capped}), live)


def test_who_is_forgotten_is_not_written(plant: SyntheticShop, live: LiveShop, store: EventStore) -> None:
    users = plant.interactions.users.ids([1, 2])
    experiment = Experiment(SETTINGS, live)
    experiment.recommend(users, k=3)
    experiment.exposures.flush()
    experiment.recommend(users, k=3)
    live.forget(users[0])
    assert {one.user_id for one in read_exposures(store, "home")} == {users[1]}
    experiment.exposures.flush()
    assert {one.user_id for one in read_exposures(store, "home")} == {users[1]}
    time.sleep(0.01)
    experiment.recommend(users, k=3)  # and may come back
    experiment.exposures.flush()
    assert users[0] in {one.user_id for one in read_exposures(store, "home")}


def test_a_store_that_is_away_loses_no_exposure(live: LiveShop, store: EventStore) -> None:
    import sqlalchemy as sql

    experiment = Experiment(SETTINGS, live)
    experiment.recommend(["a", "b"], k=3)
    with store.engine.begin() as connection:
        connection.execute(sql.text("ALTER TABLE exposures RENAME TO elsewhere"))
    with pytest.raises(sql.exc.OperationalError):
        experiment.exposures.flush()
    with store.engine.begin() as connection:
        connection.execute(sql.text("ALTER TABLE elsewhere RENAME TO exposures"))
    assert experiment.exposures.flush() == 2
    assert ExposureLog(store).flush() == 0
    assert len(read_exposures(store, "home")) == 2


def _click(user: str, item: str) -> object:
    from mmreco.service.events import NewEvent

    return NewEvent(user, item, "click", 1.0, int(time.time() * 1000))
