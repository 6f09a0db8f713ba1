"""Forgetting: no file holds a trace, after restarts, swaps of the artefact, and in what is backed up from then on."""

import gzip
import sqlite3
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.datasets.synthetic import SyntheticShop
from mmreco.models import EASE, MultVAE, Popular, SharedSpace
from mmreco.models.training import Training
from mmreco.recommender import Recommender
from mmreco.service.app import create_app
from mmreco.service.events import EventStore
from mmreco.service.experiments.exposures import read_exposures
from mmreco.service.experiments.running import Experiment
from mmreco.service.experiments.settings import ExperimentSettings, Variant
from mmreco.service.job_process import JobProcess
from mmreco.service.live_shop import LiveShop
from mmreco.storage.lock import hold

USER = "zebra-user-77"
HOME = "http://127.0.0.1"


def traces(folder: Path, name: str) -> list[str]:
    """Files below `folder` that hold `name`: in their bytes, or in what their compressed columns hold."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        raw = path.read_bytes()
        parts = [raw]
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            parts += [str(table[column].to_pylist()).encode() for column in table.column_names]
            parts.append(str(table.schema.metadata).encode())
        if raw[:2] == b"\x1f\x8b":
            parts.append(gzip.decompress(raw))
        if raw.startswith(b"SQLite format 3"):
            with sqlite3.connect(path) as connection:
                for (table_name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
                    parts.append(str(connection.execute(f"SELECT * FROM {table_name}").fetchall()).encode())
            connection.close()
        spelt = [name.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")] + [name.encode().hex().encode()]
        if any(one in part for one in spelt for part in parts):
            found.append(str(path.relative_to(folder)))
    return found


@pytest.fixture
def shop(plant: SyntheticShop) -> Dataset:
    """A shop in which a user has events, facts and a review."""
    items = plant.catalogue.items.ids(range(len(plant.catalogue)))
    users = [USER, *plant.interactions.users.ids(range(40))]
    lists = [items[:6], *(plant.interactions.items.ids(plant.interactions.history(row)) for row in range(40))]
    pairs = [(user, item) for user, own in zip(users, lists, strict=True) for item in own]
    moments = [1_700_000_000_000 + 1000 * n for n in range(len(pairs))]
    return Dataset.from_frames(
        items=pa.table({"item_id": items, "title": plant.catalogue.column("title")}),
        events=pa.table(
            {
                "user_id": [user for user, _ in pairs],
                "item_id": [item for _, item in pairs],
                "timestamp": pa.array(moments, pa.timestamp("ms", "UTC")),
            }
        ),
        reviews=pa.table(
            {"user_id": [USER, users[1]], "item_id": items[:2], "text": ["Fits me well.", "Too small for me."]}
        ),
        users=pa.table({"user_id": users, "tier": ["gold"] * len(users)}),
    )


@pytest.fixture
def folder(tmp_path: Path, shop: Dataset) -> Path:
    """A folder with an artefact, a candidate for an experiment, and room for a store."""
    home = tmp_path / "home"
    Recommender.fit(shop, model=EASE(), image=[]).save(home / "artefact")
    Recommender.fit(shop, model=Popular(), image=[]).save(home / "candidate")
    return home


def live(folder: Path, **options: object) -> LiveShop:
    return LiveShop(folder / "artefact", EventStore.open(folder / "events.db"), **options)  # type: ignore[arg-type]


def test_a_forgotten_user_leaves_no_trace(folder: Path, shop: Dataset, tmp_path: Path) -> None:
    service = live(folder)
    variants = {"old": Variant(share=0.5), "new": Variant(share=0.5, artefact=folder / "candidate")}
    experiment = Experiment(ExperimentSettings(name="home", variants=variants), service)
    old = tmp_path / "old"
    Recommender.load(folder / "artefact").save(old)
    with TestClient(create_app(service, experiment=experiment), base_url=HOME) as client:
        items = shop.items.ids([7, 8, 9])
        for item in items:
            client.post("/v1/events", json={"user_id": USER, "item_id": item})
        others = [{"user_id": f"user-{n}", "item_id": items[0]} for n in range(300)]
        client.post("/v1/events", json={"events": others})
        for _ in range(3):
            client.post("/v1/recommend", json={"users": [USER]})
        experiment.exposures.flush()
        assert [one.user_id for one in read_exposures(service.store, "home")] == [USER] * 3
        assert len(traces(folder, USER)) >= 6, "the store, and histories, users and reviews of two artefacts"
        client.post("/v1/recommend", json={"users": [USER]})  # written down after the erasure, or not at all
        assert client.delete(f"/v1/users/{USER}").json() == {"erased": 6, "artefact": True}
        assert traces(folder, USER) == []
        assert client.post("/v1/recommend", json={"users": [USER]}).json()["unknown"] == [USER]
        metrics = client.get("/metrics").text
        assert USER not in metrics
    time.sleep(0.01)
    shown = traces(folder, USER)
    assert set(shown) <= {"events.db", "events.db-wal"}, "asked after the erasure, they are a newcomer"
    service.forget(USER)
    assert traces(folder, USER) == []

    again = live(folder)  # a restart
    assert not again.serving.recommender.as_model().state.log.knows(USER)
    assert traces(folder, USER) == []

    Recommender.load(old).save(folder / "artefact")  # somebody brings an old artefact back
    assert traces(folder, USER) != []
    again.look()
    assert again.serving.generation not in ("", "g-000001")
    assert not again.serving.recommender.as_model().state.log.knows(USER)
    assert again.serving.recommender.dataset.reviews is not None
    assert again.clean()
    assert traces(folder, USER) == []
    assert live(folder).serving.recommender.dataset.interactions.n_events > 0

    source, target = sqlite3.connect(folder / "events.db"), sqlite3.connect(tmp_path / "backup.db")
    source.backup(target)
    source.close()
    target.close()
    (tmp_path / "backups").mkdir()
    (tmp_path / "backup.db").rename(tmp_path / "backups" / "backup.db")
    assert traces(tmp_path / "backups", USER) == []


def test_the_scan_itself_finds_what_is_there(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": ["a", USER] * 500}), tmp_path / "t.parquet", compression="zstd")
    (tmp_path / "t.gz").write_bytes(gzip.compress(USER.encode() * 50))
    (tmp_path / "t.bin").write_bytes(USER.encode("utf-16-le"))
    connection = sqlite3.connect(tmp_path / "t.db")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (?)", [USER])
    connection.commit()
    connection.close()
    assert traces(tmp_path, USER) == ["t.bin", "t.db", "t.gz", "t.parquet"]


def test_an_artefact_that_is_being_written_is_cleaned_later(folder: Path) -> None:
    service = live(folder)
    with hold(folder / "artefact", nested=False):
        assert service.forget(USER) == 0
        assert not service.is_clean
    assert traces(folder / "artefact", USER) != []
    assert service.clean()
    assert traces(folder / "artefact", USER) == []
    generation = sorted(path.name for path in (folder / "artefact").glob("g-*"))
    assert service.forget("nobody") == 0
    assert service.is_clean
    assert sorted(path.name for path in (folder / "artefact").glob("g-*")) == generation, "nothing to write anew"


def test_a_model_that_takes_long_to_learn_anew_is_not_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learn, allowed = EASE.relearn, threading.Event()

    def slowly(model: EASE, dataset: Dataset) -> EASE:
        allowed.wait(60)
        return learn(model, dataset)

    monkeypatch.setattr(EASE, "relearn", slowly)
    monkeypatch.setattr("mmreco.service.live_shop._PATIENT_SECONDS", 0.1)
    service = live(folder)
    with TestClient(create_app(service), base_url=HOME) as client:
        assert client.delete(f"/v1/users/{USER}").json()["artefact"] is False
        assert client.delete("/v1/users/nobody").json()["artefact"] is False, "the files are still being written"
        assert client.post("/v1/recommend", json={"users": ["a"]}).status_code == 200
        before = service.serving.generation
        allowed.set()
        deadline = time.monotonic() + 60
        while not service.is_clean or service.serving.generation == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert traces(folder / "artefact", USER) == []


def test_a_model_that_is_trained_learns_anew_in_a_process_of_its_own(
    folder: Path, shop: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SharedSpace(dim=8, depth=1, training=Training(epochs=1))
    Recommender.fit(shop, model=model, text=[], image=[]).save(folder / "artefact")
    monkeypatch.setattr("mmreco.service.live_shop._PATIENT_SECONDS", 0.1)
    monkeypatch.setattr(SharedSpace, "relearn", lambda *_: pytest.fail("trained where questions are answered"))
    service = live(folder)
    trained = service.serving.recommender.model
    service.forget(USER)
    assert not service.is_clean
    deadline = time.monotonic() + 120
    while not service.is_clean:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert traces(folder / "artefact", USER) == []
    service.look()
    assert service.serving.recommender.model is not trained
    assert not service.serving.recommender.as_model().state.log.knows(USER)


def test_a_process_that_is_killed_is_made_again(folder: Path, shop: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    model = SharedSpace(dim=8, depth=1, training=Training(epochs=1))
    Recommender.fit(shop, model=model, text=[], image=[]).save(folder / "artefact")
    service = live(folder)
    with monkeypatch.context() as patched:
        patched.setattr(JobProcess, "finish", lambda process: process.stop())
        service.forget(USER)
        assert not service.is_clean
    assert traces(folder / "artefact", USER) != []
    assert service.clean()
    assert traces(folder / "artefact", USER) == []


def test_who_comes_back_is_a_newcomer(folder: Path, shop: Dataset) -> None:
    service = live(folder)
    item = shop.items.ids([7])[0]
    with TestClient(create_app(service), base_url=HOME) as client:
        client.delete(f"/v1/users/{USER}")
        client.post("/v1/events", json={"user_id": USER, "item_id": item})
    again = live(folder)
    state = again.serving.recommender.as_model().state
    log = state.log.histories([USER], state.items)
    assert log.items.ids(log.history(0)) == [item]


# ---- kept no longer than said


def test_old_events_go_from_store_answers_and_files(
    folder: Path, shop: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    day, start = 86_400, 1_700_000_000
    now = [start + 10 * day]
    for module in ("events", "live_shop"):
        monkeypatch.setattr(f"mmreco.service.{module}.time.time", lambda: now[0])
    service = live(folder, keep_days=30)
    before = service.serving.recommender.dataset.interactions.n_events
    assert before == shop.interactions.n_events
    with TestClient(create_app(service), base_url=HOME) as client:
        for user in (USER, "fresh"):
            client.post("/v1/events", json={"user_id": user, "item_id": shop.items.ids([7])[0]})
    now[0] = start + 35 * day  # what was trained on is too old, what came since is not
    again = live(folder, keep_days=30)
    log = again.serving.recommender.dataset.interactions
    assert log.n_events == 2
    assert sorted(log.users.ids(range(len(log)))) == ["fresh", USER]
    assert again.clean()
    assert Recommender.load(folder / "artefact").dataset.interactions.n_events == 0
    now[0] = start + 45 * day
    again.expire()
    assert again.serving.recommender.dataset.interactions.n_events == 0
    assert again.store.after(0) == []
    left = [path for path in traces(folder, USER) if not path.startswith("candidate")]
    assert all(path.endswith("reviews.parquet") for path in left), "what was written for others to read is no event"


def test_a_log_without_times_is_left(tmp_path: Path) -> None:
    log = Interactions.from_histories([["a", "b"]], items=IdMap.of(["a", "b"]))
    recommender = Recommender.fit(Dataset.from_interactions(log), model=Popular())
    assert recommender.expire("2100-01-01") == 0
    assert recommender.dataset.interactions.n_events == 2


# ---- what was learnt


def test_after_an_erasure_a_model_in_closed_form_answers_as_if_they_had_never_come(folder: Path, shop: Dataset) -> None:
    service = live(folder)
    log = shop.interactions
    rest = log.take(np.setdiff1d(np.arange(len(log)), log.users.rows([USER])))
    anew = EASE().fit(Dataset(shop.catalogue, rest))
    assert not np.array_equal(service.serving.recommender.model.weights_, anew.weights_)
    service.forget(USER)
    service.look()
    assert service.serving.generation == "g-000002"
    for model in (service.serving.recommender.model, Recommender.load(folder / "artefact").model):
        np.testing.assert_array_equal(model.weights_, anew.weights_)


def test_a_refit_from_scratch_is_a_fit_without_them(shop: Dataset) -> None:
    training = Training(epochs=3, patience=None, seed=4, device="cpu")
    recommender = Recommender.fit(shop, model=MultVAE(dim=4, hidden=8, training=training), image=[], text=[])
    recommender.forget(users=[USER])
    weights = {name: value.clone() for name, value in recommender.model.network_.state_dict().items()}
    recommender.refit(from_scratch=True)
    anew = MultVAE(dim=4, hidden=8, training=training).fit(recommender.dataset)
    found = recommender.model.network_.state_dict()
    assert any((found[name] != value).any() for name, value in weights.items())
    for name, value in anew.network_.state_dict().items():
        assert (found[name] == value).all(), "nothing is left of what was learnt before"
