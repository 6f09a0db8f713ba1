from collections.abc import Callable

import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.datasets.synthetic.shop import SyntheticShop
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError, NotFittedError
from mmreco.evaluation import evaluate
from mmreco.models.contentknn import ContentKNN
from mmreco.splitting import Split


def vectors(items: IdMap, dim: int, seed: int, *, without: tuple[int, ...] = ()) -> Embeddings:
    rows = [row for row in range(len(items)) if row not in without]
    drawn = np.random.default_rng(seed).normal(size=(len(rows), dim)).astype(np.float32)
    return Embeddings(items.take(np.array(rows)), drawn)


def with_content(log: Interactions, **content: Embeddings) -> Dataset:
    return Dataset.from_interactions(log).with_content(content)


@pytest.mark.parametrize("half_life_days", [None, 10.0])
def test_scores_equal_the_slow_twin(log: Interactions, asked: Interactions, half_life_days: float | None) -> None:
    text, image = vectors(log.items, 4, 0, without=(3, 7)), vectors(log.items, 6, 1, without=(7,))
    model = ContentKNN(half_life_days=half_life_days).fit(with_content(log, text=text, image=image))
    items = np.zeros((25, 10))
    for row, name in enumerate(log.items.ids(np.arange(25))):
        for part, start in ((text, 0), (image, 4)):
            found = part.ids.rows([name], missing="mark")[0]
            if found >= 0:
                unit = part.vectors[found] / np.linalg.norm(part.vectors[found])
                items[row, start : start + part.dim] = unit
        items[row] /= max(np.linalg.norm(items[row]), 1e-9)
    found = model.user_vectors(asked) @ model.item_embeddings().vectors.T
    for user in range(len(asked)):
        mine = slice(asked.starts[user], asked.starts[user + 1])
        ages = (asked.times[mine].max(initial=0) - asked.times[mine]) / 86_400_000
        decay = 1 if half_life_days is None else 0.5 ** (ages / half_life_days)
        mean = (asked.weights[mine] * decay) @ items[asked.items_flat[mine]]
        np.testing.assert_allclose(found[user], items @ mean / max(np.linalg.norm(mean), 1e-9), atol=1e-5)


def test_items_without_content_come_with_nothing_to_say(log: Interactions) -> None:
    model = ContentKNN().fit(with_content(log, text=vectors(log.items, 4, 0, without=(3,))))
    assert not model.item_embeddings().vectors[3].any()
    answer = model.recommend(histories=log, k=25, exclude_seen=False)
    assert (answer.rows >= 0).all()  # they are answered all the same, where there is room
    np.testing.assert_allclose(answer.scores[answer.rows == 3], 0)


def test_new_items_are_reached_by_their_words(shop: SyntheticShop, held_out: Split) -> None:
    texts = [text or "" for text in shop.catalogue.texts()]
    words = LexicalEncoder(dim=32).fit(texts)
    content = Embeddings(shop.catalogue.items, words.encode(texts))
    model = ContentKNN().fit(held_out.train.with_content({"text": content}))
    new = shop.truth.never_clicked
    chance = 10 / new.sum()
    assert evaluate(model, shop.cold, 10, candidates=new)["recall@10"] > 1.3 * chance


def test_it_beats_popular_on_the_planted_shop(
    shop: SyntheticShop, held_out: Split, over_popular: Callable[..., float]
) -> None:
    texts = [text or "" for text in shop.catalogue.texts()]
    content = Embeddings(shop.catalogue.items, LexicalEncoder(dim=32).fit(texts).encode(texts))
    model = ContentKNN(half_life_days=14).fit(held_out.train.with_content({"text": content}))
    assert over_popular(model, fitted=True) > 1


def test_content_has_to_be_given(log: Interactions) -> None:
    nothing = Embeddings(IdMap.of([]), np.zeros((0, 4), dtype=np.float32))
    for dataset in (Dataset.from_interactions(log), with_content(log, text=nothing)):
        with pytest.raises(DataError, match=r"ContentKNN: the dataset has no content .* dataset\.with_content"):
            ContentKNN().fit(dataset)


def test_unfitted_is_said(log: Interactions) -> None:
    with pytest.raises(NotFittedError, match="ContentKNN is not fitted"):
        ContentKNN().user_vectors(log)
    with pytest.raises(NotFittedError, match="ContentKNN is not fitted"):
        ContentKNN().item_embeddings()
