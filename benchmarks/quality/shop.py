"""What a shop asks: models of the library with their defaults on logs with dates (see `shop_logs.py`).

    python benchmarks/quality/shop.py retail --data DATA --seed 0
    python benchmarks/quality/shop.py ml_time --data DATA --models Popular,ItemKNN,UserKNN,EASE
    python benchmarks/quality/shop.py retail --data DATA --order shuffled
    python benchmarks/quality/shop.py retail --data DATA --validation

NDCG@10 and recall@10 of what was not had before and of all, and recall@10 of what was not had before ranked among all.
With `--validation` the question lies in earlier time; with `--until MINUTES` training ends there. A line of JSON a
model; the same under `--out`.
"""

import argparse
import json
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from protocol import line
from shop_logs import LOGS, Asked, asked_of, retail

from mmreco import MODELS, Training, evaluate, metrics
from mmreco.evaluation.choice import choose
from mmreco.models.base import Model, seeded
from mmreco.splitting import Holdout

QUICK = ("Popular", "ItemKNN", "UserKNN", "EASE", "TransitionGraph")


def fitted(name: str, asked: Asked, *, seed: int, minutes: float | None, target: str) -> tuple[Model, dict[str, Any]]:
    """A model with its defaults, and what it says of itself."""
    train = asked.split.train
    if name == "auto":
        choice = choose(train, exclude_seen=not asked.repeats, training=Training(seed=seed))
        return choice.model, {"chosen": choice.said}
    if name != "SharedSpace":
        return seeded(MODELS[name](), seed).fit(train), {}
    space = MODELS[name](training=Training(seed=seed, minutes=minutes), target=target)  # type: ignore[call-arg]
    space.fit(train, validation=asked.validation)
    scores = [round(score, 4) for score in space.scores_]  # type: ignore[attr-defined]
    said = {"passes": space.epochs_, "scores": scores, "weights": str(space.weights_)}  # type: ignore[attr-defined]
    return space, said


def figures(model: Model, test: Holdout, *, repeats: bool) -> dict[str, float]:
    """NDCG@10 and recall@10 of what is new to the user, and of all where what he had is answered too."""
    new = evaluate(model, test, 10)
    found = {"new ndcg@10": new["ndcg@10"], "new recall@10": new["recall@10"]}
    error = new.per_user["ndcg@10"].std() / np.sqrt(new.n)
    found["new ndcg@10, standard error"] = float(error)
    if repeats:
        every = evaluate(model, test, 10, exclude_seen=False)
        found |= {"all ndcg@10": every["ndcg@10"], "all recall@10": every["recall@10"]}
        seen = np.zeros((len(test), len(test.histories.items)), dtype=np.bool_)
        seen[test.histories.users_flat, test.histories.items_flat] = True
        targets = test.targets.keep(~seen[test.targets.users_flat, test.targets.items_flat])
        rows = np.flatnonzero(targets.lengths)
        answer = model.recommend(histories=test.histories.take(rows), k=10, exclude_seen=False)
        found["new among all recall@10"] = float(np.nanmean(metrics.recall(answer, targets.take(rows))))
    return {name: round(figure, 4) for name, figure in found.items()}


def main() -> None:
    """Read, train, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("log", choices=LOGS)
    parser.add_argument("--data", default=os.environ.get("MMRECO_DATA"), help="folder of the data (or MMRECO_DATA)")
    parser.add_argument("--models", default="SharedSpace", help="names, or quick for the quick ones, or auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", default="auto")
    parser.add_argument("--order", default="file", help="of retail's rows: file, code or shuffled")
    parser.add_argument("--until", type=float, help="minutes")
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--out", type=Path, help="a folder for the JSON objects too")
    given = parser.parse_args()
    data = Path(given.data or ".")
    if given.log == "retail":
        asked = retail(data, validation=given.validation, order=given.order)
    else:
        asked = asked_of(given.log, data, validation=given.validation)
    names = QUICK if given.models == "quick" else given.models.split(",")
    print(f"{given.log}: {asked.split!r}", flush=True)
    for name in names:
        start = perf_counter()
        model, said = fitted(name, asked, seed=given.seed, minutes=given.until, target=given.target)
        seconds = round(perf_counter() - start, 1)
        about = {"log": given.log, "model": name, "seed": given.seed, "validation": given.validation}
        about |= {"order": given.order} if given.log == "retail" else {}
        about |= {"target": given.target} if name == "SharedSpace" else {}
        found = figures(model, asked.split.test, repeats=asked.repeats)
        text = json.dumps(line(**about, **found, fit_seconds=seconds, **said))
        print(text, flush=True)
        if given.out is not None:
            given.out.mkdir(parents=True, exist_ok=True)
            parts = [given.log, name, *([given.order] if given.order != "file" else [])]
            parts += [given.target] if name == "SharedSpace" and given.target != "auto" else []
            parts += [str(given.seed)]
            parts += ["validation"] if given.validation else []
            (given.out / f"shop-{'-'.join(parts)}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
