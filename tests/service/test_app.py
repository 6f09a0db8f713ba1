"""Every route on a synthetic shop: what it answers, what it refuses, and that it never breaks."""

import json
import time
from pathlib import Path

import pytest
import sqlalchemy as sql
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from mmreco.datasets.synthetic import SyntheticShop
from mmreco.errors import DataError
from mmreco.recommender import Recommender
from mmreco.service.app import create_app
from mmreco.service.keys import Keys
from mmreco.service.limits import Limits
from mmreco.service.live_shop import LiveShop
from mmreco.service.server import Settings, serve

HOME = "http://127.0.0.1"
POSTS = ("recommend", "similar", "search", "explain", "ask", "events", "search/picture")


def ids(response: object) -> list[list[str]]:
    return [[item["item_id"] for item in one["items"]] for one in response.json()["answers"]]  # type: ignore[attr-defined]


def test_answers_are_the_recommender_s(client: TestClient, plant: SyntheticShop, fitted: Path) -> None:
    recommender = Recommender.load(fitted)
    users, items = plant.interactions.users.ids([5, 0]), plant.catalogue.items.ids([3, 9])
    asked = client.post("/v1/recommend", json={"users": users, "k": 7})
    assert asked.status_code == 200
    assert ids(asked) == recommender.recommend(users, k=7).ids()
    assert asked.json()["generation"] == "g-000001"
    assert ids(client.post("/v1/similar", json={"items": items, "k": 4})) == recommender.similar(items, k=4).ids()
    stranger = client.post("/v1/recommend", json={"history": [items], "k": 4})
    assert ids(stranger) == recommender.recommend(history=[items], k=4).ids()
    title = plant.catalogue.column("title")[3]
    assert ids(client.post("/v1/search", json={"text": [title]})) == recommender.search(text=[title]).ids()
    why = client.post("/v1/explain", json={"user": users[0], "item": ids(asked)[0][0]}).json()
    assert why["rank"] == 1
    assert why["sentences"]
    said = client.post("/v1/ask", json={"item": items[0], "question": "Does the size run small?"})
    assert said.json()["enough"] in (True, False)


def test_an_event_is_in_the_next_answer(client: TestClient, plant: SyntheticShop) -> None:
    asked = {"users": ["somebody-new"], "k": 5}
    before = client.post("/v1/recommend", json=asked)
    assert before.json()["answers"][0]["popular"]
    item = plant.catalogue.items.ids([7])[0]
    taken = client.post("/v1/events", json={"user_id": "somebody-new", "item_id": item})
    assert taken.json() == {"accepted": 1, "sequence": 1, "unknown": []}
    after = client.post("/v1/recommend", json=asked)
    assert not after.json()["answers"][0]["popular"]
    assert ids(after) != ids(before)
    many = [{"user_id": "b", "item_id": i, "timestamp": t} for i, t in [(item, 5), ("?", "2026-01-02T03:04:05Z")]]
    assert client.post("/v1/events", json={"events": many}).json() == {"accepted": 2, "sequence": 3, "unknown": ["?"]}


def test_items_come_change_and_go(client: TestClient) -> None:
    title = "Zirconium teapot"
    assert client.put("/v1/items/new/1", json={"title": title}).status_code == 201
    assert ids(client.post("/v1/search", json={"text": [title], "k": 1})) == [["new/1"]]
    assert client.put("/v1/items/new/1", json={"title": "Zirconium kettle"}).status_code == 200
    found = client.post("/v1/search", json={"text": ["kettle zirconium"], "k": 1})
    assert found.json()["answers"][0]["items"][0]["title"] == "Zirconium kettle"
    assert client.delete("/v1/items/new/1").status_code == 204
    assert client.delete("/v1/items/new/1").status_code == 404
    assert "new/1" not in ids(client.post("/v1/search", json={"text": [title]}))[0]


@pytest.mark.parametrize("body", [{"image": "/etc/passwd"}, {"nosuch": 1}, {"price": "much"}, {"price": {"a": 1}}])
def test_unusable_items_are_refused_and_not_written(client: TestClient, live: LiveShop, body: object) -> None:
    assert client.put("/v1/items/x", json=body).status_code == 422
    assert live.store.newest() == 0


def test_forgetting(client: TestClient, plant: SyntheticShop, tmp_path: Path) -> None:
    user, item = plant.interactions.users.ids([4])[0], plant.catalogue.items.ids([7])[0]
    client.post("/v1/events", json={"user_id": user, "item_id": item})
    assert client.delete(f"/v1/users/{user}").json() == {"erased": 1, "artefact": True}
    answer = client.post("/v1/recommend", json={"users": [user]}).json()
    assert answer["unknown"] == [user]
    assert sum(path.read_bytes().count(user.encode()) for path in tmp_path.glob("events.db*")) == 0


def test_health_and_measures(client: TestClient, plant: SyntheticShop) -> None:
    client.post("/v1/recommend", json={"users": plant.interactions.users.ids([5])})
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    text = client.get("/metrics").text
    assert 'mmreco_request_seconds_count{route="/v1/recommend",status="200"} 1.0' in text
    assert 'mmreco_answers_total{kind="personal"} 1.0' in text
    assert "mmreco_generation 1.0" in text


def test_every_body_has_an_example_that_is_accepted(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    for name in ("Recommend", "Similar", "Search", "Explain", "Ask", "Event", "Item"):
        assert described["components"]["schemas"][name]["examples"]
    for path in ("recommend", "similar", "search"):
        example = described["components"]["schemas"][path.capitalize()]["examples"][0]
        assert client.post(f"/v1/{path}", json=example).status_code == 200


# ---- refused


def test_problems_say_what_and_who(client: TestClient) -> None:
    answer = client.post("/v1/recommend", json={"users": ["a"], "k": 0}, headers={"X-Request-ID": "mine-1"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine-1"
    assert answer.json()["errors"][0]["at"] == "body/k"
    assert client.post("/v1/explain", json={"user": "nobody", "item": "x"}).status_code == 404
    assert client.post("/v1/search", json={"text": ["a"], "where": "price <"}).status_code == 422
    assert client.get("/nosuch").json()["status"] == 404
    assert client.post("/healthz").status_code == 405


def test_keys_have_rights(live: LiveShop) -> None:
    keys = Keys.parse("web ask,write 0123456789abcdef\noffice erase fedcba9876543210  # remark")
    client = TestClient(create_app(live, keys=keys), base_url="http://shop.example")
    web, office = ({"Authorization": f"Bearer {key}"} for key in ("0123456789abcdef", "fedcba9876543210"))
    asked = {"history": [[]]}
    assert client.post("/v1/recommend", json=asked).status_code == 401
    assert client.post("/v1/recommend", json=asked, headers={"Authorization": b"Bearer \xfc"}).status_code == 401
    assert client.post("/v1/recommend", json=asked, headers=web).status_code == 200
    assert client.post("/v1/recommend", json=asked, headers=office).status_code == 403
    assert client.delete("/v1/users/a", headers=web).status_code == 403
    assert client.delete("/v1/users/a", headers=office).status_code == 200
    assert client.get("/metrics").status_code == 401
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("text", "word"),
    [("a ask", "2 words"), ("a own 0123456789abcdef", "no right 'own'"), ("a ask short", "5 characters")],
)
def test_unusable_keys(text: str, word: str) -> None:
    with pytest.raises(DataError, match=word):
        Keys.parse(text)


def test_without_keys_this_machine_alone(live: LiveShop) -> None:
    client = TestClient(create_app(live), base_url="http://rebound.example")
    assert client.post("/v1/recommend", json={"history": [[]]}).status_code == 403
    with pytest.raises(DataError, match="--keys"):
        serve(Settings(artefact=live.artefact, events="events.db"), host="0.0.0.0", port=1)


def test_limits(live: LiveShop) -> None:
    limits = Limits(body=2_000, picture=3_000, per_minute=5)
    client = TestClient(create_app(live, limits=limits), base_url=HOME)
    assert client.post("/v1/search", content=b"x" * 2_001).status_code == 413
    assert client.post("/v1/search", content=iter([b"x" * 1_500] * 2)).status_code == 413
    assert client.post("/v1/search/picture", files={"picture": b"x" * 3_001}).status_code == 413
    codes = [client.post("/v1/recommend", json={"history": [[]]}).status_code for _ in range(8)]
    assert codes == [200] * 5 + [429] * 3


def test_above_the_queue_s_limit(live: LiveShop) -> None:
    app = create_app(live, limits=Limits(waiting=1))
    client = TestClient(app, base_url=HOME)

    def slowly() -> object:
        again = client.post("/v1/recommend", json={"history": [[]]})
        assert (again.status_code, again.headers["retry-after"]) == (503, "1")
        assert client.get("/healthz").status_code == 200
        yield b'{"history": [[]]}'

    answer = client.post("/v1/recommend", content=slowly(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_a_search_that_is_away_is_503_and_comes_back(
    client: TestClient, live: LiveShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectionError("Milvus cannot be reached")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Recommender, "recommend", away)
        answer = client.post("/v1/recommend", json={"users": ["a"]})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["detail"] == "the items cannot be searched just now; ask again"
    assert client.post("/v1/recommend", json={"users": ["a"]}).status_code == 200


def test_a_store_that_is_away_is_503_and_comes_back(client: TestClient, live: LiveShop) -> None:
    event = {"user_id": "a", "item_id": "b"}
    with live.store.engine.begin() as connection:
        connection.execute(sql.text("ALTER TABLE entries RENAME TO elsewhere"))
    answer = client.post("/v1/events", json=event)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert client.post("/v1/recommend", json={"history": [[]]}).status_code == 200, "questions need no store"
    with live.store.engine.begin() as connection:
        connection.execute(sql.text("ALTER TABLE elsewhere RENAME TO entries"))
    assert client.post("/v1/events", json=event).json()["sequence"] == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = ("users", "history", "items", "text", "k", "where", "allow", "user", "item", "question", "events", "user_id",
          "item_id", "timestamp", "weight", "event", "by", "match", "language")  # fmt: skip


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(POSTS),
    body=st.binary(max_size=60) | st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5),
    kind=st.sampled_from(["application/json", "text/plain", "multipart/form-data; boundary=x", ""]),
)
def test_malformed_requests_never_break(
    client: TestClient, path: str, body: bytes | dict[str, object], kind: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    start = time.monotonic()
    answer = client.post(f"/v1/{path}", content=content, headers={"Content-Type": kind})
    assert answer.status_code < 500, answer.text
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"k":' + b"9" * 10_000 + b"}", b'{"users":["\\ud800"]}', b'{"users":["a\\u0000"]}', b"\xff\xfe",
     b'{"users":["a"],"k":NaN}', b'{"history":[["http://169.254.169.254/"]]}'],
)  # fmt: skip
def test_hostile_bodies(client: TestClient, content: bytes) -> None:
    for path in POSTS:
        answer = client.post(f"/v1/{path}", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500
