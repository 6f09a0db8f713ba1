import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.models.itemknn import ItemKNN
from mmreco.pages import KINDS, PageComposer
from mmreco.pages.logs import PageLog

ITEMS = IdMap.of(["a", "b", "c"])


def log(**changed: object) -> PageLog:
    parts: dict[str, object] = {
        "slates": np.array([[0, 1], [2, -1], [0, 2]]),
        "clicks": np.array([[True, False], [False, False], [False, True]]),
        "propensities": np.array([[0.5, 1.0], [0.25, np.nan], [1.0, 1.0]]),
        "contexts": np.zeros((3, 2)),
    }
    return PageLog(ITEMS, **(parts | changed))  # type: ignore[arg-type]


def test_rates_are_by_item_and_place() -> None:
    np.testing.assert_array_equal(log().click_rates(), [[0.5, np.nan], [np.nan, 0.0], [0.0, 1.0]])


def test_a_log_comes_back_from_its_table() -> None:
    one = log()
    again = PageLog.from_frame(one.to_frame(), items=ITEMS, contexts=one.contexts)
    for name in ("slates", "clicks", "propensities", "contexts"):
        np.testing.assert_array_equal(getattr(again, name), getattr(one, name))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"slates": np.array([[0, 0], [2, -1], [0, 2]])}, "stands twice"),
        ({"slates": np.array([[0, 1], [-1, 2], [0, 2]])}, "has a gap"),
        ({"slates": np.array([[0, 1], [3, -1], [0, 2]])}, "of 3 items"),
        ({"clicks": np.ones((3, 2), dtype=bool)}, "click where nothing stood"),
        ({"propensities": np.zeros((3, 2))}, "propensity is not above 0"),
        ({"contexts": np.zeros((2, 2))}, "contexts"),
        ({"clicks": np.ones((3, 1), dtype=bool)}, "expected the same"),
    ],
)
def test_an_unusable_log_is_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        log(**changed)


def test_pages_become_a_log_of_kinds(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    pages = PageComposer(model, shop).home(shoppers)
    clicked = [[page.ids()[1][0]] for page in pages]
    made = PageLog.of_pages(pages, KINDS, clicked)
    assert made.items.ids(made.slates[0][:1]) == ["for_you"]
    assert made.clicks[:, 1].all()
    assert made.clicks.sum() == len(pages)
    with pytest.raises(DataError, match="clicks of 1 pages"):
        PageLog.of_pages(pages, KINDS, [[]])
    with pytest.raises(DataError, match="a shelf of kind"):
        PageLog.of_pages(pages, ["popular"], clicked)
