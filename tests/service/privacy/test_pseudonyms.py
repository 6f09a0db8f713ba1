"""Keyed ids at the door: raw ids reach neither store, log, metrics nor recommender, over every route there is."""

import hashlib
import hmac
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from mmreco.cli import app
from mmreco.datasets.synthetic import SyntheticShop
from mmreco.errors import DataError
from mmreco.recommender import Recommender
from mmreco.service.app import create_app
from mmreco.service.audit import acts
from mmreco.service.events import EventStore
from mmreco.service.keys import Keys
from mmreco.service.live_shop import LiveShop
from mmreco.service.pseudonyms import Pseudonyms

KEY = b"0123456789abcdef0123456789abcdef"
MARK = "raw-id-of-a-person"


def test_a_pseudonym_is_an_hmac() -> None:
    names = Pseudonyms(KEY)
    assert names.of("ann") == hmac.new(KEY, b"mmreco user 1\nann", hashlib.sha256).hexdigest()
    assert names.of("ann") != Pseudonyms(KEY + b"x").of("ann")
    assert "0123456789abcdef" not in repr(names)


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "users.key").write_bytes(b"short")
    with pytest.raises(DataError, match="5 bytes"):
        Pseudonyms.read(tmp_path / "users.key")


@pytest.fixture
def shop(artefact: Path, store: EventStore) -> LiveShop:
    return LiveShop(artefact, store, names=Pseudonyms(KEY))


def spying(name: str, told: list[str]) -> object:
    original = getattr(Recommender, name)

    def spy(self: Recommender, *args: object, **options: object) -> object:
        told.append(f"{args} {options}")
        return original(self, *args, **options)

    return spy


def test_raw_ids_go_nowhere(
    shop: LiveShop, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every field and path of the OpenAPI description that names a user is sent a mark; then all is searched for it."""
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    for name in ("recommend", "search", "explain", "page", "observe", "forget", "histories"):
        if hasattr(Recommender, name):
            monkeypatch.setattr(Recommender, name, spying(name, told))
    item = shop.serving.recommender.catalogue.items.ids([0])[0]
    with TestClient(create_app(shop), base_url="http://127.0.0.1") as client:
        described = client.get("/openapi.json").json()
        naming = 0
        for path, methods in described["paths"].items():
            for method, about in methods.items():
                body = _filled(described, about, item)
                at = path.replace("{user_id}", MARK).replace("{name}", "home").replace("{item_id}", item)
                naming += MARK in str(body) or MARK in at
                if MARK in str(body) or MARK in at:
                    answer = client.request(method.upper(), at, json=body)
                    assert answer.status_code in (200, 404), (path, answer.text)
        assert naming >= 6, "recommend, search, explain, events, users, page"
        assert client.post("/v1/recommend", json={"users": [MARK]}).json()["answers"][0]["question"] == MARK
        assert MARK not in client.get("/metrics").text
    assert told
    assert not any(MARK in one for one in told)
    own = [one.getMessage() for one in caplog.records if not one.name.startswith("httpx")]  # the client's are its own
    assert not any(MARK in one for one in own)
    assert any(shop.known_as(MARK) in one for one in told)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or MARK.encode() not in file.read_bytes()


def _filled(described: dict[str, object], about: dict[str, object], item: str) -> dict[str, object] | None:
    """A body that names a user wherever it may."""
    names = str(about.get("requestBody", ""))
    if "Recommend" in names:
        return {"users": [MARK]}
    if "Search" in names:
        return {"text": ["dress"], "users": [MARK]}
    if "Explain" in names:
        return {"user": MARK, "item": item}
    if "Event" in names:
        return {"user_id": MARK, "item_id": item}
    if "Page" in names:
        return {"user": MARK}
    return None


def test_an_event_is_in_the_next_answer_under_either_name(shop: LiveShop, plant: SyntheticShop) -> None:
    item = plant.catalogue.items.ids([7])[0]
    with TestClient(create_app(shop), base_url="http://127.0.0.1") as client:
        asked = {"users": ["ann", "bob"], "k": 3}
        assert client.post("/v1/recommend", json=asked).json()["unknown"] == ["ann", "bob"]
        client.post("/v1/events", json={"user_id": "ann", "item_id": item})
        answer = client.post("/v1/recommend", json=asked).json()
        assert answer["unknown"] == ["bob"]
        assert [one["popular"] for one in answer["answers"]] == [False, True]
        assert client.delete("/v1/users/ann").json()["erased"] == 1
        assert client.post("/v1/recommend", json=asked).json()["unknown"] == ["ann", "bob"]


def test_the_command_makes_the_same_names(tmp_path: Path) -> None:
    (tmp_path / "users.key").write_bytes(KEY)
    (tmp_path / "events.csv").write_text("user_id,item_id\n007,hat\nann,mug\n007,sock\n", encoding="utf-8")
    arguments = ["pseudonymise", str(tmp_path / "events.csv"), "--key", str(tmp_path / "users.key"), "-o"]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "out.parquet")])
    assert done.exit_code == 0, done.output
    names, table = Pseudonyms(KEY), pq.read_table(tmp_path / "out.parquet")
    assert table["user_id"].to_pylist() == [names.of(user) for user in ("007", "ann", "007")]
    assert table["item_id"].to_pylist() == ["hat", "mug", "sock"]
    assert CliRunner().invoke(app, [*arguments, str(tmp_path / "out.csv")]).exit_code == 2
    lost = CliRunner().invoke(app, [*arguments, str(tmp_path / "o.parquet"), "--column", "nobody"])
    assert lost.exit_code == 2
    assert CliRunner().invoke(app, [*arguments, str(tmp_path / "out.parquet")]).exit_code == 0  # mmreco's own


def test_the_command_writes_over_nobody_s_file(tmp_path: Path) -> None:
    (tmp_path / "users.key").write_bytes(KEY)
    (tmp_path / "events.csv").write_text("user_id,item_id\nann,mug\n", encoding="utf-8")
    (tmp_path / "mine.parquet").write_bytes(b"precious")
    (tmp_path / "link.parquet").symlink_to(tmp_path / "mine.parquet")
    (tmp_path / "locked").write_bytes(b"a file, no folder")
    arguments = ["pseudonymise", str(tmp_path / "events.csv"), "--key", str(tmp_path / "users.key"), "-o"]
    for name in ("mine.parquet", "link.parquet", "locked/out.parquet"):
        done = CliRunner().invoke(app, [*arguments, str(tmp_path / name)])
        assert done.exit_code == 2
        assert name.partition("/")[0] in done.stderr
    assert (tmp_path / "mine.parquet").read_bytes() == b"precious"


def test_nulls_and_numbers_are_read_as_tables_are() -> None:
    names = Pseudonyms(KEY)
    made = names.table(pa.table({"user_id": pa.array([7, None, 7])}))
    assert made["user_id"].to_pylist() == [names.of("7"), None, names.of("7")]


# ---- audit


def test_acts_are_written_down_without_ids(live: LiveShop, plant: SyntheticShop, tmp_path: Path) -> None:
    keys = Keys.parse("web ask,write 0123456789abcdef\noffice erase fedcba9876543210")
    item = plant.catalogue.items.ids([3])[0]
    web, office = ({"Authorization": f"Bearer {key}"} for key in ("0123456789abcdef", "fedcba9876543210"))
    client = TestClient(create_app(live, keys=keys))
    client.post("/v1/events", json={"user_id": MARK, "item_id": item}, headers=web)
    client.put("/v1/items/odd-item", json={"title": "Odd"}, headers=web)
    client.delete("/v1/items/odd-item", headers=web)
    client.delete("/v1/items/odd-item", headers=web)  # not there any more: no act
    client.delete(f"/v1/users/{MARK}", headers=web)  # may not
    client.delete(f"/v1/users/{MARK}", headers=office)
    found = [(one.who, one.action, one.touched) for one in acts(live.store)]
    assert found == [("web", "put item", 1), ("web", "remove item", 1), ("office", "forget", 1)]
    done = CliRunner().invoke(app, ["audit", str(live.store.engine.url.database)])
    assert done.exit_code == 0
    assert "office forget 1" in done.stdout
    assert MARK not in done.stdout
    assert "odd-item" not in done.stdout
    assert CliRunner().invoke(app, ["audit", str(tmp_path / "none.db")]).exit_code == 2
