"""Our recommenders beside independent implementations, on one split and by one measure.

    pip install cornac implicit
    python benchmarks/quality/independent.py --data DATA [--models EASE,ALS,MultVAE] [--seeds 3]

MovieLens-1M, each user's last film held out, all films ranked, the user's own left out. EASE and MultVAE
beside Cornac (Truong, Salah, Lauw, 2020), ALS and BPR beside implicit (Frederickson). Both sides get the same training
events and the same parameters where both have them; where they are trained by passes, the peer's number is the best of
three on the test split, so that it is not the peer that has a handicap. The last line is one JSON object.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from mmreco import MODELS, Interactions, evaluate, leave_last_out
from mmreco.data.formats import movielens
from mmreco.data.ranking import Ranking
from mmreco.data.split import Holdout

Scores = np.ndarray  # (n users of training, n_items)
Peer = tuple[str, Callable[[Interactions, int], Scores]]  # what it is called, and its scores at a seed


class Given:
    """Scores that somebody else computed, in the rows of the users of training."""

    def __init__(self, scores: Scores, train: Interactions) -> None:
        self.scores, self.users = scores, train.users

    def recommend(
        self, histories: Interactions, k: int, *, exclude_seen: bool = True, where: np.ndarray | None = None
    ) -> Ranking:
        """The `k` best for each of these users."""
        scores = np.array(self.scores[self.users.rows(histories.users.array)], dtype=np.float32)
        if exclude_seen:
            scores[histories.users_flat, histories.items_flat] = -np.inf
        if where is not None:
            scores[:, ~where] = -np.inf
        return Ranking.from_scores(scores, k)


def ease(train: Interactions, seed: int) -> Scores:
    """Cornac's EASE at the same ridge, weights of either sign."""
    from cornac.models import EASE

    return _of_cornac(EASE(lamb=500, posB=False), train)


def vae(passes: int) -> Callable[[Interactions, int], Scores]:
    """Cornac's VAECF, of the same widths."""

    def scores(train: Interactions, seed: int) -> Scores:
        from cornac.models import VAECF

        ours = MODELS["MultVAE"]()
        model = VAECF(k=ours.dim, autoencoder_structure=[ours.hidden], n_epochs=passes, beta=ours.beta, seed=seed)
        return _of_cornac(model, train)

    return scores


def als(passes: int) -> Callable[[Interactions, int], Scores]:
    """implicit's ALS with the same factors, penalty and confidence."""

    def scores(train: Interactions, seed: int) -> Scores:
        from implicit.cpu.als import AlternatingLeastSquares

        ours = MODELS["ALS"]()
        model = AlternatingLeastSquares(
            factors=ours.factors,
            regularization=ours.l2,
            alpha=1 + ours.alpha,  # its confidence of an event is alpha r, ours 1 + alpha r
            iterations=passes,
            use_cg=False,
            random_state=seed,
            num_threads=1,
        )
        model.fit(train.matrix(), show_progress=False)
        return model.user_factors @ model.item_factors.T

    return scores


def bpr(passes: int) -> Callable[[Interactions, int], Scores]:
    """implicit's BPR with as many factors, at its own rate and penalty."""

    def scores(train: Interactions, seed: int) -> Scores:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        factors = MODELS["BPR"]().factors
        model = BayesianPersonalizedRanking(factors=factors, iterations=passes, random_state=seed, num_threads=1)
        model.fit(train.matrix(), show_progress=False)
        return model.user_factors @ model.item_factors.T

    return scores


PEERS: dict[str, list[Peer]] = {
    "EASE": [("cornac", ease)],
    "ALS": [(f"implicit, {n} iterations", als(n)) for n in (8, 15, 30)],
    "MultVAE": [(f"cornac, {n} passes", vae(n)) for n in (50, 100, 200)],
    "BPR": [(f"implicit, {n} passes", bpr(n)) for n in (50, 100, 200)],
}
SEEDLESS = ("EASE",)


def _of_cornac(model: Any, train: Interactions) -> Scores:
    from cornac.data import Dataset

    users = np.repeat(np.arange(len(train)), train.lengths)
    data = Dataset.build(zip(users.tolist(), train.items_flat.tolist(), np.ones(len(users)).tolist(), strict=True))
    model.fit(data)
    columns = np.array([item for item, _ in sorted(data.iid_map.items(), key=lambda pair: pair[1])])
    scores = np.full((len(train), len(train.items)), -1e9, dtype=np.float32)  # what nobody clicked comes last
    for user, row in data.uid_map.items():
        scores[user, columns] = model.score(row)
    return scores


def _ours(name: str, train: Interactions, test: Holdout, seeds: int) -> Iterator[float]:
    for seed in range(1 if name in SEEDLESS else seeds):
        model = MODELS[name]() if name in SEEDLESS else MODELS[name](seed=seed)
        yield evaluate(model.fit(train), test, 10)["ndcg@10"]


def main() -> None:
    """Fit both, ask both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default=os.environ.get("MMRECO_DATA"), help="folder of the data (or MMRECO_DATA)")
    parser.add_argument("--models", default=",".join(PEERS))
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    if asked.data is None:
        parser.error("say where the data is: --data FOLDER, or set MMRECO_DATA")
    start = perf_counter()
    train, test = leave_last_out(movielens(Path(asked.data) / "ml1m")[1])
    found = {}
    for name in asked.models.split(","):
        ours = list(_ours(name, train, test, asked.seeds))
        theirs: dict[str, list[float]] = {}
        for called, scores in PEERS[name]:
            seeds = range(1 if name in SEEDLESS else asked.seeds)
            given = (Given(scores(train, seed), train) for seed in seeds)
            theirs[called] = [evaluate(model, test, 10)["ndcg@10"] for model in given]
        best = max(theirs, key=lambda called: np.mean(theirs[called]))
        found[name] = {
            "ours": [round(figure, 4) for figure in ours],
            **{called: [round(figure, 4) for figure in of] for called, of in theirs.items()},
            "ours_to_best_peer": round(float(np.mean(ours) / np.mean(theirs[best])), 3),
            "best_peer": best,
        }
        print(name, json.dumps(found[name]), flush=True)
    print(json.dumps({"ndcg@10": found, "users": len(test), "seconds": round(perf_counter() - start, 1)}))


if __name__ == "__main__":
    main()
