"""How often the events that an explanation names are what carries the answer, beside four other ways to name them.

    python benchmarks/explain.py --data "$MMRECO_DATA" [--on beauty --model ItemKNN] [--users 500 --seed 0 1 2]
    python benchmarks/explain.py --data "$MMRECO_DATA" --out FOLDER --fitted FOLDER  # goes on where it stopped

For each user one of his first ten answers is drawn, and each way names up to three items of the history. They are left
out and the model is asked again (what is left out does not come back as an answer): how often is the item no longer
among the first ten? Deletion: the share still there after the 1, 2, 3, 5, 10 most named are left out (lower is better);
insertion: the share there with nothing but them (higher is better).

In a model whose score is a sum over the events of a history (ItemKNN, EASE) it can be known for how many cases any set
of three would do: all sets are gone through, against the hundred best others ("reachable").

LIME is a ridge regression on 256 random parts of the history, weighed by how much of it they hold; SHAP is the mean
over 24 orders of eight groups of alike items (k-means of item vectors), three items of the best groups, nearest to the
item first. Both are given the very number that our own search looks at: how far the item is above the tenth.
Milliseconds are of processor time. Histories are ids without times; of MovieLens-1M the last 200, of Beauty the last
50. The last line of what is written is one JSON.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import Ridge

from mmreco import MODELS, Dataset, Interactions, Training, leave_last_out
from mmreco.data.request import Request
from mmreco.datasets.movielens import movielens
from mmreco.datasets.s3rec import s3rec_interactions
from mmreco.explain import explain
from mmreco.explain.leave_out import LeaveOut, _changed, every_unit
from mmreco.models.base import Model

K, NAMED, CUTS = 10, 3, (1, 2, 3, 5, 10)
SAMPLES, GROUPS, ORDERS = 256, 8, 24
LATEST = {"beauty": 50, "ml1m": 200}
LINEAR, RIVALS = ("ItemKNN", "EASE"), 100


def shop(on: str, data: Path) -> Dataset:
    if on == "beauty":
        return Dataset.from_interactions(s3rec_interactions(data / "amazon_beauty" / "Beauty.txt"))
    log = movielens(data / "ml1m").interactions
    plain = Interactions.from_events(log.users, log.items, log.users_flat, log.items_flat)
    return Dataset.from_interactions(plain)


def fitted(name: str, on: str, train: Dataset, folder: Path | None, minutes: float) -> Model:
    """The model with its defaults, as kept in the folder, or fitted and kept there."""
    at = None if folder is None else folder / f"{on}-{name}"
    if at is not None and at.exists():
        return MODELS[name].load(at)
    model = MODELS[name](training=Training(minutes=minutes)) if name == "SharedSpace" else MODELS[name]()
    model.fit(train)
    if at is not None:
        model.save(at)
    return model


def vectors(dataset: Dataset, dim: int = 32) -> np.ndarray:
    """Item vectors of unit length from who chose what, for cosine and groups."""
    matrix = dataset.interactions.matrix()
    found = TruncatedSVD(dim, random_state=0).fit_transform(sp.csr_matrix(matrix.T))
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def by_random(asked: LeaveOut, item: int, of: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(len(asked.units))


def by_cosine(asked: LeaveOut, item: int, of: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.argsort(-(of[asked.units] @ of[item]), kind="stable")


def by_lime(asked: LeaveOut, item: int, of: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    left_out = rng.random((SAMPLES, len(asked.units))) < rng.uniform(0.05, 0.6, (SAMPLES, 1))
    left_out[0] = False
    margins = finite(asked.effects(item, left_out).margins)
    near = np.exp(-((left_out.mean(axis=1) / 0.4) ** 2))
    fitted = Ridge(alpha=1.0).fit(~left_out, margins, sample_weight=near)
    return np.argsort(-fitted.coef_, kind="stable")


def by_shap(asked: LeaveOut, item: int, of: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    units = asked.units
    n = min(GROUPS, len(units))
    group = KMeans(n, n_init=1, random_state=0).fit_predict(of[units])
    orders = [rng.permutation(n) for _ in range(ORDERS)]
    masks = np.ones((ORDERS, n + 1, len(units)), dtype=bool)
    for line, order in enumerate(orders):
        for step in range(n):
            masks[line, step + 1 :, group == order[step]] = False
    margins = finite(asked.effects(item, masks.reshape(-1, len(units))).margins).reshape(ORDERS, n + 1)
    worth = np.zeros(n)
    for order, gained in zip(orders, np.diff(margins, axis=1), strict=True):
        worth[order] += gained / ORDERS
    return np.lexsort((-(of[units] @ of[item]), -worth[group]))


def finite(margins: np.ndarray) -> np.ndarray:
    there = np.isfinite(margins)
    return np.where(there, margins, margins[there].min() if there.any() else 0.0)


def curves(asked: LeaveOut, item: int, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the item is among the first ten without, and with nothing but, the first items of `order`."""
    m = len(asked.units)
    left_out = np.zeros((2 * len(CUTS), m), dtype=bool)
    for line, cut in enumerate(CUTS):
        left_out[line, order[:cut]] = True
        left_out[len(CUTS) + line] = True
        left_out[len(CUTS) + line, order[:cut]] = False
    there = asked.effects(item, left_out).ranks <= K
    return there[: len(CUTS)], there[len(CUTS) :]


def reachable(asked: LeaveOut, item: int) -> bool:
    """Whether any three events carry the item where effects add up: all sets are gone through."""
    rows, scores = replace(asked, width=RIVALS).answers(every_unit(len(asked.units)))
    changed = _changed(rows, scores)
    own = rows[0] == item
    ahead = (changed[0, own] - changed[0, ~own]).astype(np.float32)  # (rivals,)
    effect = changed[1:] - changed[0]
    gained = (effect[:, ~own] - effect[:, own]).astype(np.float32)  # (m, rivals), what each gains on the item
    near = np.sort(gained, axis=0)[-NAMED:].clip(min=0).sum(axis=0) > ahead
    gained, ahead = np.ascontiguousarray(gained[:, near]), ahead[near]
    if near.sum() < K:
        return False
    gained = np.vstack([gained, np.zeros((2, gained.shape[1]), dtype=np.float32)])  # so that one or two may do
    for i in range(len(gained) - 2):
        for j in range(i + 1, len(gained) - 1):
            two = gained[i] + gained[j]
            if (two + gained[j + 1 :].max(axis=0) > ahead).sum() < K:
                continue
            if ((two + gained[j + 1 :] > ahead).sum(axis=1) >= K).any():
                return True
    return False


def measured(on: str, name: str, train: Dataset, model: Model, n_users: int, seed: int) -> dict[str, Any]:
    of = vectors(train)
    rng = np.random.default_rng(seed)
    able = np.flatnonzero(train.interactions.lengths > NAMED)
    users = np.sort(rng.choice(able, min(n_users, len(able)), replace=False))
    histories = train.interactions.last(LATEST[on]).take(users)
    answers = model.recommend(Request(histories, k=K))
    items = answers.rows[np.arange(len(users)), rng.integers(K, size=len(users))]
    explain(model, train, histories.take([0]), items[:1])  # warm
    ways = {"random": by_random, "cosine": by_cosine, "lime": by_lime, "shap": by_shap}
    dropped: dict[str, list[bool]] = {way: [] for way in ("explain", *ways)}
    deletion: dict[str, list[np.ndarray]] = {way: [] for way in dropped}
    insertion: dict[str, list[np.ndarray]] = {way: [] for way in dropped}
    seconds: dict[str, list[float]] = {way: [] for way in dropped}
    unchecked, sizes, could = 0, [], []
    for line, item in enumerate(items.tolist()):
        history = histories.take([line])
        begun = time.process_time()
        told = explain(model, train, history, [item])[0]
        seconds["explain"].append(time.process_time() - begun)
        asked = LeaveOut.of(model, history, item, K)
        named = [int(np.flatnonzero(asked.units == event.row)[0]) for event in told.events]
        again = asked.effects(item, np.isin(np.arange(len(asked.units)), named)[None])
        unchecked += int(again.ranks[0] != told.rank_without)  # what was said, asked once more
        sizes.append(len(named))
        if name in LINEAR:
            could.append(told.decisive or reachable(asked, item))
        alone = asked.effects(item, every_unit(len(asked.units))).margins[1:]
        rest = [unit for unit in np.argsort(alone, kind="stable").tolist() if unit not in named]
        orders = {"explain": np.array([*named, *rest])}
        for way, chosen in ways.items():
            begun = time.process_time()
            orders[way] = chosen(LeaveOut.of(model, history, item, K), item, of, rng)
            seconds[way].append(time.process_time() - begun)
        for way, order in orders.items():
            out, only = curves(asked, item, order)
            dropped[way].append(told.decisive if way == "explain" else not out[CUTS.index(NAMED)])
            deletion[way].append(out)
            insertion[way].append(only)
    return {
        "on": on, "model": name, "users": len(users), "seed": seed,
        "mean_history": round(float(histories.lengths.mean()), 1),
        "dropped": {way: round(float(np.mean(values)), 3) for way, values in dropped.items()},
        "deletion": {way: np.mean(values, axis=0).round(3).tolist() for way, values in deletion.items()},
        "insertion": {way: np.mean(values, axis=0).round(3).tolist() for way, values in insertion.items()},
        "milliseconds_median": {way: round(1e3 * float(np.median(values)), 1) for way, values in seconds.items()},
        "milliseconds_p95": {way: round(1e3 * float(np.quantile(values, 0.95)), 1) for way, values in seconds.items()},
        "under_50_ms": round(float(np.mean(np.array(seconds["explain"]) < 0.05)), 3),
        "reachable": round(float(np.mean(could)), 3) if could else None,
        "named": round(float(np.mean(sizes)), 2), "unchecked": unchecked,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--on", choices=sorted(LATEST), nargs="+", default=sorted(LATEST))
    parser.add_argument("--model", nargs="+", default=["ItemKNN", "EASE", "SharedSpace"])
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=55, help="of training, SharedSpace")
    parser.add_argument("--fitted", type=Path, help="a folder that fitted models are kept in")
    parser.add_argument("--out", type=Path, help="a folder of results, a file each; what is there is not run again")
    given = parser.parse_args()
    lines = []
    for on in given.on:
        train = leave_last_out(shop(on, given.data)).train
        for name in given.model:
            model = None
            for seed in given.seed:
                path = None if given.out is None else given.out / f"explain-{on}-{name}-{seed}.json"
                if path is None or not path.exists():
                    model = model or fitted(name, on, train, given.fitted, given.minutes)
                    line = measured(on, name, train, model, given.users, seed)
                    if path is not None:
                        path.write_text(json.dumps(line) + "\n", encoding="utf-8")
                else:
                    line = json.loads(path.read_text(encoding="utf-8"))
                lines.append(line)
                print(json.dumps(line), flush=True)
    print(json.dumps({"explain": lines}))


if __name__ == "__main__":
    main()
