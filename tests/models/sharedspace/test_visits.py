"""Questions in the middle of a visit: which they are, who is asked them, and what answers them."""

from dataclasses import asdict

import numpy as np
import pytest

from mmreco import IdMap, Interactions, SharedSpace, Training, leave_last_out, metrics
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.models.sharedspace.answers import Answers, Weights
from mmreco.models.sharedspace.blend import Evidence
from mmreco.models.sharedspace.item_to_item import ItemToItem
from mmreco.models.sharedspace.visits import VisitWeights, asked_in_visits, in_visit
from mmreco.splitting import Holdout

MINUTE = 60_000
SHOP = IdMap.of([f"i{i}" for i in range(20)])


def log(n: int, minutes: tuple[int, ...]) -> Interactions:
    """Everybody has item 0, then 1, then 2, at these minutes."""
    users = IdMap.of([f"u{u}" for u in range(n)])
    whose, items = np.repeat(np.arange(n), len(minutes)), np.tile(np.arange(len(minutes)), n)
    return Interactions.from_events(users, SHOP, whose, items, times=np.tile(minutes, n) * MINUTE)


def test_a_question_is_in_a_visit_within_half_an_hour_of_the_newest_event() -> None:
    histories = log(3, (0, 10))
    at = np.array([10, 40, 41]) * MINUTE
    assert in_visit(histories, at).tolist() == [True, True, False]
    assert not in_visit(histories, None).any()


def test_nobody_without_an_event_is_in_a_visit() -> None:
    histories = Interactions.from_events(
        IdMap.of(["u0", "u1"]), SHOP, np.array([1]), np.array([0]), times=np.array([0])
    )
    assert in_visit(histories, np.array([0, 0])).tolist() == [False, True]


def test_the_last_basket_of_a_visit_is_asked_and_all_before_it_is_known() -> None:
    events = log(60, (0, 5_000, 5_010, 9_000))
    asked = asked_in_visits(events, 4_000 * MINUTE, 1_000, 0)
    assert asked is not None
    assert asked.at is not None
    assert (asked.targets.items_flat == 2).all()
    assert (asked.targets.lengths == 1).all()
    assert asked.histories.take([0]).items_flat.tolist() == [0, 1]
    assert (asked.at == 5_010 * MINUTE).all()


def test_nobody_is_asked_before_the_moment_nor_where_too_few_are() -> None:
    assert asked_in_visits(log(60, (0, 5, 9_000)), 100 * MINUTE, 1_000, 0) is None
    assert asked_in_visits(log(49, (0, 5_000, 5_010)), 100 * MINUTE, 1_000, 0) is None


def test_items_of_one_moment_are_asked_together() -> None:
    asked = asked_in_visits(log(60, (0, 5_000, 5_010, 5_010)), 4_000 * MINUTE, 1_000, 0)
    assert asked is not None
    assert (asked.targets.lengths == 2).all()


def test_what_foretells_a_visit_counts_in_it_and_nothing_is_found_where_nothing_is_better() -> None:
    rng = np.random.default_rng(0)
    n, wanted = 80, rng.integers(1, 20, 80)
    histories = log(n, (0,))
    targets = Interactions.from_events(histories.users, SHOP, np.arange(n), wanted)
    asked = Holdout(histories, targets)
    places = np.eye(20, dtype=np.float32)
    noise = rng.random((n, 20)).astype(np.float32)
    right = places[wanted] + 0.1 * noise
    kinds = [Evidence(right, places), Evidence(noise, places), Evidence(noise[::-1].copy(), places)]
    found = VisitWeights.found(kinds, (0.0, 1.0, 0.5), asked)
    assert found is not None
    assert found.following > max(found.later, found.pairs)
    assert found.trend == found.seasons == 0
    assert VisitWeights.found(kinds, (1.0, 0.0, 0.0), asked) is None


def test_weights_of_visits_survive_their_plain_form_and_older_ones_have_none() -> None:
    weights = Weights(0.0, 1.0, pairs=0.5, trends=(0.1,), horizon=1, visit=VisitWeights(1.0, 0.2, 0.3))
    assert Weights.of(asdict(weights)) == weights
    older = asdict(Weights(1.0))
    del older["visit"]
    assert Weights.of(older) == Weights(1.0)
    assert not Weights(0.0, 1.0, visit=VisitWeights(1.0, 0.0, 0.0)).plain


def test_a_question_in_a_visit_is_answered_by_its_weights_and_all_others_by_the_usual() -> None:
    rng = np.random.default_rng(0)
    histories = log(3, (0,))
    following, later = rng.random((2, 3, 4)).astype(np.float32)
    pairs = ItemToItem(*rng.random((2, 20, 5)).astype(np.float32))
    trend, seasonal = rng.random(20).astype(np.float32), np.zeros((20, 0), dtype=np.float32)
    answers = Answers(
        Weights(0.2, 1.0, pairs=0.5, horizon=1, unfaded=0.4, visit=VisitWeights(2.0, 0.1, 0.3, 0.0, 0.7)),
        pairs,
        trend,
        0.0,
        seasonal,
    )
    told = pairs.read(histories, 2)
    vectors = answers.users(following, later, histories, np.array([0, 30, 31]) * MINUTE)
    inside = np.concatenate([2 * following + 0.1 * later, 0.3 * told, np.full((3, 1), 0.7)], axis=1)
    both = 0.5 * told + 0.4 * pairs.read(histories, None)
    usual = np.concatenate([0.2 * following + later, both, np.ones((3, 1))], axis=1)
    np.testing.assert_allclose(vectors[:2], inside[:2], rtol=1e-5)
    np.testing.assert_allclose(vectors[2], usual[2], rtol=1e-5)
    np.testing.assert_allclose(answers.users(following, later, histories), inside, rtol=1e-5)  # just after the newest
    np.testing.assert_allclose(answers.outside_visits().users(following, later, histories), usual, rtol=1e-5)


def test_a_rehearsal_is_judged_by_visits_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    split = leave_last_out(synthetic_shop(64, 120, seed=0).dataset)
    space = SharedSpace(dim=8, training=Training(epochs=1)).fit(split.train)
    monkeypatch.setattr(SharedSpace, "_settle", lambda _: None)
    space._answer_by(split.train.interactions, space._towers_alone())
    alone = space._ndcg(split.test)
    following, _ = space.behaviour().directions(split.test.histories, at=split.test.at)
    space._visits = split.test
    lists = space.index.search(following, 10, exclude=split.test.histories)
    visits = float(np.nanmean(metrics.ndcg(lists, split.test.targets)))
    assert 0 < visits != alone > 0
    assert space._ndcg(split.test) == pytest.approx((alone * visits) ** 0.5)
