"""Baskets, what goes together in them, and what completes a cart."""

import numpy as np
import pytest

from mmreco.baskets import CartCompletion, baskets, bought_together
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError

MINUTE = 60_000
SHOP = IdMap.of(["tea", "mug", "lamp", "pot", "rug"])


def carts(*lists: str) -> Interactions:
    names = {name[0]: name for name in ("tea", "mug", "lamp", "pot", "rug")}
    return Interactions.from_histories([[names[letter] for letter in line] for line in lists], items=SHOP)


def test_a_pause_begins_a_basket() -> None:
    log = Interactions.from_events(
        IdMap.of(["ann", "bob", "eve"]),
        SHOP,
        np.array([0, 0, 0, 2]),
        np.array([0, 1, 2, 3]),
        times=np.array([0, 10, 60, 60]) * MINUTE,
        event_types=np.array([0, 0, 1, 1]),
        event_names=("view", "buy"),
    )
    found = baskets(log)
    assert found.users.array.to_pylist() == ["ann#0", "ann#1", "eve#0"]
    assert [found.history(row).tolist() for row in range(3)] == [[0, 1], [2], [3]]
    assert baskets(log, gap_minutes=5).users.array.to_pylist() == ["ann#0", "ann#1", "ann#2", "eve#0"]
    assert baskets(log, event="buy").users.array.to_pylist() == ["ann#0", "eve#0"]
    with pytest.raises(DataError, match="no event 'click'; there are view, buy"):
        baskets(log, event="click")
    with pytest.raises(DataError, match="the log has no times"):
        baskets(carts("tm"))


def test_pairs_equal_their_slow_twin() -> None:
    rng = np.random.default_rng(0)
    lists = [rng.choice(5, rng.integers(1, 4), replace=False).tolist() for _ in range(60)]
    log = Interactions.from_histories([SHOP.ids(one) for one in lists], items=SHOP)
    found = bought_together(log, np.arange(5), k=4, least_support=1, shrinkage=0)
    for row in range(5):
        with_row = [one for one in lists if row in one]
        lifts = {}
        for other in range(5):
            both = sum(other in one for one in with_row)
            if other != row and both:
                lifts[other] = (both / len(with_row)) / (sum(other in one for one in lists) / len(lists))
        order = sorted(lifts, key=lambda other: (-lifts[other], other))
        rows = found.ranking.rows[row]
        assert rows[rows >= 0].tolist() == order
        np.testing.assert_allclose(found.lift[row, : len(order)], [lifts[other] for other in order])
        np.testing.assert_array_equal(
            found.support[row, : len(order)], [sum(other in one for one in with_row) for other in order]
        )


def test_rare_pairs_are_not_answered() -> None:
    found = bought_together(carts("tm", "tm", "tl"), np.array([0]), k=2, least_support=2)
    assert found.ranking.ids(SHOP) == [["mug"]]
    assert found.support.tolist() == [[2, 0]]
    with pytest.raises(DataError, match="least_support=0"):
        bought_together(carts("tm"), np.array([0]), least_support=0)
    with pytest.raises(DataError, match=r"rows: rows 5\.\.5 of 5"):
        bought_together(carts("tm"), np.array([5]))


def test_a_cart_is_completed_by_what_goes_with_all_of_it() -> None:
    log = carts(*["tmp"] * 5, *["lr"] * 5, "tl")
    model = CartCompletion.fit(log, l2=1.0)
    asked = carts("tm", "l", "")
    found = model.complete(asked, 2)
    assert found.ids(SHOP)[0][0] == "pot"
    assert found.ids(SHOP)[1][0] == "rug"
    assert len(found.ids(SHOP)[2]) == 2  # an empty cart gets what is popular
    past = carts("", "", "rrr")
    assert model.complete(asked, 1, past=past).ids(SHOP)[2] == ["rug"]
    for line in range(3):
        np.testing.assert_array_equal(model.complete(asked.take([line]), 2).rows[0], found.rows[line])


def test_what_is_in_the_cart_is_not_answered() -> None:
    model = CartCompletion.fit(carts("tmplr", "tm"))
    found = model.complete(carts("tmp"), 5, past=carts("tttm"))
    assert set(found.rows[0]) == {2, 4, -1}
    only_rugs = np.arange(5) == 4
    assert model.complete(carts("tmp"), 2, candidates=only_rugs).rows.tolist() == [[4, -1]]
    with pytest.raises(DataError, match="past of 2 users for 1 carts"):
        model.complete(carts("t"), 1, past=carts("t", "m"))
    with pytest.raises(IncompatibleError, match="fitted on 5"):
        model.complete(Interactions.from_histories([["x"]], items=IdMap.of(["x"])), 1)
    with pytest.raises(DataError, match="l2=0"):
        CartCompletion.fit(carts("tm"), l2=0)


def test_the_weights_are_a_ridge_regression_on_the_rest_of_the_basket() -> None:
    rng = np.random.default_rng(0)
    bought = (rng.random((40, 5)) < 0.4).astype(float)
    log = Interactions.from_histories([SHOP.ids(np.flatnonzero(line)) for line in bought], items=SHOP)
    weights = CartCompletion.fit(log, l2=2.0).weights
    for item in range(5):
        rest = np.arange(5) != item
        left = bought[:, rest]
        slow = np.linalg.solve(left.T @ left + 2.0 * np.eye(4), left.T @ bought[:, item])
        np.testing.assert_allclose(weights[rest, item], slow, rtol=1e-4)
