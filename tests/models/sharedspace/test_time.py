"""What the time of asking changes: what follows at once and what follows later, and the seasons of a shop."""

import json

import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.request import Request
from mmreco.models import Training
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.sharedspace.seasons import asked_at, seasons, time_of_year
from mmreco.recommender import Recommender
from mmreco.splitting import by_time, leave_last_out

MINUTE, DAY = 60_000, 86_400_000
ITEMS = IdMap.of([f"i{i}" for i in range(40)])


# ---- a minute later one of the same ten follows, a month later the last item of all


def visits() -> Interactions:
    rng = np.random.default_rng(0)
    events = []
    for user in range(300):
        now = int(rng.integers(100 * DAY))
        for _ in range(3):
            family = 10 * int(rng.integers(3))
            for item in family + rng.permutation(10)[:3]:
                events.append((user, int(item), now))
                now += MINUTE
            now += 30 * DAY
            events.append((user, 39, now))
            now += MINUTE
    rows = np.array(events)
    users = IdMap.of([f"u{u}" for u in range(300)])
    return Interactions.from_events(users, ITEMS, rows[:, 0], rows[:, 1], times=rows[:, 2])


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    training = Training(epochs=6, learning_rate=0.01, device="cpu")
    model = SharedSpace(dim=16, target="next", training=training)
    return Recommender.fit(Dataset.from_interactions(visits()), model=model)


@pytest.fixture(scope="module")
def space(recommender: Recommender) -> SharedSpace:
    assert isinstance(recommender.model, SharedSpace)
    return recommender.model


def asked(n: int = 3) -> Interactions:
    rows = np.array([(u, 10 * u + i, i * MINUTE) for u in range(n) for i in range(2)])
    users = IdMap.of([f"v{u}" for u in range(n)])
    return Interactions.from_events(users, ITEMS, rows[:, 0], rows[:, 1], times=rows[:, 2])


def test_what_follows_depends_on_when_it_is_asked(space: SharedSpace) -> None:
    at_once, in_a_month = (space.recommend(histories=asked(), k=4, at=np.array(at)) for at in (2 * MINUTE, 30 * DAY))
    assert (at_once.rows // 10 == np.arange(3)[:, None]).all()
    assert (in_a_month.rows[:, 0] == 39).all()


def test_the_front_door_passes_the_time_on(recommender: Recommender) -> None:
    log = visits()
    assert log.times is not None
    newest = int(log.times[log.starts[1] - 1])
    now, at_once = (recommender.recommend(["u0"], k=5, exclude_seen=False, at=at) for at in (None, newest))
    later = recommender.recommend(["u0"], k=5, exclude_seen=False, at=newest + 30 * DAY)
    assert now.ids() == at_once.ids()
    assert now.ids() != later.ids()


def test_each_question_has_its_own_time(space: SharedSpace) -> None:
    at = np.array([2 * MINUTE, 30 * DAY, 2 * MINUTE])
    together = space.recommend(Request(asked(), k=4, at=at))
    for line in range(3):
        alone = space.recommend(Request(asked().take([line]), k=4, at=at[[line]]))
        np.testing.assert_array_equal(alone.rows[0], together.rows[line])


def test_no_time_is_just_after_the_newest_event(space: SharedSpace) -> None:
    now = space.user_vectors(asked(), at=np.full(3, MINUTE))
    np.testing.assert_array_equal(space.user_vectors(asked()), now)
    np.testing.assert_array_equal(space.user_vectors(asked(), at=np.zeros(3, dtype=np.int64)), now)


def test_a_history_without_times_is_the_same_at_any_time(space: SharedSpace) -> None:
    untimed = Interactions.from_histories([["i0", "i1"], []], items=ITEMS)
    at = np.full(2, 30 * DAY)
    np.testing.assert_array_equal(space.user_vectors(untimed), space.user_vectors(untimed, at=at))


def test_a_log_without_times_learns_as_if_there_was_no_time_of_asking() -> None:
    log = visits()
    untimed = Interactions.from_events(log.users, ITEMS, log.users_flat, log.items_flat)
    training = Training(epochs=1, learning_rate=0.01, device="cpu")
    space = SharedSpace(dim=16, training=training).fit(Dataset.from_interactions(untimed))
    assert not space.network_.users.waits.any()
    assert space.recommend(histories=asked(), k=4, at=np.array(30 * DAY)).rows.min() >= 0


def test_an_artefact_of_before_answers_as_it_did(space: SharedSpace, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    since = ("network.users.waits", "again", "answers.seasonal")
    before = {name: array for name, array in space._state().items() if name not in since}
    about = json.loads(before["about"].tobytes())
    about[4] = {**about[4], "repeats": {"weights": [1.0, 0.5, -0.1]}}
    del about[4]["seasons"]
    before["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    monkeypatch.setattr(SharedSpace, "_state", lambda _: before)
    space.save(tmp_path / "space")
    loaded = SharedSpace.load(tmp_path / "space")
    assert not loaded.network_.users.waits.any()
    at = np.full(3, 30 * DAY)
    np.testing.assert_array_equal(loaded.user_vectors(asked()), loaded.user_vectors(asked(), at=at))
    assert loaded.recommend(histories=asked(), k=4, exclude_seen=False).rows.min() >= 0


def test_splits_say_when_they_ask() -> None:
    shop = Dataset.from_interactions(visits())
    last = leave_last_out(shop).test
    assert last.at is not None
    assert last.targets.times is not None
    np.testing.assert_array_equal(last.at, last.targets.times)
    assert (by_time(shop, 90 * DAY).test.at == 90 * DAY).all()
    assert (by_time(shop, 90 * DAY).test.take([1]).at == [90 * DAY]).all()


def test_the_time_of_asking_is_worth_something_to_the_last_event(space: SharedSpace) -> None:
    test = leave_last_out(Dataset.from_interactions(visits())).test
    right = test.targets.items_flat
    told = space.recommend(Request(test.histories, k=1, at=test.at, exclude_seen=False)).rows[:, 0] == right
    untold = space.recommend(Request(test.histories, k=1, exclude_seen=False)).rows[:, 0] == right
    assert told.mean() > untold.mean() + 0.5


# ---- a shop of seasons: ten items each of winter and summer, twenty of all the year

YEAR = 365.2425 * DAY


def year_shop() -> Interactions:
    rng = np.random.default_rng(0)
    events = []
    for user in range(400):
        for _ in range(12):
            now = int(rng.integers(int(3.95 * YEAR)))
            month = int(now % YEAR * 12 // YEAR)
            own = {9: 0, 10: 0, 11: 0, 4: 10, 5: 10, 6: 10}.get(month)
            item = own + int(rng.integers(10)) if own is not None and rng.random() < 0.9 else int(rng.integers(20, 40))
            events.append((user, item, now))
    rows = np.array(events)
    users = IdMap.of([f"u{u}" for u in range(400)])
    return Interactions.from_events(users, ITEMS, rows[:, 0], rows[:, 1], times=rows[:, 2])


def test_a_season_is_what_is_had_more_often_than_over_the_year() -> None:
    log = year_shop()
    found = seasons(log, None)
    assert found is not None
    assert found[:10, 9:].min() > 1
    assert found[10:20, 4:7].min() > 1
    assert found[20:].mean(axis=0).max() < 0.8
    assert found[:10, :9].max() < 0
    ahead = seasons(log, int(YEAR / 4))  # what is had in a quarter that begins three months earlier, or less
    assert ahead is not None
    assert ahead[:10, 8:11].min() > 0.3
    assert ahead[:10, :6].max() < 0
    assert log.times is not None
    assert seasons(log.keep(log.times < YEAR / 2), None) is None
    assert seasons(Interactions.from_histories([["i0"]], items=ITEMS), None) is None


def test_a_moment_lies_between_two_starts() -> None:
    at = np.array([0.25, 11.5]) * YEAR / 12
    expected = np.zeros((2, 12))
    expected[0, :2], expected[1, [11, 0]] = (0.75, 0.25), 0.5
    np.testing.assert_allclose(time_of_year(at.astype(np.int64)), expected, atol=1e-6)
    assert asked_at(Interactions.from_histories([["i0"]], items=ITEMS), None) is None
    np.testing.assert_array_equal(asked_at(asked(2), None), [MINUTE, MINUTE])


def test_a_shop_sells_winter_in_november_and_summer_in_june(tmp_path) -> None:  # type: ignore[no-untyped-def]
    log = year_shop()
    training = Training(epochs=3, learning_rate=0.01, device="cpu")
    space = SharedSpace(dim=16, training=training).fit(Dataset.from_interactions(log))
    assert space.weights_.seasons > 0
    some = log.take(np.arange(100))
    space.save(tmp_path / "space")
    for model in (space, SharedSpace.load(tmp_path / "space")):
        share = {}
        for month in (4, 9):
            at = np.array(int((4 + month / 12) * YEAR))
            rows = model.recommend(histories=some, k=5, at=at).rows
            share[month] = [((rows >= 10 * part) & (rows < 10 * part + 10)).mean() for part in (0, 1)]
        assert share[9][0] > 2 * share[4][0]
        assert share[4][1] > 2 * share[9][1]
