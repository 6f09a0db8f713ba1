from dataclasses import dataclass
from typing import final

import numpy as np
import pytest

from mmreco.arrays import F32, frozen
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.models import base
from mmreco.models.base import ScoreModel, State, VectorModel
from mmreco.splitting import Holdout

ITEMS = IdMap.of(["a", "b", "c", "d", "e"])
VECTORS = np.array([[1, 0], [2, 0.2], [9, 9], [0, 1], [0, 0]], dtype=np.float32)


@final
@dataclass(kw_only=True, eq=False)
class Mean(VectorModel):
    """Users are the mean of their items."""

    scale: float = 1.0

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        self.embeddings_ = Embeddings(dataset.items, self.scale * VECTORS)

    def item_embeddings(self) -> Embeddings:
        return self.embeddings_

    def user_vectors(self, histories: Interactions) -> F32:
        return np.asarray(histories.matrix() @ self.embeddings_.vectors, dtype=np.float32)

    def _state(self) -> State:
        return {"vectors": self.embeddings_.vectors}

    def _restore(self, state: State) -> None:
        self.embeddings_ = Embeddings(self.items_, state["vectors"])


@final
@dataclass(kw_only=True, eq=False)
class Given(ScoreModel):
    """Answers the scores it was given, NaN and all."""

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        self.scores_ = frozen(dataset.interactions.counts(), np.float32)

    def score(self, histories: Interactions) -> F32:
        return np.broadcast_to(self.scores_, (len(histories), len(self.scores_)))

    def _state(self) -> State:
        return {"scores": self.scores_}

    def _restore(self, state: State) -> None:
        self.scores_ = state["scores"]


def asked(*histories: list[str]) -> Interactions:
    return Interactions.from_histories(histories, items=ITEMS)


TRAIN = asked(["a", "b"], ["c"])


def test_similar_is_by_direction_and_never_the_item_itself() -> None:
    found = Mean().fit(Dataset.from_interactions(TRAIN)).similar(np.array([0, 3]), k=4)
    assert found.ids(ITEMS) == [["b", "c", "d", "e"], ["c", "b", "a", "e"]]  # by inner product "c" would win for both
    assert found.scores[0, 0] == pytest.approx(2 / np.hypot(2, 0.2))


def test_similar_obeys_a_mask_and_checks_its_rows() -> None:
    model = Mean().fit(Dataset.from_interactions(TRAIN))
    candidates = np.array([True, False, False, True, False])
    assert model.similar(np.array([0]), k=2, candidates=candidates).ids(ITEMS) == [["d"]]
    assert model.similar(np.array([], dtype=np.int64), k=2).rows.shape == (0, 2)
    for rows in (np.array([5]), np.array([-1]), np.array([[0]])):
        with pytest.raises(DataError, match=r"expected item rows 0\.\.4"):
            model.similar(rows, k=2)


def test_search_takes_vectors_of_the_space() -> None:
    model = Mean().fit(Dataset.from_interactions(TRAIN))
    assert model.search(np.array([[0.0, 1.0]]), k=2).ids(ITEMS) == [["c", "d"]]
    assert model.search(np.array([[0.0, 1.0]]), k=2, exclude=asked(["c"])).ids(ITEMS) == [["d", "b"]]


def test_the_index_is_built_once_and_again_after_fit() -> None:
    model = Mean().fit(Dataset.from_interactions(TRAIN))
    first = model.index
    assert model.index is first
    model.similar(np.array([0]), k=1)
    assert model._directions() is model._directions()
    assert model.fit(Dataset.from_interactions(TRAIN)).index is not first


def test_vectors_of_unit_length_need_no_second_index(monkeypatch: pytest.MonkeyPatch) -> None:
    directions = VECTORS[:4] / np.linalg.norm(VECTORS[:4], axis=1, keepdims=True)
    monkeypatch.setitem(globals(), "VECTORS", directions)
    items = IdMap.of(["a", "b", "c", "d"])
    model = Mean().fit(Dataset.from_interactions(Interactions.from_histories([], items=items)))
    assert model._directions() is model.index


@pytest.mark.parametrize(
    "ask", [lambda m: m.index, lambda m: m.similar(np.array([0]), 1), lambda m: m.search(VECTORS, 1)]
)
def test_unfitted_is_said(ask: object) -> None:
    with pytest.raises(NotFittedError, match=r"Mean is not fitted; call fit\(dataset\) first"):
        ask(Mean())  # type: ignore[operator]


def test_what_is_loaded_is_read_only(tmp_path: object) -> None:
    Given().fit(Dataset.from_interactions(TRAIN)).save(f"{tmp_path}/given")
    loaded = Given.load(f"{tmp_path}/given")
    assert not loaded.scores_.flags.writeable


def test_another_version_s_parameters_are_refused(tmp_path: object) -> None:
    Mean(scale=2.0).fit(Dataset.from_interactions(TRAIN)).save(f"{tmp_path}/mean")
    assert Mean.load(f"{tmp_path}/mean").scale == 2.0
    with pytest.raises(IncompatibleError, match="holds a Mean; expected a Given"):
        Given.load(f"{tmp_path}/mean")
    model = Mean().fit(Dataset.from_interactions(TRAIN))
    model._config = lambda: {"scale": 1.0, "depth": 3}  # type: ignore[method-assign]
    model.save(f"{tmp_path}/newer")
    with pytest.raises(IncompatibleError, match="Mean has no parameter 'depth'"):
        Mean.load(f"{tmp_path}/newer")


def test_large_batches_are_scored_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Given().fit(Dataset.from_interactions(TRAIN))
    histories = asked(["a"], [], ["b", "c"], ["e"], ["a", "b", "c", "d", "e"])
    whole = model.recommend(histories=histories, k=3)
    monkeypatch.setattr(base, "_CELLS", 11)  # two users at a time
    np.testing.assert_array_equal(model.recommend(histories=histories, k=3).rows, whole.rows)


def test_nan_scores_are_refused() -> None:
    model = Given().fit(Dataset.from_interactions(TRAIN))
    model.scores_ = np.array([1, np.nan, 0, 0, 0], dtype=np.float32)
    with pytest.raises(DataError, match="NaN among the scores of question 0"):
        model.recommend(histories=asked([]), k=1)


def test_equal_scores_come_lower_row_first_even_at_the_edge() -> None:
    scores = np.zeros((3, 400), dtype=np.float32)
    scores[1, 300:] = 1
    scores[2, [7, 391]] = 5
    found = Ranking.from_scores(scores, 4).rows
    assert found.tolist() == [[0, 1, 2, 3], [300, 301, 302, 303], [7, 391, 0, 1]]
    names = np.broadcast_to(np.arange(400)[::-1], (3, 400))
    assert Ranking.from_scores(scores[:1], 4, rows=names[:1]).rows.tolist() == [[0, 1, 2, 3]]
