"""Dropout by shared random bytes."""

import pytest
import torch

from mmreco.nn.dropout import Dropout


@pytest.mark.parametrize("share", [0.2, 0.5, 0.999])
def test_a_share_is_hidden_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    x = torch.full((1_001, 333), 3.0, requires_grad=True)  # no multiple of eight
    y = Dropout(share)(x)
    hidden = y == 0
    assert float(hidden.float().mean()) == pytest.approx(share, abs=0.005)
    assert float(y.detach().mean()) == pytest.approx(3, rel=0.15)
    assert len(y[~hidden].detach().unique()) == 1
    by_place = hidden.flatten()[: 8 * 41_000].view(-1, 8).float().mean(dim=0)  # each byte of a number alike
    assert float(by_place.max() - by_place.min()) < 0.02
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert torch.equal(x.grad == 0, hidden)


def test_nothing_is_hidden_when_answering_or_when_nothing_is_asked() -> None:
    x = torch.randn(4, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


def test_the_same_seed_hides_the_same() -> None:
    x = torch.randn(40, 50)
    drawn = []
    for _ in range(2):
        torch.manual_seed(7)
        drawn.append(Dropout(0.3)(x))
    assert torch.equal(*drawn)
