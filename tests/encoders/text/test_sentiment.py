"""How well items are liked in words."""

from pathlib import Path

import numpy as np
import pytest

from mmreco.data.ids import IdMap
from mmreco.data.reviews import Reviews
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.encoders.text.sentiment import Sentiment
from mmreco.errors import DataError, NotFittedError

DAY = 86_400_000
NOW = 1_767_571_200_000


GOOD = ["质量很好 很喜欢", "love it great quality", "非常满意 推荐", "great fit, love the colour", "很好 推荐"]
BAD = ["质量很差 退货", "poor quality, returned", "不好看 失望", "awful fit, poor seams", "很差 失望"]


def test_sentiment_learns_from_stars() -> None:
    texts, stars = GOOD + BAD + ["一般"], np.array([5, 4, 5, 4, 5, 1, 2, 1, 2, 1, 3], dtype=np.float32)
    encoder = LexicalEncoder(dim=32).fit(texts)
    sentiment = Sentiment().fit(encoder.encode(texts), stars)
    scores = sentiment.score(encoder.encode(["love the quality 推荐", "很差 poor", "zebra"]))
    assert scores[0] > 0.6 > 0.4 > scores[1]
    assert scores.dtype == np.float32
    assert sentiment.prior_ == 0.5
    assert 0 < scores[2] < 1


def test_sentiment_equals_sklearn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 5)).astype(np.float32)
    stars = np.clip(np.round(3 + 2 * vectors[:, 0] + rng.normal(size=200)), 1, 5).astype(np.float32)
    stars[:7] = np.nan
    sentiment = Sentiment(strength=2.0).fit(vectors, stars)
    taught = (stars >= 4) | (stars <= 2)
    twin = LogisticRegression(C=2.0, max_iter=1000).fit(vectors[taught], stars[taught] >= 4)
    np.testing.assert_allclose(sentiment.score(vectors), twin.predict_proba(vectors)[:, 1], atol=1e-5)
    far = sentiment.score(np.full((1, 5), 1e6, dtype=np.float32))
    assert np.isfinite(far).all()


def test_items_are_drawn_to_the_shop() -> None:
    vectors = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32)
    sentiment = Sentiment().fit(vectors, np.array([5, 5, 1, 1], dtype=np.float32))
    shop = IdMap.of(["loved", "liked", "old", "hated", "silent", "none"])
    rows = [0] * 20 + [1] + [2, 2] + [3] * 20 + [4]
    texts = ["good"] * 43 + [""]
    times = [NOW] * 21 + [NOW - 1800 * DAY, NOW] + [NOW] * 21
    said = np.array([[1, 0]] * 21 + [[0, 1], [1, 0]] + [[0, 1]] * 20 + [[0, 1]], dtype=np.float32)
    reviews = Reviews.from_rows(shop, rows, texts, times=times)
    liked = sentiment.item_sentiment(reviews, said)
    assert liked.shape == (6,)
    assert liked[0] > liked[1] > 0.5 > liked[3]
    assert liked[4] == liked[5] == np.float32(0.5)
    assert liked[2] == pytest.approx(liked[1], abs=1e-3)  # the bad review is ten half-lives old
    one, bare = sentiment.score(said[:1])[0], sentiment.item_sentiment(reviews, said, doubt=0)
    assert liked[1] == pytest.approx((one + 5 * 0.5) / 6, abs=1e-6)
    assert bare[0] == pytest.approx(one, abs=1e-6)
    assert bare[5] == np.float32(0.5)
    nothing = sentiment.item_sentiment(Reviews.from_rows(shop, [], []), np.zeros((0, 2), dtype=np.float32))
    np.testing.assert_array_equal(nothing, np.full(6, 0.5, dtype=np.float32))


def test_save_and_load(tmp_path: Path) -> None:
    vectors = np.eye(3, dtype=np.float32)
    sentiment = Sentiment(good=5, bad=1, strength=3.0).fit(vectors, np.array([5, 1, 1], dtype=np.float32))
    sentiment.save(tmp_path / "kept")
    again = Sentiment.load(tmp_path / "kept")
    np.testing.assert_array_equal(again.score(vectors), sentiment.score(vectors))
    assert (again.good, again.bad, again.strength, again.prior_) == (5, 1, 3.0, sentiment.prior_)


def test_bad_calls(tmp_path: Path) -> None:
    vectors, stars = np.eye(2, dtype=np.float32), np.array([5, 1], dtype=np.float32)
    with pytest.raises(NotFittedError, match=r"fit\(vectors, ratings\)"):
        Sentiment().score(vectors)
    with pytest.raises(NotFittedError):
        Sentiment().save(tmp_path / "x")
    with pytest.raises(DataError, match="bad below good"):
        Sentiment(good=2, bad=2)
    with pytest.raises(DataError, match="strength=0"):
        Sentiment(strength=0)
    with pytest.raises(DataError, match="2 reviews of 4 stars and more, 0 of 2 and less among 2"):
        Sentiment().fit(vectors, np.array([5, 4], dtype=np.float32))
    with pytest.raises(DataError, match=r"expected \(3, 2\)"):
        Sentiment().fit(vectors, np.array([5, 1, 1], dtype=np.float32))
    with pytest.raises(DataError, match="NaN or infinity in row 1"):
        Sentiment().fit(np.array([[0, 1], [np.nan, 0]], dtype=np.float32), stars)
    fitted = Sentiment().fit(vectors, stars)
    with pytest.raises(DataError, match=r"expected \(1, 2\)"):
        fitted.score(np.zeros((1, 3), dtype=np.float32))
    with pytest.raises(DataError, match="doubt=-1"):
        fitted.item_sentiment(Reviews.from_rows(IdMap.of(["hat"]), [0], ["a"]), vectors[:1], doubt=-1)
