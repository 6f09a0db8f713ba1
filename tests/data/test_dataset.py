"""Dataset: one map of items, one of users; read, joined, checked once."""

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.data.users import Users
from mmreco.errors import DataError, IncompatibleError

ITEMS = pa.table({"item_id": ["hat", "coat", "scarf"], "title": ["Red hat", "Blue coat", None]})
EVENTS = pa.table({"user_id": ["ann", "ann", "bob"], "item_id": ["hat", "coat", "hat"]})
REVIEWS = pa.table({"item_id": ["coat"], "user_id": ["bob"], "text": ["warm"]})
USERS = pa.table({"user_id": ["carl", "ann"], "tier": ["new", "gold"]})


def whole() -> Dataset:
    return Dataset.from_frames(items=ITEMS, events=EVENTS, reviews=REVIEWS, users=USERS)


def test_all_tables_meet_under_one_map_of_items_and_one_of_users() -> None:
    shop = whole()
    assert shop.items.ids([0, 1, 2]) == ["hat", "coat", "scarf"]
    assert shop.interactions.items == shop.items
    assert shop.reviews is not None
    assert shop.reviews.items == shop.items
    assert shop.users is not None
    assert shop.users.ids == shop.interactions.users
    assert shop.interactions.users.array.to_pylist() == ["ann", "bob", "carl"]  # who did nothing comes last
    assert shop.interactions.lengths.tolist() == [2, 1, 0]
    assert shop.users.table.to_pydict() == {"tier": ["gold", None, "new"]}
    assert (len(shop), repr(shop)) == (3, "Dataset(3 items, 3 users, 3 events, 1 reviews)")


def test_files_are_read_as_frames_are(tmp_path: Path) -> None:
    tables = {"items": ITEMS, "events": EVENTS, "reviews": REVIEWS, "users": USERS}
    for name, table in tables.items():
        csv.write_csv(table.rename_columns({"user_id": "who"}) if name == "events" else table, tmp_path / f"{name}.csv")
    paths = {name: tmp_path / f"{name}.csv" for name in tables}
    shop, other = Dataset.read(**paths, columns={"events": {"user_id": "who"}}), whole()
    assert repr(shop) == repr(other)
    assert shop.items == other.items
    assert shop.interactions.items_flat.tolist() == other.interactions.items_flat.tolist()
    assert shop.users is not None
    assert other.users is not None
    assert shop.users.table.equals(other.users.table)


def test_a_log_alone_names_the_items_and_a_catalogue_alone_has_no_users() -> None:
    log = Dataset.from_frames(events=EVENTS)
    assert log.items.array.to_pylist() == ["coat", "hat"] or log.items.array.to_pylist() == ["hat", "coat"]
    assert log.catalogue.column("title") == [None, None]
    bare = Dataset.from_frames(items=ITEMS)
    assert (len(bare), len(bare.interactions), bare.interactions.n_events) == (3, 0, 0)
    assert Dataset.from_interactions(log.interactions).interactions is log.interactions


def test_weights_of_kinds_of_events_are_taken() -> None:
    events = EVENTS.append_column("event", pa.array(["view", "buy", "view"]))
    shop = Dataset.from_frames(items=ITEMS, events=events, weights={"view": 1, "buy": np.int64(5)})
    assert sorted(shop.interactions.weights.tolist()) == [1, 1, 5]


def test_content_is_by_name_and_may_lack_items() -> None:
    vectors = Embeddings(IdMap.of(["coat"]), np.ones((1, 2), dtype=np.float32))
    shop = whole().with_content({"text": vectors})
    assert shop.content["text"] is vectors
    assert "text: 1 x 2" in repr(shop)
    with pytest.raises(TypeError):
        shop.content["image"] = vectors  # type: ignore[index]
    with pytest.raises(IncompatibleError, match=r"content 'text': 1 of 1 ids are not in the catalogue of 3 items"):
        whole().with_content({"text": Embeddings(IdMap.of(["boot"]), np.ones((1, 2), dtype=np.float32))})


def test_another_log_keeps_the_rest_and_the_facts_follow_its_users() -> None:
    shop = whole()
    log = Interactions.from_histories([["hat"], ["scarf"]], items=shop.items, users=["dora", "ann"])
    other = shop.with_interactions(log)
    assert other.catalogue is shop.catalogue
    assert other.reviews is shop.reviews
    assert other.users is not None
    assert other.users.table.to_pydict() == {"tier": [None, "gold"]}


def test_parts_over_others_are_refused() -> None:
    shop = whole()
    other = Interactions.from_histories([["hat"]], items=IdMap.of(["hat", "boot"]))
    with pytest.raises(IncompatibleError, match="interactions are over 2 items, the catalogue has 3"):
        Dataset(shop.catalogue, other)
    reviews = Reviews.from_rows(IdMap.of(["hat"]), [0], ["fine"])
    with pytest.raises(IncompatibleError, match="reviews are over 1 items, the catalogue has 3"):
        replace(shop, reviews=reviews)
    users = Users(IdMap.of(["ann"]), pa.table({"tier": ["gold"]}))
    with pytest.raises(IncompatibleError, match="users: a table of 1 users beside interactions of 3"):
        replace(shop, users=users)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (lambda: Dataset(ITEMS, EVENTS), "catalogue is a Table; expected Catalogue"),  # type: ignore[arg-type]
        (lambda: Dataset(whole().catalogue, EVENTS), "interactions is a Table; expected Interactions"),  # type: ignore[arg-type]
        (lambda: replace(whole(), users=["ann"]), "users is a list; expected Users"),
        (lambda: replace(whole(), content=[1]), "content must be Embeddings by name"),
        (lambda: whole().with_content({"text": np.ones((3, 2))}), "content must be Embeddings by name"),  # type: ignore[dict-item]
        (lambda: Dataset.read(), "neither items nor events are given"),
        (lambda: Dataset.from_frames(reviews=REVIEWS), "neither items nor events are given"),
        (lambda: Dataset.from_frames(items=ITEMS, columns={"article": {}}), "'article': .*expected a mapping a table"),
        (lambda: Dataset.from_frames(items=ITEMS, columns={"items": "sku"}), "expected a mapping a table"),  # type: ignore[dict-item]
        (lambda: Dataset.from_interactions(EVENTS), "given a Table; expected Interactions"),
        (lambda: Dataset.from_frames(items=ITEMS, users=pa.table({"name": ["ann"]})), "user_id"),
        (lambda: Dataset.from_frames(items=[["hat"]]), "expected"),
        (lambda: Dataset.read(items="nowhere.csv"), "nowhere.csv"),
        (lambda: Dataset.read(items="items.docx"), "items.docx"),
    ],
)
def test_misuse_is_told(given: Any, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        given()


def test_it_is_frozen_and_can_be_sent_to_another_process() -> None:
    shop = whole().with_content({"text": Embeddings(IdMap.of(["coat"]), np.ones((1, 2), dtype=np.float32))})
    with pytest.raises(FrozenInstanceError):
        shop.reviews = None  # type: ignore[misc]
    for again in (pickle.loads(pickle.dumps(shop)), copy.deepcopy(shop)):
        assert repr(again) == repr(shop)
        assert again.items == shop.items
        assert again.content["text"].vectors.tolist() == [[1, 1]]


def test_the_catalogue_is_any_with_the_same_items() -> None:
    shop = whole()
    priced = Catalogue(shop.items, pa.table({"price": [1.0, 2.0, 3.0]}))
    assert replace(shop, catalogue=priced).catalogue.has("price")
