"""Folding, stemming, the glossary, and a shop's own words."""

import importlib.util

import pytest

from mmreco.errors import DataError, MissingExtraError
from mmreco.text import folding
from mmreco.text.folding import fold, to_simplified
from mmreco.text.glossary import alike
from mmreco.text.segmentation import Segmenter, segment
from mmreco.text.stemming import stem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("紅色連衣裙", "红色连衣裙"),
        ("ＡＢＣ１２", "abc12"),
        ("Ｔ恤", "t恤"),
        ("Straße", "strasse"),
        ("", ""),
        ("充電寶", "充电宝"),
    ],
)
def test_one_spelling(text: str, expected: str) -> None:
    assert fold(text) == expected
    assert fold(fold(text)) == fold(text)


def test_simplified_text_and_other_scripts_stay() -> None:
    for text in ("红色连衣裙", "Red dress", "ワンピース", "🎈"):
        assert to_simplified(text) == text


def test_a_missing_table_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    folding._table.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install opencc-python-reimplemented"):
        to_simplified("紅")
    monkeypatch.undo()
    folding._table.cache_clear()
    assert to_simplified("紅") == "红"


@pytest.mark.parametrize(
    ("word", "expected"),
    [("dresses", "dress"), ("boxes", "box"), ("parties", "party"), ("hats", "hat"), ("bus", "bus"), ("gas", "gas")],
)
def test_plurals_are_cut(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_the_glossary_goes_both_ways_and_stays_in_its_line() -> None:
    assert "dress" in alike("连衣裙")
    assert "连衣裙" in alike("dress")
    assert "trouser" in alike("长裤")
    assert "mug" not in alike("dress")
    assert all(word not in alike(word) for word in ("dress", "红色", "cup"))


def test_a_shops_words_are_not_cut_and_others_are_as_ever() -> None:
    own = Segmenter(("云朵绒", "云朵绒", " "))
    assert own.words == ("云朵绒",)
    assert own.segment("雲朵絨外套") == ["云朵绒", "外套"]
    assert Segmenter().segment("红色连衣裙, Women's") == segment("红色连衣裙, Women's")
    assert own == Segmenter(("雲朵絨",))
    with pytest.raises(DataError, match="expected a text, given int"):
        own.segment(3)  # type: ignore[arg-type]
