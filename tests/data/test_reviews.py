"""Reviews, grouped by item."""

from typing import Any

import numpy as np
import pytest

from mmreco.data.ids import IdMap
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError

ITEMS = IdMap.of(["a", "b", "c"])


def test_they_are_grouped_by_item_oldest_first_in_all_their_columns() -> None:
    said = Reviews.from_rows(
        ITEMS,
        [2, 0, 2, 0],
        ["c2", "a1", "c1", "a1 too"],
        ratings=[1, 2, np.nan, 4],
        times=[30, 5, 20, 5],
        helpful=[7, 0, 1, 2],
        users=(IdMap.of(["u", "v"]), [0, 1, 1, 0]),
    )
    assert said.texts == ("a1", "a1 too", "c1", "c2")
    assert said.items_flat.tolist() == [0, 0, 2, 2]
    assert said.starts.tolist() == [0, 2, 2, 4]
    assert [said.of(row) for row in range(3)] == [("a1", "a1 too"), (), ("c1", "c2")]
    assert said.ratings.tolist()[:2] == [2, 4]
    assert np.isnan(said.ratings[2])
    assert said.helpful.tolist() == [0, 2, 1, 7]
    events = said.interactions()
    assert [events.items.ids(events.history(u)) for u in range(2)] == [["a", "c"], ["a", "c"]]
    assert len(said) == 4


def test_what_is_unknown_has_a_value_that_says_so() -> None:
    said = Reviews.from_rows(ITEMS, [1], ["x"])
    assert np.isnan(said.ratings).all()
    assert (said.helpful.tolist(), said.times, said.users) == ([0], None, None)
    with pytest.raises(DataError, match="no review has a user"):
        said.interactions()


def test_there_may_be_none() -> None:
    said = Reviews.from_rows(ITEMS, [], [])
    assert (len(said), said.of(2), said.starts.tolist()) == (0, (), [0, 0, 0, 0])


def test_its_arrays_are_read_only() -> None:
    said = Reviews.from_rows(ITEMS, [1], ["x"], times=[3])
    for array in (said.items_flat, said.ratings, said.times, said.helpful, said.starts):
        assert array is not None
        assert not array.flags.writeable


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"item_rows": [0, 3]}, "item row 3 at review 1; of 3 items"),
        ({"item_rows": [0, -1]}, "item row -1 at review 0"),
        ({"texts": ["x"]}, "1 texts for 2 item rows"),
        ({"ratings": [1]}, "1 ratings for 2"),
        ({"ratings": [1, 5.5]}, "rating 5.5 at review 1; expected 1 to 5"),
        ({"ratings": [0, 5]}, "rating 0.0 at review 0"),
        ({"helpful": [-1, 0]}, "helpful -1.0"),
        ({"helpful": [np.inf, 0]}, "helpful inf"),
        ({"users": (IdMap.of(["u"]), [0, 1])}, "user row 1"),
    ],
)
def test_what_cannot_be_is_refused(changes: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Reviews.from_rows(**{"items": ITEMS, "item_rows": [0, 1], "texts": ["x", "y"], **changes})


def test_the_constructor_wants_them_grouped() -> None:
    ratings, helpful = np.full(2, 3.0), np.zeros(2)
    with pytest.raises(DataError, match="not grouped by item"):
        Reviews(ITEMS, np.array([1, 0]), ("x", "y"), ratings, None, helpful)
    with pytest.raises(DataError, match="oldest first"):
        Reviews(ITEMS, np.array([1, 1]), ("x", "y"), ratings, np.array([2, 1]), helpful)
    with pytest.raises(DataError, match="go together"):
        Reviews(ITEMS, np.array([1, 1]), ("x", "y"), ratings, None, helpful, users=ITEMS)
