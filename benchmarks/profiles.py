"""Profiles of the planted shop against its planted tastes, and lookalikes of a planted segment.

    python benchmarks/profiles.py [--seeds 3]

- ceiling: the same from ten events by one who knows how shoppers click and all of their other tastes: the planted
  first that is likeliest given the events, over 10,000 drawn tastes, asked of 400 shoppers. Nobody can do better.
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
from mmreco.datasets.synthetic import SyntheticShop, clicks, synthetic_shop
from mmreco.datasets.synthetic.facts import CATEGORIES, COLOURS, STYLES, synthetic_tastes
from mmreco.models.puresvd import PureSVD
from mmreco.profiles import Facet, affinities, facets, lookalikes
from mmreco.profiles.facets import COLOURS as COLOUR_WORDS

_DRAWN, _ASKED = 10_000, 400  # tastes drawn; shoppers
_PAUSE = 600_000  # milliseconds, after which a session has opened

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


def ceiling(shop: SyntheticShop, n_events: int = 10) -> dict[str, float]:
    """How often the likeliest first, by the process that made the log, is the planted one."""
    facts, planted, log = shop.truth.facts, shop.truth.tastes, shop.interactions
    drawn = synthetic_tastes(_DRAWN, np.random.default_rng(99))
    means = {"category": drawn.category.mean(axis=1), "colour": drawn.colour.mean(axis=1), "style": drawn.style}
    truth = {"category": planted.category.mean(axis=1), "colour": planted.colour.mean(axis=1), "style": planted.style}
    first = {name: share.argmax(axis=1) for name, share in means.items()}
    shelves = [np.flatnonzero((facts.category == c) & ~shop.truth.never_clicked) for c in range(len(CATEGORIES))]
    even = np.bincount(facts.category) / len(facts.category)
    liking, begun = clicks._liking(facts, planted, np.arange(_ASKED)), log.times.min()
    right = dict.fromkeys(means, 0)
    for user in range(_ASKED):
        events = np.arange(log.starts[user], min(log.starts[user] + n_events, log.starts[user + 1]))
        items, times = log.items_flat[events], log.times[events]
        likely = {name: np.zeros(_DRAWN) for name in means}
        for number, (item, time) in enumerate(zip(items, times, strict=True)):
            category, now = facts.category[item], min((time - begun) / clicks.DAY / (7 * clicks.WEEKS), 1)
            shelf = shelves[category]
            at, opens = np.flatnonzero(shelf == item)[0], not number or time - times[number - 1] > _PAUSE
            led = clicks._led(facts, items[number - 1 : number], shelf)[0] * (0.35 if opens else 1) if number else 0
            before = None if opens else facts.category[items[number - 1]]
            appeal = np.exp(facts.appeal[shelf])
            astray = clicks.NOISE * even[category] * appeal[at] / appeal.sum()
            hue = clicks._HUE * np.log(_at(planted.colour[[user]], now)[0] + clicks._FLOOR)
            style = 0.9 * np.log(planted.style[user] + 0.05)
            plain = liking[user, shelf] + led
            went = _category(_at(planted.category[[user]], now), category, before)[0]
            chance = went * _softmax(plain + hue[facts.colour[shelf]])[at]
            chances = {
                "category": chance / went * _category(_at(drawn.category, now), category, before),
                "colour": went
                * _grouped(plain, facts.colour[shelf], (_at(drawn.colour, now) + clicks._FLOOR) ** clicks._HUE, at),
                "style": went
                * _grouped(
                    plain + hue[facts.colour[shelf]] - style[facts.style[shelf]],
                    facts.style[shelf],
                    (drawn.style + 0.05) ** 0.9,
                    at,
                ),
            }
            for name, of in chances.items():
                likely[name] += np.log((1 - clicks.NOISE) * of + astray)
        for name, logs in likely.items():
            votes = np.bincount(first[name], weights=np.exp(logs - logs.max()), minlength=means[name].shape[1])
            right[name] += int(votes.argmax() == truth[name][user].argmax())
    return {name: count / _ASKED for name, count in right.items()}


def _at(mixes: np.ndarray, now: float) -> np.ndarray:
    return (1 - now) * mixes[:, 0] + now * mixes[:, 1]


def _category(mix: np.ndarray, category: int, before: int | None) -> np.ndarray:
    share = mix[:, category] / mix.sum(axis=1)
    if before is None:
        return share
    fresh = 1 - clicks._STAY - clicks._ONWARD
    return clicks._STAY * (before == category) + clicks._ONWARD * (clicks._BELONGS[before] == category) + fresh * share


def _softmax(wish: np.ndarray) -> np.ndarray:
    chance = np.exp(wish - wish.max())
    return chance / chance.sum()


def _grouped(wish: np.ndarray, kinds: np.ndarray, factors: np.ndarray, at: int) -> np.ndarray:
    """The chance of the product `at` where each kind of product counts so much more, `(drawn, kinds)`."""
    plain = np.exp(wish - wish.max())
    sums = np.bincount(kinds, weights=plain, minlength=factors.shape[1])
    return plain[at] * factors[:, kinds[at]] / (factors @ sums)


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
                "ceiling_of_ten": ceiling(shop),
                "lookalikes_over_chance": alike(shop, sides, seed),
            }
        )
        print(runs[-1], flush=True)
    print(json.dumps({"runs": runs}))


if __name__ == "__main__":
    main()
