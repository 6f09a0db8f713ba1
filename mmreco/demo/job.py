"""The demo: everything mmreco does, on a shop whose truth is known, with the answers checked against it."""

from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from mmreco.data.dataset import Dataset
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.datasets.synthetic.pictures import draw, jpeg, photograph
from mmreco.demo.show import Findings, report
from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import MissingExtraError
from mmreco.evaluation import evaluate
from mmreco.models.itemknn import ItemKNN
from mmreco.models.popular import Popular
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.training import Training
from mmreco.protocols import Encoder, Recommends
from mmreco.recommender import Recommender
from mmreco.splitting import Holdout, leave_last_out
from mmreco.storage.outputs import OutputFolder

__all__ = ["QUERIES", "run"]

QUERIES = ("红色连衣裙", "red dress")
_CUTS = (1, 2, 5, 10, 20)
_PICTURES = 50  # picture queries


def run(
    out: str | Path, *, n_items: int = 1200, n_users: int = 3000, seed: int = 0, progress: bool = False
) -> dict[str, Any]:
    """Make a synthetic shop, draw, embed, train, index, evaluate and report; the figures, as plain JSON values.

    Parameters
    ----------
    out : folder, created when missing
        Gets `report.html`, the pictures and the fitted recommender.
    n_items, n_users, seed : as `mmreco.datasets.synthetic.shop.synthetic_shop`
    progress : optional
        Whether to show bars.

    Returns
    -------
    dict
        `models`: NDCG@10, recall@10 and coverage on each shopper's last event, held out. `cold`: the share of
        never-clicked products among the ten recommended to each shopper, and the recall@20, in the whole
        catalogue, of the first of them that each shopper clicks in the week after the log, beside what chance
        gives. `queries`: how many
        of the ten answers to each are red dresses. `picture_query_precision`: the share of the ten other
        products found for a new photograph of one that have its category and colour. `seconds`, and `report`,
        a path.

    Raises
    ------
    DataError
        A file is in the way that mmreco did not write.
    """
    start = perf_counter()
    outputs = OutputFolder.open(out)
    outputs.require_free(["report.html"])
    folder, pictures, photographs = outputs.folder, outputs.inside("pictures"), outputs.inside("photographs")
    shop = synthetic_shop(n_items, n_users, seed)
    catalogue = draw(shop, pictures.folder, seed=seed, progress=progress)
    split = leave_last_out(Dataset(catalogue, shop.interactions, shop.reviews))
    train, test = split.train, split.test

    begun = perf_counter()
    written = [text for text in catalogue.texts() if text]
    text: list[Encoder[str]] = [LexicalEncoder(seed=seed).fit(written), *_bert()]
    training = Training(seed=seed, patience=2)  # so that nobody waits long
    model = SharedSpace(target="next", training=training)  # the question below is what comes next
    recommender = Recommender.fit(train, text=text, model=model, progress=progress)
    fitted = perf_counter()
    recommender.save(folder / "recommender")

    models: dict[str, Recommends] = {
        "SharedSpace": model,
        "ItemKNN": ItemKNN().fit(train),
        "Popular": Popular().fit(train),
    }
    reports = {name: evaluate(one, test, _CUTS) for name, one in models.items()}
    cold = _cold(model, shop, test)
    asked = _photographs(shop, photographs, seed)
    queries, precision = _queries(recommender, shop), _picture_precision(recommender, shop, asked)
    findings = Findings(shop, catalogue, recommender, test, reports, _CUTS, cold, queries, precision, asked)
    path = report(findings, folder / "report.html")
    fit_seconds = model.seconds_
    return {
        "models": {
            name: {
                "ndcg@10": round(found["ndcg@10"], 4),
                "recall@10": round(found["recall@10"], 4),
                "coverage": round(found["coverage@10"], 4),
            }
            for name, found in reports.items()
        },
        "cold": cold,
        "queries": queries,
        "picture_query_precision": precision,
        "seconds": {
            "embed": round(fitted - begun - fit_seconds, 1),
            "fit": round(fit_seconds, 1),
            "total": round(perf_counter() - start, 1),
        },
        "report": str(path),
    }


def _bert() -> list[TextEncoder]:
    """The BERT of `mmreco[offline]`, where it is installed."""
    try:
        return [TextEncoder("offline")]
    except MissingExtraError:
        return []


def _cold(model: SharedSpace, shop: SyntheticShop, test: Holdout) -> dict[str, float]:
    never = shop.truth.never_clicked
    rows = model.recommend(histories=test.histories).rows
    return {
        "share": round(float(never[rows[rows >= 0]].mean()), 4),
        "recall@20": round(evaluate(model, shop.cold, 20)["recall@20"], 4),
        "chance@20": round(float((20 / (len(never) - shop.cold.histories.lengths)).mean()), 4),
    }


def _queries(recommender: Recommender, shop: SyntheticShop) -> dict[str, int]:
    """How many of the ten answers to each query are red dresses."""
    red_dresses = shop.truth.rows(category="dress", colour="red")
    answer = recommender.search(text=QUERIES, k=10)
    return {q: int(np.isin(rows, red_dresses).sum()) for q, rows in zip(QUERIES, answer.ranking.rows, strict=True)}


def _photographs(shop: SyntheticShop, folder: OutputFolder, seed: int) -> list[tuple[int, Path]]:
    """New pictures of some products, none of them in the catalogue: the row of each and its path."""
    pictured = np.flatnonzero(shop.truth.pictured)
    chosen = np.random.default_rng(seed).choice(pictured, min(_PICTURES, len(pictured)), replace=False)
    names = [f"{name}.jpg" for name in shop.catalogue.items.ids(chosen)]
    folder.require_free(names)
    drawn = (jpeg(photograph(shop.truth.facts, int(row), seed=seed, take=1)) for row in chosen)
    return [(int(row), folder.write(name, raw)) for row, name, raw in zip(chosen, names, drawn, strict=True)]


def _picture_precision(recommender: Recommender, shop: SyntheticShop, asked: list[tuple[int, Path]]) -> float:
    """The share of the ten other products found for each picture that have its category and colour."""
    facts = shop.truth.facts
    own, paths = zip(*asked, strict=True)
    ranking = recommender.search(image=paths, k=11).ranking
    shares = []
    for row, rows in zip(own, ranking.rows, strict=True):
        others = rows[(rows != row) & (rows >= 0)][:10]
        alike = (facts.category[others] == facts.category[row]) & (facts.colour[others] == facts.colour[row])
        shares.append(alike.mean())
    return round(float(np.mean(shares)), 4)
