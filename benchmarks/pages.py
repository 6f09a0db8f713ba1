"""How long a home page takes over a million items, beside the time of the model itself.

    python benchmarks/pages.py [--items 1000000 --pages 200]

The model answers at once from a prepared list, and the clock is stopped while it does: what is left is the page's own
time, with caps on brands and HTML without pictures apart. The last line of what is written is one JSON.
"""

import argparse
import json
import time

import numpy as np
import pyarrow as pa

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.pages import PageComposer, PageOptions, page_html


class Timed:
    """Answers by chance, and adds up how long it took."""

    def __init__(self, n_items: int) -> None:
        self.n_items, self.seconds, self.rng = n_items, 0.0, np.random.default_rng(0)

    def recommend(self, request: Request) -> Ranking:
        begun = time.perf_counter()
        among = np.arange(self.n_items) if request.candidates is None else np.flatnonzero(request.candidates)
        rows = np.stack([self.rng.choice(among, request.k, replace=False, shuffle=False) for _ in range(len(request))])
        scores = np.broadcast_to(np.arange(request.k, 0, -1, dtype=np.float32), rows.shape)
        self.seconds += time.perf_counter() - begun
        return Ranking(rows, scores)


def shop(n_items: int, n_users: int) -> Dataset:
    rng = np.random.default_rng(1)
    table = pa.table(
        {
            "title": pa.array([f"item {row}" for row in range(n_items)]),
            "brand": pa.array(rng.integers(5_000, size=n_items).astype(str)).dictionary_encode().cast(pa.string()),
            "category": pa.array(rng.integers(200, size=n_items).astype(str)),
            "price": rng.random(n_items) * 100,
            "created": pa.array(rng.integers(0, 10**12, size=n_items), pa.timestamp("ms", tz="UTC")),
        }
    )
    items = IdMap.of([f"i{row}" for row in range(n_items)])
    lengths = rng.integers(5, 60, size=n_users)
    log = Interactions.from_events(
        IdMap.of([f"u{row}" for row in range(n_users)]),
        items,
        np.repeat(np.arange(n_users), lengths),
        rng.integers(n_items, size=int(lengths.sum())),
    )
    return Dataset(Catalogue(items, table), log)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=200)
    given = parser.parse_args()
    dataset = shop(given.items, 20_000)
    model = Timed(given.items)
    begun = time.perf_counter()
    composer = PageComposer(model, dataset, options=PageOptions(caps={"brand": 2}, quotas={"category": {"7": 1}}))
    made = time.perf_counter() - begun
    own, html, items = [], [], []
    for line in range(given.pages + 5):
        shopper = dataset.interactions.take([line])
        before, begun = model.seconds, time.perf_counter()
        page = composer.home(shopper, seed=line)[0]
        own.append(time.perf_counter() - begun - (model.seconds - before))
        begun = time.perf_counter()
        page_html(page)
        html.append(time.perf_counter() - begun)
        items.append(len(page.rows))
    figures = {
        "items": given.items,
        "shelves_filled_with": round(float(np.mean(items)), 1),
        "composer_made_s": round(made, 2),
        **{
            f"{name}_ms_{quantile}": round(1e3 * float(np.quantile(values[5:], share)), 2)
            for name, values in (("page", own), ("html", html))
            for quantile, share in (("p50", 0.5), ("p95", 0.95))
        },
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
