import numpy as np
import pyarrow as pa
import pytest
import torch

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.models.sharedspace import SharedSpace, model, training
from mmreco.models.training import Training
from mmreco.nn.batching import batch_size, batches, windows
from mmreco.splitting import leave_last_out

WORLDS, EACH = 4, 12  # items of one world are taken together; the last two of each are never clicked


def told(items, worlds):
    """A catalogue that says of each item which world it is of."""
    return Catalogue(items, pa.table({"category": [f"world {w}" for w in worlds]}))


def untold(items):
    """A catalogue that says nothing of its items."""
    return Catalogue(items, pa.table({"title": pa.nulls(len(items), pa.large_string())}))


@pytest.fixture(scope="module")
def shop():
    """Users who stay in one world, content that tells the worlds apart, and two items a world nobody clicked."""
    rng = np.random.default_rng(0)
    items = IdMap.of([f"w{w}-{i}" for w in range(WORLDS) for i in range(EACH)])
    world = np.repeat(np.arange(WORLDS), EACH)
    histories = [[f"w{u % WORLDS}-{i}" for i in rng.permutation(EACH - 2)[: rng.integers(3, 8)]] for u in range(240)]
    events = Interactions.from_histories(histories, items=items)
    centres = rng.normal(size=(WORLDS, 6))
    vectors = centres[world] + 0.3 * rng.normal(size=(len(items), 6))
    text = Embeddings(items, vectors)
    return events, text, told(items, world), world


def fitted(shop, *, epochs=8, seed=0, **parameters):
    events, text, catalogue, _ = shop
    return SharedSpace(
        dim=16,
        training=Training(epochs=epochs, learning_rate=0.01, patience=None, seed=seed, device="cpu"),
        **parameters,
    ).fit(Dataset(catalogue, events, content={"text": text}))


@pytest.fixture(scope="module")
def space(shop):
    return fitted(shop)


def in_world(shop, ranking, worlds):
    return float((shop[3][ranking.rows] == np.asarray(worlds)[:, None]).mean())


def test_users_are_answered_from_their_world(shop, space):
    events = shop[0]
    ranking = space.recommend(histories=events, k=4)
    assert in_world(shop, ranking, np.arange(len(events)) % WORLDS) > 0.95


def test_a_stranger_with_one_click_is_answered_from_that_world(shop, space):
    asked = Interactions.from_histories([[f"w{w}-0"] for w in range(WORLDS)], items=shop[0].items)
    assert in_world(shop, space.recommend(histories=asked, k=4), range(WORLDS)) == 1.0


def test_items_nobody_clicked_lie_in_their_world(shop, space):
    events = shop[0]
    cold = events.counts() == 0
    assert cold.sum() == 2 * WORLDS
    ranking = space.recommend(histories=events.take(np.arange(40)), k=2, candidates=cold)
    assert in_world(shop, ranking, np.arange(40) % WORLDS) > 0.95


@pytest.mark.parametrize("known", ["text", "attributes"])
def test_a_new_item_is_placed_by_whatever_is_known(shop, space, known):
    _, text, _, world = shop
    first = np.arange(0, WORLDS * EACH, EACH)
    new = IdMap.of([f"new-{w}" for w in range(WORLDS)])
    content = {"text": Embeddings(new, text.vectors[first])} if known == "text" else {}
    catalogue = told(new, range(WORLDS)) if known == "attributes" else untold(new)
    placed = space.place(catalogue, content)
    assert placed.ids == new
    nearest = (placed.vectors @ space.item_embeddings().vectors.T).argmax(axis=1)
    assert (world[nearest] == np.arange(WORLDS)).all()


def test_a_history_of_later_items_is_read(shop, space):
    _, text, _, world = shop
    new = IdMap.of([f"new-{w}" for w in range(WORLDS)])
    placed = space.place(untold(new), {"text": Embeddings(new, text.vectors[::EACH])})
    old = space.item_embeddings()
    both = Embeddings(
        IdMap.of(old.ids.ids(range(len(old))) + new.ids(range(WORLDS))), np.concatenate([old.vectors, placed.vectors])
    )
    asked = Interactions.from_histories([[f"new-{w}"] for w in range(WORLDS)], items=both.ids)
    users = space.user_vectors(asked, items=both)
    assert (world[(users @ old.vectors.T).argmax(axis=1)] == np.arange(WORLDS)).all()
    with pytest.raises(IncompatibleError, match=r"histories over 52 items; expected the 48"):
        space.user_vectors(asked)


@pytest.mark.parametrize(
    "parameters", [{"reader": "gru"}, {"reader": "lstm"}, {"fusion": "concat"}, {"fusion": "attention"}]
)
def test_every_reader_and_fusion_learns(shop, parameters):
    events = shop[0]
    ranking = fitted(shop, **parameters).recommend(histories=events, k=4)
    assert in_world(shop, ranking, np.arange(len(events)) % WORLDS) > 0.9


def test_missing_modalities_cost_little(shop):
    events, text, _, _ = shop
    some = np.flatnonzero(np.random.default_rng(1).random(len(text)) > 0.3)
    less = Embeddings(text.ids.take(some), text.vectors[some])
    space = SharedSpace(dim=16, training=Training(epochs=8, learning_rate=0.01, patience=None)).fit(
        Dataset.from_interactions(events).with_content({"text": less})
    )
    assert in_world(shop, space.recommend(histories=events, k=4), np.arange(len(events)) % WORLDS) > 0.9


def test_same_seed_same_space(shop, space):
    again = fitted(shop).item_embeddings().vectors
    np.testing.assert_array_equal(again, space.item_embeddings().vectors)
    assert not np.array_equal(again, fitted(shop, seed=1).item_embeddings().vectors)


def test_sampled_negatives_learn_as_well(shop, monkeypatch):
    monkeypatch.setattr(model, "_NEGATIVES", 8)
    events = shop[0]
    ranking = fitted(shop).recommend(histories=events, k=4)
    assert in_world(shop, ranking, np.arange(len(events)) % WORLDS) > 0.95


def test_vectors_have_unit_length(shop, space):
    users = space.user_vectors(Interactions.from_histories([["w0-0"], []], items=shop[0].items))
    np.testing.assert_allclose(np.linalg.norm(users, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(space.item_embeddings().vectors, axis=1), 1, rtol=1e-5)


def test_an_interrupted_fit_resumes_to_the_same_space(shop, tmp_path, monkeypatch):
    events, text, _, _ = shop
    split = leave_last_out(Dataset.from_interactions(events))

    def fit(checkpoint):
        space = SharedSpace(dim=16, training=Training(epochs=4, patience=2, checkpoint=checkpoint))
        return space.fit(split.train.with_content({"text": text}), validation=split.test)

    whole = fit(None)
    losses, real = [], training.batch_loss
    cut = windows(split.train.interactions.starts, 200)
    size = batch_size(int(cut[:, 1].sum()), len(events.items))
    two_passes = 2 * len(batches(cut, size, np.random.default_rng()))

    def dies(*arguments):
        losses.append(1)
        if len(losses) > two_passes:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(training, "batch_loss", dies)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "kept")
    monkeypatch.setattr(training, "batch_loss", real)
    resumed = fit(tmp_path / "kept")
    assert resumed.scores_ == whole.scores_
    np.testing.assert_array_equal(resumed.item_embeddings().vectors, whole.item_embeddings().vectors)
    with pytest.raises(IncompatibleError, match="checkpoint of another training"):
        SharedSpace(dim=16, training=Training(epochs=5, checkpoint=tmp_path / "kept")).fit(
            Dataset.from_interactions(events)
        )


def test_it_stops_early_on_validation_and_says_so(shop):
    split = leave_last_out(Dataset.from_interactions(shop[0]))
    space = SharedSpace(dim=16, training=Training(epochs=40, learning_rate=0.05, patience=1)).fit(
        split.train, validation=split.test
    )
    assert 1 <= space.epochs_ <= len(space.scores_) < 40
    assert space.scores_[space.epochs_ - 1] == max(space.scores_)


def test_towers_that_torch_compiles_learn_the_same(shop, monkeypatch):
    def fit():
        return SharedSpace(dim=8, training=Training(epochs=2, patience=None, device="cpu"), dropout=0.0).fit(
            Dataset.from_interactions(shop[0])
        )

    plain = fit()
    graphs = []
    monkeypatch.setattr(training, "_COMPILED_ON", "cpu")  # as on a GPU, with a compiler that leaves graphs as they are
    monkeypatch.setattr(training, "_COMPILER", lambda graph, _: graphs.append(graph) or graph.forward)
    monkeypatch.setattr(training, "_WORTH_COMPILING", 0)
    space = fit()
    assert len(graphs) >= 2  # each tower was traced
    assert space.network_.users._compiled_call_impl is None
    np.testing.assert_allclose(space.item_embeddings().vectors, plain.item_embeddings().vectors, atol=1e-4)


def test_what_torch_cannot_compile_runs_as_it_is(shop, monkeypatch):
    asked = []

    def fails(*_):
        asked.append(1)
        raise RuntimeError("no compiler")

    monkeypatch.setattr(training, "_COMPILED_ON", "cpu")
    monkeypatch.setattr(training, "_COMPILER", fails)
    monkeypatch.setattr(training, "_WORTH_COMPILING", 0)
    space = SharedSpace(dim=8, training=Training(epochs=1, patience=None, device="cpu")).fit(
        Dataset.from_interactions(shop[0])
    )
    assert asked
    assert np.isfinite(space.item_embeddings().vectors).all()


def test_patience_counts_passes_however_often_it_looks(shop, monkeypatch):
    monkeypatch.setattr("mmreco.models.trained.validations_per_epoch", lambda _: 4)
    split = leave_last_out(Dataset.from_interactions(shop[0]))
    space = SharedSpace(dim=8, training=Training(epochs=9, patience=2, learning_rate=1e-12)).fit(
        split.train, validation=split.test
    )
    assert len(space.scores_) == 1 + 2 * 4  # it learns nothing, so the first look stays the best
    assert space.epochs_ == 1


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"dim": 0}, "dim=0: expected 1 or more"),
        ({"dropout": 1.0}, "dropout=1.0: expected from 0"),
        ({"reader": "cnn"}, "reader='cnn': expected one of"),
        ({"fusion": "sum"}, "fusion='sum': expected one of"),
        ({"training": 5}, r"training=5: expected Training\(...\)"),
    ],
)
def test_parameters_are_checked_at_once(parameters, said):
    with pytest.raises(DataError, match=said):
        SharedSpace(**parameters)


def test_unusable_input_is_said(shop, space):
    events = shop[0]
    items = events.items
    with pytest.raises(DataError, match="nobody has two events"):
        SharedSpace().fit(Dataset.from_interactions(Interactions.from_histories([["w0-0"], []], items=items)))
    with pytest.raises(NotFittedError, match="SharedSpace is not fitted"):
        SharedSpace().place(untold(IdMap.of([])), {})
    with pytest.raises(IncompatibleError, match="'text' of width 3"):
        space.place(untold(IdMap.of(["x"])), {"text": Embeddings(IdMap.of(["x"]), np.ones((1, 3)))})
    other = Interactions.from_histories([["a", "b"]] * 4, items=IdMap.of(["a", "b"]))
    with pytest.raises(IncompatibleError, match="validation is over other items"):
        SharedSpace().fit(
            Dataset.from_interactions(events), validation=leave_last_out(Dataset.from_interactions(other)).test
        )


def test_a_loaded_space_answers_the_same(shop, space, tmp_path):
    space.save(tmp_path / "space")
    loaded = SharedSpace.load(tmp_path / "space")
    events, text, _, _ = shop
    np.testing.assert_array_equal(
        loaded.recommend(histories=events, k=5).rows, space.recommend(histories=events, k=5).rows
    )
    new = Embeddings(IdMap.of(["new"]), text.vectors[:1])
    asked = untold(new.ids), {"text": new}
    np.testing.assert_array_equal(loaded.place(*asked).vectors, space.place(*asked).vectors)
    assert (loaded.epochs_, loaded.scores_, loaded.event_names_) == (space.epochs_, space.scores_, space.event_names_)


def test_events_and_times_are_read(shop):
    """With the same items, another kind of event or another pace gives another user."""
    items = shop[0].items
    rng = np.random.default_rng(0)
    users, rows = np.repeat(np.arange(60), 5), rng.integers(len(items), size=300)
    kinds = rng.integers(2, size=300)
    events = Interactions.from_events(
        IdMap.of([str(u) for u in range(60)]), items, users, rows,
        times=np.arange(300) * 3_600_000, event_types=kinds, event_names=("buy", "view"),
    )  # fmt: skip
    space = SharedSpace(dim=8, training=Training(epochs=2, patience=None, learning_rate=0.01)).fit(
        Dataset.from_interactions(events)
    )

    def asked(kind, hours, names=("buy", "view")):
        return Interactions.from_events(
            IdMap.of(["u"]), items, np.zeros(3, int), np.arange(3),
            times=np.arange(3) * 3_600_000 * hours, event_types=np.full(3, kind), event_names=names,
        )  # fmt: skip

    base = space.user_vectors(asked(0, 1))
    assert np.abs(space.user_vectors(asked(1, 1)) - base).max() > 1e-4
    assert np.abs(space.user_vectors(asked(0, 1_000)) - base).max() > 1e-4
    np.testing.assert_allclose(space.user_vectors(asked(1, 1, ("view", "buy"))), base, atol=1e-6)
    assert torch.isfinite(torch.tensor(space.user_vectors(asked(0, 1, ("wish",))))).all()


def test_an_item_of_which_nothing_is_known_stands_behind_all_others():
    """Ids alone, and an item without events: the mean user must not lie beside it."""
    items = IdMap.of([str(i) for i in range(12)])
    rng = np.random.default_rng(0)
    histories = [[str(i) for i in rng.permutation(10)[:4]] for _ in range(60)]
    events = Interactions.from_histories(histories, items=items)  # nobody turned to "10" and "11"
    space = SharedSpace(dim=8, training=Training(epochs=3, patience=None)).fit(Dataset.from_interactions(events))
    found = space.recommend(histories=events, k=6).rows
    assert not np.isin(found, [10, 11]).any()
