import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.sharedspace.cold_start import COLD_SHARE, leaning, shift_towards
from mmreco.models.training import Training


def units(n, dim, rng, towards=None, pull=0.0):
    vectors = rng.normal(size=(n, dim)) + (0 if towards is None else pull * towards)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def crowded():
    """Users of whom most look one way, and items that look nowhere."""
    rng = np.random.default_rng(0)
    mean_user = units(1, 8, rng)[0]
    users = units(200, 8, rng, mean_user, 6.0)
    return users, np.tile(np.float32([0.8, 0.6]), (200, 1)), units(50, 8, rng), mean_user


def had(users, lists, items):
    """The share of a list that an item has on average, by the definition: place by place."""
    places = 1 + (lists[:, :, None] >= (users @ items.T)[:, None, :]).sum(axis=1)  # (u, n)
    worth = np.where(places <= 2, 1 / np.log2(1 + places), 0)
    return worth.mean() / (1 + 1 / np.log2(3))


def test_leaning_gives_the_share_that_was_asked(crowded):
    users, lists, alone, mean_user = crowded
    before = had(users, lists, alone)
    lean = leaning(users, lists, alone, mean_user, share=0.2)
    assert before < 0.2 <= had(users, lists, shift_towards(alone, mean_user, lean)) < 0.21


def test_who_has_too_much_leans_away(crowded):
    users, lists, alone, mean_user = crowded
    before = had(users, lists, alone)
    lean = leaning(users, lists, alone, mean_user, share=before / 2)
    assert lean < 0
    assert before / 2 <= had(users, lists, shift_towards(alone, mean_user, lean)) < before / 2 + 0.02
    np.testing.assert_allclose(shift_towards(alone, mean_user, 0.0), alone, atol=1e-6)


def test_it_never_leans_farther_than_it_may(crowded):
    users, lists, alone, mean_user = crowded
    assert leaning(users, lists + 9, alone, mean_user, share=0.5) == 2.0


def test_places_stay_on_the_sphere(crowded):
    _, _, alone, mean_user = crowded
    np.testing.assert_allclose(np.linalg.norm(shift_towards(alone, mean_user, 0.7), axis=1), 1, rtol=1e-5)
    nowhere = shift_towards(-mean_user[None], mean_user, 1.0)
    assert np.isfinite(nowhere).all()


def test_new_items_are_shown_a_little_less_often_than_known_ones():
    """Popularity is long-tailed and shows in no content; a fifth of the items is new."""
    rng = np.random.default_rng(0)
    n, worlds = 100, 4
    items = IdMap.of([str(i) for i in range(n)])
    world, appeal = rng.integers(worlds, size=n), rng.normal(0, 1.5, n)
    new = rng.random(n) < 0.2
    histories = []
    for user in range(500):
        chance = np.exp(appeal) * (world == user % worlds) * ~new
        histories.append([str(i) for i in rng.choice(n, 6, replace=False, p=chance / chance.sum())])
    events = Interactions.from_histories(histories, items=items)
    content = Embeddings(items, np.eye(worlds)[world] + 0.1 * rng.normal(size=(n, worlds)))
    space = SharedSpace(dim=16, training=Training(epochs=6, learning_rate=0.01, patience=None)).fit(
        Dataset.from_interactions(events).with_content({"text": content})
    )
    rows = space.recommend(histories=events, k=10).rows
    share = new[rows].mean()
    assert (
        0.5 * COLD_SHARE < share / new.mean() < 1.6 * COLD_SHARE
    )  # their places are more often the last than the first
    assert (world[rows] == (np.arange(500) % worlds)[:, None])[new[rows]].mean() > 0.8  # and to whom they fit
