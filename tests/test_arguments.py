"""Arguments at the public doors: what is not a list of strings, a width or a filter is refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmreco.arguments import (
    id_strings,
    listed,
    require_mask,
    require_width,
    row_numbers,
    strings,
    whole_numbers,
)
from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError
from mmreco.filters.candidates import candidates

SHOP = Catalogue.from_frame(pa.table({"item_id": ["hat", "coat"], "price": [10.0, 20.0]}))


def test_lists_pass() -> None:
    assert strings("users", ("a", "b")) == ["a", "b"]
    assert listed("image", [Path("a.jpg")]) == [Path("a.jpg")]
    assert strings("users", []) == []


@pytest.mark.parametrize("given", ["a", Path("a")])
def test_one_is_no_list(given: str | Path) -> None:
    with pytest.raises(DataError, match=r"users: 'a' is a single value; give a list, e.g. \['a'\]"):
        listed("users", given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [7, None, b"a"])
def test_what_is_no_string_is_named_with_its_place(given: object) -> None:
    with pytest.raises(DataError, match=r"users: .* at position 1 is not a string"):
        strings("users", ["a", given])  # type: ignore[list-item]


def test_width() -> None:
    require_width(1)
    with pytest.raises(DataError, match="k=0"):
        require_width(0)


def test_filters() -> None:
    assert candidates(SHOP, 1) is None
    np.testing.assert_array_equal(candidates(SHOP, 1, where="price < 15"), [True, False])
    np.testing.assert_array_equal(candidates(SHOP, 1, where=np.array([False, True])), [False, True])
    np.testing.assert_array_equal(candidates(SHOP, 1, where=[True, False]), [True, False])
    for wrong in (np.array([True]), np.array([0, 1]), np.array([[True, False]] * 3), [0, 1]):
        with pytest.raises(DataError, match=r"where: .*expected an expression, or bool of shape \(2,\)"):
            candidates(SHOP, 1, where=wrong)


def test_ids_are_text_or_whole_numbers() -> None:
    assert id_strings("items", iter(["a", 7, np.uint8(9)])) == ["a", "7", "9"]
    for odd in (1.0, None, True, np.bool_(False), b"a"):
        with pytest.raises(DataError, match=r"items: .* at position 1 is not an id; expected text or whole numbers"):
            id_strings("items", ["a", odd])


@pytest.mark.parametrize("given", [[], [0, 2], np.array([1], np.uint8), np.zeros(0), np.array([2**62])])
def test_whole_numbers_pass(given: object) -> None:
    assert whole_numbers("rows", given).dtype == np.int64


@pytest.mark.parametrize(
    "given",
    [[True], [0.0], ["1"], np.array(["2026-01-01"], "datetime64[D]"), np.array([2**63], np.uint64), [None], [2**70]],
)
def test_what_is_no_whole_number_is_not_made_one(given: object) -> None:
    with pytest.raises(DataError, match=r"rows: .*expected whole numbers"):
        whole_numbers("rows", given)


def test_rows_and_masks() -> None:
    assert row_numbers("rows", [1, 0], 2).tolist() == [1, 0]
    for odd in ([2], [-1], [False, True]):
        with pytest.raises(DataError, match="rows"):
            row_numbers("rows", odd, 2)
    assert require_mask("keep", [True, False], 2).tolist() == [True, False]
    for odd in ([1, 0], np.ones(3, bool), np.ones(2), "ab"):
        with pytest.raises(DataError, match=r"keep: .*expected a mask, bool of shape \(2,\)"):
            require_mask("keep", odd, 2)
