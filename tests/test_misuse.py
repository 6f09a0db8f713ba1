"""What callers get wrong at the public doors: each is a typed error that says what was expected.

And what is right in another form, numpy's numbers above all, is taken.
"""

import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mmreco import (
    MODELS,
    Attributes,
    Detector,
    Embeddings,
    IdMap,
    ImageEncoder,
    Recommender,
    Split,
    VectorIndex,
    embed,
    evaluate,
    leave_last_out,
    models,
)
from mmreco.baskets import CartCompletion, baskets
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.data.reviews import Reviews
from mmreco.datasets.amazon import amazon_reviews
from mmreco.datasets.movielens import movielens
from mmreco.embedding.sources import folder_pictures
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.encoders.text.tuning import bought_together, said_of
from mmreco.errors import DataError, MMRecoError, UnknownIdError
from mmreco.evaluation import Range, compare, tune
from mmreco.filters import mask
from mmreco.models import EASE, ItemKNN, Popular, Switching, Training, Weighted
from mmreco.models.base import Model
from mmreco.pages import PageComposer
from mmreco.questions.answers import ItemQuestions
from mmreco.rerank import Calibration, Exploration, RerankOptions, rerank
from mmreco.retrieval.facets import facets
from mmreco.retrieval.lexical import LexicalIndex
from mmreco.retrieval.suggest import Completions
from mmreco.service.limits import Limits
from mmreco.splitting import Holdout, by_time, rolling
from mmreco.storage.signature import read_key
from mmreco.testing.models import checkerboard

ITEMS = IdMap.of(["hat", "cap", "shoe", "sock"])
LOG = Interactions.from_histories([["hat", "cap", "shoe"], ["shoe", "sock", "hat"]] * 4, items=ITEMS)
DATASET = Dataset.from_interactions(LOG)
SPLIT = leave_last_out(DATASET)
MODEL = EASE(l2=1.0).fit(SPLIT.train)
ONE = Interactions.from_histories([["hat"]], items=ITEMS)
VECTORS = Embeddings(ITEMS, np.eye(4, dtype=np.float32))
INDEX = VectorIndex(VECTORS)
RECOMMENDER = Recommender.fit(DATASET, model=EASE(l2=1.0))


@pytest.mark.parametrize(
    ("misuse", "expected"),
    [
        (lambda: MODEL.recommend(LOG), "expected a Request"),
        (lambda: MODEL.recommend(), "give a Request, or histories="),
        (lambda: MODEL.recommend(histories=ONE, k=10**12), "k=1000000000000: expected 1 to"),
        (lambda: MODEL.recommend(histories=ONE, candidates=[0, 1]), "expected bool of shape"),
        (lambda: EASE().fit(Catalogue(ITEMS, DATASET.catalogue.table)), "expected a Dataset"),
        (lambda: EASE().fit(LOG), "expected a Dataset"),
        (lambda: EASE().fit(SPLIT), "expected a Dataset"),
        (lambda: EASE().fit([["hat", "cap"]]), "expected a Dataset"),
        (lambda: EASE().recommend(histories=ONE), "is not fitted"),
        (lambda: evaluate(MODEL, SPLIT, k=[]), "expected a cut-off of 1 or more"),
        (lambda: evaluate(MODEL, SPLIT, k="10"), "k='10'"),
        (lambda: leave_last_out(LOG), "expected a Dataset"),
        (lambda: by_time(DATASET, "yesterday"), "carry no times"),
        (lambda: compare({"EASE": EASE}, SPLIT.test), "expected a Split"),
        (lambda: tune(EASE, {"l2": [1.0]}, DATASET), "expected a Split"),
        (lambda: Split(LOG, SPLIT.test), "expected a Dataset to learn from"),
        (lambda: Request([["hat"]]), "expected Interactions"),
        (lambda: Request(ONE, exclude=LOG), "8 lines for 1 histories"),
        (lambda: Request(ONE, at="noon"), "expected whole milliseconds"),
        (lambda: Dataset(ITEMS, LOG), "expected Catalogue"),
        (lambda: Dataset.read(), "neither items nor events"),
        (lambda: Dataset.from_frames(events=[1, 2]), "expected a pandas, polars or pyarrow table"),
        (lambda: VectorIndex(np.eye(4)), "expected"),
        (lambda: INDEX.search(np.eye(4), k=None), "k=None"),
        (lambda: INDEX.search(np.eye(3), k=1), "width|expected|shape"),
        (lambda: Recommender.fit(LOG), "expected a Dataset"),
        (lambda: RECOMMENDER.recommend("user-1"), "give a list"),
        (lambda: RECOMMENDER.recommend(u for u in [1]), "not a string"),
        (lambda: RECOMMENDER.recommend(["0"], k=None), "k=None"),
        (lambda: RECOMMENDER.search(text="red dress"), "give a list"),
        (lambda: RECOMMENDER.similar("hat"), "give a list"),
        (lambda: RECOMMENDER.similar(["hat"], by="colour"), "expected 'both', 'behaviour' or 'content'"),
        (lambda: RECOMMENDER.observe({"user_id": "a"}), "a list of mappings"),
        (lambda: RECOMMENDER.observe("a click"), "expected"),
        (lambda: RECOMMENDER.add(LOG), "expected a Catalogue"),
        (lambda: RECOMMENDER.remove("hat"), "give a list"),
        (lambda: RECOMMENDER.forget(users="0"), "give a list"),
        (lambda: mask(DATASET.catalogue, "price <"), "price"),
        (lambda: mask(DATASET, "price < 1"), "mask: given a Dataset; expected Catalogue, the dataset's .catalogue"),
        (lambda: LexicalIndex.build(DATASET), "expected Catalogue, the dataset's .catalogue"),
        (lambda: facets(DATASET, np.array([0])), "expected Catalogue, the dataset's .catalogue"),
        (lambda: Completions.build(DATASET), "expected Catalogue, the dataset's .catalogue"),
        (lambda: Attributes.from_catalogue(DATASET), "expected Catalogue, the dataset's .catalogue"),
        (lambda: said_of(DATASET, None), "said_of: given a Dataset; expected Catalogue, the dataset's .catalogue"),
        (lambda: said_of(DATASET.catalogue, DATASET), "expected Reviews, the dataset's .reviews"),
        (lambda: bought_together(DATASET.catalogue, DATASET), "expected Interactions, the dataset's .interactions"),
        (lambda: baskets(DATASET), "expected Interactions, the dataset's .interactions"),
        (lambda: CartCompletion.fit(DATASET), "expected Interactions, the dataset's .interactions"),
        (lambda: ItemQuestions(DATASET), "expected Reviews, the dataset's .reviews"),
        (lambda: ImageEncoder.fit(DATASET), "expected Catalogue, the dataset's .catalogue"),
        (lambda: Detector.fit(DATASET), "expected a list"),
        (lambda: PageComposer(MODEL, DATASET.catalogue), "given a Catalogue; expected Dataset$"),
        (lambda: embed(LexicalEncoder(), ITEMS, DATASET.catalogue), "contents: .*expected a list"),
        (lambda: compare({"EASE": lambda: EASE()}, SPLIT), "a function of the training set, e.g. EASE"),
    ],
)
def test_a_misuse_is_told_what_was_expected(misuse: Callable[[], Any], expected: str) -> None:
    with pytest.raises(MMRecoError, match=expected):
        misuse()


# ---- what stands behind: a shop with words and reviews, open for business

NEW = Catalogue.from_frame(pa.table({"item_id": ["n1"], "title": ["new"]}))
RANKING = Ranking.from_scores(np.array([[3.0, 2.0, 1.0, 0.0]]), k=4)


def _shop() -> Dataset:
    titles = ["Red hat", "Blue cap", "Red shoe", "Wool sock"]
    catalogue = Catalogue(ITEMS, pa.table({"title": titles, "category": ["head", "head", "feet", "feet"]}))
    written = {"item_id": ["hat"] * 3, "text": ["warm and soft", "it is warm", "fits well"], "rating": [5, 4, 5]}
    return Dataset(catalogue, LOG, Reviews.from_frame(pa.table(written), catalogue=catalogue))


SHOP = _shop()
OPEN = Recommender.fit(SHOP, model=EASE(l2=1.0), image=[])
LEXICAL = LexicalIndex.build(SHOP.catalogue)


class Fake:
    """A model of somebody else's."""

    def __init__(self, answer: Callable[[Request], Any]) -> None:
        self.recommend = answer


def _answered_by(answer: Callable[[Request], Any]) -> Any:
    return Recommender.fit(SHOP, model=Fake(answer), text=[], image=[]).recommend(["0"], k=2)


@pytest.mark.parametrize(
    ("misuse", "expected"),
    [
        (lambda: OPEN.recommend(5), "users: 5; expected a list"),
        (lambda: OPEN.recommend({"users": ["0"]}), "users: {'users': ['0']}; expected a list"),
        (lambda: OPEN.recommend(["0"], allow=5), "allow: 5; expected a list"),
        (lambda: OPEN.recommend(["0"], where={"price": 3}), "where: object of shape (); expected an"),
        (lambda: OPEN.recommend(["0"], exclude_seen="no"), "exclude_seen='no': expected True or False"),
        (lambda: OPEN.recommend(history=[None]), "history: None; expected a list"),
        (lambda: OPEN.recommend(history=5), "history: 5; expected a list"),
        (lambda: OPEN.recommend(["0"], at="noon"), "at='noon': expected ISO 8601 text, e.g."),
        (lambda: OPEN.similar(5), "items: 5; expected a list"),
        (lambda: OPEN.similar_users("0"), "users: '0' is a single value; give a list, e.g."),
        (lambda: OPEN.similar_users(["0"], k="3"), "k='3': expected a whole number of 1 or more"),
        (lambda: OPEN.search(text=5), "text: 5; expected a list"),
        (lambda: OPEN.search(text=["red"], match="fuzzy"), "match='fuzzy': expected 'both', 'words' or"),
        (
            lambda: OPEN.search(text=["red"], match="meaning", users=["0"]),
            "search: users= re-ranks text results; leave it",
        ),
        (lambda: OPEN.search(text=["red"], users=["0", "1"]), "search: 2 users for 1 queries; expected as many"),
        (lambda: OPEN.search(image=[None]), "image=None: expected a path"),
        (lambda: OPEN.search(image=["nothing.jpg"]), "image: no image encoder was fitted, as no item"),
        (lambda: OPEN.explain(["0"], "hat"), "user: ['0'] at position 0 is not a string; give"),
        (lambda: OPEN.explain("nobody", "hat"), "user 'nobody': no events; give"),
        (lambda: OPEN.explain("0", "nothing"), "1 of 1 ids unknown, first 'nothing'; pass ids"),
        (lambda: OPEN.explain("0", "hat", k="3"), "k='3': expected a whole number of 1 or more"),
        (lambda: OPEN.ask("hat", 5), "question: 5; expected one string"),
        (lambda: OPEN.ask(["hat"], "warm?"), "item: ['hat']; expected one string"),
        (lambda: OPEN.ask("hat", "warm?", k="2"), "k='2': expected a whole number of 1 or more"),
        (lambda: OPEN.page("homepage"), "page 'homepage': expected home, new_arrivals,"),
        (lambda: OPEN.page("home", user=["0"]), "user: ['0']; expected one string"),
        (lambda: OPEN.page("home", history=5), "history: 5; expected a list"),
        (lambda: OPEN.page("home", seed="x"), "seed='x': expected a whole number of 0 or more"),
        (lambda: OPEN.page("home", options={"shelves": 3}), "options: given a dict; expected PageOptions"),
        (lambda: OPEN.page("home", user="0", history=["hat"]), "page: given a user and a history; give only one"),
        (lambda: OPEN.page("search", query=["hat"]), "query: ['hat']; expected one string"),
        (lambda: OPEN.observe(None), "table: given a NoneType; expected a pandas,"),
        (lambda: OPEN.observe([("0", "hat")]), "observe: ('0', 'hat') at place 0; expected a"),
        (
            lambda: OPEN.observe([{"user_id": "0", "item_id": "hat"}, {"user_id": 1, "item_id": "cap"}]),
            "observe: a key holds values of several types:",
        ),
        (
            lambda: OPEN.observe([{"user_id": "0", "item_id": "hat", "timestamp": "yesterday"}]),
            "column 'timestamp', row 0: 'yesterday';",
        ),
        (lambda: OPEN.add(NEW, reviews="good"), "add: reviews: given a str; expected Reviews"),
        (lambda: OPEN.add(SHOP.catalogue), "catalogue: 4 of 4 items are known already,"),
        (lambda: OPEN.update(NEW), "update: 1 of 1 items are not in the catalogue,"),
        (lambda: OPEN.remove(None), "items: None; expected a list"),
        (lambda: OPEN.remove(["nothing"]), "remove: 1 of 1 items are not in the catalogue,"),
        (lambda: OPEN.forget(users=5), "users: 5; expected a list"),
        (lambda: OPEN.save(None), "folder=None: expected a path"),
        (lambda: Recommender.load(5), "folder=5: expected a path"),
        (lambda: Recommender.fit(SHOP, model=MODEL, text=["bert"]), "text: 'bert' does not encode; expected dim,"),
        (
            lambda: Recommender.fit(SHOP, model=Popular(), image=[], index="milvus"),
            "index: 'milvus'; expected a function of a name",
        ),
        (
            lambda: Recommender.fit(SHOP, model=Popular(), image=[], index=lambda vectors: vectors),
            "expected a function of a name and Embeddings, e.g.",
        ),
        (
            lambda: Recommender.fit(SHOP, model=Popular(), image=[], index=lambda n, v: None),
            "index: made a NoneType; expected something with",
        ),
        (lambda: Dataset(SHOP.catalogue, LOG, content=VECTORS), "dataset: content must be Embeddings by name,"),
        (lambda: Dataset.read(items=5), "table=5: expected a path"),
        (
            lambda: Dataset.from_frames(events=pa.table({"user_id": ["u"], "item_id": ["a"]}), columns=["user"]),
            "columns: ['user']; expected a mapping, e.g.",
        ),
        (lambda: SHOP.with_interactions([["hat"]]), "dataset: interactions is a list; expected"),
        (lambda: Split(SHOP, SPLIT.test, candidates=[0, 1]), "candidates: int64 of shape (2,); expected bool"),
        (lambda: Holdout.of([["hat"]], [["cap"]], items=["hat", "cap"]), "items: given a list; expected IdMap"),
        (lambda: Holdout.of(5, 5, items=ITEMS), "histories: 5; expected a list"),
        (lambda: SPLIT.test.take("all"), "others of <U3; expected whole numbers"),
        (lambda: rolling(LOG), "rolling: given a Interactions; expected a"),
        (lambda: LEXICAL.search("red", 3), "queries: 'red' is a single value; give a list,"),
        (lambda: LEXICAL.search(["red"], None), "k=None: expected a whole number of 1 or more"),
        (lambda: LEXICAL.search(["red"], 3, where="price<3"), "where: the text 'price<3'; say"),
        (lambda: LEXICAL.matching("red", where=[True]), "where: bool of shape (1,); expected bool of"),
        (lambda: LEXICAL.add([{"item_id": "a"}]), "LexicalIndex.add: given a list; expected"),
        (lambda: LEXICAL.update(5), "LexicalIndex.update: given a int; expected"),
        (lambda: LEXICAL.remove(5), "remove: 5; expected a list"),
        (lambda: LexicalIndex.build(SHOP), "LexicalIndex.build: given a Dataset; expected"),
        (lambda: LexicalIndex.build(SHOP.catalogue, words="hat"), "words: 'hat' is a single value; give a list, e.g."),
        (lambda: LexicalIndex.build(SHOP.catalogue, synonyms=["hat"]), "synonyms: ['hat']; expected a mapping, e.g."),
        (
            lambda: LexicalIndex.build(SHOP.catalogue, synonyms={"hat": "cap"}),
            "synonyms of 'hat': 'cap' is a single value; give a list",
        ),
        (lambda: rerank(RANKING, {"k": 3}), "rerank: options: given a dict; expected"),
        (lambda: rerank(RANKING, RerankOptions(k=2, diversity="high")), "diversity='high': expected 0 to 1"),
        (
            lambda: rerank(RANKING, RerankOptions(k=2, diversity=0.5), embeddings=np.eye(4)),
            "rerank: embeddings: given a ndarray; expected",
        ),
        (
            lambda: rerank(RANKING, RerankOptions(k=2, caps=["category"]), catalogue=SHOP.catalogue),
            "caps=['category']: expected a mapping",
        ),
        (
            lambda: rerank(RANKING, RerankOptions(k=2, diversity=0), seed="x"),
            "seed='x': expected a whole number of 0 or more",
        ),
        (lambda: Calibration(weight="x"), "calibration weight='x': expected 0 to 1"),
        (lambda: Exploration(places=3), "exploration places 3: expected a list"),
        (lambda: Limits(body="1MB"), "body='1MB': expected a whole number of 1 or more"),
        (lambda: Limits(waiting=0), "waiting=0: expected a whole number of 1 or more"),
        (lambda: Embeddings(["a"], np.eye(1)), "embeddings: ids: given a list; expected IdMap"),
        (lambda: Embeddings(ITEMS, "vectors"), "'vectors': expected an array of float32 (it holds <U7)"),
        (lambda: IdMap.of(5), "ids: 5; expected a list"),
        (lambda: IdMap(["a"]), "ids: given a list; expected an Arrow array, or"),
        (lambda: ITEMS.rows(5), "ids: given a int; expected a list of ids"),
        (lambda: Interactions.from_histories([["hat"]], items=["hat"]), "items: given a list; expected IdMap"),
        (lambda: LOG.last("2"), "n='2': expected a whole number of 0 or more"),
        (lambda: Catalogue.read(5), "table=5: expected a path"),
        (lambda: SHOP.catalogue.add(5), "add: given a int; expected Catalogue"),
        (lambda: Request(LOG, page=5), "page: 5; expected one string"),
        (
            lambda: compare({1: EASE(), 2: Popular()}, SPLIT),
            "compare: names of models: 1 at position 0 is not a string",
        ),
        (lambda: Range(1, float("inf")), "expected two finite numbers"),
        (lambda: MODELS[["EASE"]], "model ['EASE']: expected one of Popular"),
        (lambda: Ranking.from_scores(np.array([["a"]]), 1), "scores of <U1; expected numbers"),
        (lambda: Ranking.from_scores(np.array([[1j]]), 1), "scores of complex128; expected numbers"),
        (lambda: VectorIndex(VECTORS, quality="HNSW0"), "0 is no number for FAISS there; expected 2 to 512"),
        (lambda: VectorIndex(VECTORS, quality="HNSW1,Flat"), "1 is no number for FAISS there; expected 2 to 512"),
        (lambda: VectorIndex(VECTORS, quality="NSG4"), "4 is no number for FAISS there; expected 8 to 512"),
        (lambda: VectorIndex(VECTORS, quality="HNSW4,PQ2x0"), "0 is no number for FAISS there; expected 1 to 16"),
        (lambda: VectorIndex(VECTORS, quality="IVF" + "9" * 12), "expected 1 to 4,194,304"),
        (lambda: VectorIndex(VECTORS, quality="Flat," * 100), "200 characters at most"),
        (lambda: Embeddings(ITEMS, np.eye(4) * 1j), "expected an array of float32 (it holds complex128)"),
        (lambda: Embeddings(ITEMS, np.full((4, 2), np.datetime64("2026-01-01"))), "it holds datetime64"),
        (lambda: Embeddings(ITEMS, np.full((4, 2), "1")), "it holds <U1"),
        (lambda: LexicalEncoder().fit(pd.DataFrame({"title": ["red"]})), "texts: given a DataFrame; expected a list"),
        (lambda: _answered_by(lambda request: None), "Fake.recommend answered a NoneType; expected a Ranking of shape"),
        (
            lambda: _answered_by(lambda request: RANKING),
            "Fake.recommend answered rows of shape (1, 4); expected a Ranking of shape (1, 2)",
        ),
        (
            lambda: _answered_by(lambda request: Ranking.from_scores(np.zeros((1, 9)), 2, rows=np.full((1, 9), 7))),
            "Fake.recommend answered row 7 of 4 items",
        ),
        (lambda: OPEN.recommend(pa.table({"user_id": ["0"]})), "users: a table, Table; expected a list, e.g."),
        (lambda: OPEN.similar(SHOP.catalogue.table.to_pandas()), "items: a table, DataFrame; expected a list"),
        (lambda: OPEN.recommend(["0"], at=10**30), "below 2**63"),
        (lambda: OPEN.recommend(["0"], at=pd.NaT), "at=NaT: expected a datetime"),
        (lambda: OPEN.expire(-(10**30)), "below 2**63"),
        (lambda: OPEN.save("a\0b"), "expected a path without the character NUL"),
        (lambda: Recommender.load("a\0b"), "expected a path without the character NUL"),
        (lambda: Catalogue.read("a\0b.csv"), "expected a path without the character NUL"),
        (lambda: amazon_reviews(None, 2018), "table=None: expected a path"),
        (lambda: movielens(5), "folder=5: expected a path"),
        (lambda: folder_pictures(5), "folder=5: expected a path"),
        (lambda: read_key(None), "key=None: expected a path"),
    ],
)
def test_a_misuse_of_an_open_shop_is_told_what_was_expected(misuse: Callable[[], Any], expected: str) -> None:
    with pytest.raises(MMRecoError, match=re.escape(expected)):
        misuse()


@pytest.mark.parametrize(
    "right",
    [
        lambda: MODEL.recommend(histories=ONE, k=np.int64(2)).k == 2,
        lambda: MODEL.recommend(histories=ONE, k=100).rows.shape == (1, 100),
        lambda: evaluate(MODEL, SPLIT, k=np.int64(3))["ndcg@3"] >= 0,
        lambda: evaluate(MODEL, SPLIT.test, (1, 2))["recall@2"] >= 0,
        lambda: evaluate(MODEL, SPLIT, k=np.array(3))["ndcg@3"] >= 0,
        lambda: (
            [type(end) for end in (Range(np.int64(1), np.int32(5)).low, Range(np.float32(1), 2).low)] == [int, float]
        ),
        lambda: len(RECOMMENDER.recommend(("0", "1"), k=np.int32(2))) == 2,
        lambda: len(RECOMMENDER.recommend(iter(["0"]), k=1)) == 1,
        lambda: RECOMMENDER.recommend([], k=3).ids() == [],
        lambda: RECOMMENDER.recommend(pa.array(["0"]), k=2).ids() == RECOMMENDER.recommend(["0"], k=2).ids(),
        lambda: (
            OPEN.similar(["no", "hat"], k=1, by="behaviour", where=["category == 'feet'"] * 2).ids() == [[], ["shoe"]]
        ),
        lambda: OPEN.similar(["no"], where=[None]).ids() == [[]],
        lambda: len(RECOMMENDER.recommend(["0"], where=[True, True, False, True])) == 1,
        lambda: INDEX.search(np.eye(4), k=np.int64(1)).k == 1,
    ],
)
def test_what_is_merely_unusual_is_answered(right: Callable[[], bool]) -> None:
    assert right()


def test_errors_are_the_usual_python_ones_too() -> None:
    with pytest.raises(ValueError, match="k="):
        MODEL.recommend(histories=ONE, k=0)
    with pytest.raises(KeyError):
        MODELS["no such model"]
    assert issubclass(DataError, ValueError)


# ---- models and evaluation: a small shop whose truth is known


@pytest.fixture(scope="module")
def shop() -> Dataset:
    return checkerboard()


@pytest.fixture(scope="module")
def split(shop: Dataset) -> Split:
    return leave_last_out(shop)


@pytest.fixture(scope="module")
def model(shop: Dataset) -> EASE:
    return EASE().fit(shop)


# ---- numpy's numbers


def as_numpy(value: Any) -> Any:
    """The same in numpy's types, Training's fields included."""
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int64(value)
    if isinstance(value, float):
        return np.float64(value)
    if isinstance(value, str):
        return np.str_(value)
    if isinstance(value, Training):
        return Training(**{one.name: as_numpy(getattr(value, one.name)) for one in fields(value)})
    if isinstance(value, tuple):
        return np.array(value) if value and isinstance(value[0], (int, float)) else value
    return value


def hyper_parameters(model: Any) -> dict[str, Any]:
    return {one.name: getattr(model, one.name) for one in fields(model) if one.init}


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_may_be_one_of_numpy_s(name: str) -> None:
    plain = MODELS[name]()
    given = {key: as_numpy(value) for key, value in hyper_parameters(plain).items() if key != "parts"}
    model = MODELS[name](**given)
    assert repr(model) == repr(plain)
    for key, value in hyper_parameters(model).items():
        assert not isinstance(value, (np.generic, np.ndarray)), key


@pytest.mark.parametrize("name", ["ALS", "BPR", "PureSVD", "ItemKNN", "Switching", "Weighted", "GRU4Rec"])
def test_numpy_s_numbers_are_saved_and_loaded(name: str, shop: Dataset, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "ALS": {"dim": np.int64(4), "l2": np.float32(5)},
        "BPR": {"dim": np.int32(4), "epochs": np.int64(2)},
        "PureSVD": {"dim": np.uint8(2)},
        "ItemKNN": {"neighbours": np.int64(9), "half_life_days": np.float64(3)},
        "Switching": {"at": np.array([3])},
        "Weighted": {"weights": np.array([2, 1]), "depth": np.int64(9)},
        "GRU4Rec": {"dim": np.int64(4), "training": Training(epochs=np.int64(1), learning_rate=np.float32(0.01))},  # type: ignore[arg-type]
    }[name]
    model = MODELS[name](**options).fit(shop)
    model.save(tmp_path / "model")
    loaded = MODELS[name].load(tmp_path / "model")
    assert repr(loaded) == repr(model)
    histories = shop.interactions
    np.testing.assert_array_equal(loaded.recommend(histories=histories).rows, model.recommend(histories=histories).rows)


def test_numbers_of_questions_too(model: EASE, shop: Dataset, split: Split) -> None:
    histories = shop.interactions
    three = model.recommend(histories=histories, k=3)
    np.testing.assert_array_equal(model.recommend(histories=histories, k=np.int64(3)).rows, three.rows)  # type: ignore[arg-type]
    np.testing.assert_array_equal(model.similar([0, 5], k=np.int32(2)).rows, model.similar([0, 5], k=2).rows)  # type: ignore[arg-type]
    plain = evaluate(Popular().fit(split.train), split, (1, 3))
    assert dict(evaluate(Popular().fit(split.train), split, np.array([1, 3]))) == dict(plain)  # type: ignore[arg-type]
    assert dict(evaluate(Popular().fit(split.train), split, (np.int64(1), 3), batch_size=np.int64(7))) == dict(plain)


# ---- misuse


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: EASE(l2="much"), "l2='much': expected a number"),
        (lambda: EASE(l2=None), "l2=None: expected a number"),
        (lambda: EASE(l2=True), "l2=True: expected a number"),
        (lambda: ItemKNN(neighbours=2.5), r"neighbours=2\.5: expected a whole number"),
        (lambda: ItemKNN(neighbours="10"), "neighbours='10': expected a whole number"),
        (lambda: ItemKNN(similarity=["cosine"]), r"similarity=\['cosine'\]"),
        (lambda: ItemKNN(half_life_days="week"), "half_life_days='week': expected a number or None"),
        (lambda: Training(epochs=3.0), r"epochs=3\.0: expected a whole number"),
        (lambda: Training(learning_rate=np.inf), "learning_rate=inf"),
        (lambda: Training(device=None), "device=None: expected a string"),
        (lambda: Training(checkpoint=5), "checkpoint=5: expected a folder, or None"),
        (lambda: MODELS["SASRec"](training={"epochs": 3}), r"training=\{'epochs': 3\}: expected Training\(...\)"),
        (lambda: Weighted(parts=ItemKNN()), "parts is a ItemKNN; expected a list of models"),
        (lambda: Weighted(parts=["EASE"]), "part 0 is 'EASE'; expected a model"),
        (lambda: Weighted(weights="21"), "weights='21': expected 2 numbers"),
        (lambda: Weighted(weights=[1, "a"]), r"weights=\[1, 'a'\]: expected 2 numbers"),
        (lambda: Switching(at=3), "at=3: expected 1 rising numbers"),
        (lambda: Switching(at=["many"]), r"at=\['many'\]: expected 1 rising numbers"),
        (lambda: Switching(at=[2.5]), r"at=\[2.5\]: expected 1 rising numbers"),
    ],
)
def test_parameters_of_another_type_are_refused(make: Any, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        make()


def test_a_model_by_a_wrong_name_is_told_the_right_ones() -> None:
    with pytest.raises(UnknownIdError, match=r"model 'SharedSpac': expected one of Popular, .*SharedSpace"):
        MODELS["SharedSpac"]
    assert "SharedSpac" not in MODELS
    with pytest.raises(AttributeError, match="has no attribute 'SharedSpac'"):
        models.SharedSpac  # noqa: B018


@pytest.mark.parametrize(
    "given", [["u"], "u", None, np.zeros((2, 3)), [["item-1"]], (x for x in ["u"]), checkerboard().catalogue]
)
def test_what_is_no_request_is_refused(model: EASE, given: Any) -> None:
    with pytest.raises(DataError, match="Request, or histories="):
        model.recommend(given)


@pytest.mark.parametrize("given", [["u"], [["item-1"]], checkerboard(), "u"])
def test_what_are_no_histories_is_refused(model: EASE, given: Any) -> None:
    with pytest.raises(DataError, match=r"histories is a .*; expected Interactions"):
        model.recommend(histories=given)


def test_a_request_and_histories_at_once_are_refused(model: EASE, shop: Dataset) -> None:
    with pytest.raises(DataError, match="a Request or histories=, not both"):
        model.recommend(Request(shop.interactions), histories=shop.interactions)


@pytest.mark.parametrize("k", [None, True, "3", 2.0, 0, -1, 10**12, [3]])
def test_no_width_is_refused_wherever_it_is_given(model: EASE, shop: Dataset, split: Split, k: Any) -> None:
    for ask in (
        lambda: model.recommend(histories=shop.interactions, k=k),
        lambda: model.similar([0], k=k),
        lambda: compare({"Popular": Popular}, split, k=k, baseline=None),
        lambda: tune(EASE, {"l2": [1, 2]}, split, k=k, trials=1),
        *([] if k == [3] else [lambda: evaluate(model, split, k)]),
    ):
        with pytest.raises(DataError, match="k="):
            ask()


@pytest.mark.parametrize(
    "rows", [(r for r in [0]), "0", ["item-0"], 0, [[0]], [0.5], [True], [22], [-1], None, {0}, [None]]
)
def test_what_are_no_rows_is_refused(model: EASE, rows: Any) -> None:
    with pytest.raises(DataError, match=r"expected item rows 0\.\.21"):
        model.similar(rows, 2)


@pytest.mark.parametrize("given", [checkerboard(), checkerboard().interactions, [["a"]], None, "test"])
def test_what_is_no_test_is_refused(model: EASE, given: Any) -> None:
    with pytest.raises(DataError, match=rf"evaluate: the test is a {type(given).__name__}; expected a Split"):
        evaluate(model, given)
    with pytest.raises(DataError, match=rf"compare: the split is a {type(given).__name__}; expected a Split"):
        compare({"Popular": Popular}, given)
    with pytest.raises(DataError, match=rf"tune: the split is a {type(given).__name__}; expected a Split"):
        tune(EASE, {"l2": [1, 2]}, given)


@pytest.mark.parametrize("given", [EASE, "EASE", None, lambda request: None])
def test_what_does_not_recommend_is_refused(split: Split, given: Any) -> None:
    with pytest.raises(DataError, match="does not recommend; expected a fitted model"):
        evaluate(given, split)


def test_a_model_that_is_not_fitted_is_told_so(split: Split) -> None:
    with pytest.raises(MMRecoError, match=r"EASE is not fitted; call fit\(dataset\) first"):
        evaluate(EASE(), split)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"batch_size": "all"}, "batch_size='all'"),
        ({"batch_size": None}, "batch_size=None"),
        ({"sampled": 2.5}, r"sampled=2\.5"),
        ({"sampled": True}, "sampled=True"),
        ({"candidates": [1, 2]}, "candidates: int64"),
        ({"candidates": np.ones(3, dtype=bool)}, r"candidates: bool of shape \(3,\)"),
        ({"exclude_seen": None}, "exclude_seen=None"),
        ({"context": "train"}, "context is a str; expected an EvaluationContext"),
        ({"context": checkerboard()}, "context is a Dataset; expected an EvaluationContext"),
    ],
)
def test_options_of_evaluate_are_checked(model: EASE, split: Split, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        evaluate(model, split, **options)


@pytest.mark.parametrize(
    ("models", "options", "expected"),
    [
        ([EASE], {}, "models is a list; expected a mapping from name to model"),
        ("EASE", {}, "models is a str; expected a mapping"),
        ({"EASE": "EASE"}, {}, "'EASE' is not a model"),
        ({"EASE": EASE}, {"jobs": 1.5}, r"jobs=1\.5"),
        ({"EASE": EASE}, {"jobs": 0}, "jobs=0"),
        ({"EASE": EASE}, {"seed": "1"}, "seed='1'"),
        ({"EASE": EASE}, {"seed": -1}, "seed=-1"),
        ({"EASE": EASE}, {"baseline": "Nonsense"}, "baseline 'Nonsense'"),
        ({"EASE": EASE}, {"context": 3}, "context is a int; expected an EvaluationContext"),
    ],
)
def test_options_of_compare_are_checked(split: Split, models: Any, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        compare(models, split, **options)


@pytest.mark.parametrize(
    ("model", "space", "options", "expected"),
    [
        (EASE(), {"l2": [1]}, {}, "expected a class of MODELS"),
        ("EASE", {"l2": [1]}, {}, "expected a class of MODELS"),
        (EASE, ["l2"], {}, "the space is a list; expected a mapping"),
        (EASE, {"l2": 3}, {}, "l2 has no values to choose from"),
        (EASE, {"l2": "123"}, {}, "l2 has no values to choose from"),
        (EASE, {"l3": [1]}, {}, "no parameter 'l3'"),
        (EASE, {"l2": [1]}, {"trials": 1.5}, r"trials=1\.5"),
        (EASE, {"l2": [1]}, {"seconds": "10"}, "seconds='10'"),
        (EASE, {"l2": [1]}, {"seed": None}, "seed=None"),
    ],
)
def test_options_of_tune_are_checked(
    split: Split, model: Any, space: Any, options: dict[str, Any], expected: str
) -> None:
    pytest.importorskip("optuna")
    with pytest.raises(DataError, match=expected):
        tune(model, space, split, **options)


@pytest.mark.parametrize(("low", "high"), [("1", "2"), (None, 2), (1, np.nan), (True, 3)])
def test_ranges_are_of_numbers(low: Any, high: Any) -> None:
    with pytest.raises(DataError, match="Range"):
        Range(low, high)


def test_validation_is_a_holdout(shop: Dataset, split: Split) -> None:
    training = Training(epochs=1)
    for given in (split, shop, [["a"]]):
        with pytest.raises(DataError, match=rf"validation is a {type(given).__name__}; expected a Holdout"):
            MODELS["GRU4Rec"](training=training).fit(shop, validation=given)  # type: ignore[arg-type]


def test_what_answers_too_little_is_told(split: Split) -> None:
    class Short:
        def recommend(self, request: Request) -> Ranking:
            return Ranking(np.zeros((len(request), 1), dtype=np.int64), np.zeros((len(request), 1), dtype=np.float32))

    class Silent:
        def recommend(self, request: Request) -> Ranking:
            return None  # type: ignore[return-value]

    for model in (Short(), Silent()):
        with pytest.raises(DataError, match=rf"{type(model).__name__} answered .*; expected a Ranking"):
            evaluate(model, split, 5)


def test_an_interaction_log_from_elsewhere_is_told(model: EASE) -> None:
    with pytest.raises(DataError, match="item"):
        Interactions.from_histories("item-1", items=model.items_)  # type: ignore[arg-type]
    assert isinstance(replace(EASE(), l2=np.float64(2)), Model)
