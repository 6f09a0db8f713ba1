from collections.abc import Callable

import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models.puresvd import PureSVD


@pytest.mark.parametrize("factors", [1, 6, 25, 400])
def test_scores_equal_the_slow_twin(log: Interactions, asked: Interactions, factors: int) -> None:
    _, strengths, directions = np.linalg.svd(log.matrix().toarray().astype(np.float64), full_matrices=False)
    kept = directions[:factors][strengths[:factors] > 1e-6]
    expected = asked.matrix().toarray() @ kept.T @ kept
    model = PureSVD(dim=factors).fit(Dataset.from_interactions(log))
    found = model.user_vectors(asked) @ model.item_embeddings().vectors.T
    told = asked.lengths > 0
    np.testing.assert_allclose(found[told], expected[told], atol=1e-4)


def test_a_log_without_events_has_no_directions(log: Interactions) -> None:
    nothing = log.keep(np.zeros(log.n_events, dtype=bool))
    assert PureSVD().fit(Dataset.from_interactions(nothing)).recommend(histories=nothing, k=3).rows[0].tolist() == [
        0,
        1,
        2,
    ]


def test_it_beats_popular_on_the_planted_shop(over_popular: Callable[..., float]) -> None:
    assert over_popular(PureSVD(dim=16)) > 1.3


@pytest.mark.parametrize(("options", "said"), [({"dim": 0}, "dim=0"), ({"seed": -1}, "seed=-1")])
def test_parameters_are_checked_on_construction(options: dict[str, int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        PureSVD(**options)


def test_unfitted_has_no_vectors(log: Interactions) -> None:
    with pytest.raises(NotFittedError, match="PureSVD is not fitted"):
        PureSVD().user_vectors(log)
    with pytest.raises(NotFittedError, match="PureSVD is not fitted"):
        PureSVD().item_embeddings()
