"""PrivateSVD: the noise is what it says, one person moves the sum by 1 at most, and little noise changes little."""

import numpy as np
import pytest

pytest.importorskip("opacus", reason="needs mmreco[dp]")

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.errors import DataError
from mmreco.models import PrivateSVD
from mmreco.models.private_svd import _noise, _summed, noise_multiplier

ITEMS = IdMap.of([f"i{n}" for n in range(12)])


def test_one_person_moves_the_sum_by_one_at_most() -> None:
    rng = np.random.default_rng(0)
    lists = [list(np.array(ITEMS.ids(range(12)))[rng.integers(0, 12, size=rng.integers(0, 20))]) for _ in range(30)]
    whole = _summed(Interactions.from_histories(lists, items=ITEMS))
    for left_out in range(30):
        rest = _summed(Interactions.from_histories(lists[:left_out] + lists[left_out + 1 :], items=ITEMS))
        moved = np.linalg.norm(whole - rest)
        assert moved == pytest.approx(1.0 if lists[left_out] else 0.0)


def test_the_sum_is_that_of_outer_products() -> None:
    log = Interactions.from_histories([["i0", "i1", "i0"], ["i1"]], items=ITEMS)
    one, two = np.zeros(12), np.zeros(12)
    one[[0, 1]], two[1] = 1 / np.sqrt(2), 1
    assert _summed(log) == pytest.approx(np.outer(one, one) + np.outer(two, two))


def test_the_noise_is_what_it_says() -> None:
    drawn = np.stack([_noise(40, 2.0, seed) for seed in range(50)])
    assert (drawn == drawn.transpose(0, 2, 1)).all()
    upper = np.triu_indices(40, 1)
    assert drawn[:, np.arange(40), np.arange(40)].std() == pytest.approx(2.0, rel=0.05)
    assert drawn[:, upper[0], upper[1]].std() == pytest.approx(2.0 / np.sqrt(2), rel=0.02)
    assert (_noise(5, 1.0, None) != _noise(5, 1.0, None)).any()


@pytest.mark.parametrize(("epsilon", "delta"), [(8.0, 1e-5), (2.0, 1e-5), (0.5, 1e-6), (100.0, 1e-5)])
def test_the_accountant_s_bound_holds_and_is_no_better_than_the_exact_one(epsilon: float, delta: float) -> None:
    noise, bound = noise_multiplier(epsilon, delta)
    assert 0.99 * epsilon < bound <= epsilon
    from scipy.stats import norm

    # Balle and Wang, 2018: the exact delta of a Gaussian at this epsilon
    exact = norm.cdf(0.5 / noise - epsilon * noise) - np.exp(epsilon) * norm.cdf(-0.5 / noise - epsilon * noise)
    assert exact <= delta


def test_little_noise_is_a_plain_svd() -> None:
    shop = synthetic_shop(n_items=100, n_users=3_000, seed=0).dataset
    model = PrivateSVD(epsilon=100, dim=3, seed=0).fit(shop)
    values, vectors = np.linalg.eigh(_summed(shop.interactions))
    own = np.linalg.svd(model.factors_.T @ vectors[:, ::-1][:, :3], compute_uv=False)
    assert values[-3] > 20
    assert own.min() > 0.98, "the same three directions"


def test_less_epsilon_is_more_noise_and_it_is_drawn_anew() -> None:
    shop = synthetic_shop(n_items=80, n_users=100, seed=0).dataset
    loose, tight = PrivateSVD(epsilon=8).fit(shop), PrivateSVD(epsilon=1).fit(shop)
    assert tight.noise_ > 4 * loose.noise_
    assert loose.epsilon_ <= 8
    again = PrivateSVD(epsilon=8).fit(shop)
    assert not np.allclose(np.abs(again.factors_), np.abs(loose.factors_), atol=1e-4)


@pytest.mark.parametrize(
    "options", [{"epsilon": 0}, {"epsilon": 1e9}, {"delta": 0.0}, {"delta": 1.0}, {"dim": 0}, {"seed": -1}]
)
def test_unusable_options(options: dict[str, float]) -> None:
    with pytest.raises(DataError, match=next(iter(options))):
        PrivateSVD(**options)  # type: ignore[arg-type]


def test_an_empty_history_gets_what_the_noisy_sum_calls_popular() -> None:
    lists = [["i3"]] * 500 + [["i5"]] * 200
    model = PrivateSVD(epsilon=8, dim=1).fit(Dataset.from_interactions(Interactions.from_histories(lists, items=ITEMS)))
    nobody = Interactions.from_histories([[]], items=ITEMS)
    assert model.recommend(histories=nobody, k=2).ids(ITEMS) == [["i3", "i5"]]
