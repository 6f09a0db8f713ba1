"""Aspects of an item with their sentiment, and the polarity behind them."""

from pathlib import Path

import numpy as np
import pytest

from mmreco.data.ids import IdMap
from mmreco.data.reviews import Reviews
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.questions.aspects import ASPECTS, aspects_of, item_aspects
from mmreco.questions.polarity import Polarity

PRAISE = ["质量很好", "非常舒服", "delivery was quick", "love the colour", "great fit", "做工精细"]
BLAME = ["质量太差", "物流太慢", "delivery was slow", "hate the smell", "poor fit", "做工粗糙"]


def fitted() -> Polarity:
    return Polarity().fit([*PRAISE, *BLAME], np.repeat([True, False], 6))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("尺码偏小", ("size",)),
        ("尺碼偏小", ("size",)),
        ("Fabric feels cheap", ("material", "price")),
        ("续航不错", ("battery",)),
        ("Hello there", ()),
    ],
)
def test_aspects_are_found_by_their_words(text: str, expected: tuple[str, ...]) -> None:
    assert aspects_of(text) == expected
    assert set(expected) <= set(ASPECTS)


def test_praise_and_complaint_are_told_apart() -> None:
    polarity = fitted()
    assert (polarity.score(PRAISE) > 0.5).all()
    assert (polarity.score(BLAME) < 0.5).all()
    assert polarity.score([]).shape == (0,)


def test_stars_teach_polarity() -> None:
    shop = synthetic_shop(n_items=128, n_users=400, seed=3)
    polarity = Polarity().fit_stars(shop.reviews)
    good, bad = (
        polarity.score(["Excellent quality.", "质量很好，很满意。"]),
        polarity.score(["Sent it back.", "做工粗糙。"]),
    )
    assert good.min() > 0.5 > bad.max()


def test_each_clause_has_its_own_sentiment() -> None:
    items = IdMap.of(["hat", "mug"])
    said = ["质量很好，但是物流太慢", "Great quality but delivery was slow, mail jo@example.com", "做工精细"]
    reviews = Reviews.from_rows(items, [0, 0, 0], said)
    hat, mug = item_aspects(reviews, ["hat", "mug"], fitted())
    found = {summary.aspect: summary for summary in hat}
    assert mug == ()
    assert found["quality"].mentions == 3
    assert found["quality"].praise > 0.5 > found["delivery"].praise
    assert found["delivery"].worst is not None
    assert "@" not in str(hat)
    with pytest.raises(DataError, match="least=0"):
        item_aspects(reviews, ["hat"], fitted(), least=0)


def test_saved_and_loaded_it_judges_the_same(tmp_path: Path) -> None:
    polarity = fitted()
    polarity.save(tmp_path / "polarity")
    again = Polarity.load(tmp_path / "polarity")
    np.testing.assert_array_equal(again.score([*PRAISE, *BLAME]), polarity.score([*PRAISE, *BLAME]))


def test_an_encoder_is_not_forgotten(tmp_path: Path) -> None:
    class Lengths:
        dim = 2
        fingerprint = "lengths"

        def encode(self, contents, *, batch_size=64):  # type: ignore[no-untyped-def]
            return np.array([[len(text), 1.0] for text in contents], dtype=np.float32)

    polarity = Polarity(encoder=Lengths()).fit([*PRAISE, *BLAME], np.repeat([True, False], 6))
    polarity.save(tmp_path / "polarity")
    with pytest.raises(IncompatibleError, match="fitted with an encoder"):
        Polarity.load(tmp_path / "polarity")
    again = Polarity.load(tmp_path / "polarity", encoder=Lengths())
    np.testing.assert_allclose(again.score(PRAISE), polarity.score(PRAISE), rtol=1e-6)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        Polarity().score(["good"])
    with pytest.raises(DataError, match="2 of 2 labels good"):
        Polarity().fit(["a", "b"], np.array([True, True]))
    quiet = Reviews.from_rows(IdMap.of(["hat"]), [0], ["fine"], ratings=[3])
    with pytest.raises(DataError, match="0 sentences of good reviews"):
        Polarity().fit_stars(quiet)
