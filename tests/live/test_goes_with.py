import numpy as np
import pytest

from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.live.goes_with import GoesWith

SHOP = IdMap.of(["tea", "mug", "pot", "lamp", "bulb"])
MINUTE = 60_000


@pytest.fixture
def log() -> Interactions:
    """Tea is bought with a mug and a pot, a lamp with a bulb; whoever looks at a lamp looks at tea."""
    users, items, kinds, times = [], [], [], []
    for user in range(12):
        bought = [0, 1] if user < 4 else [0, 2] if user < 8 else [3, 4]
        for place, (row, kind) in enumerate([(3, 0), (0, 0), *[(row, 1) for row in bought]]):
            users.append(user)
            items.append(row)
            kinds.append(kind)
            times.append(place * MINUTE)
    people = IdMap.of([str(user) for user in range(12)])
    return Interactions.from_events(
        people, SHOP, np.array(users), np.array(items), times=times, event_types=kinds, event_names=("view", "purchase")
    )


def test_what_was_bought_together_completes_a_cart(log: Interactions) -> None:
    carts = Interactions.from_histories([["tea"], ["lamp"], ["tea", "mug"], []], items=SHOP)
    found = GoesWith.of(log).complete(carts, 3)
    assert found.ids(SHOP) == [["mug", "pot"], ["bulb"], ["pot"], []]


def test_a_cart_adds_up_what_goes_with_each_item(log: Interactions) -> None:
    of = GoesWith.of(log)
    alone = of.complete(Interactions.from_histories([["mug"], ["pot"]], items=SHOP), 3)
    both = of.complete(Interactions.from_histories([["mug", "pot"]], items=SHOP), 3)
    assert both.ids(SHOP) == [["tea"]]
    assert both.scores[0, 0] == pytest.approx(alone.scores[0, 0] + alone.scores[1, 0])


def test_without_times_nothing_goes_together() -> None:
    log = Interactions.from_histories([["tea", "mug"]] * 5, items=SHOP)
    assert GoesWith.of(log).complete(log.take([0]), 2).ids(SHOP) == [[]]
