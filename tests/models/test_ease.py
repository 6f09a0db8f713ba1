from collections.abc import Callable

import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models import ease
from mmreco.models.ease import EASE


@pytest.mark.parametrize("l2", [0.5, 20.0])
def test_scores_equal_the_slow_twin(
    monkeypatch: pytest.MonkeyPatch, log: Interactions, asked: Interactions, l2: float
) -> None:
    """Against the regressions themselves: each item from all others, by the normal equations."""
    monkeypatch.setattr(ease, "_CELLS", 100)  # several blocks
    x = log.matrix().toarray().astype(np.float64)
    weights = np.zeros((25, 25))
    for item in range(25):
        others = np.array([o for o in range(25) if o != item])
        gram = x[:, others].T @ x[:, others] + l2 * np.eye(24)
        weights[others, item] = np.linalg.solve(gram, x[:, others].T @ x[:, item])
    model = EASE(l2=l2).fit(Dataset.from_interactions(log))
    np.testing.assert_allclose(model.weights_, weights, atol=1e-5)
    told = asked.lengths > 0
    expected = asked.matrix().toarray() @ weights
    np.testing.assert_allclose(model.score(asked)[told], expected[told], atol=1e-4)


def test_a_history_that_says_nothing_gets_what_is_popular(log: Interactions) -> None:
    users = np.array([len(set(log.users_flat[log.items_flat == item].tolist())) for item in range(25)])
    asked = Interactions.from_histories([[], ["i24"]], items=log.items)  # nobody clicked i24
    answer = EASE().fit(Dataset.from_interactions(log)).recommend(histories=asked, k=5)
    assert answer.rows.tolist() == [np.argsort(-users, kind="stable")[:5].tolist()] * 2


def test_a_catalogue_too_large_is_refused_and_slim_named() -> None:
    items = IdMap.of([f"i{row}" for row in range(20_001)])
    with pytest.raises(DataError, match=r"20001 items.* 5 GB; expected 20000 or fewer: use SLIM"):
        EASE().fit(Dataset.from_interactions(Interactions.from_histories([["i0", "i1"]], items=items)))


def test_it_beats_popular_on_the_planted_shop(over_popular: Callable[..., float]) -> None:
    assert over_popular(EASE()) > 1.3


@pytest.mark.parametrize("l2", [0, -1, np.nan, np.inf])
def test_parameters_are_checked_on_construction(l2: float) -> None:
    with pytest.raises(DataError, match=f"l2={l2}: expected a number above 0"):
        EASE(l2=l2)


def test_unfitted_has_no_scores(log: Interactions) -> None:
    with pytest.raises(NotFittedError, match="EASE is not fitted"):
        EASE().score(log)
