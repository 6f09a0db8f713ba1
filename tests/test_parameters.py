"""Parameters of functions over datasets and rankings: numbers of numpy are taken, what is none is refused by name."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from mmreco.baskets import CartCompletion, baskets, bought_together
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.errors import DataError
from mmreco.evaluation.simulator import slate_simulator
from mmreco.explain import explain, why_above
from mmreco.models.itemknn import ItemKNN
from mmreco.pages import PageComposer, PageOptions
from mmreco.pages.layout import ListCVAE
from mmreco.profiles import (
    LifeStages,
    affinities,
    clusters,
    facets,
    high_value,
    interested,
    life_stages,
    lookalikes,
    next_purchases,
    profile,
    purchase_propensity,
    recency_frequency_money,
    user_words,
)
from mmreco.rerank import Calibration, Exploration, RerankOptions, rerank

SHOP = synthetic_shop(n_items=64, n_users=40, seed=2).dataset
LOG, ITEMS = SHOP.interactions, SHOP.catalogue
MODEL = ItemKNN().fit(SHOP)
FOUND = MODEL.recommend(histories=LOG, k=12)
ONE, CARTS, SIDES = LOG.take([0]), baskets(LOG), facets(SHOP.catalogue)
CATEGORY = affinities(LOG, SIDES["category"])
VECTORS = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
PAGES = PageComposer(MODEL, SHOP)
NONE: Sequence[Any] = ("a", None, [1], -1, float("nan"), float("inf"))  # no number of any kind
SLIPS: Sequence[Any] = (*NONE, True, 1.5)  # no whole number
MASKS: Sequence[Any] = ("a", [True] * 40, [1.5], [900], np.array(["2026"], dtype="datetime64[D]"))  # no rows


def reranked(**options: Any) -> object:
    return rerank(FOUND, RerankOptions(**{"diversity": 0, **options}), catalogue=ITEMS, histories=LOG)


WHOLE: dict[str, Callable[[Any], object]] = {
    "rerank k": lambda v: reranked(k=v),
    "caps": lambda v: reranked(caps={"brand": v}),
    "minimums": lambda v: reranked(minimums={"category": {"dress": v}}),
    "places": lambda v: reranked(exploration=Exploration(places=(v,))),
    "least_support": lambda v: bought_together(CARTS, np.array([1]), least_support=v),
    "price_bins": lambda v: facets(ITEMS, price_bins=v),
    "n_groups": lambda v: clusters(SHOP, VECTORS, v),
    "n_words": lambda v: clusters(SHOP, VECTORS, 2, n_words=v),
    "lookalikes": lambda v: lookalikes(VECTORS, np.array([1]), v),
    "interested": lambda v: interested(CATEGORY, CATEGORY.values[0], n=v),
    "words": lambda v: user_words(SHOP, v),
    "explain k": lambda v: explain(MODEL, SHOP, ONE, [3], k=v),
    "max_events": lambda v: explain(MODEL, SHOP, ONE, [3], max_events=v),
    "why_above": lambda v: why_above(MODEL, SHOP, ONE, [3], [4], max_events=v),
    "shelves": lambda v: PageOptions(shelves=v),
    "page caps": lambda v: PageOptions(caps={"brand": v}),
    "quotas": lambda v: PageOptions(quotas={"category": {"dress": v}}),
    "layout dim": lambda v: ListCVAE(dim=v),
    "layout seed": lambda v: ListCVAE(seed=v),
    "n_users": lambda v: slate_simulator(n_users=v, n_items=9, width=2),
    "seed of pages": lambda v: PAGES.home(ONE, seed=v),
}
REAL: dict[str, Callable[[Any], object]] = {
    "diversity": lambda v: RerankOptions(diversity=v),
    "boosts": lambda v: reranked(boosts={"price": v}) if not np.array_equal(v, -1) else reranked(boosts={"price": "x"}),
    "duplicates": lambda v: RerankOptions(duplicates=v if v is not None else "a"),  # type: ignore[arg-type]
    "rate": lambda v: Exploration(places=(1,), rate=v),
    "calibration": lambda v: Calibration(weight=v),
    "gap_minutes": lambda v: baskets(LOG, gap_minutes=v),
    "shrinkage": lambda v: bought_together(CARTS, np.array([1]), shrinkage=v),
    "l2": lambda v: CartCompletion.fit(CARTS, l2=v),
    "own_weight": lambda v: CartCompletion.fit(CARTS, own_weight=v),
    "prior": lambda v: affinities(LOG, SIDES["category"], prior=v),
    "half_life_days": lambda v: affinities(LOG, SIDES["category"], half_life_days=v if v is not None else "a"),  # type: ignore[arg-type]
    "prior of profiles": lambda v: profile(SHOP, prior=v),
    "share": lambda v: high_value(recency_frequency_money(LOG, ITEMS), share=v),
    "least_events": lambda v: interested(CATEGORY, CATEGORY.values[0], least_events=v),
    "life stages": lambda v: LifeStages(new=v),
    "prior of dates": lambda v: next_purchases(LOG, prior=v),
    "horizon_days": lambda v: purchase_propensity(LOG, horizon_days=v * 20 if isinstance(v, np.floating) else v),
    "learning_rate": lambda v: ListCVAE(learning_rate=v),
    "beta": lambda v: ListCVAE(beta=v),
    "likeness": lambda v: slate_simulator(n_users=9, n_items=9, width=2, likeness=v),
}
ROWS: dict[str, Callable[[Any], object]] = {
    "bought_together": lambda v: bought_together(CARTS, v),
    "lookalikes": lambda v: lookalikes(VECTORS, v),
    "detail": lambda v: PAGES.detail(v),
    "explain": lambda v: explain(MODEL, SHOP, ONE, v),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers(name: str) -> None:
    for good in (np.int64(2), np.int32(2), 2):
        WHOLE[name](good)
    for wrong in SLIPS:
        with pytest.raises(DataError):
            WHOLE[name](wrong)


@pytest.mark.parametrize("name", REAL)
def test_numbers(name: str) -> None:
    for good in (np.float32(0.5), np.float64(0.5)):
        REAL[name](good)
    for wrong in (*NONE, True):
        with pytest.raises(DataError):
            REAL[name](wrong)


@pytest.mark.parametrize("name", ROWS)
def test_rows(name: str) -> None:
    ROWS[name](np.array([1]))
    ROWS[name]([np.int64(1)])
    for wrong in MASKS:
        with pytest.raises(DataError):
            ROWS[name](wrong)


@pytest.mark.parametrize(
    "call",
    [
        lambda: RerankOptions(caps=[("brand", 1)]),  # type: ignore[arg-type]
        lambda: RerankOptions(boosts="price"),  # type: ignore[arg-type]
        lambda: RerankOptions(exploration=3),  # type: ignore[arg-type]
        lambda: rerank(FOUND, {"k": 1}),  # type: ignore[arg-type]
        lambda: rerank(np.zeros((1, 2))),  # type: ignore[arg-type]
        lambda: reranked(calibration="category"),
        lambda: Exploration(places="12"),  # type: ignore[arg-type]
        lambda: PageOptions(caps="brand"),  # type: ignore[arg-type]
        lambda: PageOptions(exploration=3),  # type: ignore[arg-type]
        lambda: PageComposer(MODEL, SHOP, options={"shelves": 2}),  # type: ignore[arg-type]
        lambda: PAGES.home([["x"]]),  # type: ignore[arg-type]
        lambda: life_stages(LOG, at=1.5),  # type: ignore[arg-type]
        lambda: life_stages(LOG, at="2026"),  # type: ignore[arg-type]
        lambda: facets(ITEMS, columns=3),  # type: ignore[arg-type]
        lambda: profile(SHOP, users=5),  # type: ignore[arg-type]
        lambda: clusters(SHOP, VECTORS.astype(str), 2),  # type: ignore[arg-type]
        lambda: lookalikes(np.zeros(4), np.array([1])),
        lambda: CartCompletion.fit(CARTS).complete(CARTS, candidates=np.ones(64)),  # type: ignore[arg-type]
    ],
)
def test_what_is_of_another_kind_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(DataError):
        call()
