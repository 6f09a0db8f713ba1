"""Which model a shop's own log speaks for: the one that foretells its end, and a blend only where that wins."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmreco import Dataset, IdMap, Interactions, Training
from mmreco.data.request import Request
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.errors import DataError
from mmreco.evaluation import choice as choosing
from mmreco.evaluation.choice import choose
from mmreco.models import EASE, ItemKNN, ReciprocalRank
from mmreco.models.sharedspace import SharedSpace
from mmreco.recommender import Recommender

ONE = Training(epochs=1)
DAY = 86_400_000


def dated(n_users: int = 300, *, weeks: int = 20, seed: int = 0) -> Dataset:
    """A log in which everybody goes on with the pair of what came before: items 2i and 2i + 1, a week apart."""
    rng = np.random.default_rng(seed)
    users, items, times = [], [], []
    for user in range(n_users):
        for week in range(0, weeks, 2):
            pair = int(rng.integers(15))
            for step in range(2):
                users.append(user)
                items.append(2 * pair + step)
                times.append((7 * (week + step) + int(rng.integers(3))) * DAY + int(rng.integers(DAY)))
    log = Interactions.from_events(
        IdMap.of([f"u{u}" for u in range(n_users)]),
        IdMap.of([f"i{i}" for i in range(30)]),
        np.array(users),
        np.array(items),
        times=np.array(times),
    )
    return Dataset.from_interactions(log)


@pytest.fixture(scope="module")
def found() -> choosing.Choice:
    return choose(dated(), training=ONE)


def test_the_best_on_the_logs_end_is_kept_and_all_are_named(found: choosing.Choice) -> None:
    assert {"Popular", "ItemKNN", "UserKNN", "EASE", "TransitionGraph", "SharedSpace"} <= found.scores.keys()
    assert list(found.scores.values()) == sorted(found.scores.values(), reverse=True)
    best = max(found.scores.values())
    name = found.parts[0] if len(found.parts) == 1 else " + ".join(found.parts)
    assert found.scores[name] == best
    assert found.scores["ItemKNN"] > found.scores["Popular"]
    assert f"{best:.3f}" in found.said
    assert "NDCG@10" in found.said
    assert found.users >= 50


def test_what_is_kept_has_learnt_from_the_whole_log(found: choosing.Choice) -> None:
    dataset = dated()
    ranking = found.model.recommend(Request(dataset.interactions.take([0, 1]), k=5))
    assert (ranking.rows >= 0).all()
    assert found.model.items_ == dataset.items


def test_the_same_seed_chooses_the_same(found: choosing.Choice) -> None:
    again = choose(dated(), training=ONE)
    assert (again.parts, again.scores) == (found.parts, found.scores)


def test_an_undated_log_is_asked_for_its_last_events() -> None:
    log = dated().interactions
    found = choose(Dataset.from_interactions(replace(log, times=None)), training=ONE)
    assert "Popular of late" not in found.scores
    assert found.scores["TransitionGraph"] > found.scores["Popular"]


def test_repeats_are_asked_about_where_they_may_be_answered() -> None:
    assert "Repeat" in choose(dated(), training=ONE, exclude_seen=False).scores


def test_too_few_users_leave_the_space_unmeasured() -> None:
    found = choose(dated(30), training=ONE)
    assert isinstance(found.model, SharedSpace)
    assert (dict(found.scores), found.parts) == ({}, ("SharedSpace",))
    assert "unmeasured" in found.said


def test_without_time_what_is_left_is_said_to_be_left_out() -> None:
    found = choose(dated(), minutes=1e-6, training=ONE)
    assert found.parts == ("Popular",)
    assert set(found.left_out) >= {"EASE", "SharedSpace"}


def test_a_blend_is_kept_only_where_it_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dated()
    monkeypatch.setattr(choosing, "_GAIN", -1.0)
    monkeypatch.setattr(choosing, "_PARTS", 2)
    monkeypatch.setattr(choosing, "SharedSpace", lambda **_: EASE(l2=10.0))
    monkeypatch.setattr(choosing, "_quick", lambda *_: {"ItemKNN": ItemKNN, "EASE": EASE})
    found = choose(dataset)
    if len(found.parts) == 2:
        assert isinstance(found.model, ReciprocalRank)
        assert found.scores[" + ".join(found.parts)] >= max(found.scores[part] for part in found.parts)
    monkeypatch.setattr(choosing, "_GAIN", 10.0)
    assert len(choose(dataset).parts) == 1


def test_no_time_and_nothing_to_learn_are_refused() -> None:
    with pytest.raises(DataError, match="minutes=0: expected a number above 0"):
        choose(dated(), minutes=0)
    lone = Interactions.from_histories([["a"], ["b"]], items=IdMap.of(["a", "b"]))
    with pytest.raises(DataError, match="nobody has two events"):
        choose(Dataset.from_interactions(lone))


def test_the_front_door_says_and_keeps_its_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "SharedSpace", lambda **_: EASE(l2=10.0))
    shop = synthetic_shop(n_items=80, n_users=250, seed=1)
    recommender = Recommender.fit(shop.dataset, model="auto", text=[], image=[])
    user = shop.interactions.users.ids([0])
    answer = recommender.recommend(user)
    assert recommender.chosen.startswith("model='auto'")
    assert recommender.chosen in answer.notes
    recommender.save(tmp_path / "shop")
    loaded = Recommender.load(tmp_path / "shop")
    assert loaded.chosen == recommender.chosen
    assert loaded.recommend(user).ids() == answer.ids()
    assert not Recommender.fit(shop.dataset, model=EASE(), text=[], image=[]).chosen
