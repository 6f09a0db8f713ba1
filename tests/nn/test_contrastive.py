import math

import numpy as np
import pytest
import torch

from mmreco.nn.contrastive import alike, pair_contrast, view_contrast


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_views(first: np.ndarray, second: np.ndarray, temperature: float) -> float:
    every, b, losses = unit(np.concatenate([first, second])), len(first), []
    for row in range(2 * b):
        right = np.exp(every[row] @ every[(row + b) % (2 * b)] / temperature)
        wrong = sum(np.exp(every[row] @ every[other] / temperature) for other in range(2 * b) if other != row)
        losses.append(-math.log(right / wrong))
    return float(np.mean(losses))


def slow_pairs(left: np.ndarray, right: np.ndarray, scale: float, same: np.ndarray) -> float:
    left, right, losses = unit(left), unit(right), []
    for one, other in ((left, right), (right, left)):
        for row in range(len(one)):
            rivals = [r for r in range(len(one)) if r == row or not same[row, r]]
            losses.append(
                -math.log(np.exp(scale * one[row] @ other[row]) / np.exp(scale * other[rivals] @ one[row]).sum())
            )
    return float(np.mean(losses))


@pytest.mark.parametrize("b", [1, 2, 7])
def test_view_contrast_is_its_slow_twin(b: int) -> None:
    first, second = drawn(b, 5, seed=1), drawn(b, 5, seed=2)
    assert view_contrast(first, second, temperature=0.3).item() == pytest.approx(
        slow_views(first.numpy(), second.numpy(), 0.3), abs=1e-9
    )


def test_pair_contrast_is_its_slow_twin() -> None:
    left, right = drawn(6, 5, seed=1), drawn(6, 5, seed=2)
    nothing = torch.zeros(6, 6, dtype=torch.bool)
    some = nothing.clone()
    some[0, 3] = some[3, 0] = some[1, 1] = True  # a row that says the same as itself is still sought
    for same in (nothing, some):
        found = pair_contrast(left, right, scale=4.0, same=same).item()
        assert found == pytest.approx(slow_pairs(left.numpy(), right.numpy(), 4.0, same.numpy()), abs=1e-9)
    assert pair_contrast(left, right, scale=4.0).item() == pytest.approx(
        slow_pairs(left.numpy(), right.numpy(), 4.0, nothing.numpy()), abs=1e-9
    )


def test_what_meets_costs_less_than_what_does_not() -> None:
    x = drawn(8, 5, seed=1)
    assert view_contrast(x, x, temperature=0.1) < view_contrast(x, x.roll(1, dims=0), temperature=0.1)
    assert pair_contrast(x, 3 * x, scale=10) < pair_contrast(x, x.roll(1, dims=0), scale=10)


def test_the_scale_can_be_learnt() -> None:
    x, scale = drawn(8, 5, seed=1), torch.tensor(1.0, requires_grad=True)
    pair_contrast(x, x, scale=scale).backward()
    assert scale.grad is not None
    assert scale.grad < 0  # right pairs want it larger


def test_rows_of_one_direction_say_the_same() -> None:
    found = alike(torch.tensor([[1.0, 0.0], [3.0, 0.01], [0.0, 1.0], [-1.0, 0.0]]))
    assert found.tolist() == [
        [(row in (0, 1) and other in (0, 1)) or row == other for other in range(4)] for row in range(4)
    ]
