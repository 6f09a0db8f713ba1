"""What every model promises, whatever its algorithm."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmreco.arrays import I64
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.models.base import ScoreModel, VectorModel
from mmreco.protocols import Recommends

Model = ScoreModel | VectorModel


def strangers(items: IdMap) -> Interactions:
    """Histories nobody was trained on: none, one, repeats, never-clicked items, everything."""
    every = items.ids(np.arange(len(items)))
    return Interactions.from_histories(
        [[], ["item-3"], ["item-4", "item-4", "item-8"], ["item-20", "item-21"], every, ["item-0", "item-1"]],
        items=items,
    )


def everyone(train: Interactions) -> list[Interactions]:
    return [train, strangers(train.items)]


def state_bytes(model: Model) -> dict[str, bytes]:
    return {name: np.asarray(array).tobytes() for name, array in model._state().items()}


def interaction_bytes(log: Interactions) -> list[bytes]:
    return [a.tobytes() for a in (log.starts, log.items_flat, log.event_types, log.weights, log.times) if a is not None]


def test_it_is_a_final_keyword_only_dataclass_that_recommends(make: Callable[[], Model]) -> None:
    model = make()
    assert isinstance(model, Recommends)
    assert dataclasses.is_dataclass(model)
    assert type(model).__final__  # type: ignore[attr-defined]
    assert all(field.kw_only for field in dataclasses.fields(model) if field.init)
    assert model.__module__.startswith("mmreco.")


def test_it_finds_the_one_right_answer(model: Model, train: Interactions, right_answers: I64 | None) -> None:
    if right_answers is None:
        pytest.skip("the same answer for everybody")
    np.testing.assert_array_equal(model.recommend(train, 1).rows[:, 0], right_answers)


def test_a_batch_equals_one_by_one(model: Model, train: Interactions) -> None:
    for histories in everyone(train):
        together = model.recommend(histories, 5)
        for line in range(len(histories)):
            alone = model.recommend(histories.take([line]), 5)
            np.testing.assert_array_equal(alone.rows[0], together.rows[line])
            np.testing.assert_allclose(alone.scores[0], together.scores[line], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("k", [1, 5, 22, 40])
@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("allowed", [None, 0, 1, 9])
def test_answers_are_k_wide_allowed_unseen_and_unique(
    model: Model, train: Interactions, k: int, exclude_seen: bool, allowed: int | None
) -> None:
    n_items = len(train.items)
    where = None
    if allowed is not None:
        where = np.zeros(n_items, dtype=bool)
        where[np.random.default_rng(allowed).permutation(n_items)[:allowed]] = True
    for histories in everyone(train):
        answer = model.recommend(histories, k, exclude_seen=exclude_seen, where=where)
        assert answer.rows.shape == (len(histories), k)
        for line, rows in enumerate(answer.rows):
            answered = rows[rows >= 0].tolist()
            possible = set(range(n_items) if where is None else np.flatnonzero(where).tolist())
            if exclude_seen:
                possible -= set(histories.history(line).tolist())
            assert len(set(answered)) == len(answered)
            assert set(answered) <= possible
            assert len(answered) == min(k, len(possible))
            assert np.isfinite(answer.scores[line, : len(answered)]).all()


def test_an_empty_batch_has_an_empty_answer(model: Model, train: Interactions) -> None:
    nobody = Interactions.from_histories([], items=train.items)
    assert model.recommend(nobody, 5).rows.shape == (0, 5)


def test_unfitted_is_said(make: Callable[[], Model], train: Interactions, tmp_path: Path) -> None:
    name = type(make()).__name__
    with pytest.raises(NotFittedError, match=rf"{name} is not fitted; call fit\(train\) first"):
        make().recommend(train, 5)
    with pytest.raises(NotFittedError, match=f"{name} is not fitted"):
        make().save(tmp_path / "model")


def test_the_same_seed_gives_the_same_ranking(make: Callable[[], Model], model: Model, train: Interactions) -> None:
    again = make().fit(train)
    assert state_bytes(again) == state_bytes(model)
    np.testing.assert_array_equal(again.recommend(train, 10).rows, model.recommend(train, 10).rows)


def test_fit_reads_and_returns_itself(make: Callable[[], Model], train: Interactions) -> None:
    before = interaction_bytes(train)
    model = make()
    assert model.fit(train) is model
    assert interaction_bytes(train) == before


def test_answering_leaves_the_model_byte_identical(model: Model, train: Interactions) -> None:
    before, settings, logged = state_bytes(model), repr(model), interaction_bytes(train)
    first = model.recommend(train, 10)
    for histories in everyone(train):
        model.recommend(histories, 7, exclude_seen=False, where=np.arange(len(train.items)) % 2 == 0)
    np.testing.assert_array_equal(model.recommend(train, 10).rows, first.rows)
    assert (state_bytes(model), repr(model), interaction_bytes(train)) == (before, settings, logged)


def test_a_saved_model_answers_the_same(model: Model, train: Interactions, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model")
    assert repr(loaded) == repr(model)
    assert loaded.items_ == model.items_
    assert state_bytes(loaded) == state_bytes(model)
    for histories in everyone(train):
        expected, found = model.recommend(histories, 10), loaded.recommend(histories, 10)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.scores, expected.scores)
    names = {p.suffix for p in (tmp_path / "model").rglob("*") if p.is_file()}
    assert names <= {"", ".json", ".parquet", ".safetensors", ".npy"}  # never a pickle


def test_a_damaged_model_is_refused(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    target = next((tmp_path / "model").rglob("items.parquet"))
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    with pytest.raises(DataError, match=r"items\.parquet: damaged"):
        type(model).load(tmp_path / "model")


def test_histories_over_other_items_are_refused(model: Model) -> None:
    other = Interactions.from_histories([["hat"]], items=IdMap.of(["hat", "coat"]))
    with pytest.raises(IncompatibleError, match=r"histories over 2 items, .* fitted on 22"):
        model.recommend(other, 5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": 0}, "k=0: expected 1 or more"),
        ({"where": np.ones(3, dtype=bool)}, r"where: bool of shape \(3,\); expected bool of shape \(22,\)"),
        ({"where": np.ones(22)}, "where: float64"),
    ],
)
def test_bad_questions_are_refused(model: Model, train: Interactions, options: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        model.recommend(train, **{"k": 5, **options})  # type: ignore[arg-type]


def test_fit_again_forgets_the_first(make: Callable[[], Model], train: Interactions) -> None:
    model = make().fit(train)
    model.recommend(train, 3)
    items = IdMap.of([f"other-{row}" for row in range(9)])
    log = Interactions.from_histories([[f"other-{(u + i) % 9}" for i in range(4)] for u in range(12)], items=items)
    answer = model.fit(log).recommend(log, 9)
    assert answer.rows.max() < 9
    np.testing.assert_array_equal(answer.rows, make().fit(log).recommend(log, 9).rows)


def test_vector_models_answer_by_item_and_by_vector(model: Model, train: Interactions) -> None:
    if not isinstance(model, VectorModel):
        pytest.skip("no vectors")
    vectors = model.user_vectors(train)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(train), model.item_embeddings().dim)
    assert model.item_embeddings().ids == train.items
    found = model.search(vectors, 5, exclude=train)
    np.testing.assert_array_equal(found.rows, model.recommend(train, 5).rows)
    rows = np.arange(len(train.items))
    near = model.similar(rows, 5)
    assert near.rows.shape == (len(rows), 5)
    assert not (near.rows == rows[:, None]).any()
