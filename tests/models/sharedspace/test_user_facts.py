"""Shoppers without any event are placed by what is known of them, near those who are like them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmreco import Dataset, IdMap, Interactions, Training
from mmreco.data.request import Request
from mmreco.data.users import Users
from mmreco.errors import IncompatibleError
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.sharedspace.user_facts import UserFacts

N = 200


def people(n: int, start: int = 0) -> Users:
    """Half of them young, half old; the shoe size says nothing."""
    rows = range(start, start + n)
    return Users.from_frame(
        pa.table(
            {
                "user_id": [f"u{row}" for row in rows],
                "age": ["young" if row % 2 else "old" for row in rows],
                "shoe": [36.0 + row % 9 for row in rows],
            }
        )
    )


def shop() -> Dataset:
    """The young take items 0 to 9, the old items 10 to 19; the last twenty users have done nothing yet."""
    rng = np.random.default_rng(0)
    lists = [[f"i{10 * (row % 2 == 0) + j}" for j in rng.permutation(10)[:5]] for row in range(N)]
    users = people(N + 20)
    log = Interactions.from_histories(
        lists + [[]] * 20, items=IdMap.of([f"i{j}" for j in range(20)]), users=users.ids.array.to_pylist()
    )
    plain = Dataset.from_interactions(log)
    return Dataset(plain.catalogue, log, users=users)


@pytest.fixture(scope="module")
def space() -> SharedSpace:
    return SharedSpace(dim=16, training=Training(epochs=15, patience=None, learning_rate=0.01)).fit(shop())


def shares(rows: np.ndarray) -> list[float]:
    """The share of the answer among items 0 to 9."""
    return (rows < 10).mean(axis=1).tolist()


def strangers(space: SharedSpace, facts: Users | None, n: int = 4) -> Request:
    ids = [f"u{row}" for row in range(1_000, 1_000 + n)]
    nobody = Interactions.from_histories([[]] * n, items=space.items_, users=ids)
    return Request(nobody, k=5, facts=facts)


def test_a_stranger_of_known_facts_gets_what_his_like_take(space: SharedSpace) -> None:
    told = space.recommend(strangers(space, people(4, 1_000))).rows
    assert shares(told) == [0, 1, 0, 1]
    untold = space.recommend(strangers(space, None)).rows
    assert (untold == untold[0]).all()


def test_of_whom_nothing_is_known_lies_where_strangers_do(space: SharedSpace) -> None:
    facts = Users(people(4, 1_000).ids, pa.table({"age": pa.array([None, "ancient", None, None], pa.string())}))
    assert not space.placed_by_facts(facts).any()
    expected = space.recommend(strangers(space, None))
    np.testing.assert_array_equal(space.recommend(strangers(space, facts)).rows, expected.rows)


def test_events_say_more_than_facts(space: SharedSpace) -> None:
    asked = shop().interactions.take([0, 1])
    plain = space.recommend(Request(asked, k=5))
    facts = Users(asked.users, pa.table({"age": ["young", "old"]}))  # the other way round
    np.testing.assert_array_equal(space.recommend(Request(asked, k=5, facts=facts)).rows, plain.rows)


def test_facts_are_kept_with_the_model(space: SharedSpace, tmp_path: Path) -> None:
    space.save(tmp_path / "space")
    again = SharedSpace.load(tmp_path / "space")
    request = strangers(space, people(4, 1_000))
    np.testing.assert_array_equal(again.recommend(request).rows, space.recommend(request).rows)


def test_the_map_is_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    users, vectors = people(40), rng.normal(size=(40, 3)).astype(np.float32)
    found = UserFacts.fit(users, vectors)
    assert found is not None
    assert {name for name in found.vocabulary.names if name.startswith("age")} == {"age=old", "age=young"}
    one = found.vocabulary.describe(_table(users)).matrix().toarray()
    residual = vectors - vectors.mean(axis=0)
    expected = np.linalg.inv(one.T @ one + 20 * np.eye(one.shape[1])) @ one.T @ residual
    np.testing.assert_allclose(found.pulls, expected, atol=1e-5)
    assert UserFacts.fit(Users(users.ids, pa.table({})), vectors) is None


def _table(users: Users):  # type: ignore[no-untyped-def]
    from mmreco.data.catalogue import Catalogue

    return Catalogue(users.ids, users.table)


def test_facts_of_other_users_are_refused(space: SharedSpace) -> None:
    with pytest.raises(IncompatibleError, match="facts: expected Users of the histories' users"):
        strangers(space, people(4, 0))
