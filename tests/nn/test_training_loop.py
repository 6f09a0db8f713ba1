import pytest
import torch
from torch import nn

from mmreco.nn.chance import generator
from mmreco.nn.training_loop import train


class Memory:
    """A checkpoint in memory that can pull the plug after a number of passes."""

    def __init__(self, dies_after=None):
        self.state, self.saves, self.dies_after = None, 0, dies_after

    def save(self, state):
        self.state, self.saves = state, self.saves + 1
        if self.saves == self.dies_after:
            raise KeyboardInterrupt

    def load(self):
        return self.state


def setting(seed=0):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.01)

    def batches(number):
        for _ in range(3):
            x = torch.randn(16, 4, generator=generator())
            yield (module(x) - x.sum(dim=1, keepdim=True)).pow(2).mean()

    return module, optimiser, batches


def run(checkpoint=None, epochs=6, scores=None, patience=None, seed=0, memory=0.9):
    module, optimiser, batches = setting()
    given = iter(scores or ())
    progress = train(
        module,
        optimiser,
        batches=batches,
        validate=(lambda: next(given)) if scores else None,
        epochs=epochs,
        patience=patience,
        seed=seed,
        memory=memory,
        checkpoint=checkpoint,
    )
    return progress, [p.detach().clone() for p in module.parameters()]


def test_same_seed_same_weights_and_another_seed_others():
    first, second, third = run()[1], run()[1], run(seed=1)[1]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, third, strict=True))


def test_an_interrupted_run_resumes_as_if_it_never_stopped():
    held = Memory(dies_after=2)
    with pytest.raises(KeyboardInterrupt):
        run(held)
    assert held.saves == 2
    progress, resumed = run(held)
    assert held.saves == 6
    assert len(progress.scores) == 6
    assert all(torch.equal(a, b) for a, b in zip(resumed, run()[1], strict=True))


def test_it_stops_when_nothing_gets_better_and_keeps_the_best():
    progress, weights = run(scores=[0.1, 0.3, 0.2, 0.3, 0.9], patience=2)
    assert (progress.scores, progress.best) == ([0.1, 0.3, 0.2, 0.3], 2)
    assert all(torch.equal(a, b) for a, b in zip(weights, run(epochs=2)[1], strict=True))


def test_a_finished_run_is_not_trained_further():
    held = Memory()
    _, weights = run(held, scores=[0.3, 0.2, 0.1], patience=2)
    progress, again = run(held, scores=[0.9], patience=2)
    assert progress.best == 1
    assert held.saves == 3
    assert all(torch.equal(a, b) for a, b in zip(weights, again, strict=True))


def test_the_average_remembers_what_it_says():
    """Against a slow twin: the weights after every step, weighed one by one."""
    module, optimiser, batches = setting()
    trail = [torch.cat([p.detach().flatten() for p in module.parameters()])]

    def traced(number):
        for loss in batches(number):
            yield loss
            trail.append(torch.cat([p.detach().flatten() for p in module.parameters()]))

    train(module, optimiser, batches=traced, validate=None, epochs=2, patience=None, seed=0, memory=0.8)
    expected = trail[0]
    for step, weights in enumerate(trail[1:], start=1):
        share = max(0.2, 1 / (1 + step))
        expected = (1 - share) * expected + share * weights
    torch.testing.assert_close(torch.cat([p.detach().flatten() for p in module.parameters()]), expected)


def test_without_memory_the_latest_weights_remain():
    module, optimiser, batches = setting()
    train(module, optimiser, batches=batches, validate=None, epochs=1, patience=None, seed=0)
    plain, descent, again = setting()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for loss in again(0):
            descent.zero_grad()
            loss.backward()
            descent.step()
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), plain.parameters(), strict=True))


def test_the_global_generator_is_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    module, optimiser, batches = setting()
    torch.manual_seed(7)
    train(module, optimiser, batches=batches, validate=None, epochs=1, patience=None, seed=0)
    torch.testing.assert_close(torch.rand(3), expected)


def test_a_loss_that_is_not_finite_is_an_error():
    module, optimiser, _ = setting()
    with pytest.raises(FloatingPointError, match="loss became nan in pass 1"):
        train(
            module,
            optimiser,
            batches=lambda number: [next(module.parameters()).sum() * float("nan")],
            validate=None,
            epochs=1,
            patience=None,
            seed=0,
        )
