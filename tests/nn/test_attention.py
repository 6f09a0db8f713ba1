import numpy as np
import pytest
import torch

from mmreco.nn.attention import Transformer


def block_by_hand(module, steps):
    """One block with one head, in numpy, its queries and keys turned as complex numbers."""
    weights = {name: value.detach().numpy().astype(float) for name, value in module.blocks[0].named_parameters()}

    def norm(x, name):
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def turned(x):
        half = x.shape[1] // 2
        speeds = 10_000.0 ** (-np.arange(half) / half)
        whole = (x[:, :half] + 1j * x[:, half : 2 * half]) * np.exp(1j * np.arange(len(x))[:, None] * speeds)
        return np.concatenate([whole.real, whole.imag, x[:, 2 * half :]], axis=1)

    queries, keys, values = np.split(linear(norm(steps, "before_attention"), "queries_keys_values"), 3, axis=1)
    scores = turned(queries) @ turned(keys).T / np.sqrt(steps.shape[1])
    scores[np.triu_indices(len(steps), 1)] = -np.inf
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    x = steps + linear(shares @ values, "mix")
    wide = torch.nn.functional.gelu(torch.tensor(linear(norm(x, "before_wide"), "wide"))).numpy()
    return x + linear(wide, "narrow")


@pytest.mark.parametrize("dim", [7, 8])
def test_rotary_attention_is_that_of_complex_numbers(dim):
    torch.manual_seed(0)
    module = Transformer(dim, depth=1, heads=1, dropout=0.5, positions=None).eval()
    steps = torch.randn(2, 6, dim)
    found = module(steps).detach().numpy()
    for line in range(2):
        np.testing.assert_allclose(found[line], block_by_hand(module, steps[line].numpy().astype(float)), atol=1e-5)


@pytest.mark.parametrize("positions", [None, 6])
def test_order_matters(positions):
    torch.manual_seed(0)
    module = Transformer(8, depth=1, heads=2, dropout=0.0, positions=positions).eval()
    with torch.no_grad():
        for weights in module.parameters():
            weights.normal_()
    steps = torch.randn(1, 6, 8)
    swapped = steps[:, [1, 0, 2, 3, 4, 5]]
    assert (module(steps)[:, -1] - module(swapped)[:, -1]).abs().max() > 1e-3


@pytest.mark.parametrize(("positions", "depth"), [(None, 1), (None, 2), (6, 2)])
def test_the_last_step_alone_is_that_of_the_whole(positions, depth):
    torch.manual_seed(0)
    module = Transformer(8, depth=depth, heads=2, dropout=0.3, positions=positions).eval()
    steps, last = torch.randn(4, 6, 8), torch.tensor([5, 0, 2, 4])
    torch.testing.assert_close(module.at(steps, last), module(steps)[torch.arange(4), last])


def test_rotary_positions_have_no_longest_sequence():
    module = Transformer(8, depth=1, heads=1, dropout=0.0, positions=None).eval()
    assert torch.isfinite(module(torch.randn(1, 500, 8))).all()


def both_ways():
    torch.manual_seed(0)
    return Transformer(8, depth=2, heads=2, dropout=0.5, positions=None).eval()


def test_padding_changes_nothing_where_all_real_steps_are_seen():
    module, steps = both_ways(), torch.randn(1, 3, 8)
    alone = module(steps, torch.ones(1, 3, dtype=torch.bool))
    padded = torch.cat([steps, torch.full((1, 2, 8), 9.0)], dim=1)
    together = module(padded, torch.tensor([[True, True, True, False, False]]))
    torch.testing.assert_close(together[:, :3], alone)


def test_every_real_step_is_seen_by_every_other():
    module = both_ways()
    steps = torch.randn(1, 4, 8, requires_grad=True)
    states = module(steps, torch.tensor([[True, True, True, False]]))
    for step in range(3):
        (seen,) = torch.autograd.grad(states[0, step].pow(2).sum(), steps, retain_graph=True)
        assert (seen[0].abs().sum(dim=1) > 0).tolist() == [True, True, True, False]
