import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.shop import plant
from mmreco.data.split import leave_last_out
from mmreco.errors import DataError, NotFittedError
from mmreco.evaluation import evaluate
from mmreco.models import ItemKNN, Popular, itemknn


def log(n_users: int = 60, n_items: int = 25, n_events: int = 300, seed: int = 0) -> Interactions:
    rng = np.random.default_rng(seed)
    return Interactions.from_events(
        IdMap.of([f"u{row}" for row in range(n_users)]),
        IdMap.of([f"i{row}" for row in range(n_items)]),
        rng.integers(n_users, size=n_events),
        rng.integers(n_items - 2, size=n_events),  # the last two are never clicked
        weights=rng.integers(1, 4, size=n_events).astype(np.float32),
    )


def slow_scores(train: Interactions, histories: Interactions, neighbours: int, shrinkage: float) -> F32:
    """The slow twin, dense."""
    n_items = len(train.items)
    columns = train.matrix().toarray().astype(np.float64)
    similar = np.zeros((n_items, n_items))
    for i in range(n_items):
        for j in range(n_items):
            lengths = np.linalg.norm(columns[:, i]) * np.linalg.norm(columns[:, j]) + shrinkage
            similar[i, j] = columns[:, i] @ columns[:, j] / lengths if i != j and lengths else 0
        similar[i, np.argsort(-similar[i].astype(np.float32), kind="stable")[neighbours:]] = 0
    popularity = (columns > 0).sum(axis=0) / (len(train) + 1) - 1
    scores = histories.matrix().toarray() @ similar
    return np.where(scores > 0, scores, popularity)


@pytest.mark.parametrize(("neighbours", "shrinkage"), [(100, 0.0), (100, 10.0), (5, 10.0), (1, 0.0)])
def test_scores_equal_the_slow_twin(monkeypatch: pytest.MonkeyPatch, neighbours: int, shrinkage: float) -> None:
    monkeypatch.setattr(itemknn, "_CELLS", 60)  # several blocks
    train, histories = log(), log(n_users=9, n_events=30, seed=1)
    model = ItemKNN(neighbours=neighbours, shrinkage=shrinkage).fit(train)
    expected = slow_scores(train, histories, neighbours, shrinkage)
    np.testing.assert_allclose(model.score(histories), expected, rtol=1e-5, atol=1e-6)


def test_no_more_neighbours_are_kept_than_asked_for() -> None:
    model = ItemKNN(neighbours=3).fit(log())
    assert np.diff(model.similarity_.indptr).max() <= 3


def test_an_empty_history_gets_what_is_popular() -> None:
    train = log()
    users = np.array([len(set(train.users_flat[train.items_flat == item])) for item in range(25)])
    answer = ItemKNN().fit(train).recommend(Interactions.from_histories([[]], items=train.items), k=25)
    assert answer.rows[0].tolist() == np.argsort(-users, kind="stable").tolist()


def test_it_beats_popular_on_the_planted_shop() -> None:
    shop = plant(n_items=600, n_users=1_000, seed=0)
    train, test = leave_last_out(shop.interactions)
    knn, popular = (evaluate(model.fit(train), test)["ndcg@10"] for model in (ItemKNN(), Popular()))
    assert knn > 1.3 * popular


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"neighbours": 0}, "neighbours=0"),
        ({"shrinkage": -1}, "shrinkage=-1"),
        ({"shrinkage": np.nan}, "shrinkage=nan"),
    ],
)
def test_parameters_are_checked_on_construction(options: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        ItemKNN(**options)  # type: ignore[arg-type]


def test_unfitted_has_no_scores() -> None:
    with pytest.raises(NotFittedError, match="ItemKNN is not fitted"):
        ItemKNN().score(log())
