from collections.abc import Callable

import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models import ItemKNN, itemknn
from mmreco.models.time_decay import recent


def slow_similarity(x: F32, y: F32, similarity: str, shrinkage: float) -> float:
    """The slow twin's: of two dense vectors."""
    if similarity == "jaccard":
        both, either = ((x > 0) & (y > 0)).sum(), ((x > 0) | (y > 0)).sum()
        return both / (either + shrinkage) if both else 0.0
    if similarity == "pearson":
        x, y = x - x.mean(), y - y.mean()
    lengths = np.linalg.norm(x) * np.linalg.norm(y) + shrinkage
    return x @ y / lengths if lengths else 0.0


def slow_scores(train: Interactions, histories: F32, neighbours: int, shrinkage: float, similarity: str) -> F32:
    """The slow twin, dense."""
    n_items = len(train.items)
    columns = train.matrix().toarray().astype(np.float64)
    similar = np.zeros((n_items, n_items))
    for i in range(n_items):
        for j in range(n_items):
            found = slow_similarity(columns[:, i], columns[:, j], similarity, shrinkage)
            similar[i, j] = max(found, 0) if i != j else 0
        similar[i, np.argsort(-similar[i].astype(np.float32), kind="stable")[neighbours:]] = 0
    popularity = (columns > 0).sum(axis=0) / (len(train) + 1) - 1
    scores = histories @ similar
    return np.where(scores > 0, scores, popularity)


@pytest.mark.parametrize("similarity", ["cosine", "pearson", "jaccard"])
@pytest.mark.parametrize(("neighbours", "shrinkage"), [(100, 0.0), (100, 10.0), (5, 10.0), (1, 0.0)])
def test_scores_equal_the_slow_twin(
    monkeypatch: pytest.MonkeyPatch,
    log: Interactions,
    asked: Interactions,
    neighbours: int,
    shrinkage: float,
    similarity: str,
) -> None:
    monkeypatch.setattr(itemknn, "_CELLS", 60)  # several blocks
    model = ItemKNN(neighbours=neighbours, shrinkage=shrinkage, similarity=similarity).fit(
        Dataset.from_interactions(log)
    )
    expected = slow_scores(log, asked.matrix().toarray(), neighbours, shrinkage, similarity)
    np.testing.assert_allclose(model.score(asked), expected, rtol=1e-4, atol=1e-5)


def test_old_events_of_a_history_say_less(log: Interactions, asked: Interactions) -> None:
    model = ItemKNN(half_life_days=10).fit(Dataset.from_interactions(log))
    expected = slow_scores(log, recent(asked, 10).toarray(), 100, 10.0, "cosine")
    np.testing.assert_allclose(model.score(asked), expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(model.score(asked), ItemKNN().fit(Dataset.from_interactions(log)).score(asked))


def test_decay_without_times_is_refused(untimed: Interactions) -> None:
    with pytest.raises(DataError, match="half_life_days=3: these events carry no times"):
        ItemKNN(half_life_days=3).fit(Dataset.from_interactions(untimed))


def test_no_more_neighbours_are_kept_than_asked_for(log: Interactions) -> None:
    model = ItemKNN(neighbours=3).fit(Dataset.from_interactions(log))
    assert np.diff(model.similarity_.indptr).max() <= 3


def test_an_empty_history_gets_what_is_popular(log: Interactions) -> None:
    users = np.array([len(set(log.users_flat[log.items_flat == item])) for item in range(25)])
    answer = (
        ItemKNN()
        .fit(Dataset.from_interactions(log))
        .recommend(histories=Interactions.from_histories([[]], items=log.items), k=25)
    )
    assert answer.rows[0].tolist() == np.argsort(-users, kind="stable").tolist()


@pytest.mark.parametrize("similarity", ["cosine", "pearson", "jaccard"])
def test_it_beats_popular_on_the_planted_shop(over_popular: Callable[..., float], similarity: str) -> None:
    assert over_popular(ItemKNN(similarity=similarity)) > 1.3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"neighbours": 0}, "neighbours=0"),
        ({"shrinkage": -1}, "shrinkage=-1"),
        ({"shrinkage": np.nan}, "shrinkage=nan"),
        ({"similarity": "euclid"}, "similarity='euclid': expected one of cosine, pearson, jaccard"),
        ({"half_life_days": 0}, "half_life_days=0"),
    ],
)
def test_parameters_are_checked_on_construction(options: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        ItemKNN(**options)  # type: ignore[arg-type]


def test_unfitted_has_no_scores(log: Interactions) -> None:
    with pytest.raises(NotFittedError, match="ItemKNN is not fitted"):
        ItemKNN().score(log)
