"""What the front door costs beside the index: a known user of a long log, one new event, one new item, one text query.

Run `python benchmarks/front_door.py [--items 1000000 --users 1000000 --events 10000000]`. The last line is one JSON.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.models.base import State, VectorModel
from mmreco.recommender import Recommender
from mmreco.splitting import Holdout


class MeanOfHistory(VectorModel):
    """Random item vectors, and the mean of a history's: the cheapest model there is."""

    dim = 64

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        vectors = np.random.default_rng(0).normal(size=(len(dataset.items), self.dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self.embeddings_ = Embeddings(dataset.items, vectors)

    def item_embeddings(self) -> Embeddings:
        return self.embeddings_

    def user_vectors(self, histories: Interactions) -> F32:
        vectors = self.embeddings_.vectors
        return np.stack([vectors[histories.history(u)].mean(axis=0) for u in range(len(histories))]).astype(np.float32)

    def _state(self) -> State:
        return {}

    def _restore(self, state: State) -> None:
        pass


class Hashed:
    """An encoder that costs nothing: a random vector a text."""

    dim, fingerprint = 384, "hashed"

    def encode(self, contents: Any, *, batch_size: int = 64) -> F32:
        rng = np.random.default_rng(len(contents))
        vectors = rng.normal(size=(len(contents), self.dim)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def milliseconds(act: Callable[[], Any], times: int = 50) -> float:
    """The median of so many calls."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - begun))
    return round(float(np.median(taken)), 3)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--quality", default="exact")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    items = IdMap(pa.array([f"sku-{row}" for row in range(given.items)], pa.large_string()))
    users = IdMap(pa.array([f"user-{row}" for row in range(given.users)], pa.large_string()))
    log = Interactions.from_events(
        users,
        items,
        rng.integers(given.users, size=given.events),
        rng.integers(given.items, size=given.events),
        times=rng.integers(10**12, size=given.events),
    )
    catalogue = Catalogue(items, pa.table({"image": pa.nulls(given.items, pa.large_string())}))
    recommender = Recommender.fit(Dataset(catalogue, log), model=MeanOfHistory(), image=[], quality=given.quality)
    state = recommender._state
    space = state.space
    assert space is not None
    index = space.index
    recommender.recommend(["user-1"])  # what is built on first use
    seen = state.log.histories(["user-1"], state.items)
    query = space.model.user_vectors(seen)
    alone, through = [], []
    for _ in range(50):  # in turn, as other work on the machine slows both
        alone.append(milliseconds(lambda: index.search(query, 10, exclude=seen), 1))
        through.append(milliseconds(lambda: recommender.recommend(["user-1"], k=10), 1))
    figures = {
        "items": given.items,
        "users": given.users,
        "events": given.events,
        "index_ms": round(float(np.median(alone)), 3),
        "known_user_ms": round(float(np.median(through)), 3),
        "beside_the_index_ms": round(float(np.median(np.subtract(through, alone))), 3),
        "stranger_ms": milliseconds(lambda: recommender.recommend(["nobody"], k=10)),
        "observe_one_ms": milliseconds(lambda: recommender.observe([{"user_id": "user-7", "item_id": "sku-3"}])),
        "observe_new_user_ms": milliseconds(lambda: recommender.observe([{"user_id": "new", "item_id": "sku-3"}])),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
