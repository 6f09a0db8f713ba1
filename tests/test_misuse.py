"""Plausible misuses at the public doors: each a typed error that says what was expected, or the right answer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mmreco import MODELS, Embeddings, IdMap, Recommender, Split, VectorIndex, evaluate, leave_last_out
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.request import Request
from mmreco.errors import DataError, MMRecoError
from mmreco.evaluation import compare, tune
from mmreco.filters import mask
from mmreco.models import EASE
from mmreco.splitting import by_time

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
        (lambda: MODEL.recommend(["u"]), "expected a Request"),
        (lambda: MODEL.recommend(LOG), "expected a Request"),
        (lambda: MODEL.recommend(), "give a Request, or histories="),
        (lambda: MODEL.recommend(histories=[["hat"]]), "expected Interactions"),
        (lambda: MODEL.recommend(histories=ONE, k=None), "k=None: expected a whole number"),
        (lambda: MODEL.recommend(histories=ONE, k=10**12), "k=1000000000000: expected 1 to"),
        (lambda: MODEL.recommend(histories=ONE, k=True), "k=True"),
        (lambda: MODEL.recommend(histories=ONE, k=2.0), "k=2.0"),
        (lambda: MODEL.recommend(histories=ONE, candidates=[0, 1]), "expected bool of shape"),
        (lambda: EASE().fit(Catalogue(ITEMS, DATASET.catalogue.table)), "expected a Dataset"),
        (lambda: EASE().fit(LOG), "expected a Dataset"),
        (lambda: EASE().fit(SPLIT), "expected a Dataset"),
        (lambda: EASE().fit([["hat", "cap"]]), "expected a Dataset"),
        (lambda: EASE().recommend(histories=ONE), "is not fitted"),
        (lambda: MODEL.similar(["hat"]), "expected item rows"),
        (lambda: MODEL.similar([99]), "expected item rows"),
        (lambda: MODELS["SharedSpac"], "expected one of"),
        (lambda: evaluate(MODEL, SPLIT.train), "expected a Split"),
        (lambda: evaluate(EASE, SPLIT), "expected a fitted model"),
        (lambda: evaluate(MODEL, SPLIT, k=[]), "expected a cut-off of 1 or more"),
        (lambda: evaluate(MODEL, SPLIT, k="10"), "k='10'"),
        (lambda: leave_last_out(LOG), "expected a Dataset"),
        (lambda: by_time(DATASET, "yesterday"), "carry no times"),
        (lambda: compare({"EASE": EASE}, SPLIT.test), "expected a Split"),
        (lambda: compare({"EASE": 7}, SPLIT), "is no model"),
        (lambda: tune("EASE", {"l2": [1.0]}, SPLIT), "expected a class of MODELS"),
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
        (lambda: RECOMMENDER.recommend("user-1"), "give a list of them"),
        (lambda: RECOMMENDER.recommend(u for u in [1]), "no string"),
        (lambda: RECOMMENDER.recommend(["0"], k=None), "k=None"),
        (lambda: RECOMMENDER.search(text="red dress"), "give a list of them"),
        (lambda: RECOMMENDER.similar("hat"), "give a list of them"),
        (lambda: RECOMMENDER.similar(["hat"], by="colour"), "expected 'both', 'behaviour' or 'content'"),
        (lambda: RECOMMENDER.observe({"user_id": "a"}), "a list of mappings"),
        (lambda: RECOMMENDER.observe("a click"), "expected"),
        (lambda: RECOMMENDER.add(LOG), "expected a Catalogue"),
        (lambda: RECOMMENDER.remove("hat"), "give a list of them"),
        (lambda: RECOMMENDER.forget(users="0"), "give a list of them"),
        (lambda: mask(DATASET.catalogue, "price <"), "price"),
    ],
)
def test_a_misuse_is_told_what_was_expected(misuse: Callable[[], Any], expected: str) -> None:
    with pytest.raises(MMRecoError, match=expected):
        misuse()


@pytest.mark.parametrize(
    "right",
    [
        lambda: MODEL.recommend(histories=ONE, k=np.int64(2)).k == 2,
        lambda: MODEL.recommend(histories=ONE, k=100).rows.shape == (1, 100),
        lambda: evaluate(MODEL, SPLIT, k=np.int64(3))["ndcg@3"] >= 0,
        lambda: evaluate(MODEL, SPLIT.test, (1, 2))["recall@2"] >= 0,
        lambda: len(RECOMMENDER.recommend(("0", "1"), k=np.int32(2))) == 2,
        lambda: len(RECOMMENDER.recommend(iter(["0"]), k=1)) == 1,
        lambda: RECOMMENDER.recommend([], k=3).ids() == [],
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
