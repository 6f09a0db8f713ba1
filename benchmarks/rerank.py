"""Re-ranking: NDCG against variety, calibration, caps and time, with pyversity beside it in the same process.

    MMRECO_DATA=../shared/data python benchmarks/rerank.py [--on beauty|movies] [--model SharedSpace|EASE]
    MMRECO_DATA=../shared/data python benchmarks/rerank.py --on movies --time [--out FOLDER]  # of one user alone, only

200 candidates a user (leave one out), 20 places, of `SharedSpace` with its defaults or of `EASE`; NDCG, the mean cosine
distance of pairs and the categories a page covers are of the first ten. Vectors are those of the titles (words and, for
films, genres), 64 wide. Both sides get the same vectors and the same scores, scaled to 0..1 a question; pyversity once
more with the scores as they are. "gain" is how much larger the distance is at 5 % less NDCG, along the frontier; "loss"
how much NDCG half as much again costs. Their standard errors, and those of the shares of NDCG, are of users, drawn anew
200 times. Calibrated pages are of ten and of all users: the last event of each is held out, then the one before,
--holdouts times. The weight is the least that halves the divergence of half of the users, and measured on the others,
of ten ways to halve them; the standard error is of users.

One user alone: medians over 200 users of the milliseconds of processor time that each of our combinations and pyversity
take, turn by turn, 20 of 200 candidates; margins, dates and brands are drawn by chance. The catalogue is read as it is
asked for, so a page of items that nobody was shown before, which is in the figures by itself, takes longer. The last
line is one JSON; --out keeps it as a file, where --time puts its figures beside what is there. --minutes bounds each
training of `SharedSpace`, by the clock, and --fitted names a folder that fitted models are kept in.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyversity
import scipy.sparse as sp

from mmreco import MODELS, Training, metrics
from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.datasets.movielens import movielens
from mmreco.datasets.s3rec import s3rec_attributes, s3rec_interactions
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.models.base import Model
from mmreco.rerank import Calibration, Exploration, RerankOptions, rerank
from mmreco.splitting import leave_last_out

DIALS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
METHODS = ("mmr", "msd", "dpp", "ssd")
K, WIDE, CANDIDATES = 10, 20, 200
RESAMPLES = 200
WEIGHTS, HALVINGS = (0.4, 0.45, 0.5, 0.52, 0.54, 0.56, 0.58, 0.6, 0.65, 0.7), 10


def beauty(data: Path) -> Dataset:
    """The catalogue with titles and the category ids as lists."""
    log = s3rec_interactions(data / "amazon_beauty" / "Beauty.txt")
    facts = s3rec_attributes(data / "amazon_beauty" / "Beauty_item2attributes.json", log.items)
    lines = (data / "amazon_beauty" / "Beauty_titles.tsv").read_text(encoding="utf-8").splitlines()[1:]
    titles = {i: title for i, _, title in (line.split("\t") for line in lines)}
    ids = log.items.array.to_pylist()
    table = pa.table({"title": [titles.get(i, "") for i in ids], "category": [facts.of(r) for r in range(len(ids))]})
    return Dataset(Catalogue(log.items, table), log)


def movies(data: Path) -> Dataset:
    """MovieLens-1M; `category` holds the genres."""
    return movielens(data / "ml1m")


@dataclass(frozen=True)
class Fits:
    """How the model of each split is fitted; what is fitted is kept in the folder.

    Parameters
    ----------
    model : "SharedSpace" or "EASE"
    on : the data's name
    minutes : of each training, `SharedSpace`
    folder : optional
    """

    model: str
    on: str
    minutes: float
    folder: Path | None = None

    def fitted(self, train: Dataset, held_out: int) -> Model:
        """The model of a split whose last `held_out` events are left out."""
        at = None if self.folder is None else self.folder / f"{self.on}-{self.model}-{held_out}"
        if at is not None and at.exists():
            return MODELS[self.model].load(at)
        options = {"training": Training(minutes=self.minutes)} if self.model == "SharedSpace" else {}
        model: Model = MODELS[self.model](**options).fit(train)
        if at is not None:
            model.save(at)
        return model


class Measured:
    """One ranking of all candidates, and what a page made of it is worth."""

    def __init__(self, shop: Dataset, fits: Fits, users: int, seed: int, held_out: int = 1) -> None:
        split = leave_last_out(shop)
        chosen = np.random.default_rng(seed).permutation(len(split.test))[:users]
        self.test = split.test.take(np.sort(chosen))
        model = fits.fitted(split.train, held_out)
        self.ranking = model.recommend(Request(self.test.histories, k=CANDIDATES, at=self.test.at))
        lines = [" ".join(filter(None, text)) for text in zip(*_words(shop.catalogue), strict=True)]
        encoder = LexicalEncoder(dim=64, seed=seed).fit([line for line in lines if line])
        self.vectors = Embeddings(shop.items, encoder.encode(lines))
        self.bags = Attributes.from_catalogue(shop.catalogue, columns=["category"], at_least=1).matrix()
        self.catalogue = shop.catalogue

    def worth(self, ranking: Ranking) -> dict[str, np.ndarray]:
        """NDCG, distance, categories a page and divergence from the own mix, of each user's first ten."""
        top = ranking.top(K)
        shown = sp.csr_array((np.ones(top.rows.size), top.rows.ravel(), np.arange(0, top.rows.size + 1, K)))
        shown.resize(len(top), len(self.catalogue))
        covered = np.diff((shown @ self.bags).indptr)
        return {
            "ndcg": metrics.ndcg(top, self.test.targets),
            "distance": metrics.diversity(top, self.vectors.vectors),
            "categories": covered,
            "kl": metrics.miscalibration(top, self.test.histories, self.bags),
        }

    def by_user(self, ranking: Ranking) -> np.ndarray:
        """NDCG and divergence of the first ten, shape `(2, n)`."""
        top = ranking.top(K)
        divergence = metrics.miscalibration(top, self.test.histories, self.bags)
        return np.stack([metrics.ndcg(top, self.test.targets), np.nan_to_num(divergence)])

    def page(self, k: int, **options: Any) -> Ranking:
        """A page of `rerank` for each user."""
        return rerank(
            self.ranking,
            RerankOptions(k=k, **options),
            catalogue=self.catalogue,
            embeddings=self.vectors,
            histories=self.test.histories,
        ).ranking

    def ours(self, **options: Any) -> tuple[Ranking, float]:
        """Pages of `rerank`, with the milliseconds of processor time a user."""
        began = time.process_time()
        page = self.page(WIDE, **options)
        return page, (time.process_time() - began) * 1000 / len(self.ranking)

    def theirs(self, method: str, diversity: float, *, scaled: bool) -> tuple[Ranking, float]:
        """Pages of pyversity, user by user, with the milliseconds."""
        rows = np.full((len(self.ranking), WIDE), -1)
        began = time.process_time()
        for line in range(len(rows)):
            found, scores = self.ranking.rows[line], self.ranking.scores[line]
            if scaled:
                scores = (scores - scores.min()) / (scores.max() - scores.min())
            chosen = pyversity.diversify(self.vectors.vectors[found], scores, WIDE, method, diversity).indices
            rows[line, : len(chosen)] = found[chosen]
        spent = (time.process_time() - began) * 1000 / len(rows)
        places = np.where(rows >= 0, np.arange(WIDE, 0, -1), -np.inf)
        return Ranking(rows, places.astype(np.float32)), spent


def _words(catalogue: Catalogue) -> tuple[list[str], list[str]]:
    kinds = catalogue.column("category")
    return catalogue.column("title"), [" ".join(kind) if kind and not kind[0].isdigit() else "" for kind in kinds]


def at_loss(ndcg: np.ndarray, distance: np.ndarray, loss: float) -> float:
    """The relative gain in distance for this share of NDCG, along the frontier of these points, the plain one first."""
    order = np.argsort(-ndcg)
    best = np.maximum.accumulate(distance[order])
    return float(np.interp(-ndcg[0] * (1 - loss), -ndcg[order], best) / distance[0] - 1)


def at_gain(ndcg: np.ndarray, distance: np.ndarray, gain: float) -> float:
    """The share of NDCG that so much more distance costs, along the frontier; NaN where no point reaches it."""
    order = np.argsort(distance)
    best = np.maximum.accumulate(ndcg[order][::-1])[::-1]
    wanted = distance[0] * (1 + gain)
    return float("nan") if distance.max() < wanted else float(1 - np.interp(wanted, distance[order], best) / ndcg[0])


def frontier(measured: Measured, seed: int) -> dict[str, Any]:
    """All methods and dials, ours and theirs."""
    n = len(measured.ranking)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n  # (resamples, n)
    plain = measured.worth(measured.ranking)
    first = _means(plain)
    print("plain", _short(first), flush=True)
    out: dict[str, Any] = {"plain": first, "gain_at_5_percent": {}, "loss_at_half_more": {}}
    for method in METHODS:
        of: dict[str, list[dict[str, float]]] = {"ours": [], "pyversity": [], "pyversity_unscaled": []}
        users = {name: [(plain["ndcg"], plain["distance"])] for name in of}
        for dial in DIALS:
            for name, (page, spent) in (
                ("ours", measured.ours(method=method, diversity=dial)),
                ("pyversity", measured.theirs(method, dial, scaled=True)),
                ("pyversity_unscaled", measured.theirs(method, dial, scaled=False)),
            ):
                worth = measured.worth(page)
                users[name].append((worth["ndcg"], worth["distance"]))
                share = (drawn @ worth["ndcg"]) / (drawn @ plain["ndcg"])
                of[name].append({
                    **_means(worth),
                    "ndcg_ratio": float(worth["ndcg"].mean() / first["ndcg"]),
                    "standard_error": float(share.std()),
                    "distance_ratio": float(worth["distance"].mean() / first["distance"]),
                    "ms": spent,
                })  # fmt: skip
            print(method, dial, " | ".join(f"{name} {_short(points[-1])}" for name, points in of.items()), flush=True)
        out[method] = of
        out["gain_at_5_percent"][method] = {name: _read(at_loss, pairs, 0.05, drawn) for name, pairs in users.items()}
        out["loss_at_half_more"][method] = {name: _read(at_gain, pairs, 0.5, drawn) for name, pairs in users.items()}
        print(method, out["gain_at_5_percent"][method], out["loss_at_half_more"][method], flush=True)
    return out


def _read(
    reads: Callable[[np.ndarray, np.ndarray, float], float],
    pairs: list[tuple[np.ndarray, np.ndarray]],
    at: float,
    drawn: np.ndarray,
) -> dict[str, float | None]:
    """What is read off the frontier, and its standard error over users; None where no point reaches it."""
    points = np.asarray(pairs).transpose(1, 0, 2)  # (2, points, n)
    value = reads(points[0].mean(axis=1), points[1].mean(axis=1), at)
    again = [reads(ndcg, distance, at) for ndcg, distance in (points @ drawn.T).transpose(2, 0, 1)]
    error = np.nanstd(again) if value == value else None
    return {"value": value if value == value else None, "standard_error": None if error is None else float(error)}


def _means(worth: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(np.nanmean(values)) for name, values in worth.items()}


def calibrated(shop: Dataset, fits: Fits, holdouts: int, seed: int) -> dict[str, Any]:
    """What keeping the shopper's mix costs, of all users: a weight is measured on users that it was not chosen by."""
    plain, tried, users = [], [], []
    for held_out in range(1, holdouts + 1):
        measured = Measured(shop, fits, len(shop.interactions), seed, held_out)
        users.append(shop.interactions.users.rows(measured.test.histories.users.array))
        plain.append(measured.by_user(measured.ranking))
        pages = [measured.page(K, diversity=0.0, calibration=Calibration(weight=weight)) for weight in WEIGHTS]
        tried.append(np.stack([measured.by_user(page) for page in pages]))
        print("held out", len(users), "users", len(users[-1]), plain[-1].mean(axis=1), flush=True)
        shop = leave_last_out(shop).train  # and the event before
    before, after = np.concatenate(plain, axis=1), np.concatenate(tried, axis=2)  # (2, q), (weights, 2, q): NDCG, KL
    user = np.unique(np.concatenate(users), return_inverse=True)[1]
    rng, n = np.random.default_rng(seed), int(user.max()) + 1
    change, weights = np.zeros(before.shape), []
    for _ in range(HALVINGS):
        half = rng.permutation(n) < n // 2
        for asked in (half[user], ~half[user]):
            divergence = after[:, 1, ~asked].mean(axis=1) / before[1, ~asked].mean()
            chosen = int(np.flatnonzero(divergence <= 0.5)[0])
            weights.append(WEIGHTS[chosen])
            change[:, asked] += (after[chosen][:, asked] - before[:, asked]) / HALVINGS
    (ndcg, kl), mean = change.mean(axis=1) / before.mean(axis=1), before[0].mean()
    of_user = np.bincount(user, weights=(change[0] - ndcg * before[0]) / mean) * n / len(user)
    return {
        "weight": float(np.mean(weights)), "least_weight": min(weights), "most_weight": max(weights),
        "kl_ratio": float(1 + kl), "ndcg_ratio": float(1 + ndcg),
        "standard_error": float(np.std(of_user) / np.sqrt(n)), "users": n, "questions": len(user),
        "tried": {
            str(weight): {
                "ndcg_ratio": float(after[line, 0].mean() / mean),
                "kl_ratio": float(after[line, 1].mean() / before[1].mean()),
            }
            for line, weight in enumerate(WEIGHTS)
        },
    }  # fmt: skip


def violated(pages: int, seed: int) -> int:
    """How many of so many random pages break a cap; every method, exploration, minimums, duplicates and boosts on."""
    rng = np.random.default_rng(seed)
    broken = 0
    for method in METHODS:
        n_items, n = 500, pages // len(METHODS)
        brands = rng.integers(0, 15, n_items)
        kinds = [rng.choice(8, rng.integers(1, 4), replace=False).tolist() for _ in range(n_items)]
        table = pa.table(
            {
                "item_id": [str(row) for row in range(n_items)],
                "brand": brands,
                "category": kinds,
                "margin": rng.random(n_items),
            }
        )
        shop = Catalogue.from_frame(table)
        rows = np.argsort(rng.random((n, n_items)), axis=1)[:, :CANDIDATES]
        ranking = Ranking.from_scores(rng.random(rows.shape).astype(np.float32), CANDIDATES, rows=rows)
        options = RerankOptions(
            k=WIDE,
            method=method,
            caps={"brand": 2, "category": 5},
            minimums={"brand": {"3": 4}},
            boosts={"margin": 0.3},
            duplicates=0.95,
            exploration=Exploration(places=(2, 5, 11), rate=0.7),
        )
        vectors = Embeddings(shop.items, rng.normal(size=(n_items, 16)))
        page = rerank(ranking, options, catalogue=shop, embeddings=vectors, seed=seed).ranking.rows
        for line in page:
            shown = line[line >= 0]
            flat = np.concatenate([np.zeros(0, int), *(np.asarray(kinds[row]) for row in shown)])
            broken += bool((np.bincount(brands[shown]) > 2).any() or (np.bincount(flat.astype(int)) > 5).any())
    return broken


def _short(point: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in point.items())


def with_drawn_columns(catalogue: Catalogue) -> Catalogue:
    """The catalogue with margins, dates and sixty brands by chance, for boosts and caps."""
    rng, n = np.random.default_rng(0), len(catalogue)
    table = catalogue.table
    for name, values in (
        ("margin", pa.array(rng.random(n))),
        ("created", pa.array(rng.integers(0, 10**12, n), pa.timestamp("ms"))),
        ("brand", pa.array([f"brand {code}" for code in rng.integers(60, size=n)])),
    ):
        kept = table.drop_columns(name) if name in table.column_names else table
        table = kept.append_column(name, values)
    return Catalogue(catalogue.items, table)


FIRST, ALL = "everything, items not read before", "the same, a second cap, a minimum, duplicates"
CAPS, MIX = {"category": 8}, Calibration(weight=0.2)
BOOSTS, EXPLORED = {"margin": 0.1, "created": 0.1}, Exploration(places=(2, 5, 11), rate=0.7)
COMBINATIONS: dict[str, dict[str, Any]] = {
    "alone": {},
    "caps": {"caps": CAPS},
    "calibration": {"calibration": MIX},
    "boosts": {"boosts": BOOSTS},
    "explore": {"exploration": EXPLORED},
    "caps, boosts, explore": {"caps": CAPS, "boosts": BOOSTS, "exploration": EXPLORED},
    "caps, calibration": {"caps": CAPS, "calibration": MIX},
    "caps, calibration, boosts, explore": {
        "caps": CAPS, "calibration": MIX, "boosts": BOOSTS, "exploration": EXPLORED,
    },
    ALL: {
        "caps": {**CAPS, "brand": 2}, "calibration": MIX, "boosts": BOOSTS, "exploration": EXPLORED,
        "minimums": {"brand": {"brand 3": 2}}, "duplicates": 0.95,
    },
}  # fmt: skip


def one_by_one(measured: Measured, users: int = 200) -> dict[str, dict[str, float]]:
    """The median milliseconds of processor time of one user alone, by method and combination."""
    shop = with_drawn_columns(measured.catalogue)
    spent: dict[str, dict[str, list[float]]] = {}
    for line in range(min(users, len(measured.ranking))):
        found, scores = measured.ranking.rows[line], measured.ranking.scores[line]
        own = measured.test.histories.take([line])
        for method in ("by score", *METHODS):
            of = spent.setdefault(method, {})
            first = {FIRST: COMBINATIONS[ALL]} if method == "by score" else {}
            for name, options in {**first, **COMBINATIONS}.items():
                one = Ranking(found[None], scores[None])
                dials: dict[str, Any] = {"diversity": 0.0} if method == "by score" else {"method": method}
                began = time.process_time()
                rerank(
                    one,
                    RerankOptions(k=WIDE, **dials, **options),
                    catalogue=shop,
                    embeddings=measured.vectors,
                    histories=own,
                )
                of.setdefault(name, []).append(time.process_time() - began)
            if method in METHODS:
                scaled = (scores - scores.min()) / (scores.max() - scores.min())
                began = time.process_time()
                pyversity.diversify(measured.vectors.vectors[found], scaled, WIDE, method, 0.3)
                of.setdefault("pyversity, alone", []).append(time.process_time() - began)
    return {
        method: {name: round(1e3 * float(np.median(times)), 3) for name, times in of.items()}
        for method, of in spent.items()
    }


def together(measured: Measured) -> dict[str, float]:
    """The milliseconds of processor time a user where all are asked at once, by method."""
    return {method: measured.ours(method=method, diversity=0.3)[1] for method in METHODS}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--on", choices=("beauty", "movies"), default="beauty")
    parser.add_argument("--model", choices=("SharedSpace", "EASE"), default="SharedSpace")
    parser.add_argument("--minutes", type=float, default=9, help="of each training, SharedSpace")
    parser.add_argument("--fitted", type=Path, help="a folder that fitted models are kept in")
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--frontier", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--time", action="store_true", help="nothing but the time of one user alone")
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument(
        "--holdouts", type=int, default=1, help="last events held out, one after the other, calibration"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    data = Path(os.environ["MMRECO_DATA"])
    shop = {"beauty": beauty, "movies": movies}[asked.on](data)
    fits = Fits(asked.model, asked.on, asked.minutes, asked.fitted)
    measured = Measured(shop, fits, asked.users, asked.seed)
    path = None if asked.out is None else asked.out / f"rerank-{asked.on}-{asked.model}-{asked.seed}.json"
    if asked.time:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else {}
        result |= {"ms_one_user": one_by_one(measured), "ms_together": together(measured)}
        print(json.dumps({name: result[name] for name in ("ms_one_user", "ms_together")}))
        if path is not None:
            path.write_text(json.dumps(rounded(result)) + "\n", encoding="utf-8")
        return
    result = {
        "on": asked.on,
        "model": asked.model,
        "users": len(measured.ranking),
        **(frontier(measured, asked.seed) if asked.frontier else {}),
        "calibration": calibrated(shop, fits, asked.holdouts, asked.seed),
        "ms_one_user": one_by_one(measured),
        "ms_together": together(measured),
        "violated_caps": violated(asked.pages, asked.seed),
    }
    text = json.dumps(rounded(result))
    if path is not None:
        path.write_text(text + "\n", encoding="utf-8")
    print(text)


def rounded(value: Any) -> Any:
    """The same with four decimals."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
