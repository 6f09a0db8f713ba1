import numpy as np
import pytest

from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.nn.batching import batch_size, batches, buckets, windows

ITEMS = IdMap.of([f"i{row}" for row in range(50)])


def log(lengths: list[int]) -> Interactions:
    return Interactions.from_histories(
        [[f"i{(u + s) % 50}" for s in range(n)] for u, n in enumerate(lengths)], items=ITEMS
    )


@pytest.mark.parametrize("max_length", [1, 3, 7, 100])
def test_each_event_but_the_first_is_a_target_once(max_length: int) -> None:
    train = log([0, 1, 2, 5, 7, 8, 9, 23])
    cut = windows(train.starts, max_length)
    assert cut[:, 1].min() >= 2
    assert cut[:, 1].max() <= max_length + 1
    targets = [place for start, length in cut for place in range(start + 1, start + length)]
    firsts = {int(start) for start, length in zip(train.starts, train.lengths, strict=False) if length}
    assert sorted(targets) == sorted(set(range(train.n_events)) - firsts)
    owners = train.users_flat
    assert all(len(set(owners[start : start + length])) == 1 for start, length in cut)


def test_nobody_with_two_events_makes_no_window() -> None:
    assert windows(log([0, 1, 1]).starts, 5).shape == (0, 2)


def test_a_pass_holds_every_window_once_in_another_order() -> None:
    cut = windows(log([20] * 300).starts, 50)
    first, second = (batches(cut, 1_000, np.random.default_rng(seed)) for seed in (0, 1))
    for groups in (first, second):
        assert sorted(np.concatenate(groups).tolist()) == list(range(len(cut)))
    assert [g.tolist() for g in first] != [g.tolist() for g in second]


def test_buckets_hold_like_lengths_within_their_size() -> None:
    lengths = np.array([9, 1, 1, 4, 4, 30, 2])
    groups = list(buckets(lengths, 8))
    assert sorted(np.concatenate(groups).tolist()) == list(range(7))
    assert all(len(g) == 1 or len(g) * lengths[g].max() <= 8 for g in groups)


@pytest.mark.parametrize(
    ("n_events", "n_items", "expected"),
    [(500, 100, 64), (50_000, 100, 390), (10_000_000, 100, 1_024), (10_000_000, 160_000, 10_000)],
)
def test_batches_grow_with_the_log_and_with_very_many_items(n_events: int, n_items: int, expected: int) -> None:
    assert batch_size(n_events, n_items) == expected


@pytest.mark.parametrize(("n", "size"), [(500, 64), (3_000, 363), (100_000, 8_192)])
def test_little_of_a_batch_is_padding(n: int, size: int) -> None:
    rng = np.random.default_rng(0)
    cut = np.stack([np.arange(n), rng.integers(2, 30, size=n)], axis=1)
    groups = batches(cut, size, rng)
    held = [len(g) * (cut[g, 1].max() - 1) for g in groups]
    assert max(held) <= 1.1 * size
    assert sum((cut[g, 1] - 1).sum() for g in groups) > 0.8 * sum(held)
