"""What is observed keeps its order, its kinds and its columns; what is updated keeps its type."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.encoders.baskets import Baskets
from mmreco.errors import DataError
from mmreco.models import EASE
from mmreco.recommender import Recommender

ITEMS = pd.DataFrame(
    {
        "item_id": list("abcd"),
        "title": ["red hat", "blue cap", "red shoe", "wool sock"],
        "price": [10, 20, 30, 40],
        "size": ["S", "M", "7", "8"],
        "sold": pd.to_datetime(["2026-01-01"] * 4),
        "new": [True, False] * 2,
        "day": [date(2026, 1, 1)] * 4,
    }
)
LOG = pd.DataFrame(
    {
        "user_id": ["u1", "u1", "u2", "u2", "u3", "u3"],
        "item_id": ["a", "b", "b", "c", "a", "c"],
        "timestamp": pd.to_datetime(["2026-01-01", "2026-01-02"] * 3),
    }
)
FINE = ["2026-02-01T10:00:00.000900Z", "2026-02-01T10:00:00.000100Z"]


@pytest.fixture
def shop() -> Recommender:
    return Recommender.fit(Dataset.from_frames(items=ITEMS, events=LOG), model=EASE(l2=1.0), text=[], image=[])


def history(shop: Recommender, user: str) -> list[str]:
    events = shop.histories([user])
    return events.items.ids(events.history(0))


@pytest.mark.parametrize(
    "observed",
    [
        lambda shop: shop.observe([{"user_id": "n", "item_id": item} for item in "dcab"]),
        lambda shop: [shop.observe([{"user_id": "n", "item_id": item}]) for item in "dcab"],
        lambda shop: shop.observe(Interactions.from_histories([list("dcab")], items=shop.catalogue.items, users=["n"])),
    ],
    ids=["together", "one by one", "interactions"],
)
def test_events_without_a_time_keep_the_order_given(
    shop: Recommender, observed: Callable[[Recommender], Any], tmp_path: Path
) -> None:
    observed(shop)
    shop.save(tmp_path / "shop")
    for one in (shop, Recommender.load(tmp_path / "shop")):
        assert history(one, "n") == list("dcab")
    assert shop.dataset.interactions.times is not None


@pytest.mark.parametrize("kind", [pd.DataFrame, Interactions.from_frame])
def test_observed_events_inside_one_millisecond_keep_their_order(
    shop: Recommender, kind: Callable[[pd.DataFrame], Any]
) -> None:
    shop.observe(kind(pd.DataFrame({"user_id": ["n"] * 2, "item_id": ["a", "c"], "timestamp": FINE})))
    assert history(shop, "n") == ["c", "a"]
    assert shop.histories(["n"]).nanoseconds.tolist() == [100_000, 900_000]


def test_events_observed_at_one_time_that_is_given_are_one_basket(shop: Recommender) -> None:
    shop.observe([{"user_id": "n", "item_id": item, "timestamp": "2026-02-01T10:00:00Z"} for item in "dca"])
    assert Baskets.of(shop.histories(["n"])).sizes.tolist() == [3]


def test_an_event_may_say_more_than_the_first_one(shop: Recommender) -> None:
    more = {"event": "buy", "weight": 4.0, "timestamp": "2026-02-01T10:00:00Z"}
    shop.observe([{"user_id": "n", "item_id": "a"}, {"user_id": "m", "item_id": "c", **more}])
    bought = shop.histories(["m"])
    assert (bought.weights.tolist(), bought.times.tolist()) == ([4.0], [1769940000000])
    assert [bought.event_names[kind] for kind in bought.event_types] == ["buy"]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("price", 19.9, [19.9, 20, 30, 40]),
        ("size", 9, ["9", "M", "7", "8"]),
        ("sold", "2026-03-01", None),
        ("day", datetime(2026, 3, 1), None),
        ("day", "2026-03-01", None),
        ("new", False, [False, False, True, False]),
    ],
)
def test_an_update_may_widen_numbers(shop: Recommender, column: str, value: Any, expected: list[Any] | None) -> None:
    shop.update(Catalogue.from_frame(pa.table({"item_id": ["a"], column: [value]})))
    if expected is not None:
        assert shop.catalogue.column(column) == expected
    else:
        assert str(shop.catalogue.column(column)[0])[:10] == "2026-03-01"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sold", 5),
        ("sold", True),
        ("new", 3),
        ("new", "yes"),
        ("size", True),
        ("size", 1.5),
        ("size", datetime(2026, 3, 1)),
        ("day", datetime(2026, 3, 1, 12)),  # the hours would be lost
        ("day", 20),
    ],
)
def test_an_update_turns_no_value_into_another_kind(shop: Recommender, column: str, value: Any) -> None:
    with pytest.raises(DataError, match=f"update: column '{column}' holds .*; expected .* as before"):
        shop.update(Catalogue.from_frame(pa.table({"item_id": ["a"], column: [value]})))
    assert shop.catalogue.column(column) == ITEMS[column].tolist()


def test_an_item_that_comes_back_brings_its_reviews(shop: Recommender) -> None:
    written = pd.DataFrame({"item_id": ["a", "z"], "text": ["warm and soft", "new one"]})
    shop.remove(["a"])
    columns = {"item_id": ["a", "z"], "title": ["red hat", "lamp"], "price": [1, 2]}
    shop.add(Catalogue.from_frame(pd.DataFrame(columns)), reviews=Reviews.from_frame(written))
    assert shop.reviews is not None
    by_item = [shop.reviews.items.ids([row])[0] for row in shop.reviews.items_flat]
    assert dict(zip(by_item, shop.reviews.texts, strict=True)) == {"a": "warm and soft", "z": "new one"}
