import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models.random import Random


def test_the_same_history_has_the_same_answer_and_another_has_another(log: Interactions) -> None:
    ids = log.items.ids(np.arange(6))
    asked = Interactions.from_histories([ids[:2], ids[2:4], ids[:2], []], items=log.items)
    rows = Random().fit(Dataset.from_interactions(log)).recommend(histories=asked, k=20, exclude_seen=False).rows
    np.testing.assert_array_equal(rows[0], rows[2])
    assert (rows[0] != rows[1]).any()
    assert (rows[0] != rows[3]).any()
    assert (
        (
            rows
            != Random(seed=1)
            .fit(Dataset.from_interactions(log))
            .recommend(histories=asked, k=20, exclude_seen=False)
            .rows
        )
        .any(axis=1)
        .all()
    )


def test_every_item_has_the_same_chance(log: Interactions) -> None:
    ids = log.items.ids(np.arange(len(log.items)))
    asked = Interactions.from_histories([[a, b] for a in ids for b in ids], items=log.items)
    first = Random().fit(Dataset.from_interactions(log)).recommend(histories=asked, k=1, exclude_seen=False).rows[:, 0]
    counts = np.bincount(first, minlength=25)  # 25 expected each, spread 5
    assert counts.min() > 5
    assert counts.max() < 45


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(DataError, match="seed=-1"):
        Random(seed=-1)


def test_unfitted_has_no_scores(log: Interactions) -> None:
    with pytest.raises(NotFittedError, match="Random is not fitted"):
        Random().score(log)
