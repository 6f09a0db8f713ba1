"""Reports: escaped, self-contained, each picture once, and readable without seeing."""

import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from mmreco.errors import DataError
from mmreco.report import Card, Gallery, chips, curves, heading, metrics_table, mosaic, page, prose, row, tiles

NASTY = "<script>alert(\"x\")</script> & 'y'"


class Read(HTMLParser):
    """Tags with attributes in order, and the text; complains of tags closed in another order than opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (200, 100), (200, 30, 40)).save(path)
    return path


def test_everything_is_escaped(picture: Path) -> None:
    gallery = Gallery()
    blocks = [
        heading(NASTY, gloss=NASTY),
        prose(NASTY),
        tiles([(NASTY, NASTY, NASTY)]),
        chips([NASTY], label=NASTY),
        metrics_table({NASTY: {NASTY: 0.5}}, [NASTY], caption=NASTY),
        mosaic([(picture, NASTY)], gallery),
        row([Card(picture, NASTY, NASTY, NASTY)], gallery, label=NASTY),
        curves({NASTY: [(1, 0.5)]}, x=NASTY, y=NASTY),
    ]
    read = Read(page(NASTY, blocks, gallery, lead=NASTY))
    assert "script" not in {tag for tag, _ in read.tags}
    assert sum(NASTY in words for words in read.words) == 22


def test_asks_for_nothing_from_outside(picture: Path) -> None:
    gallery = Gallery()
    read = Read(page("t", [row([Card(picture, "Red dress")], gallery)], gallery))
    assert not [attrs for _, attrs in read.tags if {"src", "href", "srcset"} & attrs.keys()]
    styles = "".join(read.words)
    assert "@import" not in styles
    assert styles.count("url(") == styles.count("url(data:image/jpeg;base64,") == 1
    policy = next(a["content"] for t, a in read.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_a_picture_is_held_once_however_often_it_is_shown(picture: Path) -> None:
    gallery = Gallery(size=40)
    text = page(
        "t", [row([Card(picture, "a"), Card(picture, "b")], gallery), mosaic([(picture, "c")], gallery)], gallery
    )
    assert text.count("base64,") == 1
    shots = [attrs for tag, attrs in Read(text).tags if attrs.get("role") == "img"]
    assert [a["aria-label"] for a in shots] == ["a", "b", "c"]
    assert len({a["class"] for a in shots}) == 1
    assert len(gallery.style()) < 3_000


def test_what_has_no_picture_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture at all")
    read = Read(row([Card(None, "Hat"), Card(broken, "Coat")], Gallery()))
    assert read.words.count("no picture") == 2
    assert {"Hat", "Coat"} <= set(read.words)


def test_the_best_of_a_column_stands_out() -> None:
    table = metrics_table(
        {"ALS": {"ndcg@10": 0.1, "mrr": 0.4}, "Popular": {"ndcg@10": 0.2, "mrr": 0.3}}, ["ndcg@10", "mrr"]
    )
    best = [attrs.get("class") for tag, attrs in Read(table).tags if tag == "td"]
    assert best == [None, "best", "best", None]
    assert {"0.1000", "0.2000"} <= set(Read(table).words)


def test_chinese_is_marked_for_who_reads_aloud() -> None:
    assert heading("Hats", gloss="帽子") == '<h2>Hats <span class="gloss" lang="zh-Hans">帽子</span></h2>'
    assert prose("红色连衣裙").startswith('<p lang="zh-Hans">')
    assert 'lang="' not in prose("“红色连衣裙” finds red dresses")


def test_curves_lie_where_the_figures_are() -> None:
    svg = curves({"ALS": [(1, 0.0), (2, 0.5), (3, 1.0)], "Popular": [(1, 0.0), (3, 1.0)]}, x="k", y="recall@k")
    root = ElementTree.fromstring(svg)
    drawn = [p.get("points", "").split() for p in root.iter("polyline")]
    (x1, y1), (x2, y2), (x3, y3) = (map(float, point.split(",")) for point in drawn[0])
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)
    assert y1 > y3  # up is better
    names = {t.text: float(t.get("y", "0")) for t in root.iter("text") if t.get("class") == "end"}
    assert abs(names["ALS"] - names["Popular"]) >= 12  # names of curves that end together do not cover each other
    assert root.get("aria-label") == "recall@k by k: ALS, Popular"
    assert [t.text for t in root.iter("title")][2] == "ALS: 1 at 3"


def test_curves_of_one_point_and_of_zeros() -> None:
    ElementTree.fromstring(curves({"ALS": [(10, 0.0)]}, x="k", y="recall"))


def test_curves_without_a_point() -> None:
    with pytest.raises(DataError, match="no points"):
        curves({"ALS": []}, x="k", y="recall")
