"""What differential privacy costs: NDCG@10 of `PrivateSVD` on MovieLens-1M, last events, by epsilon.

    python benchmarks/private.py --data DATA

`PureSVD` and the same directions without noise stand beside it, and `Popular` as the floor. The noise is drawn anew
for each of five runs; mean and standard deviation are of those. Delta is 1e-5; there are 6,040 people. The last line
is one JSON object.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from mmreco import Popular, evaluate, leave_last_out
from mmreco.datasets.movielens import movielens
from mmreco.models import PrivateSVD, PureSVD, private_svd

EPSILONS = (8.0, 2.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    start = time.perf_counter()
    split = leave_last_out(movielens(given.data / "ml1m"))
    found: dict[str, float] = {}

    def ndcg(model: object) -> float:
        return float(evaluate(model, split, k=10)["ndcg@10"])  # type: ignore[arg-type]

    found["Popular"] = ndcg(Popular().fit(split.train))
    found["PureSVD"] = ndcg(PureSVD(dim=64).fit(split.train))
    drawn, total = private_svd._noise, private_svd._summed(split.train.interactions)
    private_svd._summed = lambda log: total  # the same for all
    private_svd._noise = lambda n_items, noise, seed: np.zeros((n_items, n_items))
    found["without noise"] = ndcg(PrivateSVD(seed=0).fit(split.train))
    private_svd._noise = drawn
    spread: dict[str, float] = {}
    for epsilon in EPSILONS:
        every = [ndcg(PrivateSVD(epsilon=epsilon).fit(split.train)) for _ in range(given.runs)]
        found[f"epsilon {epsilon:g}"] = float(np.mean(every))
        spread[f"epsilon {epsilon:g}"] = float(np.std(every, ddof=1))
    for name, value in found.items():
        part = value / found["without noise"]
        print(
            f"{name:14} {value:.4f}  {part:.3f} of that without noise"
            + (f"  +-{spread[name]:.4f}" if name in spread else "")
        )
    seconds = round(time.perf_counter() - start, 1)
    print(json.dumps({"ndcg@10": found, "spread": spread, "runs": given.runs, "seconds": seconds}))


if __name__ == "__main__":
    main()
