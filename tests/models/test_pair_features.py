import numpy as np
import pyarrow as pa
import pytest

from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError
from mmreco.models.pair_features import PairFeatures
from mmreco.models.time_decay import recent, weights_since_newest

CATEGORIES = ["hat", "coat", None, "hat", "coat"] * 5
BRANDS = [["Acme", "Bolt"], ["Acme"], ["Bolt"], None, ["Acme"]] * 5  # an item may have several
PRICES = [10.0, 20.0, 40.0, None, 80.0] * 5


def catalogue(items: IdMap, **columns: list[object]) -> Catalogue:
    table = {"category": CATEGORIES, "brand": BRANDS, "price": PRICES, **columns}
    return Catalogue(items, pa.table(table))


def reviews(items: IdMap) -> Reviews:
    return Reviews.from_rows(items, [0, 0, 3, 4], ["", "", "", ""], ratings=[5, 4, 1, np.nan])


def spread(fact: F32, n: int) -> F32:
    return np.broadcast_to(fact, (n, 25))


def slow_lift(weights: F32, train: Interactions, values: list[list[str]]) -> F32:
    names = sorted({v for bag in values for v in bag})
    share = np.array([[bag.count(name) / max(1, len(bag)) for name in names] for bag in values])
    usual = np.bincount(train.items_flat, weights=train.weights, minlength=25) @ share + 1
    usual = usual / usual.sum()
    out = np.zeros((len(weights), 25))
    for user, line in enumerate(weights):
        turned = line @ share
        lift = np.log((turned / usual + 5) / (turned.sum() + 5))
        out[user] = share @ lift
    return out


def test_every_fact_equals_the_slow_twin(log: Interactions, asked: Interactions) -> None:
    shop = catalogue(log.items)
    facts = PairFeatures.of(log, 30.0, catalogue=shop, reviews=reviews(log.items), sentiment=np.arange(25) / 25)
    found = {name: spread(fact, len(asked)) for name, fact in zip(facts.names, facts.between(asked), strict=True)}
    count = np.bincount(log.items_flat, weights=log.weights, minlength=25)
    late = np.bincount(log.items_flat, weights=weights_since_newest(log, 30.0), minlength=25)
    mine, lately = asked.matrix().toarray(), recent(asked, 30.0).toarray()
    bags = [[c] if c else [] for c in CATEGORIES]
    brands = [b or [] for b in BRANDS]
    stars, given = np.zeros(25), np.zeros(25)
    stars[[0, 3]], given[[0, 3]] = [9, 1], [2, 1]
    price = np.log1p(np.array([np.nan if p is None else p for p in PRICES]))
    price = (price - np.nanmean(price)) / np.nanstd(price)
    fit = np.zeros((len(asked), 25))
    for user, line in enumerate(mine):
        known = (line > 0) & ~np.isnan(price)
        if known.any():
            fit[user] = np.nan_to_num(-np.abs(price - (line[known] @ price[known]) / line[known].sum()))
    slow = {
        "popular": np.log1p(count),
        "lately": np.log1p(late),
        "stars": (stars - given * 10 / 3) / (given + 5),
        "reviewed": np.log1p([2, 0, 0, 1, 1] + [0] * 20),
        "sentiment": np.arange(25) / 25 - 12 / 25,
        "category": slow_lift(mine, log, bags),
        "category_lately": slow_lift(lately, log, bags),
        "brand": slow_lift(mine, log, brands),
        "brand_lately": slow_lift(lately, log, brands),
        "price": fit,
        "had": np.log1p(mine),
        "had_lately": np.log1p(lately),
    }
    assert list(slow) == list(facts.names)
    for name, expected in slow.items():
        np.testing.assert_allclose(found[name], spread(expected, len(asked)), atol=2e-4, err_msg=name)


def test_without_times_or_a_catalogue_there_is_less_to_say(untimed: Interactions) -> None:
    facts = PairFeatures.of(untimed, 30.0)
    assert facts.names == ("popular", "had")
    assert len(list(facts.between(untimed))) == 2


def test_a_catalogue_of_other_items_says_nothing_of_these(log: Interactions) -> None:
    other = catalogue(IdMap.of([f"other-{row}" for row in range(25)]))
    facts = PairFeatures.of(log, 30.0, catalogue=other)
    found = dict(zip(facts.names, facts.between(log), strict=True))
    assert not found["price"].any()
    assert not found["category"].any()


def test_numbers_that_are_none_are_refused(log: Interactions) -> None:
    with pytest.raises(DataError, match=r"sentiment: shape \(3,\); expected one finite number an item, \(25,\)"):
        PairFeatures.of(log, 30.0, sentiment=np.ones(3, dtype=np.float32))
    with pytest.raises(DataError, match=r"catalogue: price -1\.0 in row 2"):
        PairFeatures.of(log, 30.0, catalogue=catalogue(log.items, price=[1.0, 2.0, -1.0, 3.0, 4.0] * 5))
