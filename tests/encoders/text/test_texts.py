"""What text encoders ask of texts: lists of Unicode, blank where nothing shows, bounded before they are normalised."""

import time
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.embedding.contents import read
from mmreco.encoders.queries import encode_document, encode_query, vocabulary_coverage
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.encoders.text.texts import LONGEST, bounded, is_blank, require_texts
from mmreco.errors import DataError

INVISIBLE = [
    "",
    " ",
    "\u200b",
    "\ufeff\u00ad",
    "\u2060\u200d",
    "\u3000\u2003",
    "\t\n\x00",
    "\u3164",
    "\u2800",
    "\ufe0f",
    "\u0301",
]


@pytest.mark.parametrize("text", INVISIBLE)
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)
    assert is_blank(text * 3)
    assert not is_blank(text + "a")


@pytest.mark.parametrize("text", ["a", ".", "裙", "한", "é", "e\u0301", "👗", "1", "+", "\u200bx", "ا"])
def test_what_shows_is_not_blank(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize("text", INVISIBLE[1:])
def test_an_invisible_content_is_refused_as_empty(text: str) -> None:
    with pytest.raises(DataError, match="empty text"):
        read(text)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("red dress", "given the text 'red dress'; expected a list"),
        (b"red dress", "given a bytes"),
        ((t for t in ["red"]), "given a generator"),
        (iter(["red"]), "given a list_iterator"),
        ({"red": 1}, "given a dict"),
        ({"red"}, "given a set"),
        (None, "given a NoneType"),
        (3, "given a int"),
        (["red", None], "row 1 is None"),
        (["red", 5], "row 1 is 5"),
        (["red", "red \ud83d"], "row 1 is not Unicode, half a character at 4"),
        (["\udc80"], "row 0 is not Unicode"),
    ],
)
def test_what_is_no_list_of_texts_is_refused_by_name(texts: object, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        require_texts(texts)


def test_lists_of_any_kind_are_taken() -> None:
    for texts in (["a", "b"], ("a", "b"), np.array(["a", "b"]), pd.Series(["a", "b"]), np.array(["a", "b"], object)):
        assert require_texts(texts) == ["a", "b"]


def test_the_lexical_encoder_checks_at_each_door() -> None:
    encoder = LexicalEncoder(dim=2).fit(["red dress", "blue dress"])
    for call in (
        encoder.encode,
        encoder.encode_query,
        encoder.encode_document,
        encoder.vocabulary_coverage,
        encoder.fit,
    ):
        for texts in ("red", (t for t in ["red"]), ["\ud83d"], [None]):
            with pytest.raises(DataError, match="texts: "):
                call(texts)  # type: ignore[arg-type]
    for ask in (encode_query, encode_document, vocabulary_coverage):
        for texts in ("red", (t for t in ["red"])):
            with pytest.raises(DataError, match="expected a list of contents"):
                ask(encoder, texts)  # type: ignore[arg-type]
    np.testing.assert_array_equal(encoder.encode(["\u200b", ""]), np.zeros((2, 2)))


def test_leading_blanks_push_no_word_out() -> None:
    for blank in (" ", "\u200b", "\n \u3000"):
        assert bounded(blank * 200_000 + "red dress", 16).strip() == "red dress"
        assert bounded("red" + blank * 200_000 + "dress", 16) == "red dress"


def test_short_texts_stay_as_they_are() -> None:
    for text in ("  red   dress ", "e\u0301" * 100, "\u200bred"):
        assert bounded(text) == text


def test_long_texts_are_cut() -> None:
    assert len(bounded("ab " * LONGEST)) == LONGEST
    assert bounded("裙" * 50, 20) == "裙" * 20


def test_marks_of_one_letter_are_bounded() -> None:
    assert bounded("a" + "\u0301" * 1000 + "b") == "a" + "\u0301" * 30 + "b"
    assert bounded("a" + "\u0301" * 30 + "b") == "a" + "\u0301" * 30 + "b"


@pytest.mark.parametrize(
    "unit", ["\u0301\u0323", "a\u0301", "\u1ec7", "\ufdfa", "か\u3099", "\u0e33", "é", " ", "\u200b"]
)
def test_any_query_is_read_in_a_moment(unit: str) -> None:
    encoder = LexicalEncoder(dim=2).fit(["red dress", "blue dress"])
    encoder.encode(["warm"])
    started = time.process_time()
    encoder.encode_query([unit * (80_000 // len(unit)), unit * (400_000 // len(unit))])
    assert time.process_time() - started < 5


@given(st.text(max_size=60), st.integers(1, 40))
def test_cutting_keeps_the_bound_and_the_words(text: str, longest: int) -> None:
    cut = bounded(text, longest)
    assert len(cut) <= max(longest, len(text) if len(text) <= longest else 0)
    if len(text) <= longest and not any(map(unicodedata.combining, text)):
        assert cut == text
