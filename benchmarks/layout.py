"""Generated slates beside composed ones in the simulator: expected clicks and variety, three seeds, 95 % intervals.

    python benchmarks/layout.py [--seeds 0 1 2 --logged 20000 --epochs 12]
    python benchmarks/layout.py --out FOLDER  # a file a seed and likeness; what is there is not run again

All but the oracle learn from one log of slates, half drawn by chance and half by a noisy ranker. "greedy" and "greedy +
MMR" rank by a model of clicks fitted on the log (taste by item, appeal, and each place's own bias); MMR's weight is the
best of five by clicks that the log's own model foresees. Where likeness has no effect greedy is all there is to do, and
nothing may pretend to beat it. Expected clicks are the simulator's own chances, not draws. Intervals are of the mean
over seeds (Student, three seeds) of figures over all shoppers. The last line of what is written is one JSON.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import nn

from mmreco.data.ids import IdMap
from mmreco.evaluation.simulator import SlateSimulator, slate_simulator
from mmreco.pages.layout import ListCVAE, ListGAN
from mmreco.pages.logs import PageLog

_SHRINK = 2.0  # of the ranker's weights; chosen for its own good


def logged(simulator: SlateSimulator, n: int, seed: int) -> tuple[PageLog, np.ndarray]:
    rng = np.random.default_rng([seed, 1])
    users = rng.integers(len(simulator.tastes), size=n)
    wished = np.log(simulator.attraction(users)) * 0.9
    wished[: n // 2] = 0.0  # half of the log is by chance
    drawn = wished + rng.gumbel(size=wished.shape)
    slates = np.argsort(-drawn, axis=1)[:, : simulator.width]
    clicks = simulator.clicks(users, slates, rng)
    items = IdMap.of([f"item-{row}" for row in range(len(simulator.items))])
    contexts = simulator.tastes[users]
    return PageLog(items, slates, clicks, np.full(slates.shape, np.nan), contexts), users


def ranker(log: PageLog, seed: int) -> np.ndarray:
    """A model of clicks, `(n_items, c + 1)`: taste by item and appeal, what each place adds taken out."""
    torch.manual_seed(seed)
    c = log.contexts.shape[1]
    items = nn.Embedding(len(log.items), c + 1)
    nn.init.normal_(items.weight, std=0.05)
    places = nn.Parameter(torch.zeros(log.width))
    optimiser = torch.optim.Adam([items.weight, places], lr=0.01)
    slates, clicks = torch.tensor(log.slates), torch.tensor(log.clicks, dtype=torch.float32)
    contexts = torch.cat([torch.tensor(log.contexts), torch.ones(len(log), 1)], dim=1)
    for epoch in range(12):
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(log)))
        for rows in order.split(1024):
            logits = torch.einsum("nwc,nc->nw", items(slates[rows]), contexts[rows]) + places - 2.0
            loss = nn.functional.binary_cross_entropy_with_logits(logits, clicks[rows])
            loss = loss + _SHRINK * items.weight.pow(2).sum() / len(log)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return items.weight.detach().numpy()


def mmr(scores: np.ndarray, vectors: np.ndarray, weight: float, width: int) -> np.ndarray:
    """Places from the top, each the best of (1 - weight) score - weight likeness to the nearest above."""
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    scaled = (scores - low) / (high - low)
    slates = np.zeros((len(scores), width), dtype=np.int64)
    nearest = np.zeros(scores.shape)
    for place in range(width):
        value = (1 - weight) * scaled - weight * nearest
        if place:
            np.put_along_axis(value, slates[:, :place], -np.inf, axis=1)
        slates[:, place] = value.argmax(axis=1)
        nearest = np.maximum(nearest, vectors[slates[:, place]] @ vectors.T)
    return slates


def one(likeness: float, n_logged: int, seed: int, epochs: int) -> dict[str, dict[str, float]]:
    simulator = slate_simulator(likeness=likeness, seed=seed)
    log, _ = logged(simulator, n_logged, seed)
    everybody = np.arange(len(simulator.tastes))
    width, n_items = simulator.width, len(simulator.items)
    weights = ranker(log, seed)
    scores = np.c_[simulator.tastes, np.ones(len(everybody))] @ weights.T
    rng = np.random.default_rng([seed, 2])
    clicked = np.bincount(log.slates[log.clicks], minlength=n_items)
    # MMR's weight by what the log shows: clicks by likeness to what stands above, of the very log
    tuned = max(
        (0.0, 0.1, 0.2, 0.3, 0.4),
        key=lambda w: float(foreseen(log, simulator, scores, mmr(scores, simulator.items, w, width)).mean()),
    )
    slates = {
        "random": np.stack([rng.permutation(n_items)[:width] for _ in everybody]),
        "popular": np.broadcast_to(np.argsort(-clicked)[:width], (len(everybody), width)),
        "greedy": np.argsort(-scores, axis=1)[:, :width],
        "greedy + MMR": mmr(scores, simulator.items, tuned, width),
    }
    for name, model in (
        ("list-CVAE", ListCVAE(seed=seed, epochs=epochs)),
        ("list-GAN", ListGAN(seed=seed, epochs=epochs)),
    ):
        begun = time.perf_counter()
        slates[name] = model.fit(log).slates(simulator.tastes)
        print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)
    slates["oracle"] = simulator.best(everybody)
    return {
        name: {
            "clicks": float(simulator.chances(everybody, made).sum(axis=1).mean()),
            "distance": float(simulator.distance(made).mean()),
            "items": float(len(np.unique(made)) / n_items),
        }
        for name, made in slates.items()
    }


def foreseen(log: PageLog, simulator: SlateSimulator, scores: np.ndarray, slates: np.ndarray) -> np.ndarray:
    """What the click model foresees of slates, likeness priced as the log shows: a regression on nearest cosines."""
    made, likeness = [], []
    for rows in (log.slates, slates):
        vectors = simulator.items[rows]
        above = np.tril(np.ones((rows.shape[1], rows.shape[1])), -1)
        likeness.append(np.clip(np.einsum("nid,njd->nij", vectors, vectors) * above, 0, 1).max(axis=2))
    edges = np.linspace(0, 1, 6)
    bins = np.digitize(likeness[0], edges[1:-1])
    base = log.click_rates()[log.slates, np.arange(log.width)]
    rates = [
        log.clicks[bins == b].mean() / max(base[bins == b].mean(), 1e-9) if (bins == b).any() else 1.0 for b in range(5)
    ]
    chance = 1 / (1 + np.exp(-(np.take_along_axis(scores, slates, axis=1) - 2.0)))
    made.append(
        chance * np.array(rates)[np.digitize(likeness[1], edges[1:-1])] / np.log2(np.arange(2, slates.shape[1] + 2))
    )
    return made[0].sum(axis=1)


def interval(values: list[float]) -> list[float]:
    half = (
        float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
        if len(values) > 1
        else 0
    )
    return [round(float(np.mean(values)), 4), round(half, 4)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--logged", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--likeness", type=float, nargs="+", default=[0.9, 0.0])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    runs: dict[float, list[dict[str, dict[str, float]]]] = {likeness: [] for likeness in given.likeness}
    for seed in given.seeds:
        for likeness in given.likeness:
            path = None if given.out is None else given.out / f"layout-{likeness:g}-{seed}.json"
            if path is not None and path.exists():
                runs[likeness].append(json.loads(path.read_text(encoding="utf-8")))
                continue
            runs[likeness].append(one(likeness, given.logged, seed, given.epochs))
            if path is not None:
                path.write_text(json.dumps(runs[likeness][-1]) + "\n", encoding="utf-8")
            print(json.dumps({"seed": seed, "likeness": likeness, **runs[likeness][-1]}), flush=True)
    for likeness, found in runs.items():
        figures[f"likeness {likeness}"] = {
            name: {figure: interval([run[name][figure] for run in found]) for figure in found[0][name]}
            | {"over greedy": interval([run[name]["clicks"] / run["greedy"]["clicks"] - 1 for run in found])}
            for name in found[0]
        }
        for name, row in figures[f"likeness {likeness}"].items():
            print(likeness, name, row, flush=True)
    print(json.dumps({"layout": figures, "logged": given.logged, "seeds": given.seeds}))


if __name__ == "__main__":
    main()
