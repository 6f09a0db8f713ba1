from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize

from mmreco import metrics
from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, NotFittedError
from mmreco.models import bpr
from mmreco.models.bpr import BPR
from mmreco.splitting import Split


def test_a_batch_of_triples_is_the_paper_s_step() -> None:
    """The slow twin: the update of figure 4, summed over a batch in which users and items come twice."""
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(7, 4)).astype(np.float32)
    triples = [(0, 1, 2), (0, 1, 3), (4, 2, 1), (3, 6, 5)]
    expected_users, expected_items = users.astype(float), items.astype(float)
    for u, i, j in triples:
        p, q, r = np.append(users[u], 1), items[i], items[j]
        wrong = 1 / (1 + np.exp(p @ (q - r)))
        expected_users[u] += 0.1 * (wrong * (q - r)[:3] - 0.02 * users[u])
        expected_items[i] += 0.1 * (wrong * p - 0.02 * q)
        expected_items[j] += 0.1 * (-wrong * p - 0.02 * r)
    rows, better, worse = np.array(triples).T
    BPR(dim=3, l2=0.02, learning_rate=0.1)._step(users, items, rows, better, worse)
    np.testing.assert_allclose(users, expected_users, atol=1e-6)
    np.testing.assert_allclose(items, expected_items, atol=1e-6)


def test_what_is_drawn_against_was_not_turned_to() -> None:
    keys = np.array([0, 1, 2, 5, 8, 9])  # user 0 has items 0, 1, 2; user 1 has 1; user 2 has 0 and 1
    rows = np.repeat([0, 1, 2], 400)
    drawn, there = bpr._others(rows, keys, 4, np.random.default_rng(0))
    assert not np.isin(rows[there] * 4 + drawn[there], keys).any()
    assert there.mean() > 0.9
    assert {u: set(drawn[there & (rows == u)].tolist()) for u in range(3)} == {0: {3}, 1: {0, 2, 3}, 2: {2, 3}}


def test_folding_in_is_the_best_there_is(log: Interactions, asked: Interactions) -> None:
    """The slow twin: the objective of a history, climbed by scipy."""
    model = BPR(dim=4, epochs=5, l2=0.05).fit(Dataset.from_interactions(log))
    items = model.factors_.astype(np.float64)
    for user in range(len(asked)):
        own = np.unique(asked.history(user))
        if not len(own):
            continue
        others = np.setdiff1d(np.arange(25), own)

        def loss(p: F32, own: F32 = own, others: F32 = others) -> float:
            scores = items[:, :-1] @ p + items[:, -1]
            apart = scores[own][:, None] - scores[others][None, :]
            return np.logaddexp(0, -apart).mean(axis=1).sum() + 0.05 / 2 * len(own) * (p @ p)

        best = minimize(loss, np.zeros(4), tol=1e-12)
        found = model.user_vectors(asked)[user, :4]
        assert loss(found) <= best.fun * (1 + 1e-4)


@pytest.mark.filterwarnings("ignore")
def test_it_agrees_with_implicit(held_out: Split) -> None:
    """NDCG@10 within three standard errors of the difference, on the planted shop."""
    theirs = pytest.importorskip("implicit.cpu.bpr").BayesianPersonalizedRanking(
        factors=16, learning_rate=0.05, regularization=0.01, iterations=30, num_threads=1, random_state=0
    )
    train, test = held_out.train.interactions, held_out.test
    theirs.fit(train.matrix(), show_progress=False)
    scores = theirs.user_factors[train.users.rows(test.histories.users.array)] @ theirs.item_factors.T
    scores[test.histories.users_flat, test.histories.items_flat] = -np.inf
    expected = metrics.ndcg(Ranking.from_scores(scores, 10), test.targets)
    ours = BPR(dim=16, epochs=30).fit(held_out.train)
    found = metrics.ndcg(ours.recommend(histories=test.histories, k=10), test.targets)
    error = (found - expected).std() / np.sqrt(len(found))
    assert abs(found.mean() - expected.mean()) < 3 * error


def test_it_beats_popular_on_the_planted_shop(over_popular: Callable[..., float]) -> None:
    assert over_popular(BPR(dim=16)) > 1.2  # events weigh here, which targets do not


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dim": 0}, "dim=0"),
        ({"epochs": 0}, "epochs=0"),
        ({"l2": 0}, "l2=0"),
        ({"learning_rate": np.nan}, "learning_rate=nan"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_parameters_are_checked_on_construction(options: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        BPR(**options)  # type: ignore[arg-type]


def test_unfitted_has_no_vectors(log: Interactions) -> None:
    with pytest.raises(NotFittedError, match="BPR is not fitted"):
        BPR().user_vectors(log)


def test_pairs_are_drawn_as_often_as_they_weigh() -> None:
    rng = np.random.default_rng(0)
    drawn = bpr._drawn(np.array([1, 0, -3, 4], dtype=np.float32), rng)
    assert len(drawn) == 4
    many = np.concatenate([bpr._drawn(np.array([1, 0, -3, 4], dtype=np.float32), rng) for _ in range(2_000)])
    np.testing.assert_allclose(np.bincount(many, minlength=4) / len(many), [1 / 8, 0, 3 / 8, 4 / 8], atol=0.02)
    assert len(bpr._drawn(np.zeros(3, dtype=np.float32), rng)) == 0
    alike = bpr._drawn(np.full(5, 2, dtype=np.float32), np.random.default_rng(1))
    np.testing.assert_array_equal(alike, np.random.default_rng(1).integers(5, size=5))
