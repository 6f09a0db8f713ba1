"""What `SharedSpace` still knows of people after `forget`, on a real log, against fits that never saw them.

    python benchmarks/forget_log.py --data "$MMRECO_DATA" --seeds 3 --out benchmarks/quality/results

Amazon Beauty: ids, titles and categories, as `Recommender.fit` reads them, and its default model with `--epochs` passes
at most. Four groups of 50 ask to be forgotten at once, 200 outsiders are in no fit, and the last event of everybody
else is asked. A seed is two fits: one with the 200, which then forgets them, and one without them. The people are the
same for all seeds, so that every fit that forgot can be held against every fit without.

The attacks are those of `benchmarks/forget.py`: `told_apart` at 50 requests (each group by itself, then the mean), and
`by_difference`, by an attacker who has a model without them. Intervals are 95 %: of the attacks by bootstrap over
seeds and people, of NDCG@10 by Student's t over seeds, from the differences within a seed. What a seed gave is kept in
`--work`; a later call goes on. The last line is one JSON object.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from forget import attack, auc, interval, joined

from mmreco import Catalogue, Dataset, Recommender, SharedSpace, Training, evaluate, leave_last_out
from mmreco.arrays import F64
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.datasets.s3rec import s3rec_attributes, s3rec_interactions

GROUPS, GROUP = 4, 50
Scores = dict[str, F64]


def beauty(data: Path) -> Dataset:
    """The events, titles and categories of Amazon Beauty."""
    folder = data / "amazon_beauty"
    titles = Catalogue.read(folder / "Beauty_titles.tsv")
    events = s3rec_interactions(folder / "Beauty.txt", items=titles.items)
    bags = s3rec_attributes(folder / "Beauty_item2attributes.json", titles.items)
    names = pa.array(bags.names, pa.large_string()).take(pa.array(bags.flat))
    categories = pa.LargeListArray.from_arrays(pa.array(bags.starts), names)
    table = pa.table({"title": pa.array(titles.column("title"), pa.large_string()), "category": categories})
    return Dataset(Catalogue(titles.items, table), events)


def one_seed(shop: Dataset, seed: int, epochs: int) -> Scores:
    """The scores of the attack and everybody's NDCG@10, of the model before, after `forget`, and of a fit without."""
    log, people = shop.interactions, GROUPS * GROUP
    order = np.random.default_rng(0).permutation(len(log))  # the same people for every seed
    gone, outside = (log.take(np.sort(rows)) for rows in (order[:people], order[people : 2 * people]))
    split = leave_last_out(Dataset(shop.catalogue, log.take(np.sort(order[2 * people :]))))
    kept, found = split.train.interactions, {}

    def fitted(events: Interactions) -> Recommender:
        model = SharedSpace(training=Training(epochs=epochs, seed=seed, device="cpu"))
        return Recommender.fit(Dataset(shop.catalogue, events), model=model)

    def keep(name: str, recommender: Recommender) -> None:
        for group, those in (("gone", gone), ("outside", outside)):
            parts = [those.take(np.arange(start, start + GROUP)) for start in range(0, people, GROUP)]
            found[f"{name} {group}"] = np.concatenate([attack(recommender, part) for part in parts])
        found[f"{name} ndcg"] = evaluate(recommender.as_model(), split, k=10).per_user["ndcg@10"]

    both = IdMap.of([*kept.users.ids(range(len(kept))), *gone.users.ids(range(people))])
    full = fitted(joined(kept, gone, both))
    keep("before", full)
    full.forget(users=gone.users.ids(range(people)))
    keep("forget", full)
    keep("without", fitted(kept))
    return found


def measured(runs: list[Scores]) -> dict[str, object]:
    """The figures over all seeds."""
    n, groups = len(runs), np.repeat(np.arange(GROUPS), GROUP)

    def of(name: str, seeds: list[int]) -> F64:
        return np.stack([runs[seed][name] for seed in seeds])

    def told_apart(name: str, seeds: list[int], people: F64) -> float:
        one, other = of(f"{name} gone", seeds)[:, people], of("without gone", seeds)[:, people]
        pairs = [(a, b) for a in range(n) for b in range(n)]
        return float(np.mean([auc(one[a, part], other[b, part]) for a, b in pairs for part in parts(people)]))

    def by_difference(name: str, seeds: list[int], people: F64) -> float:
        pairs = [(a, b) for a in range(n) for b in range(n) if seeds[a] != seeds[b]]
        gone, mine = of(f"{name} gone", seeds)[:, people], of("without gone", seeds)[:, people]
        outside, theirs = of(f"{name} outside", seeds), of("without outside", seeds)
        return float(np.mean([auc(gone[a] - mine[b], outside[a] - theirs[b]) for a, b in pairs]))

    def parts(people: F64) -> list[F64]:
        return [np.flatnonzero(groups[people] == group) for group in range(GROUPS)]

    def bootstrap(figure: Callable[[str, list[int], F64], float], name: str) -> dict[str, float]:
        rng, everybody = np.random.default_rng(0), np.arange(len(groups))
        drawn = []
        for _ in range(200):
            seeds = rng.integers(0, n, n).tolist()
            people = np.concatenate([rng.choice(everybody[groups == group], GROUP) for group in range(GROUPS)])
            if len(set(seeds)) > 1:
                drawn.append(figure(name, seeds, people))
        low, high = np.quantile(drawn, [0.025, 0.975])
        value = figure(name, list(range(n)), everybody)
        return {"mean": round(value, 4), "from": round(float(low), 4), "to": round(float(high), 4)}

    attacks = {
        name: {"told_apart": bootstrap(told_apart, name), "by_difference": bootstrap(by_difference, name)}
        for name in ("before", "forget")
    }
    ndcg = {name: np.array([run[f"{name} ndcg"].mean() for run in runs]) for name in ("before", "forget", "without")}

    def ratio(one: str, other: str) -> dict[str, float]:
        difference, half = interval(((ndcg[one] - ndcg[other]) / ndcg[other].mean()).tolist())
        return {"mean": round(1 + difference, 4), "half": half}

    return {
        **attacks,
        "ndcg@10": {name: round(float(values.mean()), 5) for name, values in ndcg.items()},
        "ndcg, forget over without": ratio("forget", "without"),
        "ndcg, forget over before": ratio("forget", "before"),
        "ndcg, before over without": ratio("before", "without"),
        "asked": len(runs[0]["forget ndcg"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("MMRECO_DATA"), help="folder of the data sets")
    parser.add_argument("--epochs", type=int, default=8, help="passes at most")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--minutes", type=float, default=600, help="begin no seed after so long")
    parser.add_argument("--work", type=Path, default=Path("build/forget"), help="where each seed's scores are kept")
    parser.add_argument("--out", type=Path, help="a folder for the JSON object too")
    given = parser.parse_args()
    if given.data is None:
        parser.error("say where the data is: --data FOLDER, or set MMRECO_DATA")
    given.work.mkdir(parents=True, exist_ok=True)
    shop, start = beauty(Path(given.data)), time.perf_counter()
    for seed in range(given.seeds):
        at = given.work / f"beauty-{given.epochs}-{seed}.npz"
        if not at.exists() and time.perf_counter() - start < 60 * given.minutes:
            begun = time.perf_counter()
            found = one_seed(shop, seed, given.epochs)
            np.savez(at, **found, seconds=np.array(time.perf_counter() - begun))  # type: ignore[arg-type]
            means = {name: round(float(values.mean()), 5) for name, values in found.items()}
            print(json.dumps({"seed": seed, **means, "seconds": round(time.perf_counter() - begun)}), flush=True)
    runs = [dict(np.load(at)) for at in sorted(given.work.glob(f"beauty-{given.epochs}-*.npz"))]
    if len(runs) < 2:
        raise SystemExit("one seed says nothing of noise: give --seeds 2 or more")
    seconds = round(float(sum(run["seconds"] for run in runs)), 1)
    said = {"set": "beauty", "epochs": given.epochs, "seeds": len(runs), "requests": GROUP, **measured(runs)}
    line = json.dumps({**said, "seconds": seconds})
    if given.out is not None:
        (given.out / "forget-beauty.json").write_text(line + "\n", encoding="utf-8")
    print(line)


if __name__ == "__main__":
    main()
