"""Intervals and tests: right on data whose truth is known, and equal to their slow twins."""

import itertools

import numpy as np
import pytest
from scipy.stats import permutation_test

from mmreco.errors import DataError
from mmreco.evaluation.significance import bootstrap, holm, paired


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = [
        low <= 0.3 <= high
        for trial in range(120)
        for low, high in bootstrap(rng.random((1, 200)) < 0.3, draws=300, seed=trial)
    ]
    assert 0.90 <= np.mean(held) <= 0.99


def test_intervals_are_those_of_a_slow_twin() -> None:
    values = np.random.default_rng(1).gamma(1, 1, (2, 300))
    rng = np.random.default_rng(2)
    means = [values[:, rng.integers(300, size=300)].mean(axis=1) for _ in range(4_000)]
    np.testing.assert_allclose(bootstrap(values, draws=4_000), np.quantile(means, [0.025, 0.975], axis=0).T, atol=0.01)
    np.testing.assert_array_equal(bootstrap(values, seed=3), bootstrap(values, seed=3))


def test_intervals_pass_over_what_is_unknown() -> None:
    values = np.array([[1.0, 3.0, np.nan, np.nan], [np.nan] * 4])
    (low, high), nothing = bootstrap(values)
    assert (low, high) == (1, 3)
    assert np.isnan(nothing).all()


def test_p_values_are_exact_where_all_swaps_can_be_tried() -> None:
    values = np.random.default_rng(4).random((3, 8))
    found = paired(values, draws=40_000)
    for a, b in itertools.combinations(range(3), 2):
        apart = values[a] - values[b]
        swaps = np.array(list(itertools.product([-1, 1], repeat=8)))
        exact = (np.abs(swaps @ apart) >= np.abs(apart.sum()) - 1e-12).mean()
        assert found[a, b] == found[b, a] == pytest.approx(exact, abs=0.01)
    assert np.diag(found).tolist() == [1, 1, 1]


def test_p_values_are_an_independent_implementation_s() -> None:
    rng = np.random.default_rng(5)
    a = rng.random(60)
    b = a + rng.normal(0.05, 0.2, 60)
    theirs = permutation_test(
        (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", n_resamples=20_000, rng=1
    )
    assert paired(np.stack([a, b]))[0, 1] == pytest.approx(theirs.pvalue, abs=0.01)


def test_noise_is_called_real_as_rarely_as_it_should_be() -> None:
    rng = np.random.default_rng(6)
    found = [paired(rng.random((2, 50)) < 0.2, draws=500, seed=t)[0, 1] for t in range(300)]
    assert 0.01 <= np.mean(np.array(found) < 0.05) <= 0.09


def test_equal_lines_are_never_apart_and_far_ones_always() -> None:
    hits = (np.random.default_rng(7).random(500) < 0.1).astype(float)
    found = paired(np.stack([hits, hits, hits + 0.5]), draws=1_000)
    assert found[0, 1] == 1
    assert found[0, 2] == pytest.approx(1 / 1_001)


def test_holm() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.5])
    np.testing.assert_allclose(holm(p), [0.04, 0.09, 0.09, 0.5])
    assert holm([]).tolist() == []
    assert holm([0.9, 0.8]).tolist() == [1, 1]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match=r"bootstrap: values of shape \(3,\)"):
        bootstrap([1, 2, 3])
    with pytest.raises(DataError, match=r"level=1\.5"):
        bootstrap([[1, 2]], level=1.5)
    with pytest.raises(DataError, match=r"paired: values of shape \(2, 0\)"):
        paired(np.zeros((2, 0)))
    with pytest.raises(DataError, match="paired: 1 of 2 users with a NaN"):
        paired([[1, np.nan], [1, 2]])
    with pytest.raises(DataError, match="draws=0"):
        paired([[1, 2]], draws=0)
