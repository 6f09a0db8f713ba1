"""What the models are tried on: a log without sense, and a small planted shop with some."""

from collections.abc import Callable

import numpy as np
import pytest

from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.evaluation import evaluate
from mmreco.models.popular import Popular
from mmreco.splitting import Split, leave_last_out

DAY = 86_400_000  # milliseconds


def noise(n_users: int = 60, n_items: int = 25, n_events: int = 300, seed: int = 0) -> Interactions:
    """Events by chance over 90 days, repeats and weights included; the last two items are never clicked."""
    rng = np.random.default_rng(seed)
    return Interactions.from_events(
        IdMap.of([f"u{row}" for row in range(n_users)]),
        IdMap.of([f"i{row}" for row in range(n_items)]),
        rng.integers(n_users, size=n_events),
        rng.integers(n_items - 2, size=n_events),
        times=1_700_000_000_000 + np.sort(rng.integers(90 * DAY, size=n_events)),
        weights=rng.integers(1, 4, size=n_events).astype(np.float32),
    )


@pytest.fixture
def log() -> Interactions:
    return noise()


@pytest.fixture
def asked() -> Interactions:
    """Histories nobody was trained on, some of them empty."""
    return noise(n_users=12, n_events=24, seed=1)


@pytest.fixture
def untimed() -> Interactions:
    items = IdMap.of(["a", "b", "c", "d"])
    return Interactions.from_histories([["a", "b"], ["a", "b", "c"], ["c"]], items=items)


@pytest.fixture(scope="session")
def shop() -> SyntheticShop:
    return synthetic_shop(n_items=300, n_users=600, seed=0)


@pytest.fixture(scope="session")
def held_out(shop: SyntheticShop) -> Split:
    return leave_last_out(shop.dataset)


@pytest.fixture(scope="session")
def over_popular(held_out: Split) -> Callable[..., float]:
    """How many times the NDCG@10 of `Popular` a model has on the shop, fitted on its training part or already."""
    popular = evaluate(Popular().fit(held_out.train), held_out)["ndcg@10"]

    def compared(model, *, fitted: bool = False) -> float:
        return evaluate(model if fitted else model.fit(held_out.train), held_out)["ndcg@10"] / popular

    return compared
