from typing import get_args

import pytest
import torch

from mmreco.nn.behaviour import GAPS, BehaviourTower, Reader


@pytest.fixture(params=get_args(Reader))
def tower(request):
    torch.manual_seed(0)
    module = BehaviourTower(request.param, 8, depth=2, heads=2, dropout=0.3, n_events=3)
    for table in (module.events, module.gaps):
        torch.nn.init.normal_(table.weight)
    return module.eval()


def history(b=2, length=5):
    torch.manual_seed(1)
    vectors = torch.nn.functional.normalize(torch.randn(b, length, 8), dim=-1)
    kinds = torch.nn.functional.one_hot(torch.randint(3, (b, length)), 3).float()
    return vectors, kinds, torch.rand(b, length) * 1e4


def test_a_step_does_not_see_what_comes_after(tower):
    vectors, events, minutes = history()
    whole = tower(vectors, events, minutes)
    torch.testing.assert_close(tower(vectors[:, :3], events[:, :3], minutes[:, :3]), whole[:, :3])
    padded = tower(torch.cat([vectors[:, :3], 9 + vectors[:, 3:]], dim=1), events, minutes)
    torch.testing.assert_close(padded[:, :3], whole[:, :3])


def test_the_last_step_alone_is_that_of_the_whole(tower):
    given, last = history(b=3, length=7), torch.tensor([6, 0, 3])
    torch.testing.assert_close(tower.at(*given, last), tower(*given)[torch.arange(3), last])


@pytest.mark.parametrize("which", [0, 1, 2])
def test_items_events_and_gaps_all_matter(tower, which):
    given = list(history())
    before = tower(*given)[:, -1]
    changed = {0: given[0].flip(1), 1: given[1].roll(1, dims=-1), 2: given[2] * 100}[which]
    given[which] = changed
    assert (tower(*given)[:, -1] - before).abs().max() > 1e-3


def test_any_gap_has_a_class(tower):
    vectors, events, _ = history(1, 5)
    minutes = torch.tensor([[-1.0, 0.0, 0.5, 1e6, 1e12]])
    assert torch.isfinite(tower(vectors, events, minutes)).all()
    assert tower.gaps.num_embeddings == GAPS


def test_events_and_gaps_say_nothing_before_training():
    module = BehaviourTower("gru", 8, depth=1, heads=1, dropout=0.0, n_events=3)
    vectors, events, minutes = history()
    torch.testing.assert_close(
        module(vectors, events, minutes), module(vectors, events.roll(1, dims=-1), minutes * 0 - 1)
    )
