import math

import numpy as np
import pytest
import torch

from mmreco.nn.losses import sampled_softmax
from mmreco.nn.negatives import Negatives


def slow_softmax(users, items, targets):
    """Cross-entropy over the whole catalogue, one user at a time."""
    losses = []
    for user, target in zip(users, targets, strict=True):
        scores = [float(user @ item) for item in items]
        losses.append(math.log(sum(math.exp(s) for s in scores)) - scores[target])
    return sum(losses) / len(losses)


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    return 0.3 * rng.normal(size=(5, 4)), rng.normal(size=(60, 4)), rng.integers(60, size=5)


def loss(users, items, targets, negatives):
    rows, log_expected = negatives.draw()
    users, items, targets = torch.tensor(users), torch.tensor(items), torch.tensor(targets)
    return sampled_softmax(
        users, items[targets], items[rows], targets=targets, drawn=rows, log_expected=log_expected
    ).item()


def test_the_whole_catalogue_gives_the_softmax(drawn):
    users, items, targets = drawn
    found = loss(users, items, targets, Negatives(torch.arange(60), 30))
    assert found == pytest.approx(slow_softmax(users, items, targets), rel=1e-6)


def test_the_sampled_normaliser_is_right_on_average(drawn):
    users, items, targets = drawn
    torch.manual_seed(0)
    negatives = Negatives(torch.arange(60), 20)
    rows, log_expected = negatives.draw()
    assert len(rows) == 20
    torch.testing.assert_close(log_expected, torch.full((20,), math.log(20 / 60)))
    estimates = np.mean([loss(users, items, targets, negatives) for _ in range(300)])
    plain = np.mean([_uncorrected(users, items, targets, negatives) for _ in range(300)])
    exact = slow_softmax(users, items, targets)
    assert abs(estimates - exact) < 0.05
    assert abs(plain - exact) > 0.5  # without the correction the loss is another one


def _uncorrected(users, items, targets, negatives):
    rows, _ = negatives.draw()
    users, items, targets = torch.tensor(users), torch.tensor(items), torch.tensor(targets)
    return sampled_softmax(
        users, items[targets], items[rows], targets=targets, drawn=rows, log_expected=torch.zeros(len(rows))
    ).item()


def test_only_candidates_are_drawn():
    torch.manual_seed(0)
    rows, _ = Negatives(torch.tensor([3, 5, 8] * 100), 50).draw()
    assert set(rows.tolist()) == {3, 5, 8}


def test_the_gradients_are_those_of_the_whole_matrix_of_scores(drawn, monkeypatch):
    monkeypatch.setattr("mmreco.nn.losses._CELLS", {"cpu": 40})  # two rows at a time, the last block short
    users, items, targets = (torch.tensor(values) for values in drawn)
    rows = torch.tensor([*range(20), int(targets[0]), int(targets[0])])  # one row's own positive, twice
    log_expected = torch.linspace(-1, 1, len(rows), dtype=torch.float64)
    given = [users.clone().requires_grad_(), items[targets].requires_grad_(), items[rows].requires_grad_()]

    def plainly(users, positives, negatives):
        wrong = (users @ negatives.T - log_expected).masked_fill(targets[:, None] == rows, float("-inf"))
        scores = torch.cat([(users * positives).sum(dim=1, keepdim=True), wrong], dim=1)
        return torch.nn.functional.cross_entropy(scores, torch.zeros(len(users), dtype=torch.long))

    found = sampled_softmax(*given, targets=targets, drawn=rows, log_expected=log_expected)
    expected = plainly(*given)
    torch.testing.assert_close(found, expected)
    for one, other in zip(torch.autograd.grad(3 * found, given), torch.autograd.grad(3 * expected, given), strict=True):
        torch.testing.assert_close(one, other)


def test_what_weighs_less_than_nothing_is_pushed_away(drawn, monkeypatch):
    """The slow twin: `w * -log p` for a weight above 0, `w * -log(1 - p)` below, over the sum of all."""
    monkeypatch.setattr("mmreco.nn.losses._CELLS", {"cpu": 40})
    users, items, targets = (torch.tensor(values) for values in drawn)
    rows, weights = torch.arange(20), torch.tensor([1.0, -2.0, 0.0, 0.5, -0.25], dtype=torch.float64)
    log_expected = torch.linspace(-1, 1, len(rows), dtype=torch.float64)
    given = [users.clone().requires_grad_(), items[targets].requires_grad_(), items[rows].requires_grad_()]

    def plainly(users, positives, negatives):
        wrong = (users @ negatives.T - log_expected).masked_fill(targets[:, None] == rows, float("-inf"))
        p = torch.cat([(users * positives).sum(dim=1, keepdim=True), wrong], dim=1).softmax(dim=1)[:, 0]
        losses = torch.where(weights > 0, -p.log(), -(1 - p).log())
        return (weights.abs() * losses).sum() / weights.abs().sum()

    found = sampled_softmax(*given, targets=targets, drawn=rows, log_expected=log_expected, weights=weights)
    expected = plainly(*given)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(torch.autograd.grad(found, given), torch.autograd.grad(expected, given), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_several_positives_of_a_user_are_each_asked_for_alone(drawn, monkeypatch):
    monkeypatch.setattr("mmreco.nn.losses._CELLS", {"cpu": 40})
    users, items, targets = (torch.tensor(values) for values in drawn)
    rows, asked = torch.tensor([*range(20), int(targets[3])]), torch.tensor([0, 0, 1, 3, 3])  # nobody asks user 2
    weights = torch.tensor([1.0, -2.0, 0.5, 0.0, 2.0], dtype=torch.float64)
    given = [users[:4].clone().requires_grad_(), items[targets].requires_grad_(), items[rows].requires_grad_()]
    alike = {
        "targets": targets,
        "drawn": rows,
        "log_expected": torch.linspace(-1, 1, len(rows), dtype=torch.float64),
        "weights": weights,
    }
    found = sampled_softmax(*given, **alike, asked=asked)
    expected = sampled_softmax(given[0][asked], *given[1:], **alike)
    torch.testing.assert_close(found, expected)
    for one, other in zip(torch.autograd.grad(found, given), torch.autograd.grad(expected, given), strict=True):
        torch.testing.assert_close(one, other)


def test_the_only_item_there_is_cannot_be_pushed_away():
    one = torch.ones((1, 4), requires_grad=True)
    rows = torch.zeros(1, dtype=torch.long)
    found = sampled_softmax(
        one, one, one, targets=rows, drawn=rows, log_expected=torch.zeros(1), weights=-torch.ones(1)
    )
    assert torch.isfinite(found)
    assert torch.isfinite(torch.autograd.grad(found, one)[0]).all()


def test_where_nothing_weighs_anything_there_is_no_loss(drawn):
    users, items, targets = (torch.tensor(values) for values in drawn)
    rows = torch.arange(20)
    found = sampled_softmax(
        users.requires_grad_(),
        items[targets],
        items[rows],
        targets=targets,
        drawn=rows,
        log_expected=torch.zeros(20, dtype=torch.float64),
        weights=torch.zeros(5, dtype=torch.float64),
    )
    assert found.item() == 0
    assert not torch.autograd.grad(found, users)[0].any()
