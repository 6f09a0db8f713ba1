from collections.abc import Callable

import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models.als import ALS
from mmreco.splitting import Split


def slow_solved(log: F32, others: F32, l2: float, alpha: float) -> F32:
    """The paper's equation 4, dense: for each row `(Y'CY + l2 I)^-1 Y'C p`."""
    solved = np.zeros((len(log), others.shape[1]))
    for row, line in enumerate(log):
        sure = np.diag(1 + alpha * line)
        left = others.T @ sure @ others + l2 * np.eye(others.shape[1])
        solved[row] = np.linalg.solve(left, others.T @ sure @ (line > 0))
    return solved


def objective(log: F32, users: F32, items: F32, l2: float, alpha: float) -> float:
    """The paper's equation 3."""
    errors = (1 + alpha * log) * ((log > 0) - users @ items.T) ** 2
    return float(errors.sum() + l2 * (np.square(users).sum() + np.square(items).sum()))


def test_every_iteration_equals_the_slow_twin(log: Interactions, asked: Interactions) -> None:
    x = log.matrix().toarray().astype(np.float64)
    items = np.random.default_rng(0).normal(0, 0.1, (25, 6)).astype(np.float32).astype(np.float64)
    items[x.sum(axis=0) == 0] = 0
    for _ in range(3):
        users = slow_solved(x, items, 0.5, 4.0)
        items = slow_solved(x.T, users, 0.5, 4.0)
    model = ALS(dim=6, l2=0.5, alpha=4.0, iterations=3, seed=0).fit(Dataset.from_interactions(log))
    np.testing.assert_allclose(model.factors_, items, atol=1e-4)
    folded = slow_solved(asked.matrix().toarray(), model.factors_, 0.5, 4.0)
    np.testing.assert_allclose(model.user_vectors(asked)[:, :-1], folded, atol=1e-4)


def test_iterations_lower_the_objective(log: Interactions) -> None:
    x = log.matrix().toarray()
    values = []
    for iterations in (1, 3, 10):
        model = ALS(dim=6, l2=0.5, alpha=4.0, iterations=iterations).fit(Dataset.from_interactions(log))
        values.append(objective(x, model.user_vectors(log)[:, :-1], model.factors_, 0.5, 4.0))
    assert values[0] > values[1] > values[2]


@pytest.mark.filterwarnings("ignore")
def test_it_agrees_with_implicit(held_out: Split, over_popular: Callable[..., float]) -> None:
    """The same objective value within a hundredth; `implicit` takes the confidence itself, 1 where nothing was."""
    als = pytest.importorskip("implicit.cpu.als")
    train = held_out.train.interactions
    log = train.matrix()
    sure = log.copy()
    sure.data = 1 + 2.0 * sure.data
    theirs = als.AlternatingLeastSquares(
        factors=16, regularization=5.0, alpha=1.0, iterations=15, use_cg=False, num_threads=1, random_state=0
    )
    theirs.fit(sure, show_progress=False)
    ours = ALS(dim=16, l2=5.0, alpha=2.0, iterations=15).fit(held_out.train)
    dense = log.toarray()
    found = objective(dense, ours.user_vectors(train)[:, :-1], ours.factors_, 5.0, 2.0)
    expected = objective(dense, theirs.user_factors, theirs.item_factors, 5.0, 2.0)
    assert found == pytest.approx(expected, rel=0.01)
    nothing = objective(dense, np.zeros((len(train), 1)), np.zeros((len(train.items), 1)), 5.0, 2.0)
    assert found < 0.9 * nothing


def test_it_beats_popular_on_the_planted_shop(over_popular: Callable[..., float]) -> None:
    assert over_popular(ALS(dim=16, iterations=8)) > 1.3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dim": 0}, "dim=0"),
        ({"iterations": 0}, "iterations=0"),
        ({"l2": 0}, "l2=0"),
        ({"alpha": np.inf}, "alpha=inf"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_parameters_are_checked_on_construction(options: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        ALS(**options)  # type: ignore[arg-type]


def test_unfitted_has_no_vectors(log: Interactions) -> None:
    with pytest.raises(NotFittedError, match="ALS is not fitted"):
        ALS().user_vectors(log)
