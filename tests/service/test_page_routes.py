"""Pages over HTTP: the recommender's own, as JSON and as a document."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mmreco.datasets.synthetic import SyntheticShop
from mmreco.pages import PageOptions
from mmreco.recommender import Recommender
from mmreco.service.live_shop import LiveShop


def items(answer: dict[str, object]) -> list[list[str]]:
    return [[one["item_id"] for one in shelf["items"]] for shelf in answer["shelves"]]  # type: ignore[attr-defined]


def test_a_page_is_the_recommender_s(client: TestClient, plant: SyntheticShop, fitted: Path) -> None:
    recommender = Recommender.load(fitted, popular_from=10)
    user, (item, other) = plant.interactions.users.ids([5])[0], plant.catalogue.items.ids([3, 9])
    for name, asked in (
        ("home", {"user": user}),
        ("home", {"history": [item]}),
        ("new_arrivals", {"user": user}),
        ("detail", {"user": user, "item": item}),
        ("cart", {"user": user, "cart": [item, other]}),
        ("search", {"user": user, "query": "red dress"}),
    ):
        answer = client.post(f"/v1/page/{name}", json={**asked, "language": "zh", "shelves": 3, "width": 5})
        assert answer.status_code == 200
        options = PageOptions(language="zh", shelves=3, width=5)
        page = recommender.page(name, **asked, options=options)  # type: ignore[arg-type]
        assert items(answer.json()) == page.ids()
        assert [shelf["title"] for shelf in answer.json()["shelves"]] == [shelf.title for shelf in page.shelves]
        assert answer.json()["generation"] == "g-000001"
        assert {one["propensity"] for shelf in answer.json()["shelves"] for one in shelf["items"]} == {1.0}


def test_a_click_changes_the_page(client: TestClient, plant: SyntheticShop) -> None:
    before = client.post("/v1/page/home", json={"user": "somebody-new"}).json()
    assert "for_you" not in [shelf["kind"] for shelf in before["shelves"]]
    item = plant.catalogue.items.ids([7])[0]
    client.post("/v1/events", json={"user_id": "somebody-new", "item_id": item})
    after = client.post("/v1/page/home", json={"user": "somebody-new"}).json()
    assert [shelf["kind"] for shelf in after["shelves"]][:2] == ["for_you", "because"]
    assert items(after) != items(before)


def test_a_page_as_a_document(client: TestClient) -> None:
    answer = client.post("/v1/page/home", json={"language": "zh"}, headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>欢迎光临</h1>" in answer.text


def test_what_was_removed_is_on_no_page(client: TestClient, live: LiveShop) -> None:
    gone = items(client.post("/v1/page/home", json={}).json())[0]
    for item in gone:
        client.delete(f"/v1/items/{item}")
    left = items(client.post("/v1/page/home", json={}).json())
    assert left
    assert not set(gone) & {item for shelf in left for item in shelf}


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("nosuch", {}, 422),
        ("detail", {}, 422),
        ("detail", {"item": "nosuch"}, 404),
        ("cart", {"cart": ["nosuch"]}, 404),
        ("cart", {}, 422),
        ("search", {}, 422),
        ("home", {"user": "a", "history": ["b"]}, 422),
        ("home", {"language": "fr"}, 422),
        ("home", {"width": 51}, 422),
        ("home", {"where": "price < 3"}, 422),
    ],
)
def test_what_makes_no_page(client: TestClient, name: str, body: object, status: int) -> None:
    assert client.post(f"/v1/page/{name}", json=body).status_code == status
