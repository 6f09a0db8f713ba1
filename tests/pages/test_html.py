from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.models.itemknn import ItemKNN
from mmreco.pages import Page, PageComposer, PageOptions, Shelf, page_html


class Reader(HTMLParser):
    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(title: str, *, query: str | None = None, language: str = "en", **columns: object) -> Page:
    table = {"item_id": ['a"b'], "title": [title], **{name: [value] for name, value in columns.items()}}
    catalogue = Catalogue.from_frame(pa.table(table))
    shelf = Shelf("new", "<b>New</b>", "", np.array([0]), np.ones(1))
    return Page("search" if query else "home", (shelf,), catalogue, language, query=query)


def test_everything_is_escaped() -> None:
    attack = "<script>alert(1)</script>\"' onerror=x"
    read = Reader(page_html(page(attack, query=attack, brand=attack)))
    assert not read.all("script")
    assert not read.all("b")
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert attack in "".join(read.said)


def test_the_policy_lets_no_script_run() -> None:
    policies = [m["content"] or "" for m in Reader(page_html(page("x"))).all("meta") if "http-equiv" in m]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policies[0]
    assert "unsafe" not in policies[0]


def test_addresses_that_run_scripts_are_refused() -> None:
    with pytest.raises(DataError, match="begins with"):
        page_html(page("x"), link=lambda item: "javascript:alert(1)")
    with pytest.raises(DataError, match="data:image"):
        page_html(page("x", image="x.jpg"), picture=lambda path: "data:text/html,x")


def test_ids_become_safe_addresses() -> None:
    links = [a["href"] for a in Reader(page_html(page("x"))).all("a")]
    assert "/items/a%22b" in links


@pytest.mark.parametrize(("language", "tag"), [("en", "en"), ("zh", "zh-Hans")])
def test_a_page_says_its_language(language: str, tag: str) -> None:
    assert Reader(page_html(page("红色裙子", language=language))).all("html") == [{"lang": tag}]


def test_pages_of_the_shop_are_whole(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    for language in ("en", "zh"):
        composer = PageComposer(model, shop, options=PageOptions(language=language))
        made = [*composer.home(shoppers.take([0])), *composer.detail([3])]
        for one in made:
            read = Reader(page_html(one, price=lambda value: f"¥{value:.0f}"))
            assert all(image["alt"] for image in read.all("img"))
            shown = [a["data-item"] for a in read.all("a") if "data-item" in a]
            assert shown == [item for shelf in one.ids() for item in shelf]
            assert len(read.all("h1")) == 1
            assert len(read.all("h2")) == len(one)


def test_a_missing_picture_has_words(shop: Dataset) -> None:
    read = Reader(page_html(page("Hat", image="/nowhere/hat.jpg", price=float("nan"))))
    assert {"Hat: No picture"} == {s["aria-label"] for s in read.all("span") if s.get("role") == "img"}


def test_pictures_may_lie_elsewhere() -> None:
    read = Reader(
        page_html(page("Hat", image="hat.jpg"), picture=lambda path: f"https://shop.example/{Path(path).name}")
    )
    assert read.all("img")[0]["src"] == "https://shop.example/hat.jpg"


def test_an_empty_page_says_so() -> None:
    catalogue = Catalogue.from_frame(pa.table({"item_id": ["a"]}))
    assert "nothing to show" in page_html(Page("home", (), catalogue))
    assert "暂时没有" in page_html(Page("home", (), catalogue, "zh"))
