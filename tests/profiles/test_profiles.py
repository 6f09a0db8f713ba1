"""What is said of shoppers is what was planted, and what a small log says is what a reader would."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.datasets.synthetic.facts import CATEGORIES, COLOURS
from mmreco.errors import DataError, UnknownIdError
from mmreco.profiles import (
    LifeStages,
    affinities,
    clusters,
    facets,
    high_value,
    interested,
    life_stages,
    lookalikes,
    next_purchases,
    profile,
    purchase_propensity,
    recency_frequency_money,
    user_words,
)
from mmreco.profiles.persistence import chosen_anew

DAY = 86_400_000
START = 1_700_000_000_000


@pytest.fixture(scope="module")
def planted() -> SyntheticShop:
    return synthetic_shop(n_items=400, n_users=300, seed=0)


def small() -> Dataset:
    """Ann buys tea every ten days, bob bought a hat long ago, eve came today, and nobody has met zoe."""
    items = pa.table(
        {
            "item_id": ["tea", "hat", "cup"],
            "title": ["Green tea", "红色帽子", "Red cup"],
            "category": ["food", "wear", "home"],
            "price": [5.0, 50.0, 10.0],
        }
    )
    events = [("ann", "tea", 0), ("ann", "tea", 10), ("ann", "tea", 20), ("bob", "hat", 0), ("eve", "cup", 100)]
    log = pa.table(
        {
            "user_id": [user for user, _, _ in events],
            "item_id": [item for _, item, _ in events],
            "timestamp": [START + day * DAY for _, _, day in events],
            "event": ["purchase"] * 4 + ["view"],
        }
    )
    return Dataset.from_frames(items=items, events=log)


def test_affinities_equal_their_slow_twin(planted: SyntheticShop) -> None:
    log = replace(planted.interactions, times=None)
    facet = facets(planted.catalogue)["category"]
    found = affinities(log, facet, prior=2.0)
    kinds = planted.catalogue.column("category")
    usual = np.array([sum(kinds[row] == value for row in log.items_flat) for value in facet.values]) / log.n_events
    for user in (0, 17):
        rows, weights = log.history(user), np.sqrt(log.weights[log.users_flat == user])
        for column, value in enumerate(facet.values):
            mine = sum(w for row, w in zip(rows, weights, strict=True) if kinds[row] == value) / weights.sum()
            share = (mine * len(rows) + 2 * usual[column]) / (len(rows) + 2)
            assert found.share[user, column] == pytest.approx(share)
            assert found.events[user, column] == sum(kinds[row] == value for row in rows)
    np.testing.assert_allclose(found.share.sum(axis=1), 1)


def test_what_is_carried_on_with_in_a_session_counts_less() -> None:
    """Three sessions of five: with chance 0.6 an event repeats the one before it, else it is drawn from the own mix."""
    rng, n, names = np.random.default_rng(0), 400, list("abcdefgh")
    mixes = rng.dirichlet(np.ones(8), n)
    values = np.array([rng.choice(8, 15, p=mix) for mix in mixes])
    inside = np.arange(15) % 5 > 0
    for place in np.flatnonzero(inside):
        kept = rng.random(n) < 0.6
        values[kept, place] = values[kept, place - 1]
    users, shop = IdMap.of([f"u{user}" for user in range(n)]), IdMap.of(names)
    times = np.tile(np.repeat(np.arange(3) * DAY, 5) + np.tile(np.arange(5) * 60_000, 3), n)
    log = Interactions.from_events(users, shop, np.repeat(np.arange(n), 15), values.ravel(), times=times)
    facet = facets(Catalogue(shop, pa.table({"category": names})))["category"]
    found, flat = affinities(log, facet).share, affinities(replace(log, times=None), facet).share
    assert np.abs(found - mixes).mean() < 0.92 * np.abs(flat - mixes).mean()
    anew = chosen_anew(log, times, facet.matrix[log.items_flat], flat)
    same = values[:, 1:] == values[:, :-1]
    usual, within = same[:, ~inside[1:]].mean(), same[:, inside[1:]].mean()
    kept_on = (within - usual) / (1 - usual)
    assert kept_on == pytest.approx(0.6, abs=0.08)
    for place in range(15):
        repeats = inside[place] and values[0, place] == values[0, place - 1]
        drawn = (1 - kept_on) * flat[0, values[0, place]]
        assert anew[place] == pytest.approx(drawn / (kept_on + drawn) if repeats else 1.0)
    few = log.take(np.arange(3))
    assert few.times is not None
    np.testing.assert_array_equal(chosen_anew(few, few.times, facet.matrix[few.items_flat], flat[:3]), 1.0)


def test_colours_are_read_in_both_languages(planted: SyntheticShop) -> None:
    facet = facets(planted.catalogue)["colour"]
    named = [facet.values[column] for column in facet.matrix.toarray().argmax(axis=1)]
    right = [name == COLOURS[fact].name for name, fact in zip(named, planted.truth.facts.colour, strict=True)]
    assert np.mean(right) > 0.97


def test_planted_tastes_are_found(planted: SyntheticShop) -> None:
    known = profile(planted.dataset)
    tastes = planted.truth.tastes
    for name, kinds, planted_shares in (("colour", COLOURS, tastes.colour), ("category", CATEGORIES, tastes.category)):
        found = known.affinities[name]
        names = [kind.name for kind in kinds]
        ours = np.array([names.index(value) if value in names else -1 for value in found.values])[found.first()]
        shares = planted_shares.mean(axis=1)  # (n, kinds)
        regret = shares.max(axis=1) - np.where(ours >= 0, shares[np.arange(len(shares)), ours], 0)
        chance = shares.max(axis=1) - shares.mean(axis=1)
        assert regret.mean() < 0.5 * chance.mean(), name


def test_an_affinity_names_its_events() -> None:
    known = profile(small())
    places = known.evidence(0, "category", "food")
    assert places.tolist() == [0, 1, 2]
    assert known.affinities["colour"].values[known.affinities["colour"].first()[1]] == "red"
    top = known.affinities["category"].top(1).to_pylist()
    assert [(row["user_id"], row["value"], row["events"]) for row in top] == [
        ("ann", "food", 3.0),
        ("bob", "wear", 1.0),
        ("eve", "home", 1.0),
    ]


def test_recency_frequency_and_money() -> None:
    shop = small()
    table = recency_frequency_money(shop.interactions, shop.catalogue, event="purchase").to_pylist()
    numbers = [(row["recency"], row["frequency"], row["money"]) for row in table]
    assert numbers == [(80, 3, 15), (100, 1, 50), (None, 0, 0)]
    assert recency_frequency_money(shop.interactions)["money"].null_count == 3
    assert life_stages(shop.interactions) == ["lapsing", "lost", "new"]
    assert life_stages(shop.interactions, LifeStages(lapsing=90, lost=101)) == ["active", "lapsing", "new"]
    with pytest.raises(DataError, match="no event 'order' in the log; there are purchase, view"):
        recency_frequency_money(shop.interactions, event="order")
    with pytest.raises(DataError, match="lost the longest"):
        LifeStages(lapsing=50, lost=40)


def test_repeats_are_due_after_their_interval() -> None:
    found = next_purchases(small().interactions, event="purchase").to_pylist()
    assert len(found) == 1
    assert (found[0]["user_id"], found[0]["item_id"], found[0]["purchases"]) == ("ann", "tea", 3)
    assert found[0]["interval_days"] == pytest.approx(10)
    assert (found[0]["due"] - found[0]["last"]).days == 10


def test_those_who_buy_are_told_from_those_who_do_not() -> None:
    rng = np.random.default_rng(0)
    users, items, times = [], [], []
    for user in range(200):
        days = np.arange(0, 100, 5) if user % 2 else rng.choice(30, 3)  # odd ones buy every five days
        for day in days:
            users.append(user)
            items.append(0)
            times.append(START + (int(day) + user % 5) * DAY)
    log = Interactions.from_events(
        small().interactions.users.__class__.of([f"u{user:03d}" for user in range(200)]),
        small().items,
        np.array(users),
        np.array(items),
        times=np.array(times),
        event_names=("purchase",),
    )
    chances = purchase_propensity(log)
    assert chances[1::2].min() > 0.8
    assert chances[::2].max() < 0.2
    with pytest.raises(DataError, match="the log is no longer"):
        purchase_propensity(log, horizon_days=200)


def test_words_are_those_of_titles_and_reviews() -> None:
    shop = small()
    reviews = Reviews.from_rows(shop.items, [1], ["wonderful brim"], users=(shop.interactions.users, [1]))
    shop = Dataset(shop.catalogue, shop.interactions, reviews)
    words = [{word for word, _ in of} for of in user_words(shop)]
    assert "red" in words[2] or not words[2]
    known = profile(shop, users=["bob"])
    assert len(known) == 1
    with pytest.raises(UnknownIdError, match="zoe"):
        profile(shop, users=["zoe"])


def test_the_frame_has_a_row_a_shopper(planted: SyntheticShop) -> None:
    frame = profile(planted.dataset).frame(top=2, n_words=3)
    assert frame.num_rows == len(planted.interactions)
    row = frame.slice(0, 1).to_pylist()[0]
    assert len(row["category"]) == len(row["category_share"]) == 2
    assert len(row["words"]) == 3
    assert 0 < row["propensity"] < 1
    assert {"recency", "frequency", "money", "life_stage"} <= set(row)


def test_segments(planted: SyntheticShop) -> None:
    rfm = recency_frequency_money(planted.interactions, planted.catalogue, event="purchase")
    best = high_value(rfm, share=0.1)
    money = rfm["money"].to_numpy()
    assert money[best].min() >= np.sort(money)[-len(best)]
    found = affinities(planted.interactions, facets(planted.catalogue)["category"])
    fans = interested(found, "mug", n=20)
    assert found.lift[fans, found.values.index("mug")].min() > 1.5
    with pytest.raises(DataError, match="value 'kettle'"):
        interested(found, "kettle")


def test_lookalikes_are_of_the_planted_segment() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, 16))
    group = np.arange(1000) % 10
    vectors = (centres[group] + 0.8 * rng.normal(size=(1000, 16))).astype(np.float32)
    seeds = np.flatnonzero(group == 3)[:20]
    rows, likeness = lookalikes(vectors, seeds, 80)
    assert not set(rows) & set(seeds)
    assert (group[rows] == 3).mean() > 0.3 * 3
    assert (np.diff(likeness) <= 0).all()
    with pytest.raises(DataError, match="no seeds for 1000 shoppers"):
        lookalikes(vectors, np.zeros(0, dtype=np.int64))


def test_clusters_have_words() -> None:
    items = [f"i{row}" for row in range(20)]
    titles = [f"tea leaf {row}" if row < 10 else f"lamp bulb {row}" for row in range(20)]
    catalogue = Catalogue.from_frame(pa.table({"item_id": items, "title": titles}))
    rng = np.random.default_rng(0)
    lists = [[items[row] for row in rng.integers(0, 10, 5) + 10 * (user >= 30)] for user in range(40)]
    shop = Dataset(catalogue, Interactions.from_histories(lists, items=catalogue.items))
    vectors = np.zeros((40, 4), dtype=np.float32)
    vectors[:30, 0] = vectors[30:, 1] = 1
    found = clusters(shop, vectors, 2)
    assert found.labels.tolist() == [0] * 30 + [1] * 10
    assert set(found.words[0][:2]) == {"tea", "leaf"}
    assert set(found.words[1][:2]) == {"lamp", "bulb"}
    with pytest.raises(DataError, match="numbers of shape \\(40, dim\\)"):
        clusters(shop, vectors[:3])
