"""Tuning: batches of nearly one size, a rate that rises and falls, losses that must be finite."""

import numpy as np
import pytest
import torch
from torch import nn

from mmreco.errors import DataError
from mmreco.nn.fine_tuning import checked, descend, shuffled


def test_every_pass_holds_every_row_once() -> None:
    batches = shuffled(10, epochs=3, batch_size=4, seed=0)
    assert [len(batch) for batch in batches] == [4, 3, 3] * 3
    passes = [np.concatenate(batches[start : start + 3]) for start in (0, 3, 6)]
    assert all(sorted(rows.tolist()) == list(range(10)) for rows in passes)
    assert (passes[0] != passes[1]).any()
    again = shuffled(10, epochs=3, batch_size=4, seed=0)
    assert all((one == other).all() for one, other in zip(batches, again, strict=True))


def test_modules_learn_at_their_own_rates_and_in_small_steps_at_the_ends() -> None:
    fast, slow = (nn.Linear(1, 1, bias=False) for _ in range(2))
    moved: list[tuple[float, float]] = []

    def loss_of(_: np.ndarray) -> torch.Tensor:
        moved.append((fast.weight.item(), slow.weight.item()))
        return (fast.weight + slow.weight).sum()  # a gradient that never changes

    descend({fast: 1e-2, slow: 1e-4}, [np.zeros(1, dtype=np.int64)] * 21, loss_of, what="sums", shown=False)
    steps = -np.diff(np.array(moved), axis=0)  # (20, 2)
    np.testing.assert_allclose(steps[:, 0] / steps[:, 1], 100, rtol=0.1)
    assert steps[:, 0].argmax() in (1, 2)
    assert steps[0, 0] < 0.6 * steps[:, 0].max()
    assert steps[-1, 0] < 0.2 * steps[:, 0].max()


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    module = nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="the loss of sums became nan"):
        descend(
            {module: 1e-3},
            [np.zeros(1, dtype=np.int64)],
            lambda _: module.weight.sum() * float("nan"),
            what="sums",
            shown=False,
        )


def test_options_are_checked() -> None:
    good = {"epochs": 1, "batch_size": 2, "rate": 1e-3, "seed": 0}
    checked(**good)  # type: ignore[arg-type]
    for name, value in (("epochs", 0), ("batch_size", 1), ("rate", 0.0), ("rate", float("nan")), ("seed", -1)):
        with pytest.raises(DataError, match=f"{name}="):
            checked(**{**good, name: value})  # type: ignore[arg-type]
