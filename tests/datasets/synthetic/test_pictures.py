"""Pictures: the facts can be seen in them, and the same facts give the same bytes."""

from pathlib import Path

import numpy as np
import pytest

from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.datasets.synthetic.facts import CATEGORIES, COLOURS, STYLES
from mmreco.datasets.synthetic.pictures import draw, photograph
from mmreco.datasets.synthetic.silhouettes import SILHOUETTES, outline
from mmreco.errors import DataError


@pytest.fixture(scope="module")
def shop() -> SyntheticShop:
    return synthetic_shop(n_items=200, n_users=5, seed=2)


def pixels(shop: SyntheticShop, row: int, take: int = 0) -> np.ndarray:
    return np.asarray(photograph(shop.truth.facts, row, take=take), dtype=np.float32)


def test_draws_what_has_a_picture_and_nothing_else(tmp_path: Path) -> None:
    shop = synthetic_shop(n_items=64, n_users=1, seed=2)
    drawn = draw(shop, tmp_path / "pictures")
    shown = np.array([path is not None for path in drawn.images()])
    np.testing.assert_array_equal(shown, shop.truth.pictured)
    assert {path for path in drawn.images() if path} == set((tmp_path / "pictures").glob("*.jpg"))
    assert drawn.items == shop.catalogue.items
    assert drawn.column("title") == shop.catalogue.column("title")
    again = draw(shop, tmp_path / "again")
    for one, two in zip(drawn.images(), again.images(), strict=True):
        assert one is None or one.read_bytes() == two.read_bytes()


def test_another_take_is_another_picture_of_the_same_thing(shop: SyntheticShop) -> None:
    first, second, other = pixels(shop, 0), pixels(shop, 0, take=1), pixels(shop, 0)
    assert first.shape == (128, 128, 3)
    np.testing.assert_array_equal(first, other)
    assert np.abs(first - second).mean() > 2


def test_colours_can_be_told_apart(shop: SyntheticShop) -> None:
    """The mean of the middle of plain products is nearest to that of its own colour."""
    facts = shop.truth.facts
    plain = np.flatnonzero(facts.pattern == 0)
    middles = np.array([pixels(shop, r)[44:84, 44:84].reshape(-1, 3).mean(axis=0) for r in plain])
    colours = facts.colour[plain]
    centres = np.array([np.median(middles[colours == c], axis=0) for c in range(len(COLOURS))])
    nearest = np.linalg.norm(middles[:, None] - centres[None], axis=2).argmin(axis=1)
    assert (nearest == colours).mean() > 0.6  # shoes and lamps leave much backdrop in the middle


def test_patterns_leave_the_colour_in_charge(shop: SyntheticShop) -> None:
    facts = shop.truth.facts
    red = [c.name for c in COLOURS].index("red")
    for row in np.flatnonzero(facts.colour == red):
        r, g, b = np.moveaxis(pixels(shop, int(row)), 2, 0)
        reddish = (r > g + 60) & (r > b + 60)
        assert reddish.mean() > 0.05, CATEGORIES[facts.category[row]].name


def test_every_category_has_a_silhouette_in_every_style() -> None:
    assert set(SILHOUETTES) == {category.name for category in CATEGORIES}
    for drawings in SILHOUETTES.values():
        assert len(drawings) == len(STYLES)
        for parts in drawings:
            assert any(part.paint == "fabric" for part in parts)
            points = np.concatenate([outline(part.path) for part in parts])
            assert points.min() >= 0
            assert points.max() <= 100


def test_outline_draws_lines_and_curves() -> None:
    np.testing.assert_array_equal(outline("M0 0 L10 0 L10 5 Z"), [[0, 0], [10, 0], [10, 5]])
    curve = outline("M0 0 Q5 10 10 0")
    np.testing.assert_allclose(curve[5], [5, 5], atol=1e-5)  # a quadratic at its half
    np.testing.assert_allclose(curve[-1], [10, 0])


@pytest.mark.parametrize(("path", "said"), [("L1 1", "M first"), ("M1 1 Q2 2", "Q takes 2 points")])
def test_outline_refuses_a_broken_path(path: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        outline(path)


def test_no_such_product(shop: SyntheticShop) -> None:
    with pytest.raises(DataError, match=r"row 200: expected 0\.\.199"):
        photograph(shop.truth.facts, 200)
