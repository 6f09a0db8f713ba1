"""Reports: escaped, self-contained, each picture once, and readable without seeing."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mmreco.report import (
    Card,
    Gallery,
    chips,
    curves,
    heading,
    metrics_table,
    mosaic,
    page,
    prose,
    row,
    sentences,
    table,
    tiles,
)

NASTY = "<script>alert(\"x\")</script> & 'y'"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (200, 100), (200, 30, 40)).save(path)
    return path


def test_everything_is_escaped(picture: Path, read: type[Any]) -> None:
    gallery = Gallery()
    blocks = [
        heading(NASTY, gloss=NASTY),
        prose(NASTY),
        tiles([(NASTY, NASTY, NASTY)]),
        chips([NASTY], label=NASTY),
        metrics_table({NASTY: {NASTY: 0.5}}, [NASTY], caption=NASTY),
        table([NASTY], [[NASTY, NASTY]], caption=NASTY),
        sentences([NASTY]),
        mosaic([(picture, NASTY)], gallery),
        row([Card(picture, NASTY, NASTY, NASTY)], gallery, label=NASTY),
        curves({NASTY: [(1, 0.5)]}, x=NASTY, y=NASTY),
    ]
    seen = read(page(NASTY, blocks, gallery, lead=NASTY))
    assert "script" not in {tag for tag, _ in seen.tags}
    assert sum(NASTY in words for words in seen.words) == 27


def test_asks_for_nothing_from_outside(picture: Path, read: type[Any]) -> None:
    gallery = Gallery()
    seen = read(page("t", [row([Card(picture, "Red dress")], gallery)], gallery))
    assert not [attrs for _, attrs in seen.tags if {"src", "href", "srcset"} & attrs.keys()]
    styles = "".join(seen.words)
    assert "@import" not in styles
    assert styles.count("url(") == styles.count("url(data:image/jpeg;base64,") == 1
    policy = next(a["content"] for t, a in seen.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_a_picture_is_held_once_however_often_it_is_shown(picture: Path, read: type[Any]) -> None:
    gallery = Gallery(size=40)
    text = page(
        "t", [row([Card(picture, "a"), Card(picture, "b")], gallery), mosaic([(picture, "c")], gallery)], gallery
    )
    assert text.count("base64,") == 1
    shots = [attrs for tag, attrs in read(text).tags if attrs.get("role") == "img"]
    assert [a["aria-label"] for a in shots] == ["a", "b", "c"]
    assert len({a["class"] for a in shots}) == 1
    assert len(gallery.style()) < 3_000


def test_what_has_no_picture_says_so(tmp_path: Path, read: type[Any]) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture at all")
    seen = read(row([Card(None, "Hat"), Card(broken, "Coat")], Gallery()))
    assert seen.words.count("no picture") == 2
    assert {"Hat", "Coat"} <= set(seen.words)


def test_the_best_of_a_column_stands_out(read: type[Any]) -> None:
    table = metrics_table(
        {"ALS": {"ndcg@10": 0.1, "mrr": 0.4}, "Popular": {"ndcg@10": 0.2, "mrr": 0.3}}, ["ndcg@10", "mrr"]
    )
    best = [attrs.get("class") for tag, attrs in read(table).tags if tag == "td"]
    assert best == [None, "best", "best", None]
    assert {"0.1000", "0.2000"} <= set(read(table).words)


def test_chinese_is_marked_for_who_reads_aloud() -> None:
    assert heading("Hats", gloss="帽子") == '<h2>Hats <span class="gloss" lang="zh-Hans">帽子</span></h2>'
    assert prose("红色连衣裙").startswith('<p lang="zh-Hans">')
    assert 'lang="' not in prose("“红色连衣裙” finds red dresses")
