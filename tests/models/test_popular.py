import numpy as np
import pytest

from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import NotFittedError
from mmreco.models import Popular

ITEMS = IdMap.of(["a", "b", "c", "d"])


def test_items_come_by_summed_weight() -> None:
    users = IdMap.of(["u", "v"])
    weights = np.array([1, 1, 5, 0.5], dtype=np.float32)
    train = Interactions.from_events(users, ITEMS, np.array([0, 1, 1, 0]), np.array([0, 0, 2, 3]), weights=weights)
    model = Popular().fit(train)
    slow = [
        sum(float(w) for w, i in zip(train.weights, train.items_flat, strict=True) if i == item) for item in range(4)
    ]
    asked = Interactions.from_histories([[], ["c"]], items=ITEMS)
    np.testing.assert_allclose(model.score(asked), [slow, slow])
    assert model.recommend(asked, k=4).ids(ITEMS) == [["c", "a", "d", "b"], ["a", "d", "b"]]


def test_unfitted_has_no_scores() -> None:
    with pytest.raises(NotFittedError, match="Popular is not fitted"):
        Popular().score(Interactions.from_histories([[]], items=ITEMS))
