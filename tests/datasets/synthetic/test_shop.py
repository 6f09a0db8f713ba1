"""The planted shop: what it promises is planted, and that the plants can be found."""

import re

import numpy as np
import pytest

from mmreco.datasets.synthetic.clicks import DAY, WEEKS
from mmreco.datasets.synthetic.facts import CATEGORIES, COLOURS
from mmreco.datasets.synthetic.shop import EVENT_WEIGHTS, SyntheticShop, synthetic_shop
from mmreco.errors import DataError

HAN = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]{3}")


@pytest.fixture(scope="module")
def shop() -> SyntheticShop:
    return synthetic_shop(n_items=1200, n_users=300, seed=3)


def test_every_category_and_colour_is_well_stocked(shop: SyntheticShop) -> None:
    assert len(shop.catalogue) == 1200
    cells = [
        len(shop.truth.rows(category=category.name, colour=colour.name))
        for category in CATEGORIES
        for colour in COLOURS
    ]
    assert len(cells) >= 48
    assert min(cells) >= 15
    assert sum(cells) == 1200


def test_truth_refuses_what_is_not_sold(shop: SyntheticShop) -> None:
    with pytest.raises(DataError, match=r"category 'sofa': expected one of dress, t-shirt"):
        shop.truth.rows(category="sofa")


def test_one_product_in_ten_is_never_clicked_and_one_in_ten_has_no_picture(shop: SyntheticShop) -> None:
    never, pictured = shop.truth.never_clicked, shop.truth.pictured
    assert never.sum() == 120
    assert (~pictured).sum() == 120
    assert shop.interactions.counts()[never].sum() == 0
    assert (shop.interactions.counts()[~never] > 0).mean() > 0.97  # few shoppers, a long tail
    created = np.array(shop.catalogue.table["created"].cast("int64").to_pylist())
    assert created[never].min() >= shop.interactions.times.max()  # new arrivals
    assert created[~never].max() <= shop.interactions.times.min()


def test_the_first_new_product_a_shopper_clicks_is_asked_about(shop: SyntheticShop) -> None:
    log, histories, targets = shop.interactions, shop.cold.histories, shop.cold.targets
    assert 0.3 < len(shop.cold) / len(log) < 0.8  # new products are neither shunned nor pushed
    assert (targets.lengths == 1).all()
    assert shop.truth.never_clicked[targets.items_flat].all()
    assert not shop.truth.never_clicked[histories.items_flat].any()
    assert targets.times.min() > log.times.max()
    assert targets.times.max() - targets.times.min() > 4 * DAY
    rows = log.users.rows(targets.users.array)
    for line, row in enumerate(rows[:20]):
        known = log.history(row)
        np.testing.assert_array_equal(histories.history(line)[: len(known)], known)  # the log, and the days after
        assert histories.times[histories.starts[line + 1] - 1] <= targets.times[line]
    assert histories.n_events > log.take(rows).n_events


def test_the_log_has_the_shape_of_a_log(shop: SyntheticShop) -> None:
    log = shop.interactions
    assert log.event_names == tuple(EVENT_WEIGHTS)
    assert log.lengths.min() >= 20
    assert log.lengths.max() <= 40
    assert log.times.max() - log.times.min() > (7 * WEEKS - 7) * DAY
    pairs = log.users_flat * len(log.items) + log.items_flat
    assert len(np.unique(pairs)) == log.n_events  # one event a shopper and product
    shares = np.bincount(log.event_types) / log.n_events
    assert (np.diff(shares) < 0).all()  # a funnel
    counts = np.sort(log.counts())[::-1]
    assert counts[: len(counts) // 10].sum() > 0.25 * counts.sum()  # a tail
    gaps = np.diff(log.times)[np.diff(log.users_flat) == 0]
    assert 0.6 < (gaps < 30 * 60_000).mean() < 0.9  # sessions


def test_shoppers_click_what_they_were_given_a_taste_for(shop: SyntheticShop) -> None:
    log, facts, tastes = shop.interactions, shop.truth.facts, shop.truth.tastes
    for shares, kind in ((tastes.category, facts.category), (tastes.colour, facts.colour)):
        favourite = shares.mean(axis=1).argmax(axis=1)
        hits = (kind[log.items_flat] == favourite[log.users_flat]).mean()
        assert 0.25 < hits < 0.8  # far above one in eight, far below a giveaway
    wanted = tastes.dearness[log.users_flat]
    assert np.corrcoef(wanted, facts.dearness[log.items_flat])[0, 1] > 0.3


def test_tastes_drift(shop: SyntheticShop) -> None:
    log, facts, tastes = shop.interactions, shop.truth.facts, shop.truth.tastes
    gained = tastes.category[:, 1] - tastes.category[:, 0]
    user, category = log.users_flat, facts.category[log.items_flat]
    late = np.arange(log.n_events) - log.starts[user] >= log.lengths[user] / 2
    pull = gained[user, category]
    assert pull[late].mean() > pull[~late].mean() + 0.01


def test_the_last_click_leads_to_the_next(shop: SyntheticShop) -> None:
    log, facts = shop.interactions, shop.truth.facts
    same = np.diff(log.users_flat) == 0
    follows = (facts.category[log.items_flat[1:]] == facts.category[log.items_flat[:-1]])[same]
    rng = np.random.default_rng(0)
    shuffled = np.concatenate([rng.permutation(log.history(u)) for u in range(len(log))])
    by_taste = (facts.category[shuffled[1:]] == facts.category[shuffled[:-1]])[same]
    assert follows.mean() > by_taste.mean() + 0.1


def test_titles_are_chinese_english_or_both_and_vary(shop: SyntheticShop) -> None:
    texts = [text or "" for text in shop.catalogue.texts()]
    chinese = np.array([bool(HAN.search(text)) for text in texts])
    english = np.array([bool(LATIN.search(text)) for text in texts])
    assert (chinese | english).all()
    assert 0.6 < (chinese & english).mean() < 0.85
    assert (chinese & ~english).sum() > 60
    assert (english & ~chinese).sum() > 60
    assert len(set(shop.catalogue.column("title"))) > 700
    assert not [text for text in texts if "{" in text or "  " in text]


def test_stars_follow_fit_and_quality_and_words_follow_stars(shop: SyntheticShop) -> None:
    reviews, facts = shop.reviews, shop.truth.facts
    quality = facts.quality[reviews.items_flat]
    assert np.corrcoef(quality, reviews.ratings)[0, 1] > 0.3
    assert set(np.unique(reviews.ratings)) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    chinese = np.array([bool(HAN.search(text)) for text in reviews.texts])
    assert 0.4 < chinese.mean() < 0.8
    praise = np.array(["Love it" in t or "非常喜欢" in t for t in reviews.texts])
    assert reviews.ratings[praise].min() >= 4
    complaint = np.array(["Disappointed" in t or "很失望" in t for t in reviews.texts])
    assert reviews.ratings[complaint].max() <= 2


def test_the_truth_is_not_in_the_catalogue(shop: SyntheticShop) -> None:
    assert set(shop.catalogue.table.column_names) == {"title", "text", "category", "brand", "price", "created"}


def test_same_seed_same_shop_and_another_seed_another() -> None:
    one, two, other = (synthetic_shop(n_items=80, n_users=20, seed=seed) for seed in (5, 5, 6))
    assert one.catalogue.table.equals(two.catalogue.table)
    assert one.reviews.texts == two.reviews.texts
    np.testing.assert_array_equal(one.interactions.items_flat, two.interactions.items_flat)
    np.testing.assert_array_equal(one.interactions.times, two.interactions.times)
    np.testing.assert_array_equal(one.cold.targets.items_flat, two.cold.targets.items_flat)
    assert one.catalogue.column("title") != other.catalogue.column("title")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_items": 63}, "n_items=63: expected 64 or more"),
        ({"n_users": 0}, "n_users=0: expected 1 or more"),
        ({"seed": -1}, "seed=-1: expected 0 or more"),
    ],
)
def test_a_shop_that_cannot_be_planted(options: dict[str, int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        synthetic_shop(**options)
