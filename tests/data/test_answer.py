"""What the shop is told: ids, scores, a table, a readable line."""

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.answer import Answer
from mmreco.data.catalogue import Catalogue
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError

SHOP = Catalogue.from_frame(pa.table({"item_id": ["hat", "coat", "boot"], "title": ["Red hat", "外套", None]}))
SCORES = np.array([[0.5, 0.75, -np.inf], [-np.inf, -np.inf, -np.inf]], dtype=np.float32)


def answer(shop: Catalogue = SHOP) -> Answer:
    return Answer(("ann", "bo"), Ranking.from_scores(SCORES, 3), shop, np.array([False, True]), ("bo",))


def test_padding_is_left_out() -> None:
    assert answer().ids() == [["coat", "hat"], []]
    assert answer().scores.shape == (2, 3)
    assert answer().to_frame().to_pylist() == [
        {"question": "ann", "rank": 1, "item_id": "coat", "score": 0.75, "title": "外套"},
        {"question": "ann", "rank": 2, "item_id": "hat", "score": 0.5, "title": "Red hat"},
    ]


def test_a_shop_without_titles() -> None:
    bare = Catalogue.from_frame(pa.table({"item_id": ["hat", "coat", "boot"], "price": [1, 2, 3]}))
    assert answer(bare).to_frame().column_names == ["question", "rank", "item_id", "score"]
    assert repr(answer(bare)).splitlines()[0] == "ann: coat 0.750 | hat 0.500"


def test_it_reads_like_a_sentence() -> None:
    assert repr(answer()).splitlines() == [
        "ann: coat 0.750 '外套' | hat 0.500 'Red hat'",
        "bo (popular): nothing",
        "unknown: 1, first 'bo'",
    ]


def test_many_questions_are_cut_short() -> None:
    n = 12
    best = Ranking.from_scores(np.tile(SCORES[:1], (n, 1)), 1)
    many = Answer(tuple(map(str, range(n))), best, SHOP, np.zeros(n, dtype=bool))
    assert repr(many).splitlines()[-1] == "... 2 more questions"
    assert len(many) == n


def test_questions_and_lines_must_agree() -> None:
    with pytest.raises(DataError, match="1 questions for 2 lines"):
        Answer(("ann",), Ranking.from_scores(SCORES, 3), SHOP, np.array([False, True]))
