"""What `Recommender.forget` leaves of users in a model: nothing where a fit is one calculation."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.models import (
    ALS,
    EASE,
    SLIM,
    ItemKNN,
    LogisticProfile,
    Popular,
    PureSVD,
    Repeat,
    TransitionGraph,
    UserKNN,
    Weighted,
)
from mmreco.models.base import Model
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.sharedspace.answers import Weights
from mmreco.models.sharedspace.repeats import had_again
from mmreco.models.training import Training
from mmreco.recommender import Recommender

CLOSED: list[Model] = [
    EASE(l2=20.0),
    ItemKNN(),
    LogisticProfile(),
    Popular(),
    PureSVD(dim=8),
    Repeat(),
    SLIM(),
    TransitionGraph(),
    UserKNN(),
    Weighted(parts=[EASE(l2=20.0), Popular()]),
]


@pytest.fixture(scope="module")
def shop() -> Dataset:
    return synthetic_shop(n_items=64, n_users=90, seed=4).dataset


@pytest.fixture(scope="module")
def gone(shop: Dataset) -> list[str]:
    return shop.interactions.users.ids(range(0, 30, 2))


@pytest.fixture(scope="module")
def rest(shop: Dataset, gone: list[str]) -> Dataset:
    """The shop as it would be had these users never come."""
    log = shop.interactions
    log = log.take(np.setdiff1d(np.arange(len(log)), log.users.rows(gone)))
    reviews = shop.reviews
    if reviews is not None and reviews.users is not None and reviews.users_flat is not None:
        reviews = reviews.keep(~np.isin(reviews.users_flat, reviews.users.rows(gone, missing="mark")))
    return Dataset(shop.catalogue, log, reviews, None if shop.users is None else shop.users.aligned(log.users))


def fitted(dataset: Dataset, model: Model) -> Recommender:
    return Recommender.fit(dataset, model=model.unfitted(), text=[], image=[])


def answers(recommender: Recommender, users: list[str]) -> Any:
    ranking = recommender.recommend(users, k=20).ranking
    return ranking.rows.tolist(), ranking.scores


@pytest.mark.parametrize("model", CLOSED, ids=lambda model: type(model).__name__)
def test_a_model_in_closed_form_is_what_a_fit_without_them_gives(
    model: Model, shop: Dataset, rest: Dataset, gone: list[str]
) -> None:
    assert model.closed_form
    recommender, anew = fitted(shop, model), fitted(rest, model)
    before = recommender.model
    recommender.forget(users=gone)
    assert recommender.model is not before
    found, wanted = recommender.model._state(), anew.model._state()
    assert found.keys() == wanted.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)
    users = rest.interactions.users.ids(range(20))
    rows, scores = answers(recommender, users)
    assert rows == answers(anew, users)[0]
    np.testing.assert_array_equal(scores, answers(anew, users)[1])
    assert recommender.similar(shop.items.ids([3]), k=5).ids() == anew.similar(shop.items.ids([3]), k=5).ids()


def test_other_models_keep_their_weights(shop: Dataset, gone: list[str]) -> None:
    recommender = fitted(shop, ALS(dim=4, iterations=1))
    model = recommender.model
    assert not model.closed_form
    recommender.forget(users=gone)
    assert recommender.model is model


@pytest.fixture(scope="module")
def space(shop: Dataset) -> SharedSpace:
    """A space in which pairs of items count beside the towers, as they do on larger shops."""
    told = SharedSpace(dim=8, depth=1, training=Training(epochs=1, patience=None)).fit(shop)
    told._answer_by(shop.interactions, Weights(0.0, 1.0, pairs=0.5, trends=(0.1,) * 4, horizon=told._horizon))
    return told


def test_a_space_is_what_a_fit_without_them_gives(space: SharedSpace, rest: Dataset) -> None:
    before = space.places_
    relearnt, anew = space.relearn(rest), space.unfitted().fit(rest)
    for name, weight in anew.network_.state_dict().items():
        _alike(relearnt.network_.state_dict()[name].numpy(), weight.numpy())
    _alike(relearnt.places_.vectors, anew.places_.vectors)
    assert space.places_ is before
    assert not np.allclose(before.vectors, anew.places_.vectors)
    anew._answer_by(rest.interactions, relearnt.weights_)
    assert relearnt.answers_ is not None
    assert anew.answers_ is not None
    _alike(relearnt.item_embeddings().vectors, anew.item_embeddings().vectors)
    np.testing.assert_array_equal(relearnt.again_, had_again(rest.interactions))


def test_a_space_makes_the_passes_that_its_fit_found(shop: Dataset, rest: Dataset) -> None:
    space = SharedSpace(dim=8, depth=1, training=Training(epochs=3, patience=1, seed=1)).fit(shop)
    relearnt = space.relearn(rest)
    assert (relearnt.training, relearnt.epochs_, relearnt.scores_) == (space.training, space.epochs_, space.scores_)
    assert relearnt.weights_ == replace(space.weights_, horizon=relearnt._horizon)
    passes = Training(epochs=space.epochs_, patience=None, seed=1)
    anew = SharedSpace(dim=8, depth=1, training=passes).fit(rest)
    _alike(relearnt.places_.vectors, anew.places_.vectors)


def test_a_space_that_went_on_from_another_looks_for_its_passes_itself(
    shop: Dataset, rest: Dataset, tmp_path: Path
) -> None:
    first = SharedSpace(dim=8, depth=1, training=Training(epochs=2, patience=1, seed=1)).fit(shop)
    further = first.refit(shop)
    assert (first.continued_, further.continued_) == (False, True)
    further.save(tmp_path / "space")
    relearnt = SharedSpace.load(tmp_path / "space").relearn(rest)
    assert not relearnt.continued_
    _alike(relearnt.places_.vectors, first.unfitted().fit(rest).places_.vectors)


def _alike(found: np.ndarray, wanted: np.ndarray) -> None:
    """Equal, but for how many threads added up."""
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_a_recommender_counts_anew_and_keeps_what_was_placed_since(
    space: SharedSpace, shop: Dataset, gone: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SharedSpace, "fit", lambda self, dataset, **how: self)
    recommender = Recommender.fit(Dataset(shop.catalogue, shop.interactions), model=space, text=[], image=[])
    first = shop.catalogue.take(np.array([3]))
    newcomer = first.table.set_column(0, "item_id", pa.array(["new"], pa.large_string()))
    recommender.add(Catalogue.from_frame(newcomer))
    recommender.observe([{"user_id": "late", "item_id": "new"}])
    recommender.forget(users=gone)
    assert recommender.model is not space
    assert recommender.model.answers_ is not None
    vectors = recommender.vectors
    assert vectors is not None
    assert vectors.ids.ids([len(shop.items)]) == ["new"]
    said = recommender.model.answers_.pairs.said
    np.testing.assert_array_equal(vectors.vectors[: len(shop.items), 8 : 8 + said.shape[1]], said)
    assert "new" in recommender.recommend(history=[shop.items.ids([3])], k=len(shop.items)).ids()[0]
    users = shop.interactions.users.ids([1, 3])
    recommender.save(tmp_path / "artefact")
    again = Recommender.load(tmp_path / "artefact")
    assert again.recommend(users, k=9).ids() == recommender.recommend(users, k=9).ids()


def test_an_item_that_was_placed_anew_is_placed_so_again(
    space: SharedSpace, shop: Dataset, gone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SharedSpace, "fit", lambda self, dataset, **how: self)
    recommender = Recommender.fit(Dataset(shop.catalogue, shop.interactions), model=space, text=[], image=[])
    cold = np.flatnonzero(shop.interactions.counts() == 0)
    changed, other = shop.items.ids(cold[:2])
    recommender.update(Catalogue.from_frame(pa.table({"item_id": [changed], "title": ["Plain black hat"]})))
    before = recommender.vectors
    recommender.forget(users=gone)
    after = recommender.vectors
    assert before is not None
    assert after is not None
    row, still = shop.items.rows([changed, other])
    assert np.abs(before.vectors[row, :8] - space.places_.vectors[row]).max() > 1e-3
    changed_title = recommender.catalogue.take(np.array([row]))
    placed = recommender.model.place(changed_title, {}).vectors[0]
    np.testing.assert_allclose(after.vectors[row, :8], placed[:8], atol=1e-5)
    np.testing.assert_array_equal(after.vectors[still, :8], recommender.model.places_.vectors[still])


def test_a_hybrid_relearns_what_it_can(shop: Dataset, gone: list[str]) -> None:
    recommender = fitted(shop, Weighted(parts=[EASE(), ALS(dim=4, iterations=1)]))
    before = recommender.model
    assert not before.closed_form
    recommender.forget(users=gone)
    assert recommender.model.parts[0] is not before.parts[0]
    assert recommender.model.parts[1] is before.parts[1]


def test_a_refit_of_a_hybrid_leaves_what_answers_meanwhile(shop: Dataset) -> None:
    recommender = fitted(shop, Weighted(parts=[EASE(), Popular()]))
    before = recommender.model
    weights = before.parts[0].weights_
    for from_scratch in (False, True):
        recommender.refit(from_scratch=from_scratch)
        assert recommender.model.parts[0] is not before.parts[0]
        assert before.parts[0].weights_ is weights


def test_strangers_cost_no_fit(shop: Dataset) -> None:
    recommender = fitted(shop, EASE())
    model = recommender.model
    recommender.forget(users=["nobody"])
    recommender.forget(items=shop.items.ids([0]))
    assert recommender.model is model


def test_weights_stay_where_they_are_to_be_replaced(shop: Dataset, gone: list[str]) -> None:
    recommender = fitted(shop, EASE())
    model = recommender.model
    recommender.forget(users=gone, relearn=False)
    assert recommender.model is model
    assert recommender.recommend(gone[:1], k=3).unknown == (gone[0],)


def test_what_came_since_is_learnt_and_new_items_stay(shop: Dataset, gone: list[str]) -> None:
    recommender = fitted(shop, ItemKNN())
    first, second = shop.items.ids([1, 2])
    recommender.add(Catalogue.from_frame(pa.table({"item_id": ["new"], "title": ["A new hat"]})))
    users = [f"late-{n}" for n in range(300)]
    recommender.observe(pa.table({"user_id": users * 3, "item_id": [first] * 300 + [second] * 300 + ["new"] * 300}))
    recommender.forget(users=gone)
    assert recommender.model.items_ == shop.items
    assert recommender.recommend(history=[[first]], k=1).ids() == [[second]]
    assert "new" in recommender.catalogue.items.ids(range(len(recommender.catalogue)))
    assert recommender.histories(["late-3"]).n_events == 3


def test_everybody_may_go(shop: Dataset) -> None:
    for model in (EASE(), Popular(), PureSVD(dim=4), LogisticProfile()):
        recommender = fitted(shop, model)
        recommender.forget(users=shop.interactions.users.ids(range(len(shop.interactions))))
        assert len(recommender.recommend(["somebody"], k=5).ids()[0]) == 5


def test_questions_and_events_are_taken_while_it_relearns(
    shop: Dataset, gone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recommender = fitted(shop, EASE())
    begun, go_on = threading.Event(), threading.Event()
    fit = EASE._fit

    def slow(self: EASE, *given: Any) -> None:
        begun.set()
        assert go_on.wait(30)
        fit(self, *given)

    monkeypatch.setattr(EASE, "_fit", slow)
    thread = threading.Thread(target=lambda: recommender.forget(users=gone))
    thread.start()
    assert begun.wait(30)
    assert recommender.recommend(gone[:1], k=3).unknown == (gone[0],), "the log is without them at once"
    assert recommender.observe([{"user_id": "late", "item_id": shop.items.ids([5])[0]}]) == 1
    go_on.set()
    thread.join()
    assert recommender.histories(["late"]).n_events == 1, "what came meanwhile is kept"


def test_what_failed_to_be_learnt_is_learnt_by_the_next_call(
    shop: Dataset, gone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recommender = fitted(shop, EASE())
    before = recommender.model

    def fails(*_: object) -> None:
        raise MemoryError("no room")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(EASE, "_fit", fails)
        with pytest.raises(MemoryError, match="no room"):
            recommender.forget(users=gone)
    assert recommender.model is before
    recommender.forget(users=gone)
    after = recommender.model
    assert after is not before
    recommender.forget(users=gone)
    assert recommender.model is after


def test_two_who_go_at_once_are_both_gone(shop: Dataset, gone: list[str]) -> None:
    recommender = fitted(shop, EASE(l2=20.0))
    threads = [threading.Thread(target=lambda u=user: recommender.forget(users=[u])) for user in gone[:4]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = shop.interactions
    left = log.take(np.setdiff1d(np.arange(len(log)), log.users.rows(gone[:4])))
    anew = EASE(l2=20.0).fit(replace(shop, interactions=left, users=None, reviews=None))
    np.testing.assert_allclose(recommender.model.weights_, anew.weights_, atol=1e-6)


def test_a_space_of_whom_few_are_left_is_what_their_fit_gives(shop: Dataset) -> None:
    """Too few are left to look ahead, so that nothing is kept of how far was looked before."""
    space = SharedSpace(dim=8, depth=1, training=Training(epochs=2, patience=1, seed=1)).fit(shop)
    log = shop.interactions
    few = Dataset(shop.catalogue, log.take(np.arange(30)))
    relearnt = space.relearn(few)
    assert space.weights_.horizon is not None
    assert relearnt.weights_.horizon is None
    _alike(relearnt.places_.vectors, space.unfitted().fit(few).places_.vectors)


def test_all_but_one_who_has_had_everything_may_go(shop: Dataset) -> None:
    log = Interactions.from_histories([shop.items.ids(range(len(shop.items)))], items=shop.items)
    alone = SharedSpace(dim=8, depth=1, training=Training(epochs=1, patience=None)).fit(Dataset(shop.catalogue, log))
    alone._answer_by(log, Weights(1.0, 0.0, pairs=0.5, trends=(0.1,)))
    assert np.isfinite(alone.item_embeddings().vectors).all()


def test_artefacts_of_before_may_have_gone_on_from_another(shop: Dataset) -> None:
    space = SharedSpace(dim=8, depth=1, training=Training(epochs=1, patience=None)).fit(shop)
    assert not space.continued_
    before = {**space._state(), "epochs": np.array([space.epochs_])}
    space._restore(before)
    assert space.continued_
