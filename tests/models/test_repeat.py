from collections import Counter

import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models.repeat import Repeat


@pytest.mark.parametrize("by", ["recency", "frequency"])
def test_the_order_equals_the_slow_twin(log: Interactions, by: str) -> None:
    model = Repeat(by=by).fit(Dataset.from_interactions(log))
    found = model.recommend(histories=log, k=25, exclude_seen=False).rows
    users = np.array([len(set(log.users_flat[log.items_flat == item].tolist())) for item in range(25)])
    crowd = np.argsort(-users, kind="stable").tolist()
    for user in range(len(log)):
        mine = log.history(user).tolist()
        times, place = Counter(mine), {item: p for p, item in enumerate(mine)}
        key = (lambda i: (place[i], times[i])) if by == "recency" else (lambda i: (times[i], place[i]))  # noqa: B023
        had = sorted(times, key=key, reverse=True)
        assert found[user].tolist() == had + [i for i in crowd if i not in had]


def test_nothing_seen_leaves_what_is_popular(log: Interactions) -> None:
    users = np.array([len(set(log.users_flat[log.items_flat == item].tolist())) for item in range(25)])
    answer = Repeat().fit(Dataset.from_interactions(log)).recommend(histories=log, k=3).rows
    for user in range(len(log)):
        unseen = [i for i in np.argsort(-users, kind="stable") if i not in log.history(user)]
        assert answer[user].tolist() == unseen[:3]


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(DataError, match="by='price': expected one of recency, frequency"):
        Repeat(by="price")  # type: ignore[arg-type]


def test_unfitted_has_no_scores(log: Interactions) -> None:
    with pytest.raises(NotFittedError, match="Repeat is not fitted"):
        Repeat().score(log)
