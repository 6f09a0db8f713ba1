from dataclasses import replace

import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.request import Request
from mmreco.index.vector import VectorIndex
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.sharedspace.answers import Weights
from mmreco.models.sharedspace.held_back import bars
from mmreco.models.training import Training

N, KNOWN, WORLDS = 120, 80, 4


def shop(content=True):
    """Eighty items with events and forty without, in four worlds that content tells."""
    rng = np.random.default_rng(0)
    items, world = IdMap.of([str(i) for i in range(N)]), np.arange(N) % WORLDS
    of_world = [np.flatnonzero(world[:KNOWN] == w) for w in range(WORLDS)]
    histories = [[str(i) for i in rng.choice(of_world[u % WORLDS], 6, False)] for u in range(200)]
    dataset = Dataset.from_interactions(Interactions.from_histories(histories, items=items))
    told = Embeddings(items, np.eye(WORLDS)[world] + 0.3 * rng.normal(size=(N, WORLDS)))
    return dataset.with_content({"text": told}) if content else dataset


@pytest.fixture(scope="module")
def space():
    fitted = SharedSpace(dim=8, training=Training(epochs=2, patience=None)).fit(shop())
    fitted._answer_by(shop().interactions, Weights(pairs=0.5))
    fitted.answers_ = fitted.answers_.with_cold(fitted.answers_.cold_trend + 0.3, fitted.new_)  # many stand in front
    fitted._take_places(fitted.places_.vectors, fitted.cold_user_vector_)
    return fitted


def by_definition(space, request):
    """Every score, new ones' leads shortened, sorted."""
    scores = space.user_vectors(request.histories) @ space.item_embeddings().vectors.T
    barred = request.excluded
    if request.candidates is not None:
        scores[:, ~request.candidates] = -np.inf
    if barred is not None:
        scores[barred.users_flat, barred.items_flat] = -np.inf
    known = -np.sort(-scores[:, :KNOWN], axis=1)[:, min(request.k, 10) - 1, None]
    lead = np.where(np.isfinite(known), np.maximum(scores[:, KNOWN:] - known, 0), 0)
    scores[:, KNOWN:] -= np.float32(0.7) * lead
    return -np.sort(-scores, axis=1)[:, : request.k]


@pytest.mark.parametrize(
    "asked",
    [{}, {"k": 3}, {"k": 30}, {"k": N}, {"exclude_seen": False}, {"candidates": np.arange(N) % 3 > 0},
     {"candidates": np.arange(N) >= KNOWN - 5}],
)  # fmt: skip
def test_an_answer_by_the_definition(space, asked):
    request = Request(shop().interactions, **asked)
    answer = space.recommend(request)
    assert (answer.rows >= KNOWN).any()
    np.testing.assert_allclose(answer.scores, by_definition(space, request), atol=1e-5)
    assert all(len(set(line[line >= 0])) == (line >= 0).sum() for line in answer.rows)


def test_each_line_may_have_its_own_candidates(space):
    histories = shop().interactions.take(np.arange(20))
    lines = np.random.default_rng(1).random((20, N)) < 0.6
    together = space.recommend(Request(histories, candidates=lines))
    for line in range(20):
        alone = space.recommend(Request(histories.take([line]), candidates=lines[line]))
        np.testing.assert_array_equal(alone.rows[0], together.rows[line])


def test_known_items_keep_their_order_and_new_ones_theirs(space):
    histories = shop().interactions
    answer, raw = space.recommend(histories=histories, k=N), space.search(space.user_vectors(histories), N)
    for part in (answer.rows < KNOWN, answer.rows >= KNOWN):
        for line, own, all_ in zip(answer.rows, part, raw.rows, strict=True):
            place = {row: at for at, row in enumerate(all_)}
            places = [place[row] for row in line[own] if row >= 0]
            assert places == sorted(places)


def test_the_first_ten_of_a_longer_list_are_the_list_of_ten(space):
    histories = shop().interactions
    ten, more = (space.recommend(histories=histories, k=k).rows for k in (10, 40))
    np.testing.assert_array_equal(ten, more[:, :10])


def test_bars_are_where_a_held_item_has_the_place():
    lists = np.float32([[0.9, 0.6, 0.3]])
    np.testing.assert_allclose(bars(lists), [[2.3, 1.3, 0.3]], atol=1e-6)


def test_what_comes_later_is_held_back_as_well(space):
    later = space.place(replace(shop().catalogue), {"text": shop().content["text"]})
    more = IdMap.of([f"later-{i}" for i in range(len(later))])
    ids = IdMap.of([*space.items_.array.to_pylist(), *more.array.to_pylist()])
    index = VectorIndex(Embeddings(ids, np.concatenate([space.item_embeddings().vectors, later.vectors])))
    histories = Interactions.from_histories([[str(i), str(i + 4)] for i in range(40)], items=ids)
    answer = space.recommend_from(index, Request(histories), items=index)
    raw = index.search(space.user_vectors(histories, items=index), 10, exclude=histories)
    fresh = answer.rows >= KNOWN
    assert fresh.any()
    assert fresh.sum() <= (raw.rows >= KNOWN).sum()
    shut_out = index.search(
        space.user_vectors(histories, items=index), 10, where=np.arange(len(ids)) < KNOWN, exclude=histories
    )
    at_the_end = np.where(fresh, answer.scores, np.inf).min(axis=1)
    assert (at_the_end >= shut_out.scores[:, -1] - 1e-6).all()


def test_a_saved_space_answers_the_same_and_one_of_before_holds_nothing_back(space, tmp_path):
    histories = shop().interactions
    space.save(tmp_path / "space")
    loaded = SharedSpace.load(tmp_path / "space")
    np.testing.assert_array_equal(loaded.new_, space.new_)
    np.testing.assert_array_equal(loaded.recommend(histories=histories).rows, space.recommend(histories=histories).rows)
    before = {name: values for name, values in space._state().items() if name != "new"}
    loaded._restore(before)
    assert loaded.new_ is None
    raw = loaded.search(loaded.user_vectors(histories), 10, exclude=histories)
    np.testing.assert_array_equal(loaded.recommend(histories=histories).rows, raw.rows)


def test_without_content_nothing_is_held_back():
    fitted = SharedSpace(dim=8, training=Training(epochs=2, patience=None)).fit(shop(content=False))
    assert fitted.new_ is None
    histories = shop().interactions
    raw = fitted.search(fitted.user_vectors(histories), 10, exclude=histories)
    np.testing.assert_array_equal(fitted.recommend(histories=histories).rows, raw.rows)
