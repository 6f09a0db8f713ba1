"""Spelling: edits against a table written out, and the nearest words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.retrieval.spelling import Spelling, edits


def slow_edits(a: str, b: str) -> int:
    """Optimal string alignment, the whole table."""
    d = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    d[:, 0], d[0, :] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return int(d[-1, -1])


@given(st.text("abc", max_size=7), st.text("abc", max_size=7), st.integers(0, 3))
def test_edits_are_those_of_the_whole_table(a: str, b: str, limit: int) -> None:
    assert edits(a, b, limit) == min(slow_edits(a, b), limit + 1)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("headphnes", ["headphones"]),
        ("haedphones", ["headphones"]),
        ("candel", ["candle"]),
        ("lamps", ["lamp"]),
        ("cat", []),
        ("12345", []),
        ("耳机耳机", []),
        ("f9k1016", []),
        ("f9k1015x", ["f9k1015"]),
        ("zzzzzzzz", []),
    ],
)
def test_the_nearest_words(word: str, expected: list[str]) -> None:
    terms = ("headphones", "candle", "lamp", "f9k1015", "耳机", "cut", "12346")
    found = Spelling(terms, np.ones(len(terms), dtype=np.int64)).nearest(word)
    assert [other for other, _ in found] == expected
    assert all(0 < alike < 1 for _, alike in found)


def test_the_commoner_of_equally_near_words_comes_first() -> None:
    spelling = Spelling(("ratter", "latter"), np.array([3, 90]))
    assert [word for word, _ in spelling.nearest("matter")] == ["latter", "ratter"]


def test_no_vocabulary_has_no_near_words() -> None:
    assert Spelling((), np.zeros(0, dtype=np.int64)).nearest("lamp") == []
