"""ModelContract: what every model of this library keeps, for authors to run over their own.

A log like a checkerboard has one right answer a user (after the test suite of the library implicit): even users took
all even items but one, odd users all odd items but one, and that one is what a model must recommend first.
"""

import dataclasses
import pickle
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

from mmreco.arrays import Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.request import Request
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.models.base import Model, VectorModel
from mmreco.protocols import Recommends

__all__ = ["ModelContract", "checkerboard"]

_ITEMS = 20
_UNCLICKED = 2  # further items, that nobody clicked


class ModelContract:
    """A test class to inherit from: finish `make`, and pytest checks all that the library relies on.

    Attributes
    ----------
    personal : whether the model can tell one user from another by which items they took
        A model that answers everybody alike is not asked for the right answer.
    weighs : whether how much an event weighs changes what is learnt

    Examples
    --------
    >>> class TestMine(ModelContract):
    ...     def make(self) -> Model:
    ...         from mmreco.models import EASE
    ...
    ...         return EASE(l2=1)
    """

    personal: ClassVar[bool] = True
    weighs: ClassVar[bool] = True
    _fitted: ClassVar[dict[type, Model]] = {}

    def make(self) -> Model:
        """A new model, not fitted, with the same hyper-parameters every time."""
        raise NotImplementedError("finish make(self): a new model, not fitted")

    @property
    def dataset(self) -> Dataset:
        """What the model is fitted to: a checkerboard of 40 users."""
        return checkerboard()

    @property
    def model(self) -> Model:
        """A fitted model; one for all tests, since answering must not change it."""
        if type(self) not in self._fitted:
            self._fitted[type(self)] = self.make().fit(self.dataset)
        return self._fitted[type(self)]

    # ---- what it is

    def test_it_is_a_final_keyword_only_dataclass_that_recommends(self) -> None:
        model = self.make()
        assert isinstance(model, Recommends)
        assert dataclasses.is_dataclass(model)
        assert getattr(type(model), "__final__", False)
        assert all(field.kw_only for field in dataclasses.fields(model) if field.init)

    def test_unfitted_is_said(self, tmp_path: Path) -> None:
        model, name = self.make(), type(self.make()).__name__
        histories = self.dataset.interactions
        with pytest.raises(NotFittedError, match=rf"{name} is not fitted; call fit\(dataset\) first"):
            model.recommend(histories=histories)
        with pytest.raises(NotFittedError, match=f"{name} is not fitted"):
            model.similar([0], 2)
        with pytest.raises(NotFittedError, match=f"{name} is not fitted"):
            model.save(tmp_path / "model")

    # ---- fit

    def test_fit_answers_the_model_and_leaves_the_dataset(self) -> None:
        dataset = self.dataset
        before = _bytes_of(dataset.interactions)
        model = self.make()
        assert model.fit(dataset) is model
        assert _bytes_of(dataset.interactions) == before

    def test_the_same_seed_gives_the_same_model(self) -> None:
        again, histories = self.make().fit(self.dataset), self.dataset.interactions
        assert _state(again) == _state(self.model)
        first, second = (model.recommend(histories=histories) for model in (again, self.model))
        np.testing.assert_array_equal(first.rows, second.rows)

    def test_fit_again_forgets_the_first(self) -> None:
        model = self.make().fit(self.dataset)
        model.recommend(histories=self.dataset.interactions, k=3)
        items = IdMap.of([f"other-{row}" for row in range(9)])
        log = Interactions.from_histories([[f"other-{(u + i) % 9}" for i in range(4)] for u in range(12)], items=items)
        answer = model.fit(_described(log)).recommend(histories=log, k=9)
        assert answer.rows.max() < 9
        np.testing.assert_array_equal(answer.rows, self.make().fit(_described(log)).recommend(histories=log, k=9).rows)

    def test_what_is_no_dataset_is_refused(self) -> None:
        dataset = self.dataset
        for given in (dataset.interactions, dataset.catalogue, [["item-1"]], None):
            with pytest.raises(DataError, match=f"given a {type(given).__name__}; expected a Dataset"):
                self.make().fit(given)  # type: ignore[arg-type]

    def test_heavier_events_pull_the_model_towards_them(self) -> None:
        if not self.weighs:
            pytest.skip("events count alike")
        one, other = 4, 10
        asked = Interactions.from_histories(
            [[f"item-{row}" for row in range(0, _ITEMS, 2) if row not in (one, other)]], items=self.dataset.items
        )

        def lead(heavy: int) -> float:
            """How far `one` stands before `other` where events with `heavy` weigh eightfold."""
            log = self.dataset.interactions
            weights = np.where(log.items_flat == heavy, 8.0, 1.0).astype(np.float32)
            model = self.make().fit(self.dataset.with_interactions(dataclasses.replace(log, weights=weights)))
            answer = model.recommend(histories=asked, k=len(self.dataset.items))
            scores = dict(zip(answer.rows[0].tolist(), answer.scores[0].tolist(), strict=True))
            return float(scores[one] - scores[other])

        assert lead(one) > lead(other)

    @pytest.mark.parametrize("weight", [0.0, -1.0])
    def test_what_weighs_nothing_or_less_is_not_taught_as_wanted(self, weight: float) -> None:
        if not self.weighs:
            pytest.skip("events count alike")
        item = 4  # the right answer to users who have all else that is even
        log, n_items = self.dataset.interactions, len(self.dataset.items)
        weights = np.where(log.items_flat == item, weight, 1.0).astype(np.float32)
        model = self.make().fit(self.dataset.with_interactions(dataclasses.replace(log, weights=weights)))
        asked = log.take([user for user in range(len(log)) if _right_answer(user) == item])
        alike = [row for row in range(0, _ITEMS, 2) if row != item]

        def standing(one: Model) -> float:
            """How far the item stands from those like it, in standard deviations of all scores."""
            answer = one.recommend(histories=asked, k=n_items, exclude_seen=False)
            scores = np.take_along_axis(answer.scores, np.argsort(answer.rows, axis=1), axis=1)  # by item
            return float(((scores[:, item] - scores[:, alike].mean(axis=1)) / scores.std(axis=1)).mean())

        assert standing(model) < standing(self.model)

    # ---- recommend

    def test_it_finds_the_one_right_answer(self) -> None:
        if not self.personal:
            pytest.skip("the same answer for everybody")
        histories = self.dataset.interactions
        expected = [_right_answer(user) for user in range(len(histories))]
        assert self.model.recommend(histories=histories, k=1).rows[:, 0].tolist() == expected

    def test_a_request_and_its_parts_are_answered_alike(self) -> None:
        histories = self.dataset.interactions
        some = np.arange(len(histories.items)) % 3 > 0
        parts = self.model.recommend(histories=histories, k=4, exclude_seen=False, candidates=some)
        whole = self.model.recommend(Request(histories, k=4, exclude_seen=False, candidates=some, page="home"))
        np.testing.assert_array_equal(parts.rows, whole.rows)
        np.testing.assert_array_equal(parts.scores, whole.scores)

    def test_a_batch_equals_one_by_one(self) -> None:
        for histories in self._everyone():
            together = self.model.recommend(histories=histories, k=5)
            for line in range(len(histories)):
                alone = self.model.recommend(histories=histories.take([line]), k=5)
                np.testing.assert_array_equal(alone.rows[0], together.rows[line])
                np.testing.assert_allclose(alone.scores[0], together.scores[line], rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("k", [1, 5, 22, 40])
    @pytest.mark.parametrize("exclude_seen", [True, False])
    @pytest.mark.parametrize("allowed", [None, 0, 1, 9])
    def test_answers_are_k_wide_allowed_unseen_and_unique(
        self, k: int, exclude_seen: bool, allowed: int | None
    ) -> None:
        candidates = None if allowed is None else self._some(allowed)
        for histories in self._everyone():
            request = Request(histories, k=k, exclude_seen=exclude_seen, candidates=candidates)
            self._require_answered(request, [candidates] * len(histories))

    def test_each_question_has_candidates_and_exclusions_of_its_own(self) -> None:
        for histories in self._everyone():
            candidates = np.stack([self._some(1 + line % 7, seed=line) for line in range(len(histories))])
            self._require_answered(Request(histories, k=4, candidates=candidates), list(candidates))
            barred = [histories.items.ids([line % 5, 7]) for line in range(len(histories))]
            exclude = Interactions.from_histories(barred, items=histories.items)
            self._require_answered(Request(histories, k=22, exclude=exclude), [None] * len(histories))

    def test_an_empty_batch_has_an_empty_answer(self) -> None:
        nobody = Interactions.from_histories([], items=self.dataset.items)
        assert self.model.recommend(histories=nobody, k=5).rows.shape == (0, 5)

    def test_answering_leaves_the_model_byte_identical(self) -> None:
        model, histories = self.model, self.dataset.interactions
        before, settings, logged = _state(model), repr(model), _bytes_of(histories)
        first = model.recommend(histories=histories)
        for others in self._everyone():
            model.recommend(histories=others, k=7, exclude_seen=False, candidates=self._some(9))
        np.testing.assert_array_equal(model.recommend(histories=histories).rows, first.rows)
        assert (_state(model), repr(model), _bytes_of(histories)) == (before, settings, logged)

    def test_histories_over_other_items_are_refused(self) -> None:
        other = Interactions.from_histories([["hat"]], items=IdMap.of(["hat", "coat"]))
        with pytest.raises(IncompatibleError, match=r"histories over 2 items, .* fitted on 22"):
            self.model.recommend(histories=other, k=5)

    def test_bad_questions_are_refused(self) -> None:
        histories = self.dataset.interactions
        for options, said in [
            ({"k": 0}, "k=0: expected 1 to"),
            ({"k": None}, "k=None: expected a whole number"),
            ({"candidates": np.ones(3, dtype=bool)}, r"candidates: bool of shape \(3,\); expected bool of shape"),
            ({"candidates": np.ones(22)}, "candidates: float64"),
        ]:
            with pytest.raises(DataError, match=said):
                self.model.recommend(histories=histories, **options)  # type: ignore[arg-type]
        for given in (["user-1"], histories, None):
            with pytest.raises(DataError, match=r"Request, or histories="):
                self.model.recommend(given)  # type: ignore[arg-type]

    # ---- similar

    def test_similar_items_are_others(self) -> None:
        rows = np.arange(len(self.dataset.items))
        near = self.model.similar(rows, 5)
        assert near.rows.shape == (len(rows), 5)
        assert not (near.rows == rows[:, None]).any()
        some = self._some(9)
        among = self.model.similar(rows, 5, candidates=some).rows
        assert some[among[among >= 0]].all()
        with pytest.raises(DataError, match=r"expected item rows 0\.\.21"):
            self.model.similar([22], 5)

    def test_vector_models_answer_by_item_and_by_vector(self) -> None:
        model, histories = self.model, self.dataset.interactions
        if not isinstance(model, VectorModel):
            pytest.skip("no vectors")
        vectors = model.user_vectors(histories)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(histories), model.item_embeddings().dim)
        assert model.item_embeddings().ids == histories.items
        by_vector = model.search(vectors, 5, exclude=histories)
        np.testing.assert_array_equal(by_vector.rows, model.recommend(histories=histories, k=5).rows)

    # ---- saved and sent

    def test_a_saved_model_answers_the_same(self, tmp_path: Path) -> None:
        model = self.model
        model.save(tmp_path / "model")
        loaded = type(model).load(tmp_path / "model")
        assert repr(loaded) == repr(model)
        assert loaded.items_ == model.items_
        assert _state(loaded) == _state(model)
        self._require_same_answers(loaded)
        suffixes = {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()}
        assert ".pkl" not in suffixes
        assert ".pickle" not in suffixes

    def test_a_damaged_model_is_refused(self, tmp_path: Path) -> None:
        self.model.save(tmp_path / "model")
        target = next((tmp_path / "model").rglob("items.parquet"))
        content = bytearray(target.read_bytes())
        content[len(content) // 2] ^= 1
        target.write_bytes(content)
        with pytest.raises(DataError, match=r"items\.parquet: damaged"):
            type(self.model).load(tmp_path / "model")

    def test_another_process_can_be_sent_a_model_that_has_answered(self) -> None:
        self.model.recommend(histories=self.dataset.interactions)
        self.model.similar([0], 2)
        self._require_same_answers(pickle.loads(pickle.dumps(self.model)))

    # ---- what is asked

    def _everyone(self) -> list[Interactions]:
        """Those trained on, and strangers: with none, one, repeated, never clicked and all items."""
        items = self.dataset.items
        every = items.ids(np.arange(len(items)))
        strangers = [[], ["item-3"], ["item-4", "item-4", "item-8"], ["item-20", "item-21"], every, every[:2]]
        return [self.dataset.interactions, Interactions.from_histories(strangers, items=items)]

    def _some(self, n: int, seed: int = 0) -> Bool:
        chosen = np.zeros(len(self.dataset.items), dtype=np.bool_)
        chosen[np.random.default_rng(seed).permutation(len(chosen))[:n]] = True
        return chosen

    def _require_answered(self, request: Request, allowed: list[Bool | None]) -> None:
        answer, n_items = self.model.recommend(request), len(self.dataset.items)
        assert answer.rows.shape == (len(request), request.k)
        for line, rows in enumerate(answer.rows):
            answered = rows[rows >= 0].tolist()
            mask = allowed[line]
            possible = set(range(n_items) if mask is None else np.flatnonzero(mask).tolist())
            if request.exclude_seen:
                possible -= set(request.histories.history(line).tolist())
            if request.exclude is not None:
                possible -= set(request.exclude.history(line).tolist())
            assert len(set(answered)) == len(answered)
            assert set(answered) <= possible
            assert len(answered) == min(request.k, len(possible))
            assert np.isfinite(answer.scores[line, : len(answered)]).all()

    def _require_same_answers(self, other: Model) -> None:
        for histories in self._everyone():
            expected, given = (model.recommend(histories=histories) for model in (self.model, other))
            np.testing.assert_array_equal(given.rows, expected.rows)
            np.testing.assert_array_equal(given.scores, expected.scores)


def checkerboard(n_users: int = 40) -> Dataset:
    """Of `n_users`, even ones took all even items but one, odd ones all odd but one; the content tells even from odd.

    There are 20 items, and two more that nobody took.
    """
    items = IdMap.of([f"item-{row}" for row in range(_ITEMS + _UNCLICKED)])
    users = IdMap.of([f"user-{row}" for row in range(n_users)])
    pairs = [(u, i) for u in range(n_users) for i in range(_ITEMS) if (u - i) % 2 == 0 and i != _right_answer(u)]
    user_rows, item_rows = np.random.default_rng(0).permutation(pairs).T  # the order says nothing
    times = 1_700_000_000_000 + 60_000 * np.arange(len(pairs))
    return _described(Interactions.from_events(users, items, user_rows, item_rows, times=times))


def _described(log: Interactions) -> Dataset:
    """A dataset whose content tells even items from odd ones; of the last item nothing is known."""
    items = log.items
    rows = np.arange(len(items) - 1)
    vectors = np.stack([rows % 2, 1 - rows % 2], axis=1).astype(np.float32)
    catalogue = Catalogue(items, pa.table({"title": pa.nulls(len(items), pa.large_string())}))
    return Dataset(catalogue, log, content={"text": Embeddings(items.take(rows), vectors)})


def _right_answer(user: int) -> int:
    return (user % 2) + 2 * ((user // 2) % (_ITEMS // 2))


def _state(model: Model) -> dict[str, bytes]:
    return {name: np.asarray(array).tobytes() for name, array in model._state().items()}


def _bytes_of(log: Interactions) -> list[bytes]:
    arrays = (log.starts, log.items_flat, log.event_types, log.weights, log.times, log.nanoseconds)
    return [a.tobytes() for a in arrays if a is not None]
