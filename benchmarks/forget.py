"""What a model still knows of people after `forget`: a membership attack, against a model that never saw them.

    python benchmarks/forget.py --model EASE
    python benchmarks/forget.py --model SharedSpace --users 1500 --items 400

On the synthetic shop. Three groups: people who stay, 50 who ask to be forgotten, 50 outsiders no model ever sees. The
attacker knows a person's items, holds one back at a time, asks with the others, and looks how high the held one comes
(its place among all other items, 1 at the top, 0 at the bottom). A person's score is the mean over their items.

- `told apart`: can these scores tell a model that forgot from one fitted anew without the 50? AUC over 50 requests to
  each, 0.5 when not, above it where the 50 come higher than in a model that never saw them. This is the figure that is
  promised.
- `by difference`: a stronger attack, by whoever has a model of their own without the 50: the score less that of their
  own model, the 50 against the outsiders. It shows traces in the weights that the first cannot see.

Each is measured before, after `forget` alone, and after `Recommender.refit`, which begins from the weights there are;
and, as what chance alone does, of another fit without the 50, from another seed: the attacker's own. A refit from
scratch is such a fit, so it is not measured by itself. NDCG@10 is that of the last events of those who stay, as a share
of that of a new fit. Means over shops, with the 95 % interval of Student's t over shops. The last line is one JSON
object.
"""

import argparse
import json
import time

import numpy as np
from scipy.stats import t as student

from mmreco import EASE, Dataset, Recommender, Request, SharedSpace, Training, evaluate, leave_last_out
from mmreco.arrays import F64
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.models import MultVAE
from mmreco.models.base import Model

FORGOTTEN = OUTSIDE = 50


def made(name: str, seed: int) -> Model:
    if name == "EASE":
        return EASE(l2=100.0)
    if name == "MultVAE":
        return MultVAE(dim=32, hidden=64, training=Training(epochs=20, patience=None, learning_rate=0.001, seed=seed))
    return SharedSpace(dim=32, depth=1, training=Training(epochs=6, seed=seed, device="cpu"))


def fitted(dataset: Dataset, name: str, seed: int) -> Recommender:
    return Recommender.fit(dataset, model=made(name, seed), text=[], image=[])


def attack(recommender: Recommender, people: Interactions) -> F64:
    """How high each person's own items come, mean over them, shape `(n,)`."""
    model, n_items = recommender.as_model(), len(people.items)
    owners, held, rest = [], [], []
    for line in range(len(people)):
        own = np.unique(people.history(line))
        for item in own:
            owners.append(line)
            held.append(item)
            rest.append(people.items.ids(own[own != item]))
    histories = Interactions.from_histories(rest, items=people.items)
    rows = model.recommend(Request(histories, k=n_items)).rows
    place = np.argmax(rows == np.array(held)[:, None], axis=1) / (rows >= 0).sum(axis=1)
    return np.bincount(owners, weights=1 - place) / np.bincount(owners)


def auc(positives: F64, negatives: F64) -> float:
    """The chance that a positive scores above a negative, ties counting a half."""
    above = (positives[:, None] > negatives).mean() + 0.5 * (positives[:, None] == negatives).mean()
    return float(above)


def interval(values: list[float]) -> tuple[float, float]:
    """The mean and half the width of its 95 % interval; NaN of one value."""
    n = len(values)
    half = float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return round(float(np.mean(values)), 4), round(half, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["EASE", "MultVAE", "SharedSpace"], default="EASE")
    parser.add_argument("--users", type=int, default=1500)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="The first seed.")
    given = parser.parse_args()
    figures: dict[str, list[dict[str, float]]] = {}
    start = time.perf_counter()
    for seed in range(given.first, given.first + given.seeds):
        shop = synthetic_shop(n_items=given.items, n_users=given.users, seed=seed).dataset
        log = shop.interactions
        order = np.random.default_rng(seed).permutation(len(log))
        gone, outside, stay = np.split(order, [FORGOTTEN, FORGOTTEN + OUTSIDE])
        of_those = {name: log.take(np.sort(rows)) for name, rows in (("gone", gone), ("outside", outside))}
        split = leave_last_out(Dataset(shop.catalogue, log.take(np.sort(stay))))
        kept = split.train.interactions
        both = IdMap.of([*kept.users.ids(range(len(kept))), *of_those["gone"].users.ids(range(FORGOTTEN))])
        with_them = joined(kept, of_those["gone"], both)
        full = fitted(Dataset(shop.catalogue, with_them), given.model, seed)
        anew = fitted(split.train, given.model, seed)
        reference = fitted(split.train, given.model, seed + 1000)  # the attacker's own
        own = {name: attack(reference, people) for name, people in of_those.items()}
        base = evaluate(anew.as_model(), split, k=10)["ndcg@10"]

        target = attack(anew, of_those["gone"])

        def measure(name: str, recommender: Recommender) -> None:
            found, others = (attack(recommender, of_those[group]) for group in ("gone", "outside"))  # noqa: B023
            figures.setdefault(name, []).append(
                {
                    "told_apart": auc(found, target),  # noqa: B023
                    "by_difference": auc(found - own["gone"], others - own["outside"]),  # noqa: B023
                    "ndcg": evaluate(recommender.as_model(), split, k=10)["ndcg@10"] / base,  # noqa: B023
                }
            )

        measure("never forgotten", full)
        measure("another fit without", reference)
        full.forget(users=of_those["gone"].users.ids(range(FORGOTTEN)))
        assert not full.as_model().state.log.knows(of_those["gone"].users.ids([0])[0])
        measure("forget", full)
        full.refit()
        measure("refit", full)
        print(json.dumps({"seed": seed, **{name: every[-1] for name, every in figures.items()}}), flush=True)
    result = {name: {key: interval([one[key] for one in every]) for key in every[0]} for name, every in figures.items()}
    for name, one in result.items():
        print(f"{name:20} " + "  ".join(f"{key} {mean:.4f} ± {half:.4f}" for key, (mean, half) in one.items()))
    seconds = round(time.perf_counter() - start, 1)
    print(json.dumps({"model": given.model, "seeds": given.seeds, "requests": FORGOTTEN, **result, "seconds": seconds}))


def joined(one: Interactions, other: Interactions, users: IdMap) -> Interactions:
    """Two logs over the same items and other users as one."""
    return Interactions.from_events(
        users,
        one.items,
        np.concatenate([one.users_flat, other.users_flat + len(one)]),
        np.concatenate([one.items_flat, other.items_flat]),
        times=None if one.times is None or other.times is None else np.concatenate([one.times, other.times]),
        event_types=np.concatenate([one.event_types, other.event_types]),
        event_names=one.event_names,
        weights=np.concatenate([one.weights, other.weights]),
    )


if __name__ == "__main__":
    main()
