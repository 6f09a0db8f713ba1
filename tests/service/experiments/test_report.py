"""What a report says: nothing where there is nothing, what was planted, and that a wrong split is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mmreco.cli import app
from mmreco.datasets.synthetic import SyntheticShop
from mmreco.errors import DataError
from mmreco.evaluation.assignment import assign
from mmreco.recommender import Recommender
from mmreco.service.events import EventStore, NewEvent
from mmreco.service.experiments.exposures import Exposure, ExposureLog
from mmreco.service.experiments.outcomes import Outcomes, outcomes
from mmreco.service.experiments.policy import policy_value, value_of
from mmreco.service.experiments.report import ExperimentReport, experiment_report, report_of

HALVES = {"old": 0.5, "new": 0.5}


def simulated(seed: int, rates: dict[str, float], *, n: int = 400, lost: float = 0.0) -> ExperimentReport:
    """An experiment of `n` users, two lists each, clicked at the variant's rate times the user's own liking."""
    rng = np.random.default_rng(seed)
    exposures, users, earned = [], [], []
    for user in range(n):
        variant = assign(f"user-{user}", HALVES, experiment=f"e{seed}", key=b"k")
        liking = rng.beta(2, 2) * 2
        if variant == "new" and rng.random() < lost:
            continue
        for _ in range(2):
            exposures.append(Exposure("e", variant, int(variant == "new"), 0.5, f"user-{user}", 0, ["a"], [1.0]))
            users.append(user)
            earned.append([int(rng.random() < rates[variant] * liking)])
    numbered = np.unique(users, return_inverse=True)[1].astype(np.int64)
    return report_of("e", Outcomes(exposures, numbered, {"click": earned}))


def found(report: ExperimentReport) -> bool:
    apart = report.variants[1].figures["click"].difference
    assert apart is not None
    return apart.low > 0 or apart.high < 0


def test_alike_variants_differ_no_more_often_than_the_level_says() -> None:
    """200 experiments of twice the same at 95 %: about 10 differ by chance; above 18 would happen once in 100 times."""
    reports = [simulated(seed, {"old": 0.3, "new": 0.3}) for seed in range(200)]
    assert 2 <= sum(map(found, reports)) <= 18
    assert sum(report.mismatch for report in reports) <= 2


def test_a_planted_difference_is_found() -> None:
    reports = [simulated(seed, {"old": 0.2, "new": 0.35}) for seed in range(40)]
    assert sum(found(report) and report.variants[1].figures["click"].difference.value > 0 for report in reports) >= 36  # type: ignore[union-attr]
    assert "more" in str(reports[0])


def test_a_split_that_lost_users_is_flagged() -> None:
    report = simulated(3, {"old": 0.3, "new": 0.3}, n=2_000, lost=0.3)
    assert report.mismatch
    assert "SAMPLE RATIO MISMATCH" in str(report)
    alone = simulated(4, {"old": 0.3, "new": 0.3}, lost=1.0)
    assert alone.mismatch, "a variant that nobody was shown"
    assert not simulated(5, {"old": 0.3, "new": 0.3}).mismatch


def test_intervals_a_user_hold_the_truth() -> None:
    reports = [simulated(seed, {"old": 0.3, "new": 0.3}) for seed in range(100)]
    held = [r.variants[0].figures["click"].rate.low <= 0.6 <= r.variants[0].figures["click"].rate.high for r in reports]
    assert sum(held) >= 88


# ---- from a store


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moment = [1_800_000_000.0]
    monkeypatch.setattr("mmreco.service.events.time.time", lambda: moment[0])
    return moment


def shown(log: ExposureLog, user: str, at: float, items: list[str], variant: str = "old", **options: object) -> None:
    chances = [1.0] * len(items)
    place = int(variant == "new")
    log.add(Exposure("home", variant, place, 0.5, user, int(at * 1000), items, chances, **options))  # type: ignore[arg-type]


def test_an_event_counts_for_the_newest_list_with_its_item(store: EventStore, clock: list[float]) -> None:
    log, start = ExposureLog(store), clock[0]
    shown(log, "a", start, ["hat", "mug"])
    shown(log, "a", start + 10, ["mug", "sock"])
    shown(log, "b", start + 10, ["hat"], "new")
    log.flush()
    for second, user, item, kind in [
        (-5, "a", "hat", "click"),  # before it was shown
        (20, "a", "mug", "click"),
        (21, "a", "hat", "click"),
        (22, "a", "sock", "purchase"),
        (23, "b", "mug", "click"),  # never shown to b
        (30 * 3600, "b", "hat", "click"),  # a day later
    ]:
        clock[0] = start + second
        store.append([NewEvent(user, item, kind, 1.0, 5)])
    clock[0] = start + 24
    store.append([NewEvent("b", "hat", "click", -1.0, 5)])  # taken back, say
    from mmreco.service.experiments.exposures import read_exposures

    joined = outcomes(store, read_exposures(store, "home"), ["click", "purchase"])
    assert joined.earned["click"] == [[1, 0], [1, 0], [0]]
    assert joined.earned["purchase"] == [[0, 0], [0, 1], [0]]
    report = experiment_report(store)
    old = report.variants[0]
    assert (old.name, old.users, old.exposures) == ("old", 1, 2)
    assert old.figures["click"].rate.value == 2
    assert old.figures["click"].users.value == 1


def test_drafts_are_counted_by_users(store: EventStore, clock: list[float]) -> None:
    log = ExposureLog(store)
    for user, item in (("a", "hat"), ("b", "mug"), ("c", "mug"), ("d", "hat")):
        shown(log, user, clock[0], ["hat", "mug"], "interleaved", teams=[0, 1])
        store.append([NewEvent(user, item, "click", 1.0, 5)])
    store.append([NewEvent("d", "mug", "click", 1.0, 5)])
    log.flush()
    won = experiment_report(store).drafts["click"]
    assert (won.first, won.second, won.ties) == (1, 2, 1)


def test_an_unknown_experiment(store: EventStore) -> None:
    with pytest.raises(DataError, match="the store knows none"):
        experiment_report(store)


def test_the_command(plant: SyntheticShop, artefact: Path, store: EventStore) -> None:
    log, recommender = ExposureLog(store), Recommender.load(artefact)
    users = plant.interactions.users.ids(range(40))
    for user, ids in zip(users, recommender.recommend(users, k=3).ids(), strict=True):
        variant = assign(user, HALVES, experiment="home", key=b"k")
        shown(log, user, 1_900_000_000, ids, variant)
    log.flush()
    path = str(store.engine.url.database)
    done = CliRunner().invoke(app, ["experiment", "report", path, "--json", "--policy", str(artefact)])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert sum(one["users"] for one in figures["variants"]) == 40
    assert set(figures["variants"][0]["figures"]) == {"click", "purchase"}
    assert not figures["mismatch"]
    assert figures["policy"]["support"] == 1, "it would have shown just what was shown"
    plain = CliRunner().invoke(app, ["experiment", "report", path])
    assert "experiment home, 95% intervals" in plain.stdout
    assert CliRunner().invoke(app, ["experiment", "report", path + "x"]).exit_code == 2


# ---- a policy that never ran


def test_what_never_ran_is_foretold() -> None:
    """Pages in random order are shown; a policy that puts the best item first would earn what it does earn."""
    rng = np.random.default_rng(0)
    likes = {"a": 0.05, "b": 0.1, "c": 0.4}
    exposures, earned = [], []
    for user in range(6_000):
        items = [str(item) for item in rng.permutation(list(likes))[:2]]
        exposures.append(Exposure("e", "old", 0, 1.0, f"u{user}", 0, items, [1 / 3, 1 / 3]))
        earned.append([int(rng.random() < likes[item] / (1 + place)) for place, item in enumerate(items)])
    joined = Outcomes(exposures, np.arange(6_000), {"click": earned})
    value = value_of(joined, [["c", "b"]] * 6_000, "click")
    truth = (likes["c"] + likes["b"] / 2) / 2
    for estimate in (value.ips, value.snips, value.doubly_robust):
        assert estimate.low <= truth <= estimate.high
    assert value.support == pytest.approx(1, abs=0.05)
    assert value.doubly_robust.high - value.doubly_robust.low < value.ips.high - value.ips.low
    short = value_of(joined, [["c"]] * 6_000, "click")
    assert short.support == pytest.approx(0.5, abs=0.05)


def test_a_policy_needs_known_chances(artefact: Path, store: EventStore) -> None:
    log = ExposureLog(store)
    log.add(Exposure("home", "old", 0, 1.0, "a", 5, ["x"], [None]))
    log.flush()
    with pytest.raises(DataError, match="explore"):
        policy_value(Recommender.load(artefact), store)
