"""Substitutes told from complements on a planted shop: t-shirts go with trousers, and replace t-shirts."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import torch

from mmreco.baskets import ItemPairs, ItemRelations, cart_panel
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError

N = 160
KINDS = ("tee", "trousers", "mug", "kettle")  # two pairs that go together
STYLES = ("plain", "striped", "checked", "floral")


def kind(rows: np.ndarray) -> np.ndarray:
    return rows % 4


def style(rows: np.ndarray) -> np.ndarray:
    return rows // 4 % 4


@pytest.fixture(scope="module")
def shop() -> Dataset:
    table = pa.table(
        {
            "item_id": [f"i{row}" for row in range(N)],
            "title": [f"{STYLES[row // 4 % 4]} {KINDS[row % 4]} number {row}" for row in range(N)],
            "category": [KINDS[row % 4] for row in range(N)],
        }
    )
    catalogue = Catalogue.from_frame(table)
    rng = np.random.default_rng(0)
    histories = [[f"i{row}" for row in rng.integers(0, N, 6)] for _ in range(200)]
    return Dataset(catalogue, Interactions.from_histories(histories, items=catalogue.items))


@pytest.fixture(scope="module")
def pairs(shop: Dataset) -> ItemPairs:
    rng = np.random.default_rng(1)
    both = rng.integers(0, N, (6000, 2))
    a, b = both[both[:, 0] != both[:, 1]].T
    alike = style(a) == style(b)
    goes = np.array([1, 0, 3, 2])[kind(a)] == kind(b)
    return ItemPairs(shop.items, both_of(a, b, alike & goes), both_of(a, b, kind(a) == kind(b)))


def both_of(a: np.ndarray, b: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.stack([a[chosen], b[chosen]], axis=1)


@pytest.fixture(scope="module")
def held(shop: Dataset) -> np.ndarray:
    return np.random.default_rng(2).random(N) < 0.25


@pytest.fixture(scope="module")
def relations(shop: Dataset, pairs: ItemPairs, held: np.ndarray) -> ItemRelations:
    return ItemRelations.fit(shop, pairs.without(held), epochs=20)


def test_items_without_a_known_pair_are_placed(relations: ItemRelations, held: np.ndarray) -> None:
    asked = np.flatnonzero(held)
    goes = relations.complements(asked, 5)
    there = goes.rows >= 0
    right = (kind(goes.rows) == np.array([1, 0, 3, 2])[kind(asked)][:, None]) & there
    assert right.sum() / there.sum() > 0.8
    assert there.mean() > 0.8
    replaces = relations.substitutes(asked, 5)
    assert (kind(replaces.rows) == kind(asked)[:, None])[replaces.rows >= 0].mean() > 0.8
    assert not (replaces.rows == asked[:, None]).any()


def test_substitutes_are_told_from_complements(relations: ItemRelations, pairs: ItemPairs, held: np.ndarray) -> None:
    tried = pairs.of(held)
    replacing = relations.substitute_probability(*tried.substitutes.T)
    going = relations.substitute_probability(*tried.complements.T)
    assert replacing.mean() > 0.7
    assert going.mean() < 0.3


def test_a_cart_loses_what_would_replace_its_items(shop: Dataset, relations: ItemRelations) -> None:
    carts = Interactions.from_histories([["i0", "i1"], ["i0"], []], items=shop.items)
    panel = cart_panel(relations, carts, 5)
    assert not set(kind(panel.rows[1][panel.rows[1] >= 0])) & {0}  # a tee is in the cart: trousers are left
    first = panel.rows[0][panel.rows[0] >= 0]
    assert not set(first) & {0, 1}
    replaced = set(relations.substitutes(np.array([0, 1]), 50).rows.ravel().tolist())
    assert not set(first.tolist()) & replaced
    assert (panel.rows[2] == -1).all()


def test_pairs_from_a_table() -> None:
    items = IdMap.of(["a", "b", "c"])
    table = pa.table(
        {
            "item_id": ["a", "a", "a", "b", "x"],
            "other_id": ["b", "c", "c", "a", "a"],
            "kind": ["also_bought", "also_viewed", "bought_together", "also_viewed", "also_viewed"],
        }
    )
    found = ItemPairs.from_frame(table, items)
    assert found.complements.tolist() == [[0, 1]]  # a and c are both bought and viewed: neither
    assert found.substitutes.tolist() == [[1, 0]]
    with pytest.raises(DataError, match="no column 'kind'"):
        ItemPairs.from_frame(table.drop_columns("kind"), items)
    with pytest.raises(DataError, match="kind 'seen' in row 0"):
        ItemPairs.from_frame(table.set_column(2, "kind", [["seen"] * 5]), items)


def test_pairs_from_a_log() -> None:
    items = IdMap.of(["tea", "mug", "cup", "lamp"])
    bought = Interactions.from_histories([["tea", "mug"]] * 4 + [["lamp"]] * 8, items=items)
    viewed = Interactions.from_histories([["mug", "cup"]] * 4 + [["lamp"]] * 8, items=items)
    found = ItemPairs.from_baskets(bought, viewed)
    assert found.complements.tolist() == [[0, 1], [1, 0]]
    assert found.substitutes.tolist() == [[1, 2], [2, 1]]


def test_what_cannot_be_learnt_is_refused(shop: Dataset, pairs: ItemPairs) -> None:
    with pytest.raises(DataError, match="expected some of both"):
        ItemRelations.fit(shop, ItemPairs(shop.items, pairs.complements, np.zeros((0, 2), dtype=np.int64)))
    other = IdMap.of(["x", "y"])
    with pytest.raises(IncompatibleError, match="pairs over 2 items"):
        ItemRelations.fit(shop, ItemPairs(other, np.array([[0, 1]]), np.array([[1, 0]])))
    with pytest.raises(DataError, match="a row outside"):
        ItemPairs(other, np.array([[0, 2]]), np.zeros((0, 2)))


def test_relations_learnt_in_threads_are_those_learnt_alone_and_leave_torch_s_generator(
    shop: Dataset, pairs: ItemPairs
) -> None:
    def learnt(seed: int) -> bytes:
        relations = ItemRelations.fit(shop, pairs, epochs=2, seed=seed)
        return relations.complements(np.arange(N), 10).scores.tobytes()

    alone = [learnt(0), learnt(1)]
    assert alone[0] != alone[1]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(learnt, [0, 1])) == alone
    assert torch.equal(torch.get_rng_state(), before)
