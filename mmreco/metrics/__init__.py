"""How good a ranking is: pure functions of a `Ranking` and what is known of who asked.

Each of the accuracy metrics takes `ranking` (`n` questions, `k` wide) and `targets` (`n` users, the items each of them
wanted; order, weight and repeats do not count) and returns float64 of shape `(n,)`: NaN for a user without
targets, who can be answered neither well nor badly. Relevance is binary. For another cut-off pass
`ranking.top(k)`.

Sources: Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002 (NDCG); Voorhees,
"The TREC-8 question answering track report", 1999 (MRR); the others stand in their files.
"""

from mmreco.metrics.accuracy import (
    PER_USER,
    auc,
    average_precision,
    f1,
    hit_rate,
    ndcg,
    per_user,
    precision,
    recall,
    reciprocal_rank,
)
from mmreco.metrics.beyond_accuracy import (
    coverage,
    gini,
    mean_value,
    most_popular_unseen,
    novelty,
    popularity,
    popularity_lift,
    self_information,
    serendipity,
    shares,
)
from mmreco.metrics.exposure import (
    Exposure,
    ItemGroups,
    age_groups,
    column_groups,
    effective_categories,
    exposure,
    exposure_gap,
    popularity_groups,
)
from mmreco.metrics.intra_list import diversity, miscalibration
from mmreco.metrics.segments import item_segments, user_segments

__all__ = [
    "PER_USER",
    "Exposure",
    "ItemGroups",
    "age_groups",
    "auc",
    "average_precision",
    "column_groups",
    "coverage",
    "diversity",
    "effective_categories",
    "exposure",
    "exposure_gap",
    "f1",
    "gini",
    "hit_rate",
    "item_segments",
    "mean_value",
    "miscalibration",
    "ndcg",
    "novelty",
    "most_popular_unseen",
    "per_user",
    "popularity",
    "popularity_groups",
    "popularity_lift",
    "precision",
    "recall",
    "reciprocal_rank",
    "self_information",
    "serendipity",
    "shares",
    "user_segments",
]
