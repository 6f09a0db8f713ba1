from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import torch

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.evaluation.simulator import SlateSimulator, slate_simulator
from mmreco.models.itemknn import ItemKNN
from mmreco.pages import PageComposer
from mmreco.pages.layout import LearntLayout, ListCVAE, ListGAN, SlateModel
from mmreco.pages.logs import PageLog
from mmreco.pages.rules import Rules, fill

MODELS = (ListCVAE, ListGAN)


@pytest.fixture(scope="module")
def simulator() -> SlateSimulator:
    return slate_simulator(n_users=200, n_items=24, width=4, likeness=0.9, seed=0)


@pytest.fixture(scope="module")
def log(simulator: SlateSimulator) -> PageLog:
    rng = np.random.default_rng(0)
    users = rng.integers(200, size=4_000)
    slates = np.argsort(rng.random((4_000, 24)), axis=1)[:, :4]
    clicks = simulator.clicks(users, slates, rng)
    items = IdMap.of([f"i{row}" for row in range(24)])
    return PageLog(items, slates, clicks, np.full(slates.shape, np.nan), simulator.tastes[users])


@pytest.fixture(scope="module", params=MODELS, ids=lambda kind: kind.__name__)
def fitted(request: pytest.FixtureRequest, log: PageLog) -> SlateModel:
    return request.param(epochs=12, hidden=48).fit(log)


def test_generated_slates_are_clicked_more_than_logged_ones(fitted: SlateModel, simulator: SlateSimulator) -> None:
    users, rng = np.arange(200), np.random.default_rng(1)
    made = fitted.slates(simulator.tastes)
    chance = simulator.chances(users, made).sum(axis=1).mean()
    luck = np.argsort(rng.random((200, 24)), axis=1)[:, :4]
    assert chance > 1.3 * simulator.chances(users, luck).sum(axis=1).mean()
    assert len(np.unique(made, axis=0)) > 10  # shoppers are told apart


def test_slates_hold_no_item_twice_and_only_what_is_available(fitted: SlateModel, simulator: SlateSimulator) -> None:
    available = np.zeros(24, dtype=bool)
    available[[1, 5, 9]] = True
    made = fitted.slates(simulator.tastes, available=available)
    assert (np.sort(made, axis=1) == [-1, 1, 5, 9]).all()
    assert (made[:, -1] == -1).all()
    drawn = fitted.slates(simulator.tastes, seed=3)
    assert all(len(set(slate)) == 4 for slate in drawn.tolist())
    np.testing.assert_array_equal(drawn, fitted.slates(simulator.tastes, seed=3))


def test_caps_and_quotas_always_hold(fitted: SlateModel, simulator: SlateSimulator, log: PageLog) -> None:
    rng = np.random.default_rng(2)
    table = pa.table({"item_id": log.items.array, "brand": [f"b{n}" for n in rng.integers(6, size=24)]})
    catalogue = Catalogue.from_frame(table)
    brands = catalogue.column("brand")
    rules = Rules(caps={"brand": 1}, quotas={"brand": {"b3": 1}})
    for seed in (None, 1, 2):
        for slate in fitted.slates(simulator.tastes, rules=rules, catalogue=catalogue, seed=seed).tolist():
            counts = Counter(brands[row] for row in slate if row >= 0)
            assert max(counts.values()) == 1
            assert counts["b3"] == 1


def test_the_same_seed_learns_the_same(log: PageLog, simulator: SlateSimulator) -> None:
    one, other = (ListCVAE(epochs=1, hidden=16, seed=5).fit(log).slates(simulator.tastes) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_unusable_calls_are_refused(log: PageLog, simulator: SlateSimulator) -> None:
    model = ListCVAE(epochs=1, hidden=8)
    with pytest.raises(NotFittedError, match="not fitted"):
        model.slates(simulator.tastes)
    model.fit(log)
    with pytest.raises(DataError, match="contexts of shape"):
        model.slates(simulator.tastes[:, :2])
    with pytest.raises(DataError, match="available of shape"):
        model.slates(simulator.tastes, available=np.ones(3, dtype=bool))
    with pytest.raises(DataError, match="need catalogue"):
        model.slates(simulator.tastes, rules=Rules(caps={"brand": 1}))
    other = Catalogue.from_frame(pa.table({"item_id": ["x"]}))
    with pytest.raises(IncompatibleError, match="a catalogue of 1 items"):
        model.slates(simulator.tastes, catalogue=other)
    with pytest.raises(DataError, match="epochs=0"):
        ListGAN(epochs=0)
    empty = PageLog(log.items, np.zeros((0, 4)), np.zeros((0, 4)), np.zeros((0, 4)), np.zeros((0, 1)))
    with pytest.raises(DataError, match="shows nothing"):
        ListCVAE().fit(empty)


def test_shelves_stand_where_a_layout_learnt_it(shop: Dataset, model: ItemKNN, shoppers: Interactions) -> None:
    kinds = IdMap.of(["for_you", "because", "new", "popular"])
    rng = np.random.default_rng(0)
    slates = np.argsort(rng.random((1_500, 4)), axis=1)
    clicks = rng.random((1_500, 4)) < np.where(slates == 2, 0.7, 0.05)  # here new arrivals are what is clicked
    log = PageLog(kinds, slates, clicks, np.full(slates.shape, np.nan), np.zeros((1_500, 0)))
    learnt = ListCVAE(epochs=25, hidden=32).fit(log)
    layout = LearntLayout(learnt, lambda histories: np.zeros((len(histories), 0), dtype=np.float32))
    for page in PageComposer(model, shop, layout=layout).home(shoppers):
        assert page.shelves[0].kind == "new"
        assert len(page) > 3  # kinds that the log has not come below


@pytest.mark.parametrize("seed", range(10))
def test_fill_meets_quotas_a_greedy_choice_would_miss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 30
    colours, brands = rng.integers(4, size=n), rng.integers(5, size=n)
    table = {
        "item_id": [f"i{row}" for row in range(n)],
        "colour": [f"c{c}" for c in colours],
        "brand": [f"b{b}" for b in brands],
    }
    catalogue = Catalogue.from_frame(pa.table(table))
    rules = Rules(caps={"brand": 1}, quotas={"colour": {"c1": 2}})
    rows, chances = fill(catalogue, rng.permutation(n), 4, rules)
    possible = len({int(brand) for brand in brands[colours == 1]})
    assert (colours[rows] == 1).sum() >= min(2, possible)
    assert max(Counter(brands[rows].tolist()).values()) == 1
    assert (chances == 1).all()


def test_exploration_logs_the_chance_it_had(shop: Dataset) -> None:
    from mmreco.rerank import Exploration

    rules = Rules(exploration=Exploration(places=(0,), rate=0.5))
    rng = np.random.default_rng(0)
    firsts = Counter()
    for _ in range(4_000):
        rows, chances = fill(shop.catalogue, np.array([7, 8, 9, 10]), 2, rules, rng)
        firsts[int(rows[0])] += 1
        assert chances[0] == pytest.approx(0.625 if rows[0] == 7 else 0.125)
    assert firsts[7] / 4_000 == pytest.approx(0.625, abs=0.03)


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_fits_in_threads_are_those_one_after_another_and_leave_torch_s_generator(
    kind: type[SlateModel], log: PageLog, simulator: SlateSimulator
) -> None:
    def learnt(seed: int) -> bytes:
        model = kind(epochs=2, hidden=16, seed=seed).fit(log)
        return b"".join(weights.detach().numpy().tobytes() for weights in model.network_.state_dict().values())

    alone = [learnt(0), learnt(1)]
    assert alone[0] != alone[1]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(learnt, [0, 1])) == alone
    assert torch.equal(torch.get_rng_state(), before)
