from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.live.chosen_by_many import ChosenByMany
from mmreco.live.goes_with import GoesWith
from mmreco.models import ItemKNN
from mmreco.pages import PageOptions
from mmreco.recommender import Recommender

SHOP = IdMap.of(["tea", "mug", "pot", "lamp", "bulb", "sock"])


def events(lists: list[list[str]]) -> pa.Table:
    """Everybody's items, a minute apart; a purchase each."""
    pairs = [(f"user-{n}", item, place) for n, own in enumerate(lists) for place, item in enumerate(own)]
    moments = [1_700_000_000_000 + 60_000 * place for _, _, place in pairs]
    return pa.table(
        {
            "user_id": [user for user, _, _ in pairs],
            "item_id": [item for _, item, _ in pairs],
            "event": ["purchase"] * len(pairs),
            "timestamp": pa.array(moments, pa.timestamp("ms", "UTC")),
        }
    )


LISTS = [["tea", "mug"]] * 10 + [["tea", "pot"]] * 9 + [["lamp", "bulb"] * 12] + [["sock"]] * 3
"""Ten people had tea and a mug, nine tea and a pot; one person had a lamp with a bulb twelve times."""


def logged(frame: pa.Table) -> Interactions:
    return Dataset.from_frames(items=pa.table({"item_id": SHOP.array}), events=frame).interactions


@pytest.fixture
def log() -> Interactions:
    return logged(events(LISTS))


def test_random_pairs_agree_with_a_plain_count() -> None:
    rng = np.random.default_rng(0)
    items = IdMap.of([str(row) for row in range(7)])
    lists = [[str(row) for row in rng.integers(0, 7, rng.integers(0, 6))] for _ in range(40)]
    many = ChosenByMany.of(Interactions.from_histories(lists, items=items), 3).beside(np.arange(7))
    for one in range(7):
        for other in range(7):
            people = sum(str(one) in own and str(other) in own for own in lists)
            assert many[one, other] == (people >= 3)


def test_a_pair_counts_from_ten_people_on(log: Interactions) -> None:
    many = ChosenByMany.of(log, 10).beside(np.array([0, 3]))
    assert SHOP.ids(np.flatnonzero(many[0])) == ["tea", "mug"]
    assert not many[1].any(), "one person's twelve lamps are one person"


def test_what_goes_together_counts_people_not_baskets(log: Interactions) -> None:
    carts = Interactions.from_histories([["tea"], ["lamp"]], items=SHOP)
    assert GoesWith.of(log, least_people=10).complete(carts, 3).ids(SHOP) == [["mug"], []]
    assert GoesWith.of(log, least_people=9).complete(carts, 3).ids(SHOP) == [["mug", "pot"], []]
    hashed = logged(events(LISTS))  # names with the sign that baskets are numbered by
    hashed = hashed.regrouped(
        IdMap.of([f"a#{n}" for n in range(len(hashed))]), hashed.starts, np.arange(hashed.n_events)
    )
    assert GoesWith.of(hashed, least_people=10).complete(carts, 3).ids(SHOP) == [["mug"], []]


def test_one_persons_many_baskets_are_one_person() -> None:
    frame = events([["tea", "mug"]] * 3)
    again = [frame.set_column(3, "timestamp", _later(frame["timestamp"], days)) for days in range(8)]
    log = logged(pa.concat_tables(again))
    carts = Interactions.from_histories([["tea"]], items=SHOP)
    assert GoesWith.of(log).complete(carts, 2).ids(SHOP) == [["mug"]], "24 baskets"
    assert GoesWith.of(log, least_people=10).complete(carts, 2).ids(SHOP) == [[]], "of three people"


def _later(times: pa.ChunkedArray, days: int) -> pa.ChunkedArray:
    return pc.add(times, pa.scalar(86_400_000 * days, pa.duration("ms")))


def test_shelves_of_a_served_shop_show_no_few_people(tmp_path: Path) -> None:
    catalogue = pa.table({"item_id": SHOP.array, "title": SHOP.array})
    shop = Dataset.from_frames(items=catalogue, events=events(LISTS))
    Recommender.fit(shop, model=ItemKNN(), text=[], image=[]).save(tmp_path / "artefact")
    shown = {}
    for least in (1, 10):
        recommender = Recommender.load(tmp_path / "artefact", popular_from=least)
        asked = {"options": PageOptions(fewest=1)}
        pages = [
            recommender.page("detail", item="tea", **asked),
            recommender.page("detail", item="lamp", **asked),
            recommender.page("home", history=["tea"], **asked),
            recommender.page("cart", cart=["lamp"], **asked),
        ]
        kinds = ("together", "complements", "because", "similar")
        shown[least] = [
            {item for shelf, ids in zip(page.shelves, page.ids(), strict=True) if shelf.kind in kinds for item in ids}
            for page in pages
        ]
    assert "pot" in shown[1][0]
    assert "bulb" in shown[1][1] & shown[1][3]
    assert shown[10][0] == {"mug"}
    assert shown[10][2] <= {"mug"}
    assert shown[10][1] == shown[10][3] == set()
