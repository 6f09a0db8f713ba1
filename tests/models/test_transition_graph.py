from itertools import pairwise, permutations

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.models import TransitionGraph, transition_graph
from mmreco.models.transition_graph import _last, _neighbours

ITEMS = IdMap.of(["pan", "pot", "lid", "hat", "cap"])
LOG = Interactions.from_histories([["pan", "pot"], ["pot", "lid"], ["pan", "hat"], ["cap", "hat"]], items=ITEMS)


def asked(*histories: list[str]) -> Interactions:
    return Interactions.from_histories(histories, items=ITEMS)


def answered(model: TransitionGraph, *history: str) -> list[str]:
    return model.recommend(histories=asked(list(history)), k=4).ids(ITEMS)[0]


def test_one_step_comes_before_two_and_what_is_not_reached_last() -> None:
    far = IdMap.of([*ITEMS.array.to_pylist(), "far"])
    log = Interactions.from_histories([["pan", "pot"], ["pot", "lid"], ["far", "far"]], items=far)
    model = TransitionGraph().fit(Dataset.from_interactions(log))
    found = model.recommend(histories=Interactions.from_histories([["pan"]], items=far), k=5).ids(far)[0]
    assert found[:3] == ["pot", "lid", "far"]


@pytest.mark.parametrize(("titles", "first"), [("steel", "pot"), ("wool", "hat")])
def test_titles_choose_among_what_is_reached(titles: str, first: str) -> None:
    words = {"steel": ["steel pan", "steel pot", "glass lid", "wool hat", "wool cap"]}
    words["wool"] = ["wool pan", *words["steel"][1:]]
    shop = Catalogue(ITEMS, pa.table({"title": words[titles]}))
    assert answered(TransitionGraph().fit(Dataset(shop, LOG)), "pan")[0] == first


def test_an_empty_history_gets_what_is_popular() -> None:
    model = TransitionGraph().fit(Dataset.from_interactions(LOG))
    assert set(answered(model)[:3]) == {"pan", "pot", "hat"}


def test_the_last_items_ask_the_older_the_less() -> None:
    model = TransitionGraph().fit(Dataset.from_interactions(LOG))
    scores = model.score(asked(["cap", "lid"], ["lid", "cap"]))
    pot, hat = 1, 3
    assert scores[0, pot] > scores[0, hat]
    assert scores[1, hat] > scores[1, pot]
    long = model.score(asked([*["hat"] * 9, "pan", "pot", "lid"]))
    np.testing.assert_array_equal(long, model.score(asked(["pan", "pot", "lid"])))


def test_the_lines_of_a_basket_have_no_order() -> None:
    rng = np.random.default_rng(0)
    n, names = 400, [f"sku-{item}" for item in range(30)]
    shop = Catalogue.from_frame(pa.table({"item_id": names, "title": [f"thing {item % 7}" for item in range(30)]}))
    table = pa.table(
        {
            "user_id": [f"u{user}" for user in rng.integers(40, size=n)],
            "item_id": [names[item] for item in rng.integers(30, size=n)],
            "timestamp": rng.integers(6, size=n) * 86_400_000 + 1_600_000_000_000,
        }
    )
    scores = []
    for order in (np.arange(n), rng.permutation(n), np.arange(n)[::-1]):
        log = Interactions.from_frame(table.take(pa.array(order)), catalogue=shop)
        log = log.take(log.users.rows([f"u{user}" for user in range(40)]))
        scores.append(TransitionGraph().fit(Dataset(shop, log)).score(log))
    for other in scores[1:]:
        np.testing.assert_allclose(other, scores[0], rtol=1e-5)


def test_a_basket_counts_as_the_mean_over_the_orders_of_its_lines() -> None:
    times = np.array([1, 1, 1, 2])
    log = Interactions.from_events(IdMap.of(["u"]), ITEMS, np.zeros(4, int), np.array([0, 1, 2, 3]), times=times)
    beside = _neighbours(log).toarray()
    expected = np.zeros((5, 5))
    for order in permutations(range(3)):
        walk = [*order, 3]
        for one, other in pairwise(walk):
            expected[[one, other], [other, one]] += 1 / 6
    np.testing.assert_allclose(beside, expected)
    asks = _last(log).toarray()[0]
    np.testing.assert_allclose(asks, [(0.7 + 0.49) / 3] * 3 + [1, 0])


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_both_ways_to_walk_on_agree(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    once, walk = (sp.csr_array(rng.random(shape) * (rng.random(shape) < share)) for shape in ((5, 40), (40, 40)))
    for sparse in (0, 10**9):
        monkeypatch.setattr(transition_graph, "_SPARSE", sparse)
        np.testing.assert_allclose(transition_graph._onward(once, walk), once.toarray() @ walk.toarray(), rtol=1e-12)
