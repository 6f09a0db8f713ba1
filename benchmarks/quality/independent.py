"""Our recommenders beside independent implementations, on one split and by one measure.

    pip install cornac implicit, RecBole and Torch-RecHub as of_recbole.py and of_rechub.py say
    python benchmarks/quality/independent.py --data DATA [--models EASE,ALS,MultVAE] [--seeds 3]

Each user's last item held out, all items ranked, the user's own left out; on MovieLens-1M, or on the planted shop
where the peer would take hours on a film log. The peers: Cornac (Truong, Salah, Lauw, 2020), implicit (Frederickson),
RecBole (Zhao et al., 2021), Torch-RecHub (Datawhale, 2022). Both sides get the same training events, and the same
widths and penalties where both have them; what is trained by passes is asked after several numbers of them and the
peer's best on the test split counts, so that it is not the peer that has a handicap. The last line is one JSON object.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import scipy.sparse as sp
from of_recbole import passes as recbole
from of_rechub import passes as rechub

from mmreco import MODELS, Dataset, Interactions, evaluate, leave_last_out
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.datasets.movielens import movielens
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.models.base import seeded
from mmreco.splitting import Split

Scores = np.ndarray  # (n users of training, n_items)
Peer = Callable[[Interactions, int], Iterator[tuple[str, Scores]]]  # by log and seed: what it is called, its scores


class Given:
    """Scores that somebody else computed, in the rows of the users of training."""

    def __init__(self, scores: Scores, train: Interactions) -> None:
        self.scores, self.users = scores, train.users

    def recommend(self, request: Request) -> Ranking:
        """The `k` best for each of these users."""
        scores = np.array(self.scores[self.users.rows(request.histories.users.array)], dtype=np.float32)
        excluded = request.excluded
        if excluded is not None:
            scores[excluded.users_flat, excluded.items_flat] = -np.inf
        if request.candidates is not None:
            scores[~np.broadcast_to(request.candidates, scores.shape)] = -np.inf
        return Ranking.from_scores(scores, request.k)


@dataclass(frozen=True)
class Check:
    """One of our models, the peer that is asked beside it, and on what."""

    peer: Peer
    on: str = "ml1m"
    given: Mapping[str, Any] = field(default_factory=dict)  # parameters of ours that are not its defaults
    drawn: bool = True  # whether a seed changes it


def ease(train: Interactions, seed: int) -> Iterator[tuple[str, Scores]]:
    """Cornac's EASE at the same ridge, weights of either sign."""
    from cornac.models import EASE

    yield "Cornac", _of_cornac(EASE(lamb=500, posB=False), train)


def vae(train: Interactions, seed: int, passes: Sequence[int] = (50, 100)) -> Iterator[tuple[str, Scores]]:
    """Cornac's VAECF, of the same widths."""
    from cornac.models import VAECF

    ours = MODELS["MultVAE"]()
    for n in passes:
        model = VAECF(k=ours.dim, autoencoder_structure=[ours.hidden], n_epochs=n, beta=ours.beta, seed=seed)
        yield f"Cornac, {n} passes", _of_cornac(model, train)


def als(train: Interactions, seed: int) -> Iterator[tuple[str, Scores]]:
    """implicit's ALS with the same factors, penalty and confidence."""
    from implicit.cpu.als import AlternatingLeastSquares

    ours = MODELS["ALS"]()
    for n in (8, 15, 30):
        model = AlternatingLeastSquares(
            factors=ours.dim,
            regularization=ours.l2,
            alpha=1 + ours.alpha,  # its confidence of an event is alpha r, ours 1 + alpha r
            iterations=n,
            use_cg=False,
            random_state=seed,
            num_threads=1,
        )
        model.fit(train.matrix(), show_progress=False)
        yield f"implicit, {n} iterations", model.user_factors @ model.item_factors.T


def bpr(train: Interactions, seed: int) -> Iterator[tuple[str, Scores]]:
    """implicit's BPR with as many factors, at its own rate and at ours."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    ours = MODELS["BPR"]()
    for n, rate in ((50, 0.01), (100, 0.01), (200, 0.01), (40, ours.learning_rate), (80, ours.learning_rate)):
        model = BayesianPersonalizedRanking(
            factors=ours.dim, learning_rate=rate, iterations=n, random_state=seed, num_threads=1
        )
        model.fit(train.matrix(), show_progress=False)
        yield f"implicit, {n} passes at {rate:g}", model.user_factors @ model.item_factors.T


def item_knn(train: Interactions, seed: int) -> Iterator[tuple[str, Scores]]:
    """implicit's cosine neighbours of the items."""
    users = train.matrix()
    yield "implicit", (users @ _nearest(users, MODELS["ItemKNN"]().neighbours)).toarray()


def user_knn(train: Interactions, seed: int) -> Iterator[tuple[str, Scores]]:
    """implicit's cosine neighbours of the users."""
    users = train.matrix()
    yield "implicit", (_nearest(users.T.tocsr(), MODELS["UserKNN"]().neighbours) @ users).toarray()


def svd(train: Interactions, seed: int) -> Iterator[tuple[str, Scores]]:
    """SciPy's ARPACK, as in the paper: the log projected on its strongest right singular vectors."""
    users = train.matrix().astype(np.float64)
    _, _, right = sp.linalg.svds(users, k=MODELS["PureSVD"]().dim, random_state=seed)
    yield "SciPy", (users @ right.T) @ right


def slim(train: Interactions, seed: int) -> Iterator[tuple[str, Scores]]:
    """RecBole's SLIMElastic at the same penalties, each item from all others."""
    ours, n = MODELS["SLIM"](), len(train) + 1  # it counts a user who is nobody
    alpha, ratio = (ours.l1 + ours.l2) / n, ours.l1 / (ours.l1 + ours.l2)
    for scores in recbole("SLIMElastic", train, seed, 1, 1, alpha=alpha, l1_ratio=ratio):
        yield "RecBole", scores


def ncf(train: Interactions, seed: int) -> Iterator[tuple[str, Scores]]:
    """RecBole's NeuMF, of the same width and dropout, four negatives an event."""
    ours = MODELS["NCF"]()
    settings = {
        "mf_embedding_size": ours.dim,
        "mlp_embedding_size": ours.dim,
        "dropout_prob": ours.dropout,
        "train_neg_sample_args": {"distribution": "uniform", "sample_num": 4, "dynamic": False},
    }
    for n, scores in enumerate(recbole("NeuMF", train, seed, 24, 2, **settings), 1):
        yield f"RecBole, {2 * n} passes", scores


def two_tower(train: Interactions, seed: int) -> Iterator[tuple[str, Scores]]:
    """Torch-RecHub's YoutubeDNN, of the same widths and dropout, at our temperature and at a sharper one."""
    ours = MODELS["TwoTower"](**_SHORT)
    like = {"dim": ours.dim, "dropout": ours.dropout, "negatives": ours.negatives, "max_length": _LAST}
    for temperature in (ours.temperature, 0.05):
        for n, scores in enumerate(rechub(train, seed, 30, 2, temperature=temperature, **like), 1):
            yield f"Torch-RecHub, {2 * n} passes at {temperature:g}", scores


def sequence(name: str, epochs: int, every: int = 1, **settings: Any) -> Peer:
    """RecBole's model of that name, softmax over all items, on the last 20 of a history unless said otherwise."""
    trained = {"MAX_ITEM_LIST_LENGTH": _LAST, "train_batch_size": 128, "train_neg_sample_args": None, **settings}

    def peer(train: Interactions, seed: int) -> Iterator[tuple[str, Scores]]:
        for n, scores in enumerate(recbole(name, train, seed, epochs, every, **trained), 1):
            yield f"RecBole, {n * every} passes", scores

    return peer


_LAST = 20
_SHORT = {"max_length": _LAST}
_BLOCKS = {"n_heads": 1, "hidden_dropout_prob": 0.2, "attn_dropout_prob": 0.2}
_CASER = {"MAX_ITEM_LIST_LENGTH": 5, "embedding_size": 32, "nh": 16, "dropout_prob": 0.2}


def _sequence(name: str, epochs: int, every: int = 1, **settings: Any) -> Check:
    return Check(sequence(name, epochs, every, **settings), on="demo", given=_SHORT)


CHECKS = {
    "EASE": Check(ease, drawn=False),
    "ALS": Check(als),
    "MultVAE": Check(vae),
    "BPR": Check(bpr),
    "ItemKNN": Check(item_knn, given={"shrinkage": 0.0}, drawn=False),
    "UserKNN": Check(user_knn, given={"shrinkage": 0.0}, drawn=False),
    "PureSVD": Check(svd),
    "SLIM": Check(slim, on="demo", drawn=False),
    "NCF": Check(ncf, on="demo"),
    "TwoTower": Check(two_tower, on="demo", given=_SHORT),
    "GRU4Rec": _sequence("GRU4Rec", 30, every=2, hidden_size=64, dropout_prob=0.2),
    "SASRec": _sequence("SASRec", 15, n_layers=2, **_BLOCKS),
    "BERT4Rec": _sequence("BERT4Rec", 48, every=4, n_layers=1, mask_ratio=0.5, **_BLOCKS),
    "Caser": Check(sequence("Caser", 20, **_CASER), on="demo"),  # its user's vector has seen the whole history, too
}


def _nearest(rows: Any, k: int) -> sp.csr_array:
    """implicit's cosine similarity between the columns of `rows`, the `k` most similar others of each."""
    from implicit.nearest_neighbours import CosineRecommender

    model = CosineRecommender(K=k + 1, num_threads=1)  # each is its own nearest
    model.fit(sp.csr_matrix(rows), show_progress=False)
    found = sp.csr_array(model.similarity)
    found.setdiag(0)
    return found


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


def _dataset(on: str, data: Path | None) -> Dataset:
    if on == "demo":
        events = synthetic_shop(1_200, 3_000, 0).interactions
        events = replace(events, weights=np.ones_like(events.weights))  # peers know of no weights
        return Dataset.from_interactions(events)
    if data is None:
        raise SystemExit("say where the data is: --data FOLDER, or set MMRECO_DATA")
    return Dataset.from_interactions(movielens(data / "ml1m").interactions)


def _checked(name: str, split: Split, seeds: int) -> dict[str, Any]:
    """NDCG@10 of ours and of each peer, a figure a seed."""
    check, train = CHECKS[name], split.train.interactions
    ours: list[float] = []
    theirs: dict[str, list[float]] = {}
    for seed in range(seeds if check.drawn else 1):
        model = seeded(MODELS[name](**check.given), seed)
        ours.append(evaluate(model.fit(split.train), split, 10)["ndcg@10"])
        for called, scores in check.peer(train, seed):
            theirs.setdefault(called, []).append(evaluate(Given(scores, train), split, 10)["ndcg@10"])
    best = max(theirs, key=lambda called: np.mean(theirs[called]))
    return {
        "on": check.on,
        "ours": [round(figure, 4) for figure in ours],
        **{called: [round(figure, 4) for figure in of] for called, of in theirs.items()},
        "ours_to_best_peer": round(float(np.mean(ours) / np.mean(theirs[best])), 3),
        "best_peer": best,
    }


def main() -> None:
    """Fit both, ask both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("MMRECO_DATA"), help="folder (or MMRECO_DATA)")
    parser.add_argument("--models", default=",".join(CHECKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a JSON file that gathers the figures of several runs")
    asked = parser.parse_args()
    start = perf_counter()
    found: dict[str, Any] = {}
    for name in asked.models.split(","):
        split = leave_last_out(_dataset(CHECKS[name].on, asked.data))
        found[name] = _checked(name, split, asked.seeds)
        print(name, json.dumps(found[name]), flush=True)
        if asked.out is not None:
            before = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else {}
            asked.out.write_text(json.dumps({**before, **found}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"ndcg@10": found, "seconds": round(perf_counter() - start, 1)}))


if __name__ == "__main__":
    main()
