"""What stands beside the towers: pairs of items, trends, repeats, and how all of it is weighed."""

import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.metrics import ndcg
from mmreco.models import Training
from mmreco.models.sharedspace import SharedSpace, repeats
from mmreco.models.sharedspace.answers import Weights
from mmreco.models.sharedspace.blend import Evidence, pooled, weighed
from mmreco.models.sharedspace.item_to_item import ItemToItem
from mmreco.models.sharedspace.repeats import Repeats, had_again, merged, owned
from mmreco.models.sharedspace.trends import trends
from mmreco.splitting import Holdout

DAY = 86_400_000
ITEMS = IdMap.of([f"i{i}" for i in range(40)])


def asked_for(right: list[int], n_seen: int = 1) -> Holdout:
    n = len(right)
    seen = [[f"i{(r + 20) % 40}"] * n_seen for r in right]
    return Holdout(
        Interactions.from_histories(seen, items=ITEMS),
        Interactions.from_histories([[f"i{r}"] for r in right], items=ITEMS),
    ).take(np.arange(n))


def test_evidence_that_knows_gets_weight_and_evidence_that_does_not_gets_none() -> None:
    rng = np.random.default_rng(0)
    right = rng.integers(20, size=200).tolist()
    asked = asked_for(right)
    items = rng.normal(size=(40, 6)).astype(np.float32)
    knows = items[right] + rng.normal(size=(200, 6)).astype(np.float32)
    noise = [rng.normal(size=shape).astype(np.float32) for shape in ((200, 6), (40, 6))]
    base = Evidence(rng.normal(size=(200, 6)).astype(np.float32) + 0.3 * items[right], items)
    weights = weighed(pooled([base, Evidence(knows, items)], asked), [False, False], 0)
    assert weights[0] == 1
    assert weights[1] > 0.3
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    strong = Evidence(unit[right], unit)
    assert weighed(pooled([strong, Evidence(*noise)], asked), [False, False], 0).tolist() == [1, 0]


def test_pairs_of_items_speak_for_what_is_had_together() -> None:
    rng = np.random.default_rng(0)
    histories = [[f"i{10 * (u % 4) + i}" for i in rng.permutation(10)[:5]] for u in range(200)]
    log = Interactions.from_histories(histories, items=ITEMS)
    pairs = ItemToItem.fit(log)
    scores = pairs.read(Interactions.from_histories([["i0"], ["i35"], []], items=ITEMS), None) @ pairs.said.T
    assert scores[0, 1:10].mean() > 100 * np.abs(scores[0, 10:]).max()
    assert scores[1, 30:].mean() > 100 * np.abs(scores[1, :30]).max()
    assert not scores[2].any()


@pytest.mark.parametrize("lasting", [True, False])
def test_old_events_speak_as_loud_as_new_ones_where_tastes_last_and_fade_where_they_change(lasting: bool) -> None:
    rng = np.random.default_rng(0)
    n, world = 200, np.arange(200) % 4
    people = IdMap.of([f"u{u}" for u in range(n)])
    own, others = (
        10 * world[:, None] + rng.permuted(np.tile(np.arange(10), (n, 1)), axis=1),
        rng.integers(40, size=(n, 5)),
    )
    days = np.repeat([0, 300], 5) * DAY
    told = np.concatenate([own[:, :5], others] if lasting else [others, own[:, :5]], axis=1)
    users = np.repeat(np.arange(n), 10)
    histories = Interactions.from_events(people, ITEMS, users, told.ravel(), times=np.tile(days, n))
    targets = Interactions.from_events(people, ITEMS, np.arange(n), own[:, 5], times=np.full(n, 301 * DAY))
    log = Interactions.from_events(people, ITEMS, users, own.ravel(), times=np.tile(days, n))
    nothing = rng.normal(size=(n, 4)).astype(np.float32)
    places = rng.normal(size=(40, 4)).astype(np.float32)
    found = Weights.found(
        log, Holdout(histories, targets), users=[nothing, nothing], places=places, horizon=DAY, seed=0
    )
    assert (found.unfaded > found.pairs) == lasting
    assert max(found.unfaded, found.pairs) > 1


def test_trends_rise_with_what_is_new() -> None:
    users = np.zeros(8, dtype=np.int64)
    times = np.array([1, 1, 1, 1, 1, 100, 100, 100]) * DAY
    log = Interactions.from_events(IdMap.of(["u"]), ITEMS, users, np.array([0, 0, 0, 0, 1, 1, 1, 2]), times=times)
    found = trends(log, 10 * DAY)
    assert found[1, 0] > found[2, 0] > found[0, 0]  # of late
    assert found[0, -1] > found[1, -1] > found[2, -1]  # ever
    assert trends(Interactions.from_histories([["i0"]], items=ITEMS), None).shape == (40, 1)


def test_what_was_had_is_counted_by_baskets() -> None:
    users, items = np.array([0, 0, 0, 0, 1]), np.array([3, 3, 5, 3, 7])
    times = np.array([1, 1, 1, 2, 9]) * DAY
    had = owned(Interactions.from_events(IdMap.of(["u", "v"]), ITEMS, users, items, times=times), np.arange(6) / 10)
    assert list(zip(had.users, had.items, strict=True)) == [(0, 3), (0, 5), (1, 7)]
    np.testing.assert_allclose(had.features, [[1, np.log(2), 0, 0.3], [1, 0, np.log(2), 0.5], [1, 0, 0, 0]], rtol=1e-6)


def test_an_item_is_had_again_as_often_as_its_buyers_return_to_it() -> None:
    rows = []  # everybody has four baskets: i0 in each, i1 in the first alone, i2 in none but the last
    for user in range(50):
        rows += [(user, 0, day) for day in range(4)] + [(user, 1, 0), (user, 2, 3)]
    users, items, days = np.array(rows).T
    log = Interactions.from_events(IdMap.of([f"u{u}" for u in range(50)]), ITEMS, users, items, times=days * DAY)
    found = had_again(log)
    usual = 150 / 300  # had again, of the chances there were
    np.testing.assert_allclose(found[0], np.log((150 / usual + 10) / (150 + 10)), rtol=1e-5)
    np.testing.assert_allclose(found[1], np.log(10 / (150 + 10)), rtol=1e-5)
    assert not found[2:].any()
    assert not had_again(Interactions.from_histories([["i0"], ["i1"]], items=ITEMS)).any()


def test_of_lists_that_are_as_good_the_one_with_more_that_is_new_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    n = 80
    right = np.where(np.arange(n) % 2, 0, rng.integers(5, 40, size=n))  # every other one wants i0 again
    histories = Interactions.from_histories([["i0", "i1", "i2"]] * n, items=ITEMS)
    asked = Holdout(histories, Interactions.from_histories([[f"i{r}"] for r in right], items=ITEMS))
    wishes = 2 * np.eye(40, dtype=np.float32)[right] + rng.random((n, 40)).astype(np.float32)
    pool = pooled([Evidence(wishes, np.eye(40, dtype=np.float32))], asked, seen=True)
    had = owned(histories, np.zeros(40, dtype=np.float32))
    found = Repeats.fit(pool, np.ones(1), had)
    monkeypatch.setattr(repeats, "_LOWER", 0)
    likeliest = Repeats.fit(pool, np.ones(1), had)
    assert found is not None
    assert likeliest is not None
    assert found.weights[0] < likeliest.weights[0]
    assert found.weights[1:] == likeliest.weights[1:]
    figures = []
    for one in (found, likeliest):
        scores = wishes.copy()
        scores[had.users, had.items] += one.added(had)
        figures.append(ndcg(Ranking.from_scores(scores, 10), asked.targets).mean())
    assert figures[0] >= figures[1] * 0.995


def test_own_items_are_merged_exactly_as_if_all_items_were_scored() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3, 40)).astype(np.float32)
    histories = Interactions.from_histories([["i1", "i2", "i3"], [], ["i9"]], items=ITEMS)
    had, repeats = owned(histories, np.zeros(40, dtype=np.float32)), Repeats((1.0, 0.5, -0.5, 0.0))
    own = scores[had.users, had.items] + repeats.added(had)
    others = scores.copy()
    others[had.users, had.items] = -np.inf
    found = merged(Ranking.from_scores(others, 6), had, own, 6)
    scores[had.users, had.items] = own
    whole = Ranking.from_scores(scores, 6)
    np.testing.assert_array_equal(found.rows, whole.rows)
    np.testing.assert_allclose(found.scores, whole.scores)


def test_own_items_that_may_not_be_answered_are_none() -> None:
    histories = Interactions.from_histories([["i1", "i2", "i3"]], items=ITEMS)
    barred = Interactions.from_histories([["i2"]], items=ITEMS)
    request = Request(histories, exclude=barred, candidates=np.arange(40) != 1, exclude_seen=False)
    assert owned(histories, np.zeros(40, dtype=np.float32)).allowed(request).items.tolist() == [3]


# ---- a shop whose baskets have dates: everybody buys his own three again, in a family of ten


def shop(order: np.random.Generator | None = None) -> Dataset:
    rng = np.random.default_rng(0)
    events = []
    for user in range(240):
        own = 10 * (user % 4) + rng.permutation(10)[:3]
        for day in np.sort(rng.choice(100, 5, replace=False)):
            basket = {*own[rng.random(3) < 0.8].tolist(), 10 * (user % 4) + int(rng.integers(10))}
            events += [(user, item, int(day) * DAY) for item in basket]
    rows = np.array(events)
    if order is not None:
        rows = rows[order.permutation(len(rows))]
    users = IdMap.of([f"u{u}" for u in range(240)])
    return Dataset.from_interactions(Interactions.from_events(users, ITEMS, rows[:, 0], rows[:, 1], times=rows[:, 2]))


def fitted(dataset: Dataset, **parameters: object) -> SharedSpace:
    training = Training(epochs=4, learning_rate=0.01, device="cpu")
    return SharedSpace(dim=16, training=training, **parameters).fit(dataset)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def space() -> SharedSpace:
    return fitted(shop())


def test_nothing_depends_on_the_order_of_the_rows(space: SharedSpace) -> None:
    mixed = shop(np.random.default_rng(1))
    other = fitted(mixed)
    for exclude_seen in (True, False):
        one = space.recommend(histories=shop().interactions, k=10, exclude_seen=exclude_seen)
        two = other.recommend(histories=mixed.interactions, k=10, exclude_seen=exclude_seen)
        np.testing.assert_array_equal(one.rows, two.rows)
        np.testing.assert_allclose(one.scores, two.scores, atol=1e-6)


def test_what_is_bought_again_is_learnt_and_recommended(space: SharedSpace) -> None:
    log = shop().interactions
    assert space.weights_.horizon is not None
    assert space.weights_.repeats is not None
    had = np.zeros((len(log), len(ITEMS)), dtype=np.int64)
    np.add.at(had, (log.users_flat, log.items_flat), 1)
    first = space.recommend(histories=log, k=1, exclude_seen=False).rows[:, 0]
    assert (had[np.arange(len(log)), first] >= 3).mean() > 0.8
    unseen = space.recommend(histories=log, k=3).rows
    assert (unseen // 10 == (np.arange(len(log)) % 4)[:, None]).mean() > 0.9


def test_a_saved_space_answers_the_same(space: SharedSpace, tmp_path) -> None:  # type: ignore[no-untyped-def]
    space.save(tmp_path / "space")
    loaded, log = SharedSpace.load(tmp_path / "space"), shop().interactions
    assert loaded.weights_ == space.weights_
    for exclude_seen in (True, False):
        one, two = (m.recommend(histories=log, k=5, exclude_seen=exclude_seen) for m in (space, loaded))
        np.testing.assert_array_equal(one.rows, two.rows)
        np.testing.assert_allclose(one.scores, two.scores, rtol=1e-5)


def test_what_weighs_nothing_is_read_and_never_taught() -> None:
    log = shop().interactions
    weights = np.where(log.items_flat % 10 == 7, 0, 1).astype(np.float32)
    silent = Interactions.from_events(
        log.users, ITEMS, log.users_flat, log.items_flat, times=log.times, weights=weights
    )
    found = fitted(Dataset.from_interactions(silent), target="next").recommend(histories=log, k=3).rows
    assert (found % 10 == 7).mean() < 0.05
