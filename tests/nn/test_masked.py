import torch

from mmreco.nn.masked import MaskedTransformer


def network() -> MaskedTransformer:
    torch.manual_seed(0)
    module = MaskedTransformer(8, depth=2, heads=2, dropout=0.5, max_length=6).eval()
    torch.nn.init.normal_(module.positions)
    return module


def test_padding_changes_nothing() -> None:
    module, steps = network(), torch.randn(1, 3, 8)
    alone = module(steps, torch.ones(1, 3, dtype=torch.bool))
    padded = torch.cat([steps, torch.full((1, 2, 8), 9.0)], dim=1)
    together = module(padded, torch.tensor([[True, True, True, False, False]]))
    torch.testing.assert_close(together[:, :3], alone)


def test_every_real_step_is_seen_by_every_other() -> None:
    module = network()
    steps = torch.randn(1, 4, 8, requires_grad=True)
    states = module(steps, torch.tensor([[True, True, True, False]]))
    for step in range(3):
        (seen,) = torch.autograd.grad(states[0, step].pow(2).sum(), steps, retain_graph=True)
        assert (seen[0].abs().sum(dim=1) > 0).tolist() == [True, True, True, False]


def test_positions_count_from_the_end() -> None:
    module = network()
    steps = torch.randn(1, 2, 8)
    real = torch.ones(1, 2, dtype=torch.bool)
    before = module(steps, real)
    with torch.no_grad():
        module.positions[2:] += torch.randn(4, 8)  # further from the end than this history reaches
    torch.testing.assert_close(module(steps, real), before)
    with torch.no_grad():
        module.positions[0] += torch.randn(8)
    assert not torch.allclose(module(steps, real), before)
