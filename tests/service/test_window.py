"""The shop window: what is shown, what a click changes, what is refused, and what is forgotten."""

import base64
import html
import io
import json
import re
import shutil
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from mmreco.data.boxes import Boxes
from mmreco.datasets.synthetic import SyntheticShop
from mmreco.detection.detector import Detector
from mmreco.service.app import create_app
from mmreco.service.audit import acts
from mmreco.service.events import EventStore
from mmreco.service.keys import Keys
from mmreco.service.live_shop import LiveShop
from mmreco.service.pseudonyms import Pseudonyms

HOME = "http://127.0.0.1"


@pytest.fixture
def live(pictured: Path, store: EventStore, tmp_path: Path) -> LiveShop:
    shutil.copytree(pictured / "artefact", tmp_path / "artefact")
    return LiveShop(tmp_path / "artefact", store)


@pytest.fixture
def window(live: LiveShop) -> Iterator[TestClient]:
    with TestClient(create_app(live, window=True), base_url=HOME, raise_server_exceptions=False) as client:
        client.get("/")  # the cookie
        yield client


def items(page: str) -> list[str]:
    return re.findall(r'data-item="([^"]+)"', page)


def shelves(page: str) -> list[str]:
    return re.findall(r'data-kind="([^"]+)"', page)


def attributes(page: str) -> set[str]:
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.update(name for name, _ in attrs)

    Reader().feed(page)
    return found


def events(store: EventStore) -> list[tuple[str | None, str | None]]:
    return [(entry.event, entry.item_id) for entry in store.after(0)]


def test_a_look_changes_the_next_page(live: LiveShop, plant: SyntheticShop, store: EventStore) -> None:
    item, other = plant.catalogue.items.ids([7, 9])
    with TestClient(create_app(live, window=True), base_url=HOME) as client:
        assert client.get(f"/items/{item}").status_code == 200  # nobody yet: the cookie has not come back
        assert events(store) == []
        before = client.get("/").text
        assert shelves(before)[0] not in ("for_you", "because")
        client.get(f"/items/{other}", headers={"Sec-Purpose": "prefetch"})
        client.get(f"/items/{other}", headers={"Sec-Fetch-Dest": "image"})
        assert events(store) == []
        for _ in range(2):  # a reload is no second look
            client.get(f"/items/{item}")
        assert events(store) == [("view", item)]
        after = client.get("/").text
        assert shelves(after)[:2] == ["for_you", "because"]
        assert items(after) != items(before)
        title = plant.catalogue.column("title")[7]
        assert html.escape(f"looked at “{title}”") in after
        why = client.get(f"/why/{items(after)[0]}").text
        assert html.escape(f"because you looked at “{title}”") in why
        assert "We know nothing of you" not in why
        assert "We know nothing of you" in client.get(f"/why/{item}").text  # all that is known is the look itself


def test_cookies_name_nobody(live: LiveShop, store: EventStore, tmp_path: Path, plant: SyntheticShop) -> None:
    with TestClient(create_app(live, window=True), base_url=HOME) as client:
        given = client.get("/").headers.get_list("set-cookie")
        assert len(given) == 2
        for cookie in given:
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie
            assert "Max-Age" not in cookie
            assert "expires" not in cookie.lower()
        token = client.cookies["mmreco_visitor"]
        client.get(f"/items/{plant.catalogue.items.ids([7])[0]}")
        assert store.after(0)[0].user_id.startswith("visitor-")  # type: ignore[union-attr]
        store.close()
        assert not [path for path in tmp_path.glob("events.db*") if token.encode() in path.read_bytes()]
    with TestClient(create_app(live, window=True), base_url="https://127.0.0.1") as client:
        assert all("Secure" in cookie for cookie in client.get("/").headers.get_list("set-cookie"))
    for forged in ("user-001", "a" * 31, "../../x", ""):
        with TestClient(create_app(live, window=True), base_url=HOME, cookies={"mmreco_visitor": forged}) as client:
            assert "mmreco_visitor=" in str(client.get("/my-data").headers.get_list("set-cookie"))


def test_cart_and_order(window: TestClient, plant: SyntheticShop, store: EventStore) -> None:
    first, second = plant.catalogue.items.ids([7, 9])
    for item in (first, second, first):
        assert window.post("/cart", data={"item": item}).status_code == 200
    assert events(store) == [("cart", first), ("cart", second)]
    cart = window.get("/cart").text
    assert cart.count('action="/cart/remove"') == 2
    total = sum(plant.catalogue.column("price")[row] for row in (7, 9))
    assert f"{total:,.2f}".removesuffix(".00") in cart
    assert not {first, second} & set(items(cart)) | ({first, second} & set(items(window.get("/").text)))
    window.post("/cart/remove", data={"item": first})
    assert window.get("/cart").text.count('action="/cart/remove"') == 1
    assert "Thank you" in window.post("/order").text
    assert events(store)[2:] == [("purchase", second)]
    assert "Your cart is empty" in window.get("/cart").text
    assert "Thank you" not in window.post("/order").text
    assert len(events(store)) == 3


def test_a_cart_is_no_larger_than_its_cookie(window: TestClient, plant: SyntheticShop) -> None:
    for item in plant.catalogue.items.ids(range(40)):
        window.post("/cart", data={"item": item})
    assert window.get("/cart").text.count('action="/cart/remove"') == 30


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": HOME},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_forms_of_other_sites_are_refused(window: TestClient, store: EventStore, headers: dict[str, str]) -> None:
    for path, data in (("/cart", {"item": "sku-007"}), ("/order", {}), ("/forget", {}), ("/photo", {"words": "a"})):
        answer = window.post(path, data=data, headers=headers)
        assert answer.status_code == 403
        assert "not on a page of this shop" in answer.text
    assert events(store) == []
    assert window.post("/cart", data={"item": "sku-007"}, headers={"Origin": HOME}).status_code == 200
    assert window.post("/order", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_nothing_of_the_shop_s_is_markup(window: TestClient, live: LiveShop) -> None:
    evil = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>{{7*7}}"""
    live.put_item("e<vi>l/'\"&?#", {"title": evil, "text": evil, "brand": evil, "category": evil, "price": 1.0})
    path = "/items/e%3Cvi%3El%2F%27%22%26%3F%23"
    pages = [
        path,
        path.replace("items", "why"),
        f"{path}?question={'%3Cscript%3E'}",
        "/search?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/search?category=%22%3E%3Cscript%3E&sort=%22onload%3D",
        "/my-data",
        "/",
        "/?language=zh&x=%22%3E%3Cscript%3E",
    ]
    for page in pages:
        answer = window.get(page)
        assert answer.status_code == 200, page
        assert "<script" not in answer.text.lower()
        assert not {name for name in attributes(answer.text) if name == "style" or name.startswith("on")}
        assert "49" not in re.findall(r"<h1[^>]*>(.*?)</h1>", answer.text)[0]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    window.post("/cart", data={"item": "e<vi>l/'\"&?#"})
    assert html.escape(evil) in window.get("/cart").text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")


def test_search_is_narrowed_and_sorted(window: TestClient, plant: SyntheticShop) -> None:
    category, price = plant.catalogue.column("category"), plant.catalogue.column("price")
    row = dict(zip(plant.catalogue.items.ids(range(len(category))), range(len(category)), strict=True))
    page = window.get("/search", params={"q": "red dress", "category": "dress", "sort": "cheap"}).text
    costs = [price[row[item]] for item in items(page)]
    assert {category[row[item]] for item in items(page)} == {"dress"}
    assert costs == sorted(costs)
    counted = re.search(r'<option value="dress" selected>dress \((\d+)\)', page)
    assert counted is not None
    assert int(counted.group(1)) == len(items(page))
    dear = window.get("/search", params={"category": "dress", "sort": "dear"}).text
    assert [price[row[item]] for item in items(dear)] == sorted((price[row[i]] for i in items(dear)), reverse=True)
    assert set(items(dear)) == {item for item, at in row.items() if category[at] == "dress"}
    bands = re.findall(r'<select id="by-price".*?</select>', page, re.DOTALL)[0]
    for band, n in re.findall(r'<option value="([^"]+)">[^<]+\((\d+)\)', bands):
        narrowed = window.get("/search", params={"q": "red dress", "category": "dress", "price": band}).text
        assert len(items(narrowed)) == int(n)
    everything = window.get("/search", params={"category": "dress' or category != 'dress"}).text
    assert len(items(everything)) == 48  # it is none of the values, and narrows nothing
    more = re.search(r'class="more" href="([^"]+)"', everything)
    assert more is not None
    assert len(items(window.get(html.unescape(more.group(1))).text)) > 48
    zh = window.get("/search", params={"q": "红色连衣裙", "language": "zh"}).text
    assert "“红色连衣裙”的搜索结果" in zh
    assert category[row[items(zh)[0]]] == "dress"
    assert '<html lang="zh-Hans">' in window.get("/").text  # the language stays


def test_search_by_photo(window: TestClient, pictured: Path, plant: SyntheticShop) -> None:
    row = int(plant.truth.pictured.argmax())
    item = plant.catalogue.items.ids([row])[0]
    photo = (pictured / "pictures" / f"{item}.jpg").read_bytes()
    found = window.post("/photo", files={"picture": photo})
    assert found.status_code == 200
    assert items(found.text)[0] == item
    assert "box-whole" in found.text
    again = re.search(r'name="again" value="([^"]+)"', found.text)
    assert again is not None
    part = window.post("/photo", data={"again": again.group(1), "box": "top", "words": "dress"})
    assert "box-top" in part.text
    assert items(part.text)
    for broken in ({"files": {"picture": b"no picture"}}, {"data": {"again": "!"}}, {"data": {}}):
        answer = window.post("/photo", **broken)  # type: ignore[arg-type]
        assert answer.status_code == 422
        assert "no picture that can be read" in answer.text
    assert window.post("/photo", files={"picture": b"x" * (9 << 20)}).status_code == 413
    assert window.post("/cart", data={"item": "x" * (2 << 20)}).status_code == 413


def test_a_detector_beside_the_artefact_finds_the_product(
    live: LiveShop, pictured: Path, plant: SyntheticShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    Detector("ssdlite320_mobilenet_v3_large", weights="random", device="cpu").save(f"{live.artefact}.detector")
    item = plant.catalogue.items.ids([int(plant.truth.pictured.argmax())])[0]
    room = Image.new("RGB", (400, 300), "grey")
    room.paste(Image.open(pictured / "pictures" / f"{item}.jpg").resize((120, 120)), (250, 150))
    written = io.BytesIO()
    room.save(written, "PNG")
    found = [Boxes([[250, 150, 370, 270]], [0.9]), Boxes([], [])]
    monkeypatch.setattr(Detector, "detect", lambda self, pictures: [found.pop(0)])
    with TestClient(create_app(live, window=True), base_url=HOME) as client:
        assert '<option value="found">' in client.get("/photo").text
        page = client.post("/photo", files={"picture": written.getvalue()}).text
        assert items(page)[0] == item
        shown = re.search(r'src="data:image/jpeg;base64,([^"]+)"', page)
        again = re.search(r'name="again" value="([^"]+)"', page)
        assert shown is not None
        assert again is not None
        drawn, plain = (Image.open(io.BytesIO(base64.b64decode(one.group(1)))) for one in (shown, again))
        assert plain.size == drawn.size == (400, 300)
        differs = np.argwhere(np.abs(np.asarray(drawn, int) - np.asarray(plain, int)).max(axis=2) > 60)
        assert np.abs(differs.min(axis=0) - [150, 250]).max() <= 2, "the frame stands around what was found"
        assert np.abs(differs.max(axis=0) - [270, 370]).max() <= 2
        page = client.post("/photo", data={"again": again.group(1)}).text
        assert "box-whole" in page, "nothing found: the whole photo"
        assert "box-top" in client.post("/photo", data={"again": again.group(1), "box": "top"}).text


def test_a_shop_without_pictures_says_so(artefact: Path, store: EventStore) -> None:
    with TestClient(create_app(LiveShop(artefact, store), window=True), base_url=HOME) as client:
        written = io.BytesIO()
        Image.new("RGB", (20, 20), "red").save(written, "PNG")
        answer = client.post("/photo", files={"picture": written.getvalue()})
        assert answer.status_code == 422
        assert "cannot be searched by photo" in answer.text


def test_pictures_are_those_of_known_items(window: TestClient, plant: SyntheticShop, tmp_path: Path) -> None:
    row = int(plant.truth.pictured.argmax())
    known = window.get(f"/pictures/{plant.catalogue.items.ids([row])[0]}")
    assert known.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(known.content)).size == (128, 128)
    Image.new("RGB", (9, 9), "red").save(tmp_path / "secret.jpg")
    for path in (f"{tmp_path}/secret.jpg", "..%2F..%2Fetc%2Fpasswd", "nosuch", "%00"):
        assert window.get(f"/pictures/{path}").headers["content-type"] == "image/svg+xml"


def test_my_data_and_forgetting(
    window: TestClient, live: LiveShop, plant: SyntheticShop, store: EventStore, tmp_path: Path
) -> None:
    assert "holds nothing of you" in window.get("/my-data").text
    dresses = plant.truth.rows(category="dress")
    for item in plant.catalogue.items.ids(dresses[:3]):
        window.get(f"/items/{item}")
    window.post("/cart", data={"item": item})
    page = window.get("/my-data").text
    held = json.loads(window.get("/my-data.json").content)
    assert held["user_id"] in page
    assert [one["event"] for one in held["events"]] == ["view"] * 3 + ["cart"]
    assert held["profile"]["category"][0]["value"] == "dress"
    assert held["profile"]["words"]
    assert held["cart"] == [item]
    with TestClient(create_app(live, window=True), base_url=HOME) as other:
        other.get("/")
        other.get(f"/items/{item}")
        assert "4 events were erased" in window.post("/forget").text
        assert window.cookies.get("mmreco_visitor") is None
        assert window.cookies.get("mmreco_cart") is None
        assert len(json.loads(other.get("/my-data.json").content)["events"]) == 1
    assert "for_you" not in shelves(window.get("/").text)
    store.close()
    traces = [path for path in tmp_path.glob("events.db*") if held["user_id"].encode() in path.read_bytes()]
    assert traces == []


def test_visitors_have_pseudonyms_where_users_have(
    live: LiveShop, store: EventStore, plant: SyntheticShop, tmp_path: Path
) -> None:
    shop = LiveShop(live.artefact, store, names=Pseudonyms(b"0123456789abcdef"))
    with TestClient(create_app(shop, window=True), base_url=HOME) as client:
        client.get("/")
        client.get(f"/items/{plant.catalogue.items.ids([7])[0]}")
        held = json.loads(client.get("/my-data.json").content)
        assert held["user_id"].startswith("visitor-")
        assert len(held["events"]) == 1
        assert store.after(0)[0].user_id == shop.known_as(held["user_id"]) != held["user_id"]
        assert "for_you" in shelves(client.get("/").text)
        assert "1 events were erased" in client.post("/forget").text
        assert store.after(0)[-1].kind == "forgotten"
        assert [(act.who, act.action, act.touched) for act in acts(store)] == [
            ("a visitor", "export", 1),
            ("a visitor", "forget", 1),
        ]


def test_reviews_and_questions(window: TestClient, live: LiveShop, plant: SyntheticShop) -> None:
    row = int((plant.reviews.starts[1:] - plant.reviews.starts[:-1]).argmax())
    item, reviews = plant.catalogue.items.ids([row])[0], plant.reviews
    own = slice(int(reviews.starts[row]), int(reviews.starts[row + 1]))
    page = window.get(f"/items/{item}").text
    assert f"{reviews.ratings[own].mean():.1f} of 5 stars, {own.stop - own.start} reviews" in page
    assert page.count("<blockquote") == min(3, own.stop - own.start)
    asked = window.get(f"/items/{item}", params={"question": "Is the colour true?"}).text
    quotes = live.serving.recommender.ask(item, "Is the colour true?").quotes
    assert asked.count("<blockquote") == len(quotes)
    assert "The reviews do not say" in window.get(f"/items/{item}", params={"question": "xyzzy"}).text


def test_who_may_look(live: LiveShop) -> None:
    assert TestClient(create_app(live), base_url=HOME).get("/").status_code == 404  # only where it is asked for
    rebound = TestClient(create_app(live, window=True), base_url="http://rebound.example")
    assert rebound.get("/").status_code == 403
    keys = Keys.parse("web ask,write 0123456789abcdef")
    public = TestClient(create_app(live, keys=keys, window=True), base_url="http://shop.example")
    assert public.get("/").status_code == 200
    assert public.post("/v1/page/home", json={}).status_code == 401
    assert public.get("/v1/nosuch").headers["content-type"] == "application/problem+json"


def test_without_a_store_the_window_still_shows(
    window: TestClient, live: LiveShop, monkeypatch: pytest.MonkeyPatch, plant: SyntheticShop
) -> None:
    def away(_: object) -> int:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    monkeypatch.setattr(live, "observe", away)
    item = plant.catalogue.items.ids([7])[0]
    assert window.get(f"/items/{item}").status_code == 200
    answer = window.post("/cart", data={"item": item})
    assert answer.status_code == 503
    assert "cannot write anything down" in answer.text
    assert "Your cart is empty" in window.get("/cart").text


def test_pages_are_of_one_catalogue_while_it_changes(window: TestClient, live: LiveShop, plant: SyntheticShop) -> None:
    rows = (110, 119)
    named = dict(zip(plant.catalogue.items.ids(rows), (plant.catalogue.column("title")[r] for r in rows), strict=True))
    wrong: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for item, title in named.items():
                page = window.get(f"/items/{item}")
                if (
                    page.status_code != 200
                    or html.escape(title) not in page.text.partition("<h1")[2].partition("</h1>")[0]
                ):
                    wrong.append(item)
            wrong.extend(["search"] * (window.get("/search", params={"category": "dress"}).status_code != 200))

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for item in plant.catalogue.items.ids(range(12)):  # the rows of all others change with each
        live.remove_item(item)
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


text = st.text(max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["/search", "/items/sku-007", "/", "/my-data", "/why/sku-009", "/new", "/cart", "/photo"]),
    st.dictionaries(st.sampled_from(["q", "category", "price", "sort", "n", "language", "question"]), text),
    text,
)
def test_nothing_that_is_asked_breaks_it(window: TestClient, path: str, asked: dict[str, str], cart: str) -> None:
    cookie = "mmreco_cart=" + "".join(c for c in cart if c.isprintable() and c.isascii() and c not in ";, ")
    assert window.get(path, params=asked, headers={"Cookie": cookie}).status_code < 500
    assert window.post("/cart", data={"item": cart}).status_code < 500
    assert window.get(f"/items/{quote(cart, safe='')}").status_code < 500
