"""The Thompson-sampling policy of a fashion shop, estimated from the log of its random policy, beside its own log.

    python benchmarks/off_policy.py --data "$MMRECO_DATA"

Open Bandit, men: 10,000 impressions of 34 items at three places under each policy. What the Thompson policy would do is
read off how often it showed each item at each place (no clicks are looked at). The model of the doubly robust estimate
is a logistic regression on item and place, cross-fitted over five folds. The last line of what is written is one JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sklearn.linear_model import LogisticRegression

from mmreco.evaluation.off_policy import doubly_robust, ips, snips

ITEMS, PLACES, FOLDS = 34, 3, 5


def log(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    table = pq.read_table(path, columns=["item_id", "position", "click", "propensity_score"])
    item, place, click, chance = (table[name].to_numpy() for name in table.column_names)
    return item.astype(int), place.astype(int) - 1, click.astype(float), chance.astype(float)


def shown(item: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The chance of each item at each place, `(places, items)`, one impression more than there were for each."""
    counts = np.ones((PLACES, ITEMS))
    np.add.at(counts, (place, item), 1)
    return counts / counts.sum(axis=1, keepdims=True)


def features(item: np.ndarray, place: np.ndarray) -> np.ndarray:
    return np.concatenate([np.eye(ITEMS)[item], np.eye(PLACES)[place]], axis=1)


def foreseen(
    item: np.ndarray, place: np.ndarray, click: np.ndarray, policy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    predicted, expected = np.zeros(len(item)), np.zeros(len(item))
    fold = np.random.default_rng(0).permutation(len(item)) % FOLDS
    every = features(np.tile(np.arange(ITEMS), PLACES), np.repeat(np.arange(PLACES), ITEMS))
    for held in range(FOLDS):
        rest, own = fold != held, fold == held
        fitted = LogisticRegression(C=1.0, max_iter=500).fit(features(item[rest], place[rest]), click[rest])
        chance = fitted.predict_proba(every)[:, 1].reshape(PLACES, ITEMS)
        predicted[own] = chance[place[own], item[own]]
        expected[own] = (chance * policy).sum(axis=1)[place[own]]
    return predicted, expected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "open_bandit"
    item, place, click, logged = log(folder / "random_men.parquet")
    own_item, own_place, own_click, _ = log(folder / "bts_men.parquet")
    policy = shown(own_item, own_place)
    target = policy[place, item]
    predicted, expected = foreseen(item, place, click, policy)
    truth = ips(own_click, np.ones(len(own_click)), np.ones(len(own_click)))
    found = {
        "IPS": ips(click, logged, target),
        "SNIPS": snips(click, logged, target),
        "DR": doubly_robust(click, logged, target, predicted=predicted, expected=expected),
    }
    figures = {
        name: {"value": round(one.value, 5), "interval": [round(one.low, 5), round(one.high, 5)],
               "holds": one.low <= truth.value <= one.high, "effective": round(one.effective)}
        for name, one in found.items()
    }  # fmt: skip
    figures["its own log"] = {"value": round(truth.value, 5), "interval": [round(truth.low, 5), round(truth.high, 5)]}
    figures["the random log"] = {"value": round(float(click.mean()), 5)}
    for name, row in figures.items():
        print(name, row)
    print(json.dumps({"off_policy": figures}))


if __name__ == "__main__":
    main()
