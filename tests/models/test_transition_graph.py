import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.models import TransitionGraph

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
