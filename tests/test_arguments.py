"""The door: what is no list of strings, no width and no filter does not come in."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmreco.arguments import listed, require_width, strings
from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError
from mmreco.filters.candidates import allowed

SHOP = Catalogue.from_frame(pa.table({"item_id": ["hat", "coat"], "price": [10.0, 20.0]}))


def test_lists_pass() -> None:
    assert strings("users", ("a", "b")) == ["a", "b"]
    assert listed("image", [Path("a.jpg")]) == [Path("a.jpg")]
    assert strings("users", []) == []


@pytest.mark.parametrize("given", ["a", Path("a")])
def test_one_is_no_list(given: str | Path) -> None:
    with pytest.raises(DataError, match=r"users: 'a' is one; give a list of them, e.g. \['a'\]"):
        listed("users", given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [7, None, b"a"])
def test_what_is_no_string_is_named_with_its_place(given: object) -> None:
    with pytest.raises(DataError, match=r"users: .* at place 1 is no string"):
        strings("users", ["a", given])  # type: ignore[list-item]


def test_width() -> None:
    require_width(1)
    with pytest.raises(DataError, match="k=0"):
        require_width(0)


def test_filters() -> None:
    assert allowed(SHOP, None) is None
    np.testing.assert_array_equal(allowed(SHOP, "price < 15"), [True, False])
    np.testing.assert_array_equal(allowed(SHOP, np.array([False, True])), [False, True])
    for wrong in (np.array([True]), np.array([0, 1]), np.array([[True, False]])):
        with pytest.raises(DataError, match=r"where: .*expected an expression, or bool of shape \(2,\)"):
            allowed(SHOP, wrong)
