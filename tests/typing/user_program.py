"""What a user's strictly typed program may look like; `test_user_program.py` has mypy read it."""

import numpy as np

from mmreco import Dataset, Recommender
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.evaluation import Comparison, Range, Report, TuningResult, compare, evaluate, tune
from mmreco.models import ALS, EASE, MODELS, ItemKNN, Model, Popular, SharedSpace, Training, Weighted
from mmreco.protocols import Recommends
from mmreco.splitting import Holdout, Split, leave_last_out, rolling


class Mine:
    """A recommender of the user's own: all it has to keep is the promise."""

    def recommend(self, request: Request) -> Ranking:
        return Ranking.from_scores(np.zeros((len(request), 3), dtype=np.float32), request.k)


def measured(shop: Dataset) -> dict[str, float]:
    split: Split = leave_last_out(shop)
    figures: dict[str, float] = {}
    for name, model in MODELS.items():
        report: Report = evaluate(model().fit(split.train), split, k=10)
        figures[name] = report["ndcg@10"]
    plain: Recommends = Mine()
    figures["mine"] = evaluate(plain, Holdout.of([["a"]], [["b"]], items=shop.items), (5, 10))["ndcg@5"]
    return figures


def main() -> None:
    shop = Dataset.read(items="items.parquet", events="events.parquet")
    ease: EASE = EASE(l2=1).fit(shop)
    EASE.load("folder").save("other")
    space = SharedSpace(dim=32, training=Training(epochs=5, patience=None)).fit(shop, progress=True)
    both: Model = Weighted(parts=[ease, ItemKNN(similarity="jaccard")], weights=[2, 1]).fit(shop)
    histories = Interactions.from_histories([["a", "b"]], items=shop.items)
    answer: Ranking = ease.recommend(histories=histories, k=5, exclude_seen=False)
    answer = both.recommend(Request(histories, k=5, page="home"))
    answer = space.similar([0, 1], k=3)
    result: TuningResult = tune(ALS, {"dim": [16, 32], "l2": Range(0.1, 10.0, log=True)}, leave_last_out(shop))
    comparison: Comparison = compare({"best": result.model, "Popular": Popular}, next(rolling(shop)))
    recommender = Recommender.fit(shop, model=EASE(), quality="exact")
    ids: list[list[str]] = recommender.recommend(["user-1"], k=3).ids()
    print(measured(shop), answer.rows.shape, comparison.names, ids)
