"""The page of a comparison: complete, self-contained, and true to the figures."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from mmreco.data.catalogue import Catalogue
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.errors import DataError, IncompatibleError
from mmreco.evaluation import Comparison, compare
from mmreco.models.itemknn import ItemKNN
from mmreco.models.popular import Popular
from mmreco.report import comparison_page
from mmreco.splitting import leave_last_out


@pytest.fixture(scope="module")
def shop() -> SyntheticShop:
    return synthetic_shop(n_items=128, n_users=80, seed=2)


@pytest.fixture(scope="module")
def catalogue(shop: SyntheticShop, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """With one picture for all."""
    path = tmp_path_factory.mktemp("pictures") / "photo.jpg"
    Image.new("RGB", (60, 60), (200, 30, 40)).save(path)
    table = shop.catalogue.table.append_column("image", pa.array([str(path)] * len(shop.catalogue)))
    return Catalogue(shop.catalogue.items, table)


@pytest.fixture(scope="module")
def found(shop: SyntheticShop) -> Comparison:
    return compare({"ItemKNN": ItemKNN, "<Popular>": Popular}, leave_last_out(shop.dataset), baseline="<Popular>")


def test_the_page_holds_all_it_should(found: Comparison, catalogue: Catalogue, tmp_path: Path, read: type[Any]) -> None:
    path = comparison_page({"leave last out": found}, catalogue, tmp_path / "new" / "report.html", title="A & B")
    text = path.read_text(encoding="utf-8")
    seen = read(text)
    words = " ".join(seen.words)
    headings = ["By width", "By length of history", "Popularity against accuracy", "By segment"]
    for said in ["A & B", "Leave last out", *headings, *found.verdict(), "side by side", "category_diversity@10"]:
        assert said in words, said
    for name in found.names:
        assert f"{found.reports[name]['ndcg@10']:.4f}" in words
    svgs = [attrs["aria-label"] or "" for tag, attrs in seen.tags if tag == "svg"]
    assert len(svgs) == 4
    assert all("ItemKNN" in label and "<Popular>" in label for label in svgs)
    shoppers = found.test.histories.users.ids(found.shown)
    assert all(user in seen.words for user in shoppers)
    assert words.count("next") >= len(shoppers)


def test_nothing_is_asked_for_from_outside_and_a_picture_is_held_once(
    found: Comparison, catalogue: Catalogue, tmp_path: Path, read: type[Any]
) -> None:
    text = comparison_page({"a split": found}, catalogue, tmp_path / "report.html").read_text(encoding="utf-8")
    seen = read(text)
    assert not [attrs for _, attrs in seen.tags if {"src", "href", "srcset"} & attrs.keys()]
    assert text.count("base64,") == 1
    assert text.count('class="shot s0"') > 50


def test_what_came_true_stands_out(found: Comparison, catalogue: Catalogue, tmp_path: Path, read: type[Any]) -> None:
    text = comparison_page({"a split": found}, catalogue, tmp_path / "report.html").read_text(encoding="utf-8")
    strong = sum(tag == "figure" and "strong" in (attrs.get("class") or "") for tag, attrs in read(text).tags)
    wanted = [set(found.test.targets.history(int(user)).tolist()) for user in found.shown]
    hits = sum(
        len(wanted[line] & set(rows[:8].tolist()))
        for result in found.results.values()
        for line, rows in enumerate(result.rows)
    )
    assert strong == hits + len(found.shown)


def test_items_without_titles_and_pictures(found: Comparison, shop: SyntheticShop, tmp_path: Path) -> None:
    bare = Catalogue(shop.catalogue.items, pa.table({"price": shop.catalogue.table["price"]}))
    text = comparison_page({"a split": found}, bare, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "sku-" in text
    assert "no picture" in text


def test_what_does_not_fit_is_refused(found: Comparison, catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no comparison"):
        comparison_page({}, catalogue, tmp_path / "report.html")
    with pytest.raises(IncompatibleError, match="'x' is over 128 items, the catalogue of 3"):
        comparison_page({"x": found}, catalogue.take([0, 1, 2]), tmp_path / "report.html")
