"""What is written is what is read, for every noun."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.storage import (
    read_catalogue,
    read_interactions,
    write_catalogue,
    write_interactions,
)

ITEMS = IdMap.of(["帽子", "scarf", "coat"])


def test_catalogue(tmp_path: Path) -> None:
    shop = Catalogue(ITEMS, pa.table({"title": ["红帽", None, "Coat"], "price": [1.5, 2.0, None]}))
    write_catalogue(tmp_path / "c.parquet", shop)
    again = read_catalogue(tmp_path / "c.parquet")
    assert again.items == shop.items
    assert again.table.equals(shop.table)


def test_catalogue_without_columns(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "c.parquet", Catalogue(ITEMS, pa.table({"x": [1, 2, 3]}).drop_columns(["x"])))
    assert len(read_catalogue(tmp_path / "c.parquet")) == 3


@pytest.mark.parametrize("times", [None, np.array([5, 9, 2])])
def test_interactions(tmp_path: Path, times: np.ndarray | None) -> None:
    events = Interactions.from_events(
        IdMap.of(["u", "v", "w"]),
        ITEMS,
        np.array([0, 0, 2]),
        np.array([2, 1, 0]),
        times=times,
        event_types=np.array([0, 1, 0]),
        event_names=("view", "购买"),
        weights=np.array([1, 5, 1], dtype=np.float32),
        dropped=4,
    )
    write_interactions(tmp_path / "i", events)
    again = read_interactions(tmp_path / "i", ITEMS)
    assert again.users == events.users
    assert (again.event_names, again.dropped) == (events.event_names, 4)
    for name in ("starts", "items_flat", "event_types", "weights", "times"):
        np.testing.assert_array_equal(getattr(again, name), getattr(events, name))
