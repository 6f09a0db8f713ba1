"""Users: a row a shopper, aligned with any map."""

from pathlib import Path

import pyarrow as pa
import pytest

from mmreco.data.ids import IdMap
from mmreco.data.users import Users
from mmreco.errors import DataError

TABLE = pa.table({"user_id": ["ann", "bob", "carl"], "tier": ["gold", None, "new"], "age": [30, 40, 50]})


def test_columns_are_kept_and_rows_taken() -> None:
    users = Users.from_frame(TABLE)
    assert (len(users), repr(users)) == (3, "Users(3 users: tier, age)")
    some = users.take([2, 0])
    assert some.ids.array.to_pylist() == ["carl", "ann"]
    assert some.table.to_pydict() == {"tier": ["new", "gold"], "age": [50, 30]}


def test_what_is_not_known_is_null() -> None:
    users = Users.from_frame(TABLE)
    aligned = users.aligned(IdMap.of(["dora", "bob", "ann"]))
    assert aligned.table.to_pydict() == {"tier": [None, None, "gold"], "age": [None, 40, 30]}
    assert users.aligned(users.ids) is users


def test_a_file_with_names_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("customer,tier\n007,gold\n8,new\n", encoding="utf-8")
    users = Users.read(tmp_path / "users.csv", columns={"user_id": "customer"})
    assert users.ids.array.to_pylist() == ["007", "8"]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (pa.table({"name": ["ann"]}), "user_id"),
        (pa.table({"user_id": ["ann", "ann"]}), "ann"),
        (pa.table({"user_id": ["ann", None]}), "user_id"),
        ([["ann"]], "expected"),
        (None, "expected"),
    ],
)
def test_unusable_tables_are_refused(frame: object, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        Users.from_frame(frame)


def test_as_many_rows_as_ids() -> None:
    with pytest.raises(DataError, match="columns of 2 rows for 1 ids; expected one row a user"):
        Users(IdMap.of(["ann"]), pa.table({"tier": ["gold", "new"]}))
