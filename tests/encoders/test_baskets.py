import numpy as np
import torch

from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.encoders.baskets import Baskets

ITEMS = IdMap.of(list("abcdef"))


def log(rows: list[tuple[int, int, int]], order: list[int] | None = None) -> Interactions:
    """Events (user, item, time) in an order of rows."""
    users, items, times = np.array([rows[i] for i in order or range(len(rows))]).T
    return Interactions.from_events(IdMap.of(["u", "v"]), ITEMS, users, items, times=times)


ROWS = [(0, 4, 10), (0, 1, 10), (0, 2, 20), (1, 5, 5), (1, 0, 5), (1, 3, 5)]


def test_events_of_one_time_are_a_set_whatever_the_order_of_the_rows() -> None:
    for order in ([0, 1, 2, 3, 4, 5], [5, 2, 1, 4, 0, 3]):
        baskets = Baskets.of(log(ROWS, order))
        assert baskets.user_starts.tolist() == [0, 2, 3]
        assert baskets.starts.tolist() == [0, 2, 3, 6]
        assert baskets.items.tolist() == [1, 4, 2, 0, 3, 5]
        assert baskets.times is not None
        assert baskets.times.tolist() == [10, 20, 5]


def test_without_times_every_event_is_a_basket_in_the_order_given() -> None:
    baskets = Baskets.of(Interactions.from_histories([["c", "a"], [], ["b"]], items=ITEMS))
    assert baskets.user_starts.tolist() == [0, 2, 2, 3]
    assert baskets.sizes.tolist() == [1, 1, 1]
    assert baskets.items.tolist() == [2, 0, 1]


def test_a_step_is_the_mean_of_its_basket_and_the_padding_is_zero() -> None:
    baskets = Baskets.of(log(ROWS))
    steps = baskets.steps(np.array([0, 2]), np.array([2, 1]), np.array([1]), 2)
    vectors = torch.eye(6)[steps.rows]
    read = steps.pooled(vectors)
    torch.testing.assert_close(read[0], torch.tensor([[0, 0.5, 0, 0, 0.5, 0], [0, 0, 1, 0, 0, 0]]))
    torch.testing.assert_close(read[1, 0], torch.tensor([1, 0, 0, 1, 0, 1]) / 3)
    assert not read[1, 1].any()
    assert steps.kinds[..., 1].tolist() == [[1, 1], [1, 0]]
    assert steps.real.tolist() == [[True, True], [True, False]]
    torch.testing.assert_close(steps.minutes, torch.tensor([[-1, 10 / 60_000], [-1, -1]]))


def test_a_step_waits_for_the_next_and_the_last_one_for_the_question() -> None:
    rows = [(0, 1, 10_000), (0, 2, 25_000), (0, 3, 25_000), (1, 0, 5_000)]
    baskets = Baskets.of(log(rows))
    one = np.array([1])
    asked = baskets.steps(np.array([0, 2]), np.array([2, 1]), one, 2, asked=np.array([85_000, 1_000]))
    assert asked.waits.tolist() == [[15, 60], [0, -1]]  # a question before the last event is asked at it
    assert baskets.steps(np.array([0]), one, one, 2, asked=np.array([25_000])).waits.tolist() == [[15]]
    assert baskets.steps(np.array([0]), np.array([2]), one, 2).waits.tolist() == [[15, 0]]
    untimed = Baskets.of(Interactions.from_histories([["c", "a"]], items=ITEMS))
    assert untimed.steps(np.array([0]), np.array([2]), one, 2, asked=np.array([9])).waits.tolist() == [[-1, -1]]
