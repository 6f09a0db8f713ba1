"""Assignment, intervals, sample ratio, interleaving and exploration: against their formulas, and over many seeds."""

import numpy as np
import pytest
from scipy.stats import chisquare

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.errors import DataError
from mmreco.evaluation.assignment import assign
from mmreco.evaluation.exploration import explore
from mmreco.evaluation.interleaving import TeamDraft, credit, team_draft
from mmreco.evaluation.off_policy import ips, snips
from mmreco.evaluation.proportions import difference, sample_ratio, wilson
from mmreco.models import EASE, Popular

HALVES = {"old": 0.5, "new": 0.5}


# ---- assignment


def test_an_assignment_is_a_function_of_its_parts() -> None:
    users = [f"user-{n}" for n in range(400)]
    drawn = [assign(user, HALVES, experiment="home", key=b"k") for user in users]
    assert drawn == [assign(user, HALVES, experiment="home", key=b"k") for user in users]
    for other in ({"experiment": "cart", "key": b"k"}, {"experiment": "home", "key": b"l"}):
        agreed = np.mean([a == assign(user, HALVES, **other) for a, user in zip(drawn, users, strict=True)])  # type: ignore[arg-type]
        assert 0.4 < agreed < 0.6, "independent of another name or key"


def test_assignments_keep_their_shares() -> None:
    shares = {"a": 0.7, "b": 0.2, "c": 0.1}
    passed = 0
    for seed in range(100):
        drawn = [assign(f"{n}", shares, experiment=f"e{seed}", key=b"k") for n in range(1000)]
        passed += sample_ratio([drawn.count(name) for name in shares], list(shares.values())) > 0.05
    assert 88 <= passed <= 100, "about 95 of 100 at this level"


@pytest.mark.parametrize("shares", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": 1.0, "b": 0.0}])
def test_unusable_shares(shares: dict[str, float]) -> None:
    with pytest.raises(DataError, match="share"):
        assign("u", shares, experiment="e", key=b"k")


# ---- intervals


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    for truth, n in ((0.05, 60), (0.3, 40), (0.9, 30)):
        found = [wilson(int(hits), n) for hits in rng.binomial(n, truth, size=2_000)]
        assert 0.93 < np.mean([one.low <= truth <= one.high for one in found]) < 0.985
    pairs = rng.binomial(80, [0.2, 0.35], size=(2_000, 2))
    held = [one.low <= 0.15 <= one.high for one in (difference(int(b), 80, int(a), 80) for a, b in pairs)]
    assert 0.93 < np.mean(held) < 0.975


def test_ends_stay_inside() -> None:
    assert wilson(0, 5).low == 0
    assert wilson(5, 5).high == 1
    assert np.isnan(wilson(0, 0).value)
    with pytest.raises(DataError, match="3 of 2"):
        wilson(3, 2)


def test_the_sample_ratio_is_pearson_s() -> None:
    expected = chisquare([480, 520, 1040], np.array([0.25, 0.25, 0.5]) * 2040).pvalue
    assert sample_ratio([480, 520, 1040], [1, 1, 2]) == pytest.approx(expected)
    with pytest.raises(DataError, match="sample ratio"):
        sample_ratio([1, 2], [1])


# ---- interleaving


def slow_team_draft(first: list[int], second: list[int], coins: list[bool], k: int) -> tuple[list[int], list[int]]:
    """Algorithm 2 of Radlinski et al., 2008, as printed."""
    shown: list[int] = []
    team: list[list[int]] = [[], []]
    whose, flips = [], iter(coins)
    while len(shown) < k and any(i not in shown for i in first) and any(i not in shown for i in second):
        mine = len(team[0]) < len(team[1]) or (len(team[0]) == len(team[1]) and next(flips))
        chosen = next(i for i in (first if mine else second) if i not in shown)
        team[0 if mine else 1].append(chosen)
        shown.append(chosen)
        whose.append(0 if mine else 1)
    return shown, whose


def test_drafts_are_the_paper_s() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        first, second = rng.permutation(9)[:6], rng.permutation(9)[:6]
        coins = rng.random(6) < 0.5
        drafted = team_draft(first[None], second[None], coins=coins[None])
        shown, whose = slow_team_draft(first.tolist(), second.tolist(), coins.tolist(), 6)
        assert drafted.ranking.rows[0].tolist() == shown
        assert drafted.teams[0].tolist() == whose


def test_what_one_model_lacks_the_other_fills_for_nobody() -> None:
    drafted = team_draft(np.array([[3, -1, -1]]), np.array([[3, 4, 5]]), coins=np.ones((1, 3), dtype=bool))
    assert drafted.ranking.rows.tolist() == [[3, 4, 5]]
    assert drafted.teams.tolist() == [[0, -1, -1]]


def test_identical_models_are_told_apart_by_nothing() -> None:
    """Clicks that favour the top, on lists of one model with itself: neither team wins more than chance allows."""
    rng = np.random.default_rng(2)
    same = np.tile(np.arange(10), (4_000, 1))
    chance = 0.5 ** np.arange(1, 11)
    outside = 0
    for _ in range(40):
        drafted = team_draft(same, same, coins=rng.random(same.shape) < 0.5)
        assert (drafted.ranking.rows == same).all()
        share = credit(drafted.teams, rng.random(same.shape) < chance).share
        outside += not share.low <= 0.5 <= share.high
    assert outside <= 6, "about 2 of 40 at this level"


def test_the_better_model_wins() -> None:
    rng = np.random.default_rng(3)
    liked = rng.integers(40, size=500)
    second = np.stack([np.r_[[like], rng.permutation(np.setdiff1d(np.arange(40), like))[:4]] for like in liked])
    first = np.stack([rng.permutation(40)[:5] for _ in liked])
    drafted = team_draft(first, second, coins=rng.random(first.shape) < 0.5)
    won = credit(drafted.teams, drafted.ranking.rows == liked[:, None])
    assert won.share.low > 0.5
    assert won.first + won.second + won.ties == 500


def test_a_draft_is_a_model_of_its_own() -> None:
    lists = [[a, b] for a in "abcd" for b in "abcd" if a != b] + [["a"], ["b"]]
    shop = Dataset.from_interactions(Interactions.from_histories(lists, items=IdMap.of(list("abcd"))))
    model = TeamDraft(first=Popular().fit(shop), second=EASE(l2=1.0).fit(shop), seed=4)
    request = Request(shop.interactions, k=3)
    drafted, again = model.draft(request), model.recommend(request)
    assert (drafted.ranking.rows == again.rows).all(), "the same until the history changes"
    alone = model.recommend(Request(shop.interactions.take(np.array([5])), k=3))
    assert (alone.rows == again.rows[5:6]).all(), "a batch is answered as one by one"
    other = TeamDraft(first=model.first, second=model.second, seed=5).draft(request)
    assert (other.teams != drafted.teams).any()


# ---- exploration


def test_propensities_are_how_often_items_stood_there() -> None:
    candidates = Ranking.from_scores(np.array([[5.0, 4, 3, 2, -np.inf]], dtype=np.float32), 5)
    n = 40_000
    many = Ranking(np.tile(candidates.rows, (n, 1)), np.tile(candidates.scores, (n, 1)))
    shown, chance = explore(many, 3, rate=0.4, seed=0)
    for item in range(4):
        for place in range(3):
            here = shown.rows[:, place] == item
            said = np.unique(chance[here, place])
            assert len(said) == 1
            assert here.mean() == pytest.approx(said[0], abs=0.01)
    assert (explore(many, 3, rate=0.0, seed=0).ranking.rows == candidates.rows[:, :3]).all()
    with pytest.raises(DataError, match="rate=2"):
        explore(many, 3, rate=2, seed=0)


def test_a_policy_that_never_ran_is_told_from_the_log() -> None:
    """Clicks by item and place; the target puts other items first; IPS and SNIPS find what it would have earned."""
    rng = np.random.default_rng(5)
    likes, places = np.array([0.05, 0.1, 0.2, 0.6]), np.array([1.0, 0.5])
    n = 20_000
    candidates = np.tile(np.arange(4), (n, 1))
    many = Ranking(candidates, np.tile(np.arange(4, 0, -1, dtype=np.float32), (n, 1)))
    shown, chance = explore(many, 2, rate=0.5, seed=1)
    clicks = rng.random((n, 2)) < likes[shown.rows] * places
    target = shown.rows == np.array([3, 2])
    truth = (likes[[3, 2]] * places).sum() / 2
    users = np.repeat(np.arange(n), 2)
    for estimate in (ips, snips):
        one = estimate(clicks.ravel(), chance.ravel(), target.ravel(), groups=users)
        assert one.low <= truth <= one.high
        assert one.value == pytest.approx(truth, rel=0.1)
    with pytest.raises(DataError, match="groups"):
        ips([1.0], [0.5], [0.5], groups=[1, 2])
