from typing import get_args

import pytest
import torch

from mmreco.nn.behaviour import GAPS, WAITS, BehaviourTower, Reader


@pytest.fixture(params=get_args(Reader))
def tower(request):
    torch.manual_seed(0)
    module = BehaviourTower(request.param, 8, depth=2, heads=2, dropout=0.3, n_events=3)
    for table in (module.events, module.gaps):
        torch.nn.init.normal_(table.weight)
    torch.nn.init.normal_(module.waits)
    return module.eval()


def history(b=2, length=5):
    torch.manual_seed(1)
    vectors = torch.nn.functional.normalize(torch.randn(b, length, 8), dim=-1)
    kinds = torch.nn.functional.one_hot(torch.randint(3, (b, length)), 3).float()
    return vectors, kinds, torch.rand(b, length) * 1e4, torch.rand(b, length) * 1e5


def test_a_step_does_not_see_what_comes_after(tower):
    vectors, *rest = history()
    whole = tower(vectors, *rest)
    torch.testing.assert_close(tower(vectors[:, :3], *(each[:, :3] for each in rest)), whole[:, :3])
    padded = tower(torch.cat([vectors[:, :3], 9 + vectors[:, 3:]], dim=1), *rest)
    torch.testing.assert_close(padded[:, :3], whole[:, :3])


def test_the_last_step_alone_is_that_of_the_whole(tower):
    given, last = history(b=3, length=7), torch.tensor([6, 0, 3])
    torch.testing.assert_close(tower.at(*given, last), tower(*given)[torch.arange(3), last])


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_items_events_gaps_and_waits_all_matter(tower, which):
    given = list(history())
    before = tower(*given)[:, -1]
    changed = {0: given[0].flip(1), 1: given[1].roll(1, dims=-1), 2: given[2] * 100, 3: given[3] * 100}[which]
    given[which] = changed
    assert (tower(*given)[:, -1] - before).abs().max() > 1e-3


def test_any_gap_and_any_wait_has_a_class(tower):
    vectors, events, *_ = history(1, 5)
    times = torch.tensor([[-1.0, 0.0, 0.5, 1e6, 1e12]])
    assert torch.isfinite(tower(vectors, events, times, times)).all()
    assert tower.gaps.num_embeddings == GAPS
    assert len(tower.waits) == WAITS


def test_a_wait_longer_than_any_in_training_is_read_as_the_longest_there(tower):
    seen = 20
    with torch.no_grad():
        tower.waits[seen:] = 0  # as training leaves what it never met
    vectors, events, minutes, waits = history()
    longest, longer, shorter = (torch.full_like(waits, 2.0 ** (power / 2)) for power in (seen, seen + 9, seen - 9))
    torch.testing.assert_close(tower(vectors, events, minutes, longer), tower(vectors, events, minutes, longest))
    assert (tower(vectors, events, minutes, shorter) - tower(vectors, events, minutes, longest)).abs().max() > 1e-3


def test_unknown_waits_teach_nothing(tower):
    vectors, events, minutes, waits = history()
    tower(vectors, events, minutes, waits * 0 - 1).sum().backward()
    assert tower.waits.grad is None or not tower.waits.grad.any()


def test_events_and_times_say_nothing_before_training():
    module = BehaviourTower("gru", 8, depth=1, heads=1, dropout=0.0, n_events=3)
    vectors, events, minutes, waits = history()
    torch.testing.assert_close(
        module(vectors, events, minutes, waits),
        module(vectors, events.roll(1, dims=-1), minutes * 0 - 1, waits * 0 - 1),
    )
