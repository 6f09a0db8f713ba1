"""The front door on a synthetic shop: ids in, ids out, for whoever asks and whatever is known."""

import os
import pickle
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torch.optim.optimizer import register_optimizer_step_post_hook

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.errors import DataError, IncompatibleError, UnknownIdError
from mmreco.live.event_log import EventLog
from mmreco.live.popularity import Popularity
from mmreco.models import Training
from mmreco.models.base import Model
from mmreco.models.sharedspace import SharedSpace
from mmreco.recommender import Recommender


@pytest.fixture(scope="module")
def shop() -> SyntheticShop:
    return synthetic_shop(n_items=160, n_users=200, seed=3)


@pytest.fixture(scope="module")
def recommender(shop: SyntheticShop) -> Recommender:
    return Recommender.fit(shop.dataset, model=small())


def small() -> SharedSpace:
    return SharedSpace(dim=16, training=Training(epochs=3))


def clone(recommender: Recommender) -> Recommender:
    """The same recommender, whose changes are its own."""
    state = recommender._state
    log = state.log.merged(state.items)
    return Recommender(replace(state, log=EventLog(log), popularity=Popularity.of(log)))


# ---- fit


def test_training_ends_when_its_minutes_are_over(shop: SyntheticShop) -> None:
    model = SharedSpace(dim=8, training=Training(epochs=30, patience=30, minutes=1e-9))
    Recommender.fit(Dataset(shop.catalogue, shop.interactions), model=model, text=[], image=[])
    assert len(model.scores_) == 1


def test_the_weights_that_answer_are_a_mean_over_steps(shop: SyntheticShop) -> None:
    model = SharedSpace(dim=8, target="next", training=Training(epochs=1, patience=None))
    seen: list[torch.Tensor] = []

    def note(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        seen.append(optimiser.param_groups[0]["params"][0].detach().clone())

    hook = register_optimizer_step_post_hook(note)
    try:
        Recommender.fit(Dataset(shop.catalogue, shop.interactions), model=model, text=[], image=[])
    finally:
        hook.remove()
    weight = next(weight for weight in model.network_.parameters() if weight.shape == seen[0].shape)
    kept = weight.detach()
    apart = [float((kept - one).abs().mean()) for one in (seen[-1], torch.stack(seen).mean(dim=0))]
    assert apart[1] < 0.6 * apart[0], "it lies among all steps, not at the last"


# ---- recommend


def test_known_users_get_k_unseen_items(shop: SyntheticShop, recommender: Recommender) -> None:
    users = shop.interactions.users.ids([5, 0, 5])
    answer = recommender.recommend(users, k=7)
    assert answer.questions == tuple(users)
    assert [len(ids) for ids in answer.ids()] == [7, 7, 7]
    assert answer.ids()[0] == answer.ids()[2]
    assert not answer.popular.any()
    assert answer.unknown == ()
    items = shop.interactions.items
    for ids, row in zip(answer.ids(), [5, 0, 5], strict=True):
        assert set(ids).isdisjoint(items.ids(shop.interactions.history(row)))
        assert len(set(ids)) == 7
    assert (np.diff(answer.scores, axis=1) <= 0).all()


def test_a_pickled_recommender_is_another_one_that_answers_alike(shop: SyntheticShop, recommender: Recommender) -> None:
    recommender.search(text=["red dress"], k=3)
    other = pickle.loads(pickle.dumps(recommender))
    item, user = shop.catalogue.items.ids([0])[0], shop.interactions.users.ids([0])[0]
    for asked in (lambda one: one.recommend([user], k=5), lambda one: one.search(text=["red dress"], k=5)):
        assert np.array_equal(asked(other).ranking.rows, asked(recommender).ranking.rows)
    assert other.observe(pa.table({"user_id": ["one more"], "item_id": [item]})) == 1
    assert other.recommend(["one more"], k=1).unknown == ()
    assert recommender.recommend(["one more"], k=1).unknown == ("one more",)


def test_a_batch_equals_one_by_one(shop: SyntheticShop, recommender: Recommender) -> None:
    users = shop.interactions.users.ids([3, 1, 4])
    assert recommender.recommend(users).ids() == [recommender.recommend([u]).ids()[0] for u in users]


def test_a_stranger_with_the_same_history_gets_the_same_items(shop: SyntheticShop, recommender: Recommender) -> None:
    trained = shop.interactions
    history = trained.items.ids(trained.history(2))
    stranger = recommender.recommend(history=[history], k=5)
    assert stranger.questions == ("0",)
    assert set(stranger.ids()[0]).isdisjoint(history)
    assert not stranger.popular.any()


def test_histories_differ_in_what_they_are_answered(shop: SyntheticShop, recommender: Recommender) -> None:
    lamps, dresses = (
        shop.catalogue.items.ids(shop.truth.rows(category=c)[:6])
        for c in (category_names(shop)[0], category_names(shop)[1])
    )
    answer = recommender.recommend(history=[lamps, dresses], k=10)
    assert answer.ids()[0] != answer.ids()[1]


def category_names(shop: SyntheticShop) -> list[str]:
    return list(dict.fromkeys(shop.catalogue.column("category")))


def test_unknown_user_and_empty_history_get_what_is_popular(shop: SyntheticShop, recommender: Recommender) -> None:
    log = shop.interactions
    pairs = {(int(u), int(i)) for u, i in zip(log.users_flat, log.items_flat, strict=True)}
    counts = np.bincount([item for _, item in pairs], minlength=len(log.items))  # people, not lines
    best = shop.catalogue.items.ids(np.lexsort((np.arange(len(counts)), -counts))[:4])
    answer = recommender.recommend(["nobody", shop.interactions.users.ids([0])[0], "none"], k=4)
    assert answer.ids()[0] == best
    assert answer.ids()[2] == best
    assert answer.popular.tolist() == [True, False, True]
    assert answer.unknown == ("nobody", "none")
    assert "(popular)" in repr(answer)
    assert recommender.recommend(history=[[]], k=4).ids() == [best]
    assert recommender.recommend(history=[["no-such-item"]], k=4).ids() == [best]
    assert recommender.recommend(history=[["no-such-item"]], k=4).unknown == ("no-such-item",)


def test_no_question_no_answer(recommender: Recommender) -> None:
    assert len(recommender.recommend([])) == 0
    assert len(recommender.recommend(history=[])) == 0
    assert len(recommender.similar([])) == 0
    assert recommender.search(text=[]).ids() == []


def test_seen_items_may_be_asked_for(shop: SyntheticShop, recommender: Recommender) -> None:
    n = len(shop.catalogue)
    user = shop.interactions.users.ids([0])
    assert len(recommender.recommend(user, k=n, exclude_seen=False).ids()[0]) == n
    seen = len(set(shop.interactions.history(0).tolist()))
    assert len(recommender.recommend(user, k=n).ids()[0]) == n - seen
    assert recommender.recommend(user, k=n).scores.shape == (1, n)


@pytest.mark.parametrize("who", ["known", "unknown"])
def test_where_is_an_expression_or_a_mask(shop: SyntheticShop, recommender: Recommender, who: str) -> None:
    category = category_names(shop)[0]
    users = shop.interactions.users.ids([1]) if who == "known" else ["unknown"]
    allowed = np.array([c == category for c in shop.catalogue.column("category")])
    by_text = recommender.recommend(users, k=5, where=f"category == '{category}'")
    assert by_text.ids() == recommender.recommend(users, k=5, where=allowed).ids()
    assert len(by_text.ids()[0]) == 5
    assert set(by_text.ids()[0]) <= set(shop.catalogue.items.ids(np.flatnonzero(allowed)))


# ---- similar and search


def test_similar_leaves_the_item_itself_out(shop: SyntheticShop, recommender: Recommender) -> None:
    items = shop.catalogue.items.ids([4, 9, 4])
    answer = recommender.similar(["no-such-item", *items], k=6)
    assert answer.ids()[0] == []
    assert answer.unknown == ("no-such-item",)
    assert [len(ids) for ids in answer.ids()] == [0, 6, 6, 6]
    assert all(item not in ids for item, ids in zip(items, answer.ids()[1:], strict=True))
    assert answer.ids()[1] == answer.ids()[3]


@pytest.mark.parametrize(("query", "category"), [("dress", "dress"), ("连衣裙", "dress")])
def test_words_find_what_is_written(shop: SyntheticShop, recommender: Recommender, query: str, category: str) -> None:
    meant = shop.catalogue.items.ids(shop.truth.rows(category=category))
    found = recommender.search(text=[query], k=len(meant)).ids()[0]
    assert len(set(found) & set(meant)) >= 0.8 * len(meant)


def test_words_nobody_knows_find_nothing(recommender: Recommender) -> None:
    answer = recommender.search(text=["qwrtpsdf", "red"], k=3)
    assert answer.ids()[0] == []
    assert len(answer.ids()[1]) == 3
    assert answer.unknown == ("qwrtpsdf",)


def test_search_minds_where(shop: SyntheticShop, recommender: Recommender) -> None:
    found = recommender.search(text=["red"], k=5, where="price < 100").ids()[0]
    prices = dict(zip(shop.catalogue.items.array.to_pylist(), shop.catalogue.column("price"), strict=True))
    assert found
    assert all(prices[i] < 100 for i in found)


# ---- the answer


def test_an_answer_is_a_table(shop: SyntheticShop, recommender: Recommender) -> None:
    answer = recommender.recommend([*shop.interactions.users.ids([0]), "nobody"], k=3)
    table = answer.to_frame()
    assert table.column_names == ["question", "rank", "item_id", "score", "title"]
    assert table["rank"].to_pylist() == [1, 2, 3, 1, 2, 3]
    assert table["item_id"].to_pylist() == [i for ids in answer.ids() for i in ids]
    assert table["question"].to_pylist() == [q for q in answer.questions for _ in range(3)]
    titles = dict(zip(shop.catalogue.items.array.to_pylist(), shop.catalogue.column("title"), strict=True))
    assert table["title"].to_pylist() == [titles[i] for i in table["item_id"].to_pylist()]


# ---- added items


def test_a_new_item_is_answered_from_then_on(shop: SyntheticShop, recommender: Recommender) -> None:
    grown = clone(recommender)
    like = int(shop.truth.rows(category="dress")[0])
    row = shop.catalogue.take([like]).table.to_pylist()[0]
    new = Catalogue.from_frame(
        pa.table({"item_id": ["new-1", "new-2"], "title": [row["title"], None], "category": [row["category"], None]})
    )
    grown.add(new)
    assert len(grown.catalogue) == len(shop.catalogue) + 1
    assert grown.refused["id"].to_pylist()[-1] == "new-2"
    assert len(recommender.catalogue) == len(shop.catalogue)
    assert "new-1" in grown.search(text=[row["title"]], k=5).ids()[0]
    near = grown.similar(["new-1"], k=10).ids()[0]
    dresses = set(shop.catalogue.items.ids(shop.truth.rows(category="dress")))
    assert len(dresses & set(near)) >= 5
    everything = grown.recommend(shop.interactions.users.ids([0]), k=len(grown.catalogue), exclude_seen=False).ids()[0]
    assert "new-1" in everything
    stranger = grown.recommend(history=[["new-1"]], k=len(grown.catalogue))
    assert not stranger.popular[0]
    assert "new-1" not in stranger.ids()[0]
    assert len(dresses & set(stranger.ids()[0][:10])) >= 3
    with pytest.raises(DataError, match="1 of 1 items are known already, first 'new-1'"):
        grown.add(new.take([0]))


# ---- pictures

COLOURS = ("red", "green", "blue", "yellow")


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recommender, Path]:
    """Forty plain squares, ten a colour; everybody buys one colour. One file is broken, one item has none."""
    folder = tmp_path_factory.mktemp("pictures")
    ids = [f"{colour}-{n}" for colour in COLOURS for n in range(10)]
    for item in ids[:-1]:
        Image.new("RGB", (40, 40), item.partition("-")[0]).save(folder / f"{item}.png")
    (folder / "blue-9.png").write_bytes(b"no picture")
    shop = Catalogue.from_frame(pa.table({"item_id": ids}), images=folder)
    rng = np.random.default_rng(0)
    histories = [[ids[10 * (u % 4) + i] for i in rng.permutation(9)[:6]] for u in range(60)]
    events = Interactions.from_histories(histories, items=shop.items)
    encoder = ImageEncoder("torchvision/squeezenet1_0", weights="random", size=32, device="cpu")
    return Recommender.fit(Dataset(shop, events), text=[], image=[encoder], model=small()), folder


def test_a_picture_finds_what_looks_like_it(pictured: tuple[Recommender, Path]) -> None:
    recommender, folder = pictured
    found = recommender.search(image=[folder / "red-0.png", str(folder / "blue-3.png")], k=9).ids()
    assert set(found[0]) <= {f"red-{n}" for n in range(10)}
    assert set(found[1]) == {f"blue-{n}" for n in range(9)}


def test_broken_pictures_are_refused_and_their_items_stay(pictured: tuple[Recommender, Path]) -> None:
    recommender, _ = pictured
    assert recommender.refused["id"].to_pylist() == ["blue-9"]
    assert len(recommender.catalogue) == 40
    assert "blue-9" in recommender.recommend(history=[["blue-0"]], k=40).ids()[0]


def test_a_new_item_with_only_a_picture(pictured: tuple[Recommender, Path], tmp_path: Path) -> None:
    recommender = clone(pictured[0])
    Image.new("RGB", (40, 40), "red").save(tmp_path / "new.png")
    recommender.add(Catalogue.from_frame(pa.table({"item_id": ["new"], "image": [str(tmp_path / "new.png")]})))
    assert "new" in recommender.search(image=[tmp_path / "new.png"], k=12).ids()[0]
    near = recommender.similar(["new"], k=9).ids()[0]
    assert len([i for i in near if i.startswith("red")]) >= 5
    recommender.save(tmp_path / "artefact")
    assert Recommender.load(tmp_path / "artefact").similar(["new"], k=9).ids()[0] == near


def test_an_unreadable_picture_query_is_said_by_name(pictured: tuple[Recommender, Path]) -> None:
    with pytest.raises(DataError, match="blue-9"):
        pictured[0].search(image=[pictured[1] / "blue-9.png"])


def test_a_box_of_a_picture_is_compared(pictured: tuple[Recommender, Path], tmp_path: Path) -> None:
    recommender, _ = pictured
    scene = Image.new("RGB", (120, 90), "red")
    scene.paste(Image.new("RGB", (40, 40), "blue"), (70, 30))
    scene.save(tmp_path / "scene.png")
    asked = [tmp_path / "scene.png"] * 2
    answer = recommender.search(image=asked, boxes=[(70, 30, 110, 70), (0, 0, 60, 60)], k=9)
    assert set(answer.ids()[0]) == {f"blue-{n}" for n in range(9)}
    assert set(answer.ids()[1]) <= {f"red-{n}" for n in range(10)}
    assert answer.boxes == ((70, 30, 110, 70), (0, 0, 60, 60))
    assert "[70, 30, 110, 70]" in repr(answer)
    assert answer.questions == (str(tmp_path / "scene.png"),) * 2
    whole = recommender.search(image=asked[:1], boxes=[None], k=3)
    assert whole.boxes == (None,)
    assert whole.ids() == recommender.search(image=asked[:1], k=3).ids()
    for boxes, said in (([(0, 0, 9, 9)], "1 for 2 pictures"), ([None, (0, 0, 500, 9)], "picture 1: box")):
        with pytest.raises(DataError, match=said):
            recommender.search(image=asked, boxes=boxes)
    with pytest.raises(DataError, match="boxes without pictures"):
        recommender.search(text=["red"], boxes=[None])


def test_a_shop_s_own_pictures_are_learnt_from(
    pictured: tuple[Recommender, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = pictured[0].catalogue
    thorough = ImageEncoder.fit_pictures
    monkeypatch.setattr(ImageEncoder, "fit_pictures", lambda *a, **o: thorough(*a, **{**o, "epochs": 1, "dim": 16}))
    events = Interactions.from_histories([["red-0", "red-1"], ["blue-0", "blue-1"]], items=shop.items)
    recommender = Recommender.fit(Dataset(shop, events), model=SharedSpace(dim=8, training=Training(epochs=1)))
    assert "image" in repr(recommender)
    assert len(recommender.search(image=[pictured[1] / "red-0.png"], k=3).ids()[0]) == 3


# ---- kept


def everything(one: Recommender, users: list[str], items: list[str]) -> list[np.ndarray]:
    answers = [
        one.recommend([*users, "nobody"], k=9),
        one.recommend(history=[items, []], k=9, where="price < 200"),
        one.similar(items, k=9),
        one.search(text=["red dress", "蓝色"], k=9),
    ]
    return [part for a in answers for part in (a.ranking.rows, a.scores)]


def test_a_loaded_one_answers_equal(shop: SyntheticShop, recommender: Recommender, tmp_path: Path) -> None:
    grown = clone(recommender)
    grown.add(Catalogue.from_frame(pa.table({"item_id": ["new-1"], "title": ["red dress 红色连衣裙"]})))
    grown.save(tmp_path / "artefact")
    loaded = Recommender.load(tmp_path / "artefact")
    users, items = shop.interactions.users.ids([0, 7]), [*shop.catalogue.items.ids([1, 2]), "new-1"]
    for ours, theirs in zip(everything(grown, users, items), everything(loaded, users, items), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.catalogue.table.equals(grown.catalogue.table)
    loaded.add(Catalogue.from_frame(pa.table({"item_id": ["new-2"], "title": ["red dress"]})))
    assert "new-2" in loaded.search(text=["red dress"], k=30).ids()[0]
    names = {path.suffix for path in (tmp_path / "artefact").rglob("*") if path.is_file()}
    assert names <= {".json", ".parquet", ".safetensors", ".faiss", ".npy", ""}  # CURRENT has no ending


def test_damage_is_refused(recommender: Recommender, tmp_path: Path) -> None:
    recommender.save(tmp_path / "a")
    for number, path in enumerate(sorted(p for p in (tmp_path / "a").rglob("*") if p.is_file())):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(tmp_path / "a", copy)
        other = copy / path.relative_to(tmp_path / "a")
        content = bytearray(other.read_bytes())
        content[len(content) // 2] ^= 1
        other.write_bytes(content)
        with pytest.raises((DataError, IncompatibleError)):
            Recommender.load(copy)


def test_a_foreign_artefact_is_refused(recommender: Recommender, tmp_path: Path) -> None:
    next(iter(recommender._state.content.values())).encoder.save(tmp_path / "e")
    with pytest.raises(IncompatibleError, match="holds a LexicalEncoder; expected a Recommender"):
        Recommender.load(tmp_path / "e")


# ---- refused requests


def test_bad_requests_say_what_is_wrong(shop: SyntheticShop, recommender: Recommender) -> None:
    for ask, said in [
        (lambda: recommender.recommend(), "users or history"),
        (lambda: recommender.recommend(["u"], history=[[]]), "users or history"),
        (lambda: recommender.recommend("user-1"), r"give a list, e.g. \['user-1'\]"),
        (lambda: recommender.recommend([7]), "7 at position 0 is not a string"),
        (lambda: recommender.recommend(history=["sku"]), "'sku' is a single value; give a list"),
        (lambda: recommender.recommend(["u"], k=0), "k=0"),
        (lambda: recommender.recommend(["u"], where="nonsense == 1"), "nonsense"),
        (lambda: recommender.recommend(["u"], where=np.ones(3, dtype=bool)), "where"),
        (lambda: recommender.similar("sku"), "give a list"),
        (lambda: recommender.search(), "queries: none"),
        (lambda: recommender.search(image=["x.jpg"]), "no image encoder"),
        (lambda: recommender.search(text=["red"], where=np.ones(3, dtype=bool)), "where"),
    ]:
        with pytest.raises(DataError, match=said):
            ask()


def test_fit_wants_a_dataset(shop: SyntheticShop) -> None:
    for given in (shop.catalogue, shop.interactions, [1], None):
        with pytest.raises(DataError, match="expected a Dataset"):
            Recommender.fit(given)  # type: ignore[arg-type]
    nothing = Dataset.from_frames(items=pa.table({"item_id": pa.array([], pa.string())}))
    with pytest.raises(DataError, match="no items"):
        Recommender.fit(nothing)
    with pytest.raises(DataError, match="does not recommend"):
        Recommender.fit(shop.dataset, model=SharedSpace)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="does not encode"):
        Recommender.fit(shop.dataset, text=[len])  # type: ignore[list-item]


def test_the_same_seed_gives_the_same_answers(shop: SyntheticShop) -> None:
    users = shop.interactions.users.ids([0, 1, 2])
    first, second = (
        Recommender.fit(shop.dataset, model=SharedSpace(dim=8, training=Training(epochs=1))).recommend(users)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.scores, second.scores)


def test_words_of_titles_are_facts(recommender: Recommender) -> None:
    names = recommender.model.vocabulary_.names
    said = {name.partition("=")[2] for name in names if name.startswith("title_word=")}
    assert {"red", "红色"} <= said


# ---- any model


@pytest.mark.parametrize("name", ["EASE", "ALS", "ItemKNN", "Popular", "ContentKNN"])
def test_any_model_stands_behind_the_door(shop: SyntheticShop, name: str, tmp_path: Path) -> None:
    from mmreco.models import MODELS

    recommender = Recommender.fit(shop.dataset, model=MODELS[name](), image=[])
    users, items = shop.interactions.users.ids([0, 3]), shop.catalogue.items.ids([5, 8])
    answer = recommender.recommend(users, k=6, where="price < 500")
    assert [len(ids) for ids in answer.ids()] == [6, 6]
    for by in ("behaviour", "content", "both"):
        alike = recommender.similar(items, k=4, by=by).ids()  # type: ignore[arg-type]
        assert [len(ids) for ids in alike] == [4, 4]
        assert all(item not in ids for item, ids in zip(items, alike, strict=True))
    assert [len(ids) for ids in recommender.similar_users(users, k=3).ids()] == [3, 3]
    recommender.save(tmp_path / "artefact")
    loaded = Recommender.load(tmp_path / "artefact")
    assert loaded.recommend(users, k=6, where="price < 500").ids() == answer.ids()
    recommender.add(Catalogue.from_frame(pa.table({"item_id": ["new-1"], "title": ["red dress"]})))
    assert "new-1" in recommender.search(text=["red dress"], k=40).ids()[0]
    recommender.observe([{"user_id": users[0], "item_id": "new-1"}])
    assert len(recommender.recommend(users, k=6).ids()[0]) == 6


def test_similar_users_are_alike(shop: SyntheticShop, recommender: Recommender) -> None:
    users = shop.interactions.users.ids([4, 4, 9])
    answer = recommender.similar_users([*users, "nobody"], k=5)
    assert answer.ids()[0] == answer.ids()[1]
    assert users[0] not in answer.ids()[0]
    assert answer.ids()[3] == []
    assert answer.unknown == ("nobody",)
    assert (np.diff(answer.scores[:3], axis=1) <= 0).all()


def test_whoever_keeps_the_promise_is_taken(shop: SyntheticShop) -> None:
    class FirstItems:
        def recommend(self, request: Request, /) -> Ranking:
            scores = np.tile(-np.arange(len(request.histories.items), dtype=np.float32), (len(request), 1))
            if request.candidates is not None:
                scores[:, ~request.candidates] = -np.inf
            return Ranking.from_scores(scores, request.k)

    recommender = Recommender.fit(shop.dataset, model=FirstItems(), image=[])
    first = shop.catalogue.items.ids([0, 1, 2])
    assert recommender.recommend(shop.interactions.users.ids([0]), k=3).ids() == [first]
    with pytest.raises(DataError, match="cannot be stored"):
        recommender.save("nowhere")
    with pytest.raises(DataError, match="train it yourself"):
        recommender.refit()


# ---- what may be answered


def test_ids_are_allowed_or_refused(shop: SyntheticShop, recommender: Recommender) -> None:
    user = shop.interactions.users.ids([0])
    best = recommender.recommend(user, k=6).ids()[0]
    assert recommender.recommend(user, k=3, refuse=best[:3]).ids() == [best[3:]]
    assert recommender.recommend(user, k=6, allow=[best[4], best[1], "no-such-item"]).ids() == [[best[1], best[4]]]
    assert recommender.search(text=["red"], k=3, allow=[]).ids() == [[]]
    near = recommender.similar([best[0]], k=3).ids()[0]
    assert near[0] not in recommender.similar([best[0]], k=3, refuse=[near[0]]).ids()[0]


def test_every_question_may_have_its_own_filter(shop: SyntheticShop, recommender: Recommender) -> None:
    user = shop.interactions.users.ids([0])[0]
    filters = ["price < 100", None, "price >= 100"]
    together = recommender.recommend([user, user, user], k=5, where=filters).ids()
    assert together == [recommender.recommend([user], k=5, where=one).ids()[0] for one in filters]
    items = shop.catalogue.items.ids([1, 2, 1])
    alike = recommender.similar(items, k=5, where=filters).ids()
    assert alike == [
        recommender.similar([item], k=5, where=one).ids()[0] for item, one in zip(items, filters, strict=True)
    ]
    found = recommender.search(text=["red", "dress", "red"], k=5, where=filters).ids()
    assert found[0] == recommender.search(text=["red"], k=5, where="price < 100").ids()[0]
    with pytest.raises(DataError, match="2 filters for 1 questions"):
        recommender.recommend([user], where=["price < 1", None])


# ---- live


def test_an_event_is_in_the_next_answer(shop: SyntheticShop, recommender: Recommender) -> None:
    live = clone(recommender)
    user = shop.interactions.users.ids([0])[0]
    before = live.recommend([user], k=5)
    taken = live.observe([{"user_id": user, "item_id": before.ids()[0][0], "event": "purchase", "weight": 4.0}])
    after = live.recommend([user], k=5)
    assert taken == 1
    assert before.ids()[0][0] not in after.ids()[0]
    assert recommender.recommend([user], k=5).ids() == before.ids()
    newcomer = live.recommend(["somebody-new"], k=5)
    assert newcomer.popular[0]
    live.observe(pa.table({"user_id": ["somebody-new"] * 2, "item_id": before.ids()[0][:2]}))
    known = live.recommend(["somebody-new"], k=5)
    assert not known.popular[0]
    assert known.unknown == ()
    stranger = live.recommend(history=[before.ids()[0][:2]], k=5).ids()[0]  # the same, but for when it happened
    assert len(set(known.ids()[0]) & set(stranger)) >= 3


def test_events_of_unknown_items_are_dropped_with_a_word(
    shop: SyntheticShop, recommender: Recommender, caplog: pytest.LogCaptureFixture
) -> None:
    live = clone(recommender)
    assert live.observe([{"user_id": "u", "item_id": "no-such-item"}]) == 0
    assert "1 events of unknown items" in caplog.text
    assert live.observe([]) == 0
    with pytest.raises(DataError, match="item_id"):
        live.observe([{"user_id": "u"}])


def test_people_are_counted_not_lines(shop: SyntheticShop, recommender: Recommender) -> None:
    live = clone(recommender)
    last = live.recommend(["nobody"], k=160).ids()[0][-1]
    bot = pa.table({"user_id": ["bot"] * 500, "item_id": [last] * 500})
    live.observe(bot)
    assert live.recommend(["nobody"], k=5).ids()[0] == recommender.recommend(["nobody"], k=5).ids()[0]
    people = pa.table({"user_id": [f"person-{n}" for n in range(200)], "item_id": [last] * 200})
    live.observe(people)
    assert live.recommend(["nobody"], k=1).ids()[0] == [last]


def test_a_removed_item_is_never_answered_and_may_come_back(shop: SyntheticShop, recommender: Recommender) -> None:
    live = clone(recommender)
    users, text = shop.interactions.users.ids(range(20)), ["red dress"]
    gone = live.recommend(users, k=1).ids()[0][0]
    live.remove([gone])
    assert len(live.catalogue) == len(shop.catalogue) - 1
    answers = [live.recommend([*users, "nobody"], k=160), live.search(text=text, k=160)]
    answers += [live.similar(shop.catalogue.items.ids([0, 1]), k=160, by=by) for by in ("behaviour", "content", "both")]  # type: ignore[arg-type]
    assert all(gone not in ids for answer in answers for ids in answer.ids())
    with pytest.raises(DataError, match="1 of 1 items are not in the catalogue"):
        live.remove([gone])
    row = shop.catalogue.items.rows([gone])
    live.add(shop.catalogue.take(row))
    assert live.recommend(users, k=1).ids()[0][0] == gone


def test_an_update_changes_what_is_given_and_nothing_else(shop: SyntheticShop, recommender: Recommender) -> None:
    live = clone(recommender)
    item = shop.catalogue.items.ids([7])[0]
    live.update(Catalogue.from_frame(pa.table({"item_id": [item], "price": [1.5], "title": ["zeppelin 飞艇"]})))
    assert live.recommend(["nobody"], k=160, where="price < 2").ids()[0] == [item]
    changed = live.catalogue.take([7]).table.to_pylist()[0]
    before = shop.catalogue.take([7]).table.to_pylist()[0]
    assert {name for name in before if before[name] != changed[name]} == {"price", "title"}
    with pytest.raises(DataError, match="not in the catalogue, first 'unknown'"):
        live.update(Catalogue.from_frame(pa.table({"item_id": ["unknown"], "price": [1.0]})))
    with pytest.raises(DataError, match="column 'price'"):
        live.update(
            Catalogue.from_frame(pa.table({"item_id": [item], "title": ["a"]})).__class__(
                Catalogue.from_frame(pa.table({"item_id": [item]})).items, pa.table({"price": ["cheap"]})
            )
        )


def test_whoever_asks_to_be_forgotten_is(shop: SyntheticShop, recommender: Recommender, tmp_path: Path) -> None:
    live = clone(recommender)
    user = shop.interactions.users.ids([3])[0]
    live.observe([{"user_id": user, "item_id": shop.catalogue.items.ids([0])[0]}])
    live.forget(users=[user, "nobody"])
    assert live.recommend([user], k=3).unknown == (user,)
    live.save(tmp_path / "artefact")
    for path in (tmp_path / "artefact").rglob("*.parquet"):
        table = pa.parquet.read_table(path)
        assert all(user not in map(str, column.to_pylist()) for column in table.columns)
    item = shop.catalogue.items.ids([11])[0]
    live.forget(items=[item])
    assert item not in live.recommend(["nobody"], k=160).ids()[0]
    assert live.search(text=[shop.catalogue.column("title")[11]], k=160).ids()[0].count(item) == 0


def test_a_refit_learns_what_was_observed(shop: SyntheticShop, recommender: Recommender) -> None:
    live = clone(recommender)
    gone, pair = shop.catalogue.items.ids([4])[0], shop.catalogue.items.ids([20, 30])
    live.remove([gone])
    live.add(Catalogue.from_frame(pa.table({"item_id": ["new-1"], "title": ["red dress 红色连衣裙"]})))
    users = [f"late-{n}" for n in range(40)]
    live.observe(pa.table({"user_id": users * 2, "item_id": [pair[0]] * 40 + ["new-1"] * 40}))
    model = live.model
    live.refit()
    assert live.model is not model
    assert len(live.model.items_) == len(shop.catalogue)  # one more, one less
    assert gone not in live.model.items_.array.to_pylist()
    assert not live.recommend(["late-3"], k=5).popular[0]
    rank = live.recommend(history=[[pair[0]]], k=len(live.catalogue)).ids()[0].index("new-1")
    assert rank < 20


class _Waiting(Model):
    """A popularity that learns until it is told to stop."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.may_end.set()

    def _fit(self, dataset: Dataset, validation: Any, progress: bool) -> None:
        self.items_ = dataset.items
        self.begun.set()
        assert self.may_end.wait(60)

    def refit(self, dataset: Dataset, **how: Any) -> "_Waiting":  # type: ignore[override]
        self.begun.clear()
        self.may_end.clear()
        return self.fit(dataset)

    def _recommend(self, request: Request) -> Ranking:
        rows = np.tile(np.arange(request.k), (len(request.histories), 1))
        return Ranking(rows, np.ones(rows.shape, dtype=np.float32))

    def _state(self) -> Any:
        return {}

    def _restore(self, state: Any) -> None:
        pass


@pytest.fixture
def learning(shop: SyntheticShop) -> Iterator[tuple[Recommender, threading.Thread]]:
    """A recommender in the midst of a refit."""
    model = _Waiting()
    live = Recommender.fit(Dataset(shop.catalogue, shop.interactions), model=model, text=[], image=[])
    thread = threading.Thread(target=live.refit)
    thread.start()
    assert model.begun.wait(60)
    yield live, thread
    model.may_end.set()
    thread.join()


def test_events_are_taken_during_a_refit_and_count_after_it(
    shop: SyntheticShop, learning: tuple[Recommender, threading.Thread]
) -> None:
    live, thread = learning
    known, items = shop.interactions.users.ids([0])[0], shop.catalogue.items.ids([3, 5])
    before = live.histories([known]).lengths[0]
    events = [{"user_id": "late", "item_id": item, "event": "cart", "timestamp": 1_900_000_000_000} for item in items]
    assert live.observe([*events, {"user_id": known, "item_id": items[0]}]) == 3
    live.model.may_end.set()
    thread.join()
    histories = live.histories(["late", known])
    assert histories.items.ids(histories.history(0)) == items
    assert histories.lengths.tolist() == [2, before + 1]
    assert histories.event_names[histories.event_types[0]] == "cart"
    assert histories.times is not None
    assert histories.times[0] == 1_900_000_000_000
    assert live.dataset.interactions.n_events == shop.interactions.n_events + 3


def test_a_change_of_the_catalogue_waits_for_a_refit(
    shop: SyntheticShop, learning: tuple[Recommender, threading.Thread]
) -> None:
    live, thread = learning
    gone = shop.catalogue.items.ids([4])
    removing = threading.Thread(target=live.remove, args=(gone,))
    removing.start()
    removing.join(0.2)
    assert removing.is_alive()
    live.model.may_end.set()
    thread.join()
    removing.join(60)
    assert gone[0] not in live.catalogue.items.array.to_pylist()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_during_a_refit_observes_and_adds(
    shop: SyntheticShop, learning: tuple[Recommender, threading.Thread]
) -> None:
    live, _ = learning
    child = os.fork()
    if not child:
        signal.alarm(20)
        live.observe([{"user_id": "here", "item_id": shop.catalogue.items.ids([3])[0]}])
        live.add(Catalogue.from_frame(pa.table({"item_id": ["new"], "title": ["hat"]})))
        os._exit(
            0 if live.histories(["here"]).lengths[0] == 1 and len(live.catalogue) == len(shop.catalogue) + 1 else 3
        )
    assert os.waitpid(child, 0)[1] == 0
    assert live.histories(["here"]).lengths[0] == 0


def test_eight_threads_add_a_hundred_items_each(shop: SyntheticShop, recommender: Recommender) -> None:
    from concurrent.futures import ThreadPoolExecutor

    live = clone(recommender)
    user = shop.interactions.users.ids([0])

    def work(thread: int) -> None:
        for number in range(100):
            name = f"new-{thread}-{number}"
            live.add(Catalogue.from_frame(pa.table({"item_id": [name], "title": ["red dress"]})))
            live.observe([{"user_id": f"user-{thread}", "item_id": name}])
            if number % 10 == 0:  # questions are asked meanwhile
                assert len(live.recommend(user, k=3).ids()[0]) == 3

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    there = set(live.catalogue.items.array.to_pylist())
    assert {f"new-{thread}-{number}" for thread in range(8) for number in range(100)} <= there
    histories = live.dataset.interactions
    rows = histories.users.rows([f"user-{thread}" for thread in range(8)])
    assert histories.lengths[rows].tolist() == [100] * 8


# ---- nothing has happened yet


def test_a_catalogue_without_events(shop: SyntheticShop) -> None:
    empty = Dataset(shop.catalogue, Interactions.from_histories([], items=shop.catalogue.items))
    recommender = Recommender.fit(empty, image=[])
    answer = recommender.recommend(["anybody"], k=5)
    assert len(answer.ids()[0]) == 5
    assert "newest and most central" in repr(answer)
    dress = shop.catalogue.items.ids(shop.truth.rows(category="dress"))
    assert len(set(recommender.similar(dress[:1], k=8).ids()[0]) & set(dress)) >= 5
    assert len(set(recommender.search(text=["dress"], k=8).ids()[0]) & set(dress)) >= 6
    assert len(set(recommender.recommend(history=[dress[:2]], k=8).ids()[0]) & set(dress)) >= 5
    last = recommender.recommend(["anybody"], k=160).ids()[0][-1]
    recommender.observe([{"user_id": f"u{n}", "item_id": last} for n in range(3)])
    assert recommender.recommend(["anybody"], k=1).ids() == [[last]]
    assert "newest" not in repr(recommender.recommend(["anybody"], k=1))


def test_customers_who_buy_again_are_offered_it_again() -> None:
    day = 86_400_000
    rows = [
        (f"u{u}", f"i{i}", day * (10 * week + u)) for week in range(5) for u in range(30) for i in (u % 7, 7 + u % 3)
    ]
    events = pa.table({name: [row[n] for row in rows] for n, name in enumerate(("user_id", "item_id", "timestamp"))})
    recommender = Recommender.fit(Dataset.from_frames(events=events), model=small())
    answer = recommender.recommend(["u0"], k=10)
    assert "i0" in answer.ids()[0]
    assert "buy again" in answer.notes[0]
    assert "i0" not in recommender.recommend(["u0"], k=10, exclude_seen=True).ids()[0]
    assert recommender.recommend(["u0"], k=10, exclude_seen=False).notes == ()


# ---- why, and what reviews say


def test_an_answer_is_explained_by_what_carries_it(shop: SyntheticShop, recommender: Recommender) -> None:
    user = shop.interactions.users.ids([0])[0]
    best = recommender.recommend([user], k=1).ids()[0][0]
    explanation = recommender.explain(user, best)
    assert explanation.rank == 1
    assert explanation.sentences()
    history = shop.catalogue.items.ids(shop.interactions.history(0)[-3:])
    assert recommender.explain(None, best, history=history).rank >= 1
    with pytest.raises(UnknownIdError, match="nobody"):
        recommender.explain("nobody", best)
    with pytest.raises(DataError, match="either a user or history="):
        recommender.explain(user, best, history=history)


def test_reviews_answer_questions(shop: SyntheticShop, recommender: Recommender) -> None:
    reviewed = shop.catalogue.items.ids([int(shop.reviews.items_flat[0])])[0]
    answer = recommender.ask(reviewed, "Is it warm?")
    assert str(answer)
    with pytest.raises(UnknownIdError):
        recommender.ask("no-such-item", "Is it warm?")


# ---- what would go unnoticed


def test_two_new_items_keep_their_own_places(shop: SyntheticShop, recommender: Recommender) -> None:
    live = clone(recommender)
    dress, lamp = (int(shop.truth.rows(category=category)[0]) for category in ("dress", "lamp"))
    rows = shop.catalogue.take([dress, lamp]).table
    both = Catalogue.from_frame(
        pa.table({"item_id": ["new-dress", "new-lamp"], "title": rows["title"], "category": rows["category"]})
    )
    live.add(both)
    for new, category in (("new-dress", "dress"), ("new-lamp", "lamp")):
        alike = set(shop.catalogue.items.ids(shop.truth.rows(category=category)))
        for by in ("behaviour", "content"):
            assert len(alike & set(live.similar([new], k=6, by=by).ids()[0])) >= 4  # type: ignore[arg-type]
        assert live.search(text=[both.column("title")[int(category == "lamp")]], k=2).ids()[0].count(new) == 1


def test_what_was_refused_before_is_still_listed_after_an_add(pictured: tuple[Recommender, Path]) -> None:
    live = clone(pictured[0])
    live.add(Catalogue.from_frame(pa.table({"item_id": ["bare"], "title": pa.array([None], pa.string())})))
    assert set(live.refused["id"].to_pylist()) == {"blue-9", "bare"}


def test_reviews_of_a_new_item_move_its_text(shop: SyntheticShop, recommender: Recommender) -> None:
    from mmreco.data.reviews import Reviews

    new = Catalogue.from_frame(pa.table({"item_id": ["new-1"], "title": ["blue hat"]}))
    reviews = Reviews.from_rows(new.items, [0] * 4, ["a lovely red dress"] * 4, ratings=[5.0] * 4)
    plain, reviewed = clone(recommender), clone(recommender)
    plain.add(new)
    reviewed.add(new, reviews=reviews)
    places = [
        live._state.content["text"].embeddings.vectors[live._state.content["text"].places[-1]]
        for live in (plain, reviewed)
    ]
    dress = shop.catalogue.items.ids(shop.truth.rows(category="dress"))
    near = [live.similar(["new-1"], k=10, by="content").ids()[0] for live in (plain, reviewed)]
    assert not np.allclose(*places)
    assert len(set(near[1]) & set(dress)) > len(set(near[0]) & set(dress))


def test_pictures_are_trained_on_what_is_written(
    pictured: tuple[Recommender, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}
    thorough = ImageEncoder.fit_pictures

    def spied(*args: object, **options: object) -> ImageEncoder:
        given.update(options)
        return thorough(*args, **{**options, "epochs": 1, "dim": 16})  # type: ignore[arg-type]

    monkeypatch.setattr(ImageEncoder, "fit_pictures", spied)
    shop = pictured[0].catalogue
    titled = Catalogue(
        shop.items, shop.table.append_column("title", [[i.partition("-")[0] for i in shop.items.array.to_pylist()]])
    )
    events = Interactions.from_histories([["red-0", "red-1"], ["blue-0", "blue-1"]], items=shop.items)
    Recommender.fit(Dataset(titled, events), model=SharedSpace(dim=8, training=Training(epochs=1)))
    assert given["text"] is not None


def test_both_halves_of_a_range_count(shop: SyntheticShop, recommender: Recommender) -> None:
    answer = recommender.recommend(["nobody"], k=160, where="100 <= price < 300.5").ids()[0]
    prices = dict(zip(shop.catalogue.items.array.to_pylist(), shop.catalogue.column("price"), strict=True))
    assert {i for i, price in prices.items() if 100 <= price < 300.5} == set(answer)


# ---- pages


def test_pages_are_composed_for_whoever_comes(shop: SyntheticShop, recommender: Recommender) -> None:
    live = clone(recommender)
    user, items = shop.interactions.users.ids([0])[0], shop.catalogue.items.ids([3, 4])
    pages = {
        "home": live.page("home", user=user),
        "stranger": live.page("home"),
        "detail": live.page("detail", user=user, item=items[0]),
        "cart": live.page("cart", cart=items),
        "new_arrivals": live.page("new_arrivals", user=user),
        "search": live.page("search", query="red dress"),
    }
    for name, page in pages.items():
        rows = [int(row) for shelf in page.shelves for row in shelf.rows]
        assert rows, name
        assert len(set(rows)) == len(rows)
    assert repr(live.page("home", user=user)) == repr(pages["home"])
    gone = shop.catalogue.items.ids([int(pages["home"].shelves[0].rows[0])])[0]
    live.remove([gone])
    again = live.page("home", user=user).shelves[0].rows
    assert gone not in shop.catalogue.items.ids([int(row) for row in again])
    with pytest.raises(DataError, match="detail with item="):
        live.page("detail", user=user)
    with pytest.raises(UnknownIdError):
        live.page("detail", item="no-such-item")


@pytest.mark.parametrize("at", ["2026-12-01", "2026-12-01T00:00:00+00:00", datetime(2026, 12, 1), 1_796_083_200_000])
def test_the_moment_of_asking_reaches_the_model(shop: SyntheticShop, at: datetime | str | int) -> None:
    heard: list[Request] = []

    class Listening:
        def recommend(self, request: Request, /) -> Ranking:
            heard.append(request)
            return Ranking.from_scores(np.zeros((len(request), len(shop.catalogue)), dtype=np.float32), request.k)

    recommender = Recommender.fit(shop.dataset, model=Listening(), text=[], image=[])
    recommender.recommend(shop.interactions.users.ids([0, 1]), k=3, at=at)
    assert heard[-1].at is not None
    assert heard[-1].at.tolist() == [1_796_083_200_000] * 2


def test_what_is_no_moment_is_refused(shop: SyntheticShop, recommender: Recommender) -> None:
    with pytest.raises(DataError, match="at='noon': expected ISO 8601 text"):
        recommender.recommend(shop.interactions.users.ids([0]), at="noon")
