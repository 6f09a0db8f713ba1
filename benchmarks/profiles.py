"""Profiles of the planted shop against its planted tastes, and lookalikes of a planted segment.

    python benchmarks/profiles.py [--seeds 3]

- tastes: the first category, colour and style of each shopper's profile beside the mix he was planted with (the mean
  of its two ends): "exact", whether it is the planted first; "clear", the same for shoppers whose planted first is at
  least twice the second; "share", the planted share of what is named over that of the planted first. From all events
  of a shopper (20 to 40), and from the first ten alone.
- lookalikes: shoppers whose planted first category and first colour are a given pair; a third of them are the seeds,
  and as many are asked for as there are others. Precision over the others' share of all; from profiles, and PureSVD.
The last line is one JSON.
"""

import argparse
import json
from typing import Any

import numpy as np

from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.datasets.synthetic.facts import CATEGORIES, COLOURS, STYLES
from mmreco.models.puresvd import PureSVD
from mmreco.profiles import Facet, affinities, facets, lookalikes
from mmreco.profiles.facets import COLOURS as COLOUR_WORDS

STYLE_WORDS = {
    "casual": ("casual", "everyday", "休闲", "日常"),
    "formal": ("formal", "elegant", "正式", "优雅"),
    "sporty": ("sporty", "active", "运动", "活力"),
    "vintage": ("vintage", "retro", "复古", "怀旧"),
}


def tastes(shop: SyntheticShop, log: Interactions, sides: dict[str, Facet]) -> dict[str, dict[str, float]]:
    """How often the first of a profile is the planted first."""
    planted = shop.truth.tastes
    out = {}
    for name, kinds, shares in (
        ("category", CATEGORIES, planted.category.mean(axis=1)),
        ("colour", COLOURS, planted.colour.mean(axis=1)),
        ("style", STYLES, planted.style),
    ):
        found = affinities(log, sides[name])
        names = [kind.name for kind in kinds]
        place = np.array([names.index(value) if value in names else -1 for value in found.values])
        ours = place[found.first()]
        two = -np.sort(-shares, axis=1)[:, :2]
        exact = ours == shares.argmax(axis=1)
        clear = two[:, 0] >= 2 * two[:, 1]
        named = np.where(ours >= 0, shares[np.arange(len(ours)), ours], 0)
        out[name] = {
            "exact": float(exact.mean()),
            "clear": float(exact[clear].mean()),
            "clear_shoppers": float(clear.mean()),
            "share": float((named / two[:, 0]).mean()),
        }
    return out


def alike(shop: SyntheticShop, sides: dict[str, Facet], seed: int) -> dict[str, float]:
    """Precision of lookalikes over chance, the mean over the ten largest segments."""
    planted = shop.truth.tastes
    segment = planted.category.mean(axis=1).argmax(axis=1) * 8 + planted.colour.mean(axis=1).argmax(axis=1)
    log = shop.interactions
    parts = [affinities(log, sides[name]) for name in ("category", "colour", "style", "brand", "price")]
    by_profile = np.concatenate([np.sqrt(p.share) - np.sqrt(p.share.mean(axis=0)) for p in parts], axis=1)
    model = PureSVD(dim=32).fit(Dataset.from_interactions(log))
    sources = {"profiles": by_profile.astype(np.float32), "PureSVD": model.user_vectors(log)}
    rng = np.random.default_rng(seed)
    largest = np.argsort(-np.bincount(segment, minlength=64))[:10]
    out = {}
    for name, vectors in sources.items():
        lifts = []
        for one in largest:
            members = rng.permutation(np.flatnonzero(segment == one))
            seeds, others = members[: len(members) // 3], members[len(members) // 3 :]
            rows, _ = lookalikes(vectors, seeds, len(others))
            lifts.append(np.isin(rows, others).mean() / (len(others) / (len(log) - len(seeds))))
        out[name] = float(np.mean(lifts))
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    runs: list[dict[str, Any]] = []
    for seed in range(asked.seeds):
        shop = synthetic_shop(n_items=1200, n_users=3000, seed=seed)
        sides = facets(shop.catalogue, vocabularies={"colour": COLOUR_WORDS, "style": STYLE_WORDS})
        log = shop.interactions
        ten = log.keep(np.arange(log.n_events) - log.starts[log.users_flat] < 10)
        runs.append(
            {
                "seed": seed,
                "all_events": tastes(shop, log, sides),
                "ten_events": tastes(shop, ten, sides),
                "lookalikes_over_chance": alike(shop, sides, seed),
            }
        )
        print(runs[-1], flush=True)
    print(json.dumps({"runs": runs}))


if __name__ == "__main__":
    main()
