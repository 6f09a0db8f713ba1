from collections.abc import Callable

import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models import slim
from mmreco.models.itemknn import nearest
from mmreco.models.slim import SLIM


@pytest.mark.parametrize(("dense", "sparse"), [(8_192, 0), (0, 1 << 28), (0, 0)])  # all products, or those asked for
@pytest.mark.parametrize(("neighbours", "l1", "l2"), [(24, 0.1, 5.0), (6, 1.0, 5.0), (6, 0.5, 50.0)])
def test_weights_equal_those_of_scikit_learn(
    monkeypatch: pytest.MonkeyPatch, log: Interactions, dense: int, sparse: int, neighbours: int, l1: float, l2: float
) -> None:
    """Its elastic net halves the squared error over the number of rows, so penalties are divided by that."""
    from sklearn.linear_model import ElasticNet

    monkeypatch.setattr(slim, "_DENSE", dense)
    monkeypatch.setattr(slim, "_SPARSE", sparse)
    monkeypatch.setattr(slim, "_CELLS", 200)  # several blocks
    x = log.matrix().toarray().astype(np.float64)
    chosen = nearest(log, neighbours, 10.0, "cosine").toarray() > 0
    expected = np.zeros((25, 25))
    for item in np.flatnonzero(chosen.any(axis=1)):
        net = ElasticNet(
            alpha=(l1 + l2) / len(x), l1_ratio=l1 / (l1 + l2), fit_intercept=False, positive=True, tol=1e-10
        )
        expected[chosen[item], item] = net.fit(x[:, chosen[item]], x[:, item]).coef_
    found = SLIM(neighbours=neighbours, l1=l1, l2=l2).fit(Dataset.from_interactions(log)).weights_.toarray()
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert (found >= 0).all()


def test_scores_are_the_history_times_the_weights(log: Interactions, asked: Interactions) -> None:
    model = SLIM(l2=5.0).fit(Dataset.from_interactions(log))
    scores = asked.matrix().toarray() @ model.weights_.toarray()
    users = np.array([len(set(log.users_flat[log.items_flat == item].tolist())) for item in range(25)])
    np.testing.assert_allclose(model.score(asked), np.where(scores > 0, scores, users / 61 - 1), atol=1e-5)


def test_l1_makes_it_sparser(log: Interactions) -> None:
    assert (
        SLIM(l1=3.0, l2=5.0).fit(Dataset.from_interactions(log)).weights_.nnz
        < SLIM(l1=0.0, l2=5.0).fit(Dataset.from_interactions(log)).weights_.nnz
    )


def test_it_beats_popular_on_the_planted_shop(over_popular: Callable[..., float]) -> None:
    assert over_popular(SLIM()) > 1.3


@pytest.mark.parametrize(
    ("options", "said"),
    [({"neighbours": 0}, "neighbours=0"), ({"l1": -1}, "l1=-1"), ({"l2": 0}, "l2=0"), ({"l2": np.nan}, "l2=nan")],
)
def test_parameters_are_checked_on_construction(options: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        SLIM(**options)  # type: ignore[arg-type]


def test_unfitted_has_no_scores(log: Interactions) -> None:
    with pytest.raises(NotFittedError, match="SLIM is not fitted"):
        SLIM().score(log)


def test_weights_that_have_not_come_to_rest_are_spoken_of(
    log: Interactions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    SLIM(l2=5.0).fit(Dataset.from_interactions(log))
    assert not caplog.records
    monkeypatch.setattr(slim, "_SWEEPS", 1)
    SLIM(l2=5.0).fit(Dataset.from_interactions(log))
    assert "of 25 items still moved after 1 sweeps" in caplog.text
