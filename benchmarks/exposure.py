"""Narrowing over simulated weeks on the planted shop, with and without exploration.

    python benchmarks/exposure.py [--weeks 8] [--users 600] [--seed 0]

Each week every shopper is shown ten items by ItemKNN, taught all clicks so far, and clicks two of them by his planted
tastes for category and colour and by the place (the first counts most). Three shops: as ranked; three places drawn from
200 candidates; and three places drawn, with variety (MMR 0.3 on category and colour). Printed by week: the effective
number of categories shown, the Gini of what is shown, and the tail's share of exposure. The last line is one JSON.
"""

import argparse
import json
from typing import Any

import numpy as np

from mmreco import metrics
from mmreco.data.attributes import Attributes
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.data.request import Request
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.models.itemknn import ItemKNN
from mmreco.rerank import Exploration, RerankOptions, rerank

EXPLORED = Exploration(places=(2, 5, 8))
POLICIES = {
    "as ranked": RerankOptions(diversity=0),
    "explored": RerankOptions(diversity=0, exploration=EXPLORED),
    "explored and varied": RerankOptions(diversity=0.3, exploration=EXPLORED),
}


def weeks(shop: SyntheticShop, options: RerankOptions, n_weeks: int, seed: int) -> list[dict[str, float]]:
    """What is shown week by week."""
    rng = np.random.default_rng(seed)
    log = shop.interactions
    log = log.keep(np.arange(log.n_events) - log.starts[log.users_flat] < 5)
    facts, tastes = shop.truth.facts, shop.truth.tastes
    liking = tastes.category.mean(axis=1)[:, facts.category] * tastes.colour.mean(axis=1)[:, facts.colour]
    kinds = np.concatenate([np.eye(8)[facts.category], np.eye(8)[facts.colour]], axis=1)
    vectors = Embeddings(log.items, kinds)
    bags = Attributes.from_catalogue(shop.catalogue, columns=["category"], at_least=1).matrix()
    groups = metrics.popularity_groups(log)
    out = []
    for week in range(n_weeks):
        model = ItemKNN().fit(Dataset(shop.catalogue, log))
        wide = model.recommend(Request(log, k=200))
        shown = rerank(wide, options, embeddings=vectors, seed=seed * 1000 + week).ranking
        held = metrics.exposure(shown, groups)
        out.append(
            {
                "categories": float(np.nanmean(metrics.effective_categories(shown, bags))),
                "gini": metrics.gini(shown, len(log.items)),
                "head": float(held.share[held.names.index("head")]),
                "liking": float(np.take_along_axis(liking, np.maximum(shown.rows, 0), axis=1).mean()),
            }
        )
        chance = np.take_along_axis(liking, np.maximum(shown.rows, 0), axis=1) / np.log2(np.arange(2, shown.k + 2))
        noise = np.log(np.maximum(chance, 1e-9)) + rng.gumbel(size=chance.shape)
        noise[shown.rows < 0] = -np.inf
        clicked = np.take_along_axis(shown.rows, np.argsort(-noise, axis=1)[:, :2], axis=1)
        log = Interactions.from_events(
            log.users,
            log.items,
            np.concatenate([log.users_flat, np.repeat(np.arange(len(log)), 2)]),
            np.concatenate([log.items_flat, clicked.ravel()]),
        )
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    shop = synthetic_shop(n_items=800, n_users=asked.users, seed=asked.seed)
    result: dict[str, Any] = {}
    for name, options in POLICIES.items():
        result[name] = weeks(shop, options, asked.weeks, asked.seed)
        for week, figures in enumerate(result[name]):
            print(name, week, " ".join(f"{key} {value:.3f}" for key, value in figures.items()), flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
