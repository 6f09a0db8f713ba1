from collections.abc import Callable

import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models import userknn
from mmreco.models.time_decay import recent
from mmreco.models.userknn import UserKNN


def slow_scores(log: F32, asked: F32, neighbours: int, shrinkage: float, similarity: str) -> F32:
    """The slow twin, dense: `log` and `asked` are users by items."""
    scores = np.zeros((len(asked), log.shape[1]))
    for line, x in enumerate(asked.astype(np.float64)):
        alike = np.zeros(len(log))
        for user, y in enumerate(log.astype(np.float64)):
            if similarity == "jaccard":
                found = ((x > 0) & (y > 0)).sum() / max(((x > 0) | (y > 0)).sum() + shrinkage, 1e-9)
            else:
                a, b = (x - x.mean(), y - y.mean()) if similarity == "pearson" else (x, y)
                found = a @ b / max(np.linalg.norm(a) * np.linalg.norm(b) + shrinkage, 1e-9)
            alike[user] = max(found, 0)
        best = np.argsort(-alike.astype(np.float32), kind="stable")[:neighbours]
        scores[line] = alike[best] @ log[best]
    return np.where(scores > 0, scores, (log > 0).sum(axis=0) / (len(log) + 1) - 1)


@pytest.mark.parametrize("similarity", ["cosine", "pearson", "jaccard"])
@pytest.mark.parametrize(("neighbours", "shrinkage"), [(100, 0.0), (4, 10.0)])
def test_scores_equal_the_slow_twin(
    monkeypatch: pytest.MonkeyPatch,
    log: Interactions,
    asked: Interactions,
    neighbours: int,
    shrinkage: float,
    similarity: str,
) -> None:
    monkeypatch.setattr(userknn, "_CELLS", 150)  # several blocks
    model = UserKNN(neighbours=neighbours, shrinkage=shrinkage, similarity=similarity).fit(
        Dataset.from_interactions(log)
    )
    expected = slow_scores(log.matrix().toarray(), asked.matrix().toarray(), neighbours, shrinkage, similarity)
    np.testing.assert_allclose(model.score(asked), expected, rtol=1e-4, atol=1e-5)


def test_old_events_say_less_on_both_sides(log: Interactions, asked: Interactions) -> None:
    model = UserKNN(half_life_days=10).fit(Dataset.from_interactions(log))
    expected = slow_scores(recent(log, 10).toarray(), recent(asked, 10).toarray(), 100, 10.0, "cosine")
    np.testing.assert_allclose(model.score(asked), expected, rtol=1e-4, atol=1e-5)


def test_decay_without_times_is_refused(untimed: Interactions) -> None:
    with pytest.raises(DataError, match="half_life_days=3: these events carry no times"):
        UserKNN(half_life_days=3).fit(Dataset.from_interactions(untimed))


@pytest.mark.parametrize("similarity", ["cosine", "pearson", "jaccard"])
def test_it_beats_popular_on_the_planted_shop(over_popular: Callable[..., float], similarity: str) -> None:
    assert over_popular(UserKNN(similarity=similarity)) > 1.3


@pytest.mark.parametrize(
    ("options", "said"),
    [({"neighbours": 0}, "neighbours=0"), ({"shrinkage": -1}, "shrinkage=-1"), ({"similarity": "x"}, "similarity='x'")],
)
def test_parameters_are_checked_on_construction(options: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        UserKNN(**options)  # type: ignore[arg-type]


def test_unfitted_has_no_scores(log: Interactions) -> None:
    with pytest.raises(NotFittedError, match="UserKNN is not fitted"):
        UserKNN().score(log)
