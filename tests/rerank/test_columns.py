"""What is read of a catalogue: the same whatever was read of it before."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError
from mmreco.rerank.columns import coded_column, codes, numbers


def shop() -> Catalogue:
    newest = datetime(2024, 5, 1)
    return Catalogue.from_frame(
        pa.table(
            {
                "item_id": ["a", "b", "c", "d"],
                "tags": [["x", "y", "x"], [], None, ["y", None, "z"]],
                "brand": pa.array(["p", None, "q", "p"]).dictionary_encode(),
                "stock": [3, None, 0, 7],
                "made": pa.array([newest, newest - timedelta(30), None, newest - timedelta(60)], pa.timestamp("us")),
                "weight": [0.5, 1.5, 2.5, 3.5],
            }
        )
    )


def test_values_are_numbered_as_they_come_and_once_an_item() -> None:
    found = codes(shop(), "tags", np.array([3, 0, 1, 2]))
    assert found.names == ("y", "z", "x")
    assert found.values.tolist() == [[0, 1], [2, 0], [-1, -1], [-1, -1]]
    assert found.number == {"y": 0, "z": 1, "x": 2}


def test_what_was_read_before_changes_nothing() -> None:
    used, rng = shop(), np.random.default_rng(0)
    for _ in range(20):
        rows = rng.integers(4, size=rng.integers(1, 6))
        for column in ("tags", "brand", "stock"):
            again, fresh = codes(used, column, rows), codes(shop(), column, rows)
            assert again.names == fresh.names
            np.testing.assert_array_equal(again.values, fresh.values)


def test_numbers_text_and_dictionaries_alike() -> None:
    assert codes(shop(), "brand", np.array([0, 1, 2, 3])).values[:, 0].tolist() == [0, -1, 1, 0]
    assert codes(shop(), "stock", np.array([2, 3, 1])).names == ("0", "7")
    assert codes(shop(), "brand", np.zeros(0, dtype=np.int64)).values.shape == (0, 1)


def test_values_are_read_one_after_the_other_with_how_many_there_are() -> None:
    column = coded_column(shop(), "tags")
    values, counts = column.read(np.array([[3, 0], [1, 2]]))
    assert counts.tolist() == [[2, 2], [0, 0]]
    named = [[column.names[code] for code in values[:, 0, item]] for item in (0, 1)]
    assert named == [["y", "z"], ["x", "y"]]
    assert (values[:, 1] == -1).all()
    assert column.read(np.array([1]))[0].tolist() == [[-1]]
    assert column.number == {name: code for code, name in enumerate(column.names)}


def test_many_threads_read_one_catalogue() -> None:
    n = 5_000
    wide = Catalogue.from_frame(
        pa.table({"item_id": [str(row) for row in range(n)], "brand": [f"b{row % 700}" for row in range(n)]})
    )

    def right(seed: int) -> bool:
        rows = np.random.default_rng(seed).integers(n, size=300)
        found = codes(wide, "brand", rows)
        return [found.names[code] for code in found.values[:, 0]] == [f"b{row % 700}" for row in rows.tolist()]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(right, range(100)))


def test_a_time_counts_half_for_each_30_days() -> None:
    np.testing.assert_allclose(numbers(shop(), "made", np.array([3, 0, 1, 2])), [0.25, 1, 0.5, np.nan], rtol=1e-6)
    np.testing.assert_allclose(numbers(shop(), "stock", np.array([1, 0])), [np.nan, 3])


def test_columns_of_other_kinds_are_refused() -> None:
    with pytest.raises(DataError, match="no column 'colour'; there are tags"):
        codes(shop(), "colour", np.array([0]))
    with pytest.raises(DataError, match="column 'weight' holds double; expected text"):
        codes(shop(), "weight", np.array([0]))
    with pytest.raises(DataError, match=r"column 'tags' holds .*; expected numbers or times"):
        numbers(shop(), "tags", np.array([0]))
