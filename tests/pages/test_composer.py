from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from mmreco.arrays import I64, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.errors import DataError, IncompatibleError
from mmreco.models.itemknn import ItemKNN
from mmreco.pages import KINDS, Page, PageComposer, PageOptions, Shelf
from mmreco.rerank import Exploration


class Luck:
    """Recommends by chance what may be answered; the same question gives the same answer."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def recommend(self, request: Request) -> Ranking:
        scores = np.random.default_rng([self.seed, len(request)]).random((len(request), len(request.histories.items)))
        if request.candidates is not None:
            scores[:, ~request.candidates] = -np.inf
        if request.excluded is not None:
            scores[request.excluded.users_flat, request.excluded.items_flat] = -np.inf
        return Ranking.from_scores(scores.astype(np.float32), request.k)


def kinds(page: Page) -> list[str]:
    return [shelf.kind for shelf in page.shelves]


def test_a_home_page_has_its_shelves(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    page = PageComposer(model, shop).home(shoppers)[0]
    assert kinds(page)[0] == "for_you"
    assert {"because", "new", "near"} <= set(kinds(page))
    assert all(len(shelf) <= 10 and shelf.title for shelf in page.shelves)


def test_nothing_the_shopper_has_is_recommended(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    for line, page in enumerate(PageComposer(model, shop).home(shoppers)):
        had = set(shoppers.history(line).tolist())
        for shelf in page.shelves:
            if shelf.kind not in ("recent", "again"):
                assert not had & set(shelf.rows.tolist()), shelf


def test_because_names_an_item_of_the_history(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    titles = shop.catalogue.column("title")
    said = {"view": "looked at {}", "cart": "put {} into the cart", "purchase": "bought {}", "review": "chose {}"}
    pages = PageComposer(model, shop).home(shoppers)
    for line, page in enumerate(pages):
        own = slice(int(shoppers.starts[line]), int(shoppers.starts[line + 1]))
        did = zip(shoppers.event_types[own].tolist(), shoppers.items_flat[own].tolist(), strict=True)
        could = {f"Because you {said[shoppers.event_names[kind]].format(titles[row])}" for kind, row in did}
        named = [shelf.title for shelf in page.shelves if shelf.kind == "because"]
        assert named
        assert set(named) <= could


def test_strangers_are_served(shop: Dataset, model: ItemKNN) -> None:
    nobody = Interactions.from_histories([[]], items=shop.items)
    composer = PageComposer(model, shop)
    for page in (*composer.home(nobody), *composer.cart(nobody), *composer.new_arrivals(nobody), *composer.detail([0])):
        assert len(page) >= 1
        assert "for_you" not in kinds(page)
        assert "because" not in kinds(page)


def test_the_same_seed_gives_the_same_page(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    options = PageOptions(exploration=Exploration(places=(1, 3), rate=0.5))
    composer = PageComposer(model, shop, options=options)
    once, again, other = (composer.home(shoppers, seed=seed) for seed in (4, 4, 5))
    assert [page.ids() for page in once] == [page.ids() for page in again]
    assert [page.ids() for page in once] != [page.ids() for page in other]
    chances = np.concatenate([shelf.propensities for page in once for shelf in page.shelves])
    assert ((chances > 0) & (chances <= 1)).all()
    assert (chances < 1).any()


def test_a_batch_equals_one_by_one(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    composer = PageComposer(model, shop)
    batch = composer.home(shoppers)
    for line in range(len(shoppers)):
        assert composer.home(shoppers.take([line]))[0].ids() == batch[line].ids()


def test_near_looks_at_the_shoppers_place(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    pages = PageComposer(model, shop, options=PageOptions(shelves=9)).home(shoppers)
    for line, page in enumerate(pages):
        reasons = [shelf.reason for shelf in page.shelves if shelf.kind == "near"]
        place = [["North"], ["South"], []][line % 3]
        assert reasons == [f"What shoppers in {name} choose most." for name in place]


def test_new_shows_new_items_alone(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    composer = PageComposer(model, shop)
    for page in composer.new_arrivals(shoppers):
        for shelf in page.shelves:
            if shelf.kind in ("new", "newest"):
                assert composer.facts.new[shelf.rows].all()


def test_a_cart_is_completed_and_its_items_are_not_shown(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    carts = shoppers.last(2)
    composer = PageComposer(
        model, shop, complements=lambda given, k: model.recommend(histories=given, k=k), similar=model.similar
    )
    for line, page in enumerate(composer.cart(carts, histories=shoppers)):
        assert kinds(page)[0] == "complements"
        assert not set(carts.history(line).tolist()) & set(page.rows.tolist())
    assert "complements" in kinds(composer.home(shoppers, carts=carts)[0])


def test_a_detail_page_starts_from_its_item(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    page = PageComposer(model, shop, similar=model.similar).detail([5], histories=shoppers.take([0]))[0]
    assert page.subject == 5
    assert 5 not in page.rows
    assert "similar" in kinds(page)


def test_a_search_shows_what_was_found_first(shop: Dataset, model: ItemKNN) -> None:
    found = Ranking(np.array([[7, 3, 9], [-1, -1, -1]]), np.array([[3, 2, 1], [-np.inf] * 3], dtype=np.float32))
    composer = PageComposer(model, shop, search=lambda queries, k: found)
    first, second = composer.search(["red dress", "qqq"])
    assert first.shelves[0].rows.tolist() == [7, 3, 9]
    assert first.query == "red dress"
    assert "results" not in kinds(second)
    with pytest.raises(DataError, match="nothing to search with"):
        PageComposer(model, shop).search(["red"])


def test_again_shows_what_is_bought_often_in_a_shop_of_repeats() -> None:
    catalogue = Catalogue.from_frame(pa.table({"item_id": [f"i{row}" for row in range(12)]}))
    histories = [["i0", "i1", "i0", "i2", "i0", "i1"], ["i3", "i3", "i4"]]
    log = Interactions.from_histories(histories, items=catalogue.items)
    dataset = Dataset(catalogue, log)
    page = PageComposer(Luck(0), dataset, options=PageOptions(fewest=1, width=2, shelves=9)).home(log)[0]
    again = next(shelf for shelf in page.shelves if shelf.kind == "again")
    shown = {row for shelf in page.shelves[: page.shelves.index(again)] for row in shelf.rows.tolist()}
    assert again.rows.tolist() == [row for row in (0, 1, 2) if row not in shown][:2]


def test_a_layout_decides_the_order(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    class Backwards:
        def arrange(self, histories: Interactions, kinds: Sequence[str], available: Bool) -> I64:
            assert available.shape == (len(histories), len(kinds))
            return np.broadcast_to(np.arange(len(kinds))[::-1], available.shape)

    page = PageComposer(model, shop, layout=Backwards()).home(shoppers)[0]
    assert kinds(page)[0] == "recent"
    assert set(kinds(page)) <= set(KINDS)


@pytest.mark.parametrize("seed", range(20))
def test_rules_always_hold(shop: Dataset, seed: int) -> None:
    rng = np.random.default_rng(seed)
    brand, category, shelves = int(rng.integers(1, 4)), int(rng.integers(1, 5)), int(rng.integers(1, 9))
    options = PageOptions(
        caps={"brand": brand, "category": category}, quotas={"category": {"hat": 1}}, shelves=shelves, width=8
    )
    composer = PageComposer(Luck(seed), shop, options=options)
    brands, categories = shop.catalogue.column("brand"), shop.catalogue.column("category")
    shoppers = shop.interactions.take(rng.permutation(len(shop.interactions))[:25])
    for page in composer.home(shoppers, seed=seed):
        assert len(page) <= shelves
        assert len(set(page.rows.tolist())) == len(page.rows)
        for shelf in page.shelves:
            assert max(Counter(brands[row] for row in shelf.rows).values()) <= brand
            assert max(Counter(categories[row] for row in shelf.rows).values()) <= category
            if shelf.kind == "for_you":
                assert any(categories[row] == "hat" for row in shelf.rows)


def test_pages_refuse_what_cannot_be(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    composer = PageComposer(model, shop)
    elsewhere = Interactions.from_histories([["x"]], items=shop.items.of(["x"]))
    with pytest.raises(IncompatibleError, match="histories over 1 items"):
        composer.home(elsewhere)
    with pytest.raises(DataError, match="carts for 6 histories"):
        composer.home(shoppers, carts=shoppers.take([0]))
    with pytest.raises(DataError, match=r"200\.\.200 of 200"):
        composer.detail([len(shop)])
    with pytest.raises(DataError, match="language='fr'"):
        PageOptions(language="fr")
    with pytest.raises(DataError, match="width=0"):
        PageOptions(width=0)
    with pytest.raises(DataError, match="seed=-1"):
        composer.home(shoppers, seed=-1)


def test_a_page_shows_no_item_twice(shop: Dataset) -> None:
    one = Shelf("new", "New", "", np.array([1, 2]), np.ones(2))
    with pytest.raises(DataError, match="on two shelves"):
        Page("home", (one, Shelf("popular", "Popular", "", np.array([2]), np.ones(1))), shop.catalogue)
    with pytest.raises(DataError, match="an item stands twice"):
        Shelf("new", "New", "", np.array([1, 1]), np.ones(2))
