import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.index import VectorIndex
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.sharedspace import neighbours as module
from mmreco.models.sharedspace.neighbours import Neighbours
from mmreco.models.sharedspace.training import id_dropout_rate
from mmreco.models.training import Training

SHARPNESS = 8.0


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture
def shop():
    """40 items: where they lie, where content puts them, which are known; the last four are not."""
    rng = np.random.default_rng(0)
    own, alone = unit(rng.normal(size=(40, 6))), unit(rng.normal(size=(40, 6)))
    known = np.arange(40) < 36
    return own, alone, known, Neighbours(IdMap.of(map(str, range(40))), alone * known[:, None], SHARPNESS)


def by_hand(own, alone, listening, places, others):
    """One item drawn, by the definition; `others` is where content alone puts each of its possible neighbours."""
    nearest = sorted(others, key=lambda j: -float(alone @ others[j]))[:10]
    mean = sum(np.exp(SHARPNESS * float(alone @ others[j])) * places[j] for j in nearest)
    return unit(own + listening * unit(mean))


def test_who_has_no_events_listens_fully_and_less_with_each():
    assert id_dropout_rate(np.array([0, 12, 24])).tolist() == pytest.approx([1, np.exp(-1), np.exp(-2)])


def test_an_item_is_drawn_by_its_ten_nearest_known_ones(shop, monkeypatch):
    own, alone, known, neighbours = shop
    monkeypatch.setattr(module, "_CHUNK", 7)
    listening = np.linspace(0.1, 1, 40).astype(np.float32)
    drawn = neighbours.smooth(own, alone, listening, own, rows=np.arange(40))
    for i in (0, 17, 39):
        wanted = by_hand(own[i], alone[i], listening[i], own, {j: alone[j] for j in np.flatnonzero(known) if j != i})
        np.testing.assert_allclose(drawn[i], wanted, atol=1e-5)


def test_new_items_are_drawn_by_all_known_ones_even_by_their_like(shop):
    own, alone, known, neighbours = shop
    drawn = neighbours.smooth(alone[:1], alone[:1], np.ones(1, np.float32), own)
    wanted = by_hand(alone[0], alone[0], 1.0, own, {j: alone[j] for j in np.flatnonzero(known)})
    np.testing.assert_allclose(drawn[0], wanted, atol=1e-5)


def test_what_nothing_is_known_of_stays_and_so_does_everybody_where_nobody_is_known(shop):
    own, alone, _, neighbours = shop
    silent = alone * (np.arange(40) != 3)[:, None]
    drawn = neighbours.smooth(own, silent.astype(np.float32), np.ones(40, np.float32), own, rows=np.arange(40))
    np.testing.assert_array_equal(drawn[3], own[3])
    assert (np.abs(drawn - own).max(axis=1) > 1e-3).sum() == 39
    nobody = Neighbours(neighbours.items, np.zeros_like(alone), SHARPNESS)
    np.testing.assert_allclose(nobody.smooth(own, alone, np.ones(40, np.float32), own), own, atol=1e-6)


def test_among_many_that_are_alike_none_is_its_own_neighbour():
    own = unit(np.random.default_rng(0).normal(size=(30, 4)))
    alone = np.tile(np.float32([1, 0, 0, 0]), (30, 1))
    neighbours = Neighbours(IdMap.of(map(str, range(30))), alone, SHARPNESS)
    drawn = neighbours.smooth(own, alone, np.ones(30, np.float32), own, rows=np.arange(30))
    first = unit(own[:10].sum(axis=0))  # alike: the first ten, or eleven less itself
    np.testing.assert_allclose(drawn[20], unit(own[20] + first), atol=1e-5)
    np.testing.assert_allclose(drawn[4], unit(own[4] + unit(own[:11].sum(axis=0) - own[4])), atol=1e-5)


def test_new_ones_are_drawn_towards_where_known_ones_have_come_to_lie(shop):
    own, alone, known, neighbours = shop
    counts = np.where(known, np.arange(1, 41), 0)
    drawn = neighbours.smooth_all(own, alone, counts)
    rows = np.flatnonzero(known)
    among = neighbours.smooth(own[rows], alone[rows], id_dropout_rate(counts[rows]), own, rows=rows)
    np.testing.assert_allclose(drawn[rows], among, atol=1e-6)
    wanted = by_hand(own[38], alone[38], 1.0, drawn, {j: alone[j] for j in rows})
    np.testing.assert_allclose(drawn[38], wanted, atol=1e-5)


def test_of_many_items_neighbours_come_from_a_graph(monkeypatch):
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(100, 8))
    alone = unit(np.repeat(centres, 30, axis=0) + 0.3 * rng.normal(size=(3_000, 8)))
    own, items, rows = unit(rng.normal(size=(3_000, 8))), IdMap.of(map(str, range(3_000))), np.arange(3_000)

    asked = []

    def index(embeddings, *, quality):
        asked.append(quality)
        return VectorIndex(embeddings, quality=quality)

    monkeypatch.setattr(module, "VectorIndex", index)
    neighbours = Neighbours(items, alone, SHARPNESS)
    scanned = neighbours.smooth(own, alone, np.ones(3_000, np.float32), own, rows=rows)
    monkeypatch.setattr(module, "_COMPARED", 3_000 * 1_000)
    walked = neighbours.smooth(own, alone, np.ones(3_000, np.float32), own, rows=rows)
    few = neighbours.smooth(own[:9], alone[:9], np.ones(9, np.float32), own, rows=rows[:9])
    assert asked == ["exact", "fast", "exact"]
    assert (np.abs(walked - scanned).max(axis=1) < 1e-5).mean() > 0.6
    assert np.linalg.norm(walked - scanned, axis=1).mean() < 0.05
    np.testing.assert_allclose(few, scanned[:9], atol=1e-6)


# ---- in a space


def untold(items):
    """A catalogue of these items that says nothing of them."""
    return Catalogue(items, pa.table({"title": pa.nulls(len(items), pa.large_string())}))


@pytest.fixture(scope="module")
def log():
    """Four worlds of 30 items that their texts tell apart; the first of each are popular, the last two never taken."""
    rng = np.random.default_rng(1)
    items = IdMap.of([f"w{w}-{i}" for w in range(4) for i in range(30)])
    liked = 1 / np.arange(1, 29) ** 1.5
    histories = [[f"w{u % 4}-{i}" for i in rng.choice(28, 6, replace=False, p=liked / liked.sum())] for u in range(400)]
    said = np.eye(4)[np.repeat(np.arange(4), 30)] + 0.2 * rng.normal(size=(120, 4))
    return Interactions.from_histories(histories, items=items), Embeddings(items, said)


@pytest.fixture(scope="module")
def spaces(log, tmp_path_factory):
    """One space as it is, one whose items stay where training left them, and the first one saved and loaded."""
    events, text = log

    def fitted():
        space = SharedSpace(dim=16, training=Training(epochs=4, learning_rate=0.01, patience=None, device="cpu"))
        return space.fit(Dataset.from_interactions(events).with_content({"text": text}))

    drawn = fitted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "id_dropout_rate", lambda counts: np.zeros(len(counts), np.float32))
        still = fitted()
    folder = tmp_path_factory.mktemp("space")
    drawn.save(folder / "kept")
    return drawn, still, SharedSpace.load(folder / "kept")


def test_the_fewer_events_the_farther_an_item_moves(log, spaces):
    drawn, still, _ = spaces
    moved = np.linalg.norm(drawn.item_embeddings().vectors - still.item_embeddings().vectors, axis=1)
    counts = log[0].counts()
    assert moved[counts >= 60].max() < 0.3 * moved[(counts > 0) & (counts <= 6)].mean()


def test_an_item_nobody_took_lies_where_a_new_one_like_it_is_placed(log, spaces):
    drawn, _, loaded = spaces
    row = 2 * 30 + 28
    assert log[0].counts()[row] == 0
    twin = Embeddings(IdMap.of(["twin"]), log[1].vectors[row : row + 1])
    for space in (drawn, loaded):
        placed = space.place(untold(twin.ids), {"text": twin})
        np.testing.assert_allclose(placed.vectors[0], drawn.item_embeddings().vectors[row], atol=1e-5)


def test_ids_alone_have_no_neighbours(log):
    space = SharedSpace(dim=8, training=Training(epochs=1, patience=None)).fit(Dataset.from_interactions(log[0]))
    assert space.neighbours_ is None
