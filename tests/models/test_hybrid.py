from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.models import hybrid
from mmreco.models.contentknn import ContentKNN
from mmreco.models.ease import EASE
from mmreco.models.hybrid import Hybrid, ReciprocalRank, Switching, Weighted
from mmreco.models.itemknn import ItemKNN
from mmreco.models.popular import Popular
from mmreco.models.random import Random
from mmreco.models.userknn import UserKNN
from mmreco.splitting import Split

PARTS = (ItemKNN(), Popular(), EASE(l2=5.0))


class Foreign:
    """Somebody else's recommender."""

    def recommend(self, request: Request) -> Ranking:
        return Ranking.from_scores(np.tile(np.arange(25.0, dtype=np.float32), (len(request), 1)), request.k)


def slow_fused(lists: list[Ranking], credit: Callable[[Ranking, int, int], float], k: int) -> list[list[int]]:
    """The slow twin: a dictionary a line."""
    out = []
    for line in range(len(lists[0])):
        sums: dict[int, float] = {}
        for number, one in enumerate(lists):
            for place, row in enumerate(one.rows[line].tolist()):
                if row >= 0:
                    sums[row] = sums.get(row, 0) + credit(one, line, place) * (number + 1)
        out.append(sorted(sums, key=lambda row: (-np.float32(sums[row]), row))[:k])
    return out


def answers(model: Hybrid, asked: Interactions, k: int) -> list[list[int]]:
    return [[row for row in line if row >= 0] for line in model.recommend(histories=asked, k=k).rows.tolist()]


@pytest.mark.parametrize("depth", [1, 8, 100])
def test_weighted_equals_the_slow_twin(log: Interactions, asked: Interactions, depth: int) -> None:
    model = Weighted(parts=PARTS, weights=[1, 2, 3], depth=depth).fit(Dataset.from_interactions(log))
    lists = [part.recommend(histories=asked, k=max(6, depth)) for part in PARTS]

    def credit(one: Ranking, line: int, place: int) -> float:
        scores = one.scores[line][one.rows[line] >= 0].astype(np.float64)
        return float((scores[place] - scores[-1]) / (scores[0] - scores[-1])) if scores[0] > scores[-1] else 1.0

    assert answers(model, asked, 6) == slow_fused(lists, credit, 6)


@pytest.mark.parametrize("depth", [1, 8, 100])
def test_reciprocal_rank_equals_the_slow_twin(log: Interactions, asked: Interactions, depth: int) -> None:
    model = ReciprocalRank(parts=PARTS, weights=[1, 2, 3], depth=depth).fit(Dataset.from_interactions(log))
    lists = [part.recommend(histories=asked, k=max(6, depth)) for part in PARTS]
    assert answers(model, asked, 6) == slow_fused(lists, lambda one, line, place: 1 / (61 + place), 6)


def test_switching_asks_the_part_for_the_length(log: Interactions) -> None:
    model = Switching(parts=[Popular(), ItemKNN(), EASE()], at=[2, 5]).fit(Dataset.from_interactions(log))
    found = model.recommend(histories=log, k=4)
    for line, length in enumerate(log.lengths):
        part = model.parts[0 if length < 2 else 1 if length < 5 else 2]
        np.testing.assert_array_equal(found.rows[line], part.recommend(histories=log.take([line]), k=4).rows[0])
    assert {0, 1, 2} == {int(np.searchsorted([2, 5], n, side="right")) for n in log.lengths}  # all were asked


def test_parts_may_be_fitted_already_or_somebody_else_s(log: Interactions, asked: Interactions) -> None:
    model = ReciprocalRank(parts=[ItemKNN().fit(Dataset.from_interactions(log)), Foreign()])
    assert model.recommend(histories=asked, k=3).rows.shape == (12, 3)
    assert ReciprocalRank(parts=[Foreign()]).recommend(histories=asked, k=3).rows[0].tolist() == [24, 23, 22]
    with pytest.raises(DataError, match="part 1, a Foreign, cannot be fitted here"):
        model.fit(Dataset.from_interactions(log))


def test_a_hybrid_of_hybrids_is_saved_with_its_parts(log: Interactions, asked: Interactions, tmp_path: Path) -> None:
    inner = Switching(parts=[Popular(), UserKNN(neighbours=7)], at=[3])
    model = Weighted(parts=[inner, EASE(l2=5.0)], weights=[1, 2]).fit(Dataset.from_interactions(log))
    model.save(tmp_path / "hybrid")
    again = Weighted.load(tmp_path / "hybrid")
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(
        again.recommend(histories=asked, k=9).scores, model.recommend(histories=asked, k=9).scores
    )
    with pytest.raises(IncompatibleError, match="holds a Weighted; expected a Switching"):
        Switching.load(tmp_path / "hybrid")


def test_somebody_else_s_part_is_not_saved(log: Interactions, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="part 1, a Foreign, cannot be saved"):
        Weighted(parts=[ItemKNN().fit(Dataset.from_interactions(log)), Foreign()]).save(tmp_path / "hybrid")


@pytest.mark.parametrize(
    ("module", "kind"),
    [("os", "system"), ("antigravity", "x"), ("mmreco.errors", "DataError"), ("mmreco.models.base", "nothing")],
)
def test_a_part_that_is_no_model_is_not_loaded(module: str, kind: str) -> None:
    with pytest.raises(IncompatibleError, match=f"a part is a {kind} of {module}"):
        hybrid._class({"module": module, "kind": kind})


def test_unfitted_parts_are_named(log: Interactions) -> None:
    with pytest.raises(NotFittedError, match=r"Weighted is not fitted; .*ItemKNN is not fitted"):
        Weighted(parts=[Popular().fit(Dataset.from_interactions(log)), ItemKNN()]).recommend(histories=log, k=3)
    with pytest.raises(DataError, match="ContentKNN: the dataset has no content"):
        Weighted(parts=[Popular(), ContentKNN()]).fit(Dataset.from_interactions(log))


def test_parts_over_other_items_are_refused(log: Interactions, untimed: Interactions) -> None:
    model = Weighted(
        parts=[Popular().fit(Dataset.from_interactions(log)), ItemKNN().fit(Dataset.from_interactions(untimed))]
    )
    with pytest.raises(IncompatibleError, match="histories over 25 items, ItemKNN fitted on 4"):
        model.recommend(histories=log, k=3)


def test_a_good_part_is_not_spoilt_by_chance(held_out: Split, over_popular: Callable[..., float]) -> None:
    train = held_out.train
    knn, ease, chance = ItemKNN().fit(train), EASE().fit(train), Random().fit(train)
    fused = over_popular(ReciprocalRank(parts=[knn, ease]), fitted=True)
    assert fused > 1.3
    assert over_popular(Weighted(parts=[knn, chance], weights=[9, 1]), fitted=True) > 1.3
    assert over_popular(ReciprocalRank(parts=[knn, chance], weights=[0, 1]), fitted=True) < 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Weighted(parts=[]), "Weighted: no parts"),
        (lambda: Weighted(parts=[Popular]), "part 0 is <class"),
        (lambda: Weighted(parts=[Popular(), 3]), "part 1 is 3; expected a model that recommends"),
        (lambda: Weighted(parts=PARTS, weights=[1]), r"weights=\[1\]: expected 3 numbers"),
        (lambda: Weighted(parts=PARTS, weights=[0, 0, 0]), "not all 0"),
        (lambda: ReciprocalRank(parts=PARTS, weights=[1, 1, -1]), "expected 3 numbers of 0 or more"),
        (lambda: Weighted(parts=PARTS, depth=0), "depth=0"),
        (lambda: ReciprocalRank(parts=PARTS, constant=0), "constant=0"),
        (lambda: Switching(parts=PARTS, at=[3]), r"at=\[3\]: expected 2 rising numbers of 1 or more for 3 parts"),
        (lambda: Switching(parts=PARTS, at=[3, 3]), "rising"),
        (lambda: Switching(parts=PARTS, at=[0, 3]), "1 or more"),
    ],
)
def test_parameters_are_checked_on_construction(make: Callable[[], Hybrid], said: str) -> None:
    with pytest.raises(DataError, match=said):
        make()


def test_an_empty_map_of_items_has_empty_answers() -> None:
    nothing = Interactions.from_histories([[], []], items=IdMap.of([]))
    assert (
        Weighted(parts=[Popular(), ItemKNN()])
        .fit(Dataset.from_interactions(nothing))
        .recommend(histories=nothing, k=2)
        .rows
        == -1
    ).all()
