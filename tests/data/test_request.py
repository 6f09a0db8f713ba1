"""Request: as many of each as questions, checked once."""

from typing import Any

import numpy as np
import pytest

from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.request import Request
from mmreco.errors import DataError, IncompatibleError

ITEMS = IdMap.of(["a", "b", "c"])


def lists(*histories: list[str]) -> Interactions:
    return Interactions.from_histories(list(histories), items=ITEMS)


HISTORIES = lists(["a"], [], ["b", "c"])


def test_what_is_asked_is_plain() -> None:
    request = Request(HISTORIES, k=np.int64(2), at=5, page="home")  # type: ignore[arg-type]
    assert (len(request), request.k, type(request.k), repr(request)) == (3, 2, int, "Request(3 questions, k=2)")
    assert request.at is not None
    assert request.at.tolist() == [5, 5, 5]
    assert not request.at.flags.writeable


def test_what_each_question_may_not_be_answered_with() -> None:
    exclude = lists(["b"], ["b"], [])
    both = Request(HISTORIES, exclude=exclude).excluded
    assert both is not None
    assert [sorted(both.history(line).tolist()) for line in range(3)] == [[0, 1], [1], [1, 2]]
    assert Request(HISTORIES, exclude_seen=False).excluded is None
    assert Request(HISTORIES, exclude_seen=False, exclude=exclude).excluded is exclude
    assert Request(HISTORIES).excluded is HISTORIES


def test_questions_are_taken_with_all_that_is_theirs() -> None:
    each = np.array([[True, False, False], [False, True, False], [False, False, True]])
    request = Request(HISTORIES, k=1, exclude=lists(["b"], ["a"], []), candidates=each, at=np.array([7, 8, 9]))
    some = request.take(np.array([2, 0]))
    assert some.histories.lengths.tolist() == [2, 1]
    assert some.exclude is not None
    assert some.exclude.lengths.tolist() == [0, 1]
    assert some.candidates is not None
    assert some.candidates.tolist() == [[False, False, True], [True, False, False]]
    assert some.at is not None
    assert some.at.tolist() == [9, 7]
    for_all = Request(HISTORIES, candidates=each[0]).take(np.array([1]))
    assert for_all.candidates is not None
    assert for_all.candidates.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"k": None}, "k=None: expected a whole number"),
        ({"k": True}, "k=True: expected a whole number"),
        ({"k": 2.0}, r"k=2\.0: expected a whole number"),
        ({"k": "10"}, "k='10': expected a whole number"),
        ({"k": 0}, "k=0: expected 1 to 1,000,000"),
        ({"k": 10**12}, "k=1000000000000: expected 1 to 1,000,000"),
        ({"exclude_seen": "no"}, "exclude_seen='no': expected True or False"),
        ({"exclude": [["a"]]}, "exclude is a list; expected Interactions"),
        ({"exclude": lists(["a"])}, "exclude has 1 lines for 3 histories"),
        ({"candidates": np.ones(2, dtype=bool)}, r"expected bool of shape \(3,\), or \(3, 3\)"),
        ({"candidates": [0, 1, 2]}, "candidates: int64"),
        ({"candidates": np.ones((2, 3), dtype=bool)}, r"bool of shape \(2, 3\)"),
        ({"at": "2026-01-01"}, "at: <U10"),
        ({"at": np.array([1, 2])}, r"int64 of shape \(2,\)"),
        ({"at": 1.5}, "at: float64"),
    ],
)
def test_misuse_is_told(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        Request(HISTORIES, **options)


@pytest.mark.parametrize("given", [["a"], None, "a", ITEMS, (["a"] for _ in range(2))])
def test_histories_are_interactions(given: Any) -> None:
    with pytest.raises(DataError, match=rf"histories is a {type(given).__name__}; expected Interactions"):
        Request(given)


def test_exclusions_are_over_the_same_items() -> None:
    other = Interactions.from_histories([["x"], [], []], items=IdMap.of(["x"]))
    with pytest.raises(IncompatibleError, match="exclude is over 1 items, histories over 3"):
        Request(HISTORIES, exclude=other)
