"""Shoppers without any event, placed by what is known of them: MovieLens-1M's users by gender, age, occupation, region.

    python benchmarks/quality/facts.py --data DATA --seed 0

A tenth of the users is never trained on and asked with nothing shown (`cold_users`); the target is the film each rated
first, and, as that is often one of the few that were shown first, also the first twenty. NDCG@10 with facts, without,
and of `Popular`. With `--validation` the tenth is drawn from what is left when the test's is gone. The last line is one
JSON object.
"""

import argparse
import json
import os
from pathlib import Path
from time import perf_counter

import numpy as np
from protocol import line

from mmreco import Popular, Request, SharedSpace, Training, metrics
from mmreco.data.interactions import Interactions
from mmreco.datasets.movielens import movielens
from mmreco.splitting import cold_users

FIRST = 20


def main() -> None:
    """Read, train, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default=os.environ.get("MMRECO_DATA"), help="folder of the data (or MMRECO_DATA)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--out", type=Path, help="a folder for the JSON object too")
    given = parser.parse_args()
    start = perf_counter()
    whole = movielens(Path(given.data or ".") / "ml1m")
    split = cold_users(whole, seed=given.seed)
    if given.validation:
        split = cold_users(split.train, seed=given.seed)
    log = whole.interactions
    strangers = log.take(log.users.rows(split.test.histories.users.array))
    early = np.arange(strangers.n_events) - strangers.starts[strangers.users_flat] < FIRST
    wanted: dict[str, Interactions] = {"first film": split.test.targets, "first 20 films": strangers.keep(early)}
    users = whole.users
    if users is None:
        raise SystemExit(f"{given.data}/ml1m has no users.dat")
    facts = users.aligned(strangers.users)
    space = SharedSpace(training=Training(seed=given.seed, epochs=given.epochs, patience=None)).fit(split.train)
    asked = Request(split.test.histories, k=10)
    answers = {
        "with facts": space.recommend(Request(split.test.histories, k=10, facts=facts)),
        "without": space.recommend(asked),
        "Popular": Popular().fit(split.train).recommend(asked),
    }
    found = {}
    for name, targets in wanted.items():
        scores = {who: metrics.ndcg(answer, targets) for who, answer in answers.items()}
        gain = scores["with facts"] - scores["without"]
        found[name] = {who: round(float(score.mean()), 4) for who, score in scores.items()}
        found[name]["gain"] = round(float(gain.mean()), 4)
        found[name]["gain, standard error"] = round(float(gain.std() / np.sqrt(len(gain))), 4)
    about = {"asked": "facts", "set": "ml1m", "seed": given.seed, "validation": given.validation}
    said = json.dumps(line(**about, strangers=len(strangers), **found, seconds=round(perf_counter() - start, 1)))
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / f"facts-ml1m-{given.seed}.json").write_text(said + "\n", encoding="utf-8")
    print(said)


if __name__ == "__main__":
    main()
