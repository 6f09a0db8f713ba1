import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError, IncompatibleError
from mmreco.explain import explain, why_above
from mmreco.explain.leave_out import LeaveOut, _changed, every_unit

RNG = np.random.default_rng(0)
N = 30


class Linear:
    """Scores are sums of what each item of the history brings: every effect is known."""

    def __init__(self, worth: np.ndarray, offset: np.ndarray | None = None) -> None:
        self.worth, self.offset = worth, np.zeros(len(worth)) if offset is None else offset
        self.questions = self.variants = 0

    def recommend(self, request: Request) -> Ranking:
        self.questions += 1
        self.variants += len(request)
        scores = np.asarray(request.histories.matrix() @ self.worth + self.offset, dtype=np.float32)
        if request.candidates is not None:
            scores[:, ~request.candidates] = -np.inf
        if request.excluded is not None:
            scores[request.excluded.users_flat, request.excluded.items_flat] = -np.inf
        return Ranking.from_scores(scores, request.k)


@pytest.fixture
def dataset() -> Dataset:
    items = pa.table(
        {
            "item_id": [f"sku-{row}" for row in range(N)],
            "title": [f"red hat {row}" if row % 2 else f"蓝色裙子{row}" for row in range(N)],
            "category": ["hat" if row % 2 else "dress" for row in range(N)],
            "brand": [f"brand-{row % 3}" for row in range(N)],
            "price": [10.0 + row for row in range(N)],
        }
    )
    catalogue = Catalogue.from_frame(items)
    log = Interactions.from_histories([["sku-1", "sku-2"], ["sku-3"]], items=catalogue.items)
    reviews = Reviews.from_rows(
        catalogue.items, [9, 9, 9], ["A lovely red hat. Too dear.", "bad red hat", "nothing"], ratings=[5, 1, 5]
    )
    return Dataset(catalogue, log, reviews)


def asked(dataset: Dataset, *rows: list[int]) -> Interactions:
    return Interactions.from_histories([[f"sku-{row}" for row in own] for own in rows], items=dataset.items)


def test_names_the_one_event_that_carries_the_item(dataset: Dataset) -> None:
    worth = np.zeros((N, N))
    worth[1, 9] = 5.0
    worth[:5, 20] = 1.0
    told = explain(Linear(worth), dataset, asked(dataset, [0, 1, 2, 3]), [9], k=1)[0]
    assert [event.row for event in told.events] == [1]
    assert (told.rank, told.decisive) == (1, True)
    assert told.events[0].score_drop == pytest.approx(5.0)
    assert told.rank_without > 1


def test_names_a_pair_where_no_single_event_is_enough(dataset: Dataset) -> None:
    worth = np.zeros((N, N))
    worth[[1, 2], 9] = 3.0
    worth[3, 9] = 0.5
    worth[0, 20] = 2.0
    told = explain(Linear(worth), dataset, asked(dataset, [0, 1, 2, 3]), [9], k=1)[0]
    assert {event.row for event in told.events} == {1, 2}
    assert told.decisive


def test_of_reasons_that_do_the_one_that_does_by_itself_is_named_and_the_strongest_of_it_first(
    dataset: Dataset,
) -> None:
    worth = np.zeros((N, N))
    worth[[0, 1], 9] = [2.0, 3.0]
    worth[2, 20] = 4.0  # ahead of item 9 if either goes, and farther if 1 does
    worth[[0, 1], 21] = [-5.0, 2.9]  # nearly as high as item 9 with nothing but 1
    told = explain(Linear(worth), dataset, asked(dataset, [0, 1, 2]), [9], k=1)[0]
    assert ([event.row for event in told.events], told.decisive) == ([0], True)

    worth = np.zeros((N, N))
    worth[[1, 2], 9] = [3.0, 4.0]
    worth[0, 20] = 2.0
    worth[2, 20] = -1.0
    told = explain(Linear(worth), dataset, asked(dataset, [0, 1, 2]), [9], k=1)[0]
    assert [event.row for event in told.events] == [2, 1]


@pytest.mark.parametrize("seed", range(6))
def test_no_smaller_set_exists_in_a_linear_model(dataset: Dataset, seed: int) -> None:
    """The slow twin: every set of up to three is tried."""
    from itertools import combinations

    rng = np.random.default_rng(seed)
    model = Linear(rng.random((N, N)) ** 4)
    history = asked(dataset, [0, 1, 2, 3, 4, 5])
    item = int(model.recommend(Request(history, k=2)).rows[0, 1])
    told = explain(model, dataset, history, [item], k=2)[0]
    question = LeaveOut.of(model, history, item, 2)
    smallest = None
    for size in (1, 2, 3):
        for chosen in combinations(range(6), size):
            mask = np.isin(np.arange(6), chosen)[None]
            if question.effects(item, mask).ranks[0] > 2 and smallest is None:
                smallest = size
    assert told.decisive == (smallest is not None)
    if smallest is not None:
        assert len(told.events) == smallest


def test_an_item_nothing_carries_has_no_reason(dataset: Dataset) -> None:
    told = explain(Linear(np.zeros((N, N)), np.arange(N, 0, -1.0)), dataset, asked(dataset, [3, 5]), [0], k=1)[0]
    assert told.events == ()
    assert told.facts == ()
    assert told.sentences() == []
    assert not told.decisive


def test_an_empty_history_has_no_reason(dataset: Dataset) -> None:
    told = explain(Linear(np.zeros((N, N)), np.arange(N, 0, -1.0)), dataset, asked(dataset, []), [0], k=1)[0]
    assert (told.events, told.rank) == ((), 1)


def test_what_is_left_out_does_not_come_back(dataset: Dataset) -> None:
    worth = np.zeros((N, N))
    worth[1, 9] = 1.0
    worth[2, 1] = 5.0  # item 1 would come first, were it not in the history
    told = explain(Linear(worth, np.linspace(0, 0.1, N)), dataset, asked(dataset, [1, 2]), [9], k=1)[0]
    assert told.rank == 1


def test_every_event_shown_lowers_the_item(dataset: Dataset) -> None:
    rng = np.random.default_rng(1)
    model = Linear(rng.normal(size=(N, N)))
    history = asked(dataset, *[rng.permutation(N)[:8].tolist() for _ in range(20)])
    items = model.recommend(Request(history, k=3)).rows[:, 2]
    for line, told in enumerate(explain(model, dataset, history, items, k=3)):
        question = LeaveOut.of(model, history.take([line]), told.item, 3)
        units = question.units
        left = np.isin(units, [event.row for event in told.events])[None]
        assert question.effects(told.item, left).ranks[0] == told.rank_without >= told.rank
        for event in told.events:
            before = question.scores(told.item, every_unit(len(units)))
            drop = before[0] - before[1 + int(np.flatnonzero(units == event.row)[0])]
            assert event.score_drop == pytest.approx(float(drop), abs=1e-5)


def test_an_item_far_down_is_explained_too(dataset: Dataset) -> None:
    worth = np.zeros((N, N))
    worth[1, 29] = 0.5
    model = Linear(worth, np.arange(N, 0, -1.0))
    told = explain(model, dataset, asked(dataset, [1, 2]), [29], k=1)[0]
    assert told.rank > 1
    assert told.score == pytest.approx(1.5)


def test_facts_and_phrases_are_so(dataset: Dataset) -> None:
    worth = np.zeros((N, N))
    worth[3, 9] = 1.0
    told = explain(Linear(worth), dataset, asked(dataset, [3]), [9], k=1)[0]
    assert {(fact.column, fact.value) for fact in told.facts} == {("category", "hat"), ("brand", "brand-0")}
    assert told.phrases == ("A lovely red hat",)
    assert "Also hat, like “red hat 3”." in told.sentences()
    assert any("同一品牌“brand-0”" in said for said in told.sentences("zh"))


def test_shares_of_modalities_and_rules_are_measured(dataset: Dataset) -> None:
    worth = np.zeros((N, N))
    worth[1, 9] = 4.0
    without_text, without_image = worth.copy(), worth.copy()
    without_text[1, 9], without_image[1, 9] = 1.0, 3.0
    boosted = Linear(worth)
    plain = Linear(worth, np.where(np.arange(N) == 20, 9.0, 0.0))
    told = explain(
        boosted,
        dataset,
        asked(dataset, [1]),
        [9],
        k=1,
        without_modality={"text": Linear(without_text), "image": Linear(without_image)},
        without_rule={"clearance": plain, "idle": boosted},
    )[0]
    assert told.modalities == pytest.approx({"text": 0.75, "image": 0.25})
    assert dict(told.rules) == {"clearance": 2}
    assert "75% of the match comes from its description." in told.sentences()
    assert any("clearance" in said for said in told.sentences("zh"))


def test_few_questions_are_asked(dataset: Dataset) -> None:
    model = Linear(RNG.random((N, N)))
    explain(model, dataset, asked(dataset, list(range(10))), [20], k=3)
    assert model.questions <= 6


@pytest.mark.parametrize("places", [[3], [3, 41], [3, 41, 78]])
def test_of_a_long_history_what_carries_the_item_is_found_in_few_variants(places: list[int]) -> None:
    n, m = 130, 80
    catalogue = Catalogue.from_frame(pa.table({"item_id": [f"sku-{row}" for row in range(n)]}))
    log = Interactions.from_histories([[f"sku-{row}" for row in range(m)]], items=catalogue.items)
    worth = np.random.default_rng(1).random((n, n)) * 0.01
    worth[places, 100] = 1.0
    worth[5, 101] = 0.5
    model = Linear(worth)
    told = explain(model, Dataset(catalogue, log), log, [100], k=1)[0]
    assert told.decisive
    assert sorted(event.row for event in told.events) == places
    assert model.variants <= 110  # of 80 items, 3,160 pairs and 82,160 sets of three


def test_a_repeated_item_counts_once(dataset: Dataset) -> None:
    worth = np.zeros((N, N))
    worth[1, 9] = 1.0
    told = explain(Linear(worth), dataset, asked(dataset, [1, 2, 1]), [9], k=1)[0]
    assert told.events[0].score_drop == pytest.approx(2.0)


def test_scores_outside_an_answer_are_taken_as_its_last() -> None:
    rows = np.array([[4, 7, 2], [7, 2, 5]])
    scores = np.array([[3.0, 2.0, 1.0], [2.5, 1.5, 0.5]], dtype=np.float32)
    np.testing.assert_allclose(_changed(rows, scores), [[3.0, 2.0, 1.0], [0.5, 2.5, 1.5]])


def test_why_one_stands_above_the_other(dataset: Dataset) -> None:
    worth = np.zeros((N, N))
    worth[1, 9], worth[3, 9], worth[4, 10] = 3.0, 1.0, 2.0
    told = why_above(Linear(worth), dataset, asked(dataset, [1, 3, 4]), [9], [10])[0]
    assert told.margin == pytest.approx(2.0)
    assert [row for row, _ in told.events] == [1, 3]
    assert told.margin_without == pytest.approx(-2.0)
    assert told.decisive
    assert ("category", "hat") in {(fact.column, fact.value) for fact in told.facts}
    assert told.sentences()[1].startswith("Without them")
    assert why_above(Linear(worth), dataset, asked(dataset, [4]), [9], [10])[0].events == ()


def test_unusable_questions_are_refused(dataset: Dataset) -> None:
    model, one = Linear(np.zeros((N, N))), asked(dataset, [1])
    with pytest.raises(DataError, match="one row a history"):
        explain(model, dataset, one, [1, 2])
    with pytest.raises(DataError, match=r"expected 0\.\.29"):
        explain(model, dataset, one, [N])
    with pytest.raises(DataError, match="max_events=0"):
        explain(model, dataset, one, [1], max_events=0)
    with pytest.raises(DataError, match="above itself"):
        why_above(model, dataset, one, [1], [1])
    with pytest.raises(DataError, match="language='fr'"):
        explain(model, dataset, one, [2])[0].sentences("fr")
    other = Dataset.from_interactions(Interactions.from_histories([["x"]], items=dataset.items.of(["x"])))
    with pytest.raises(IncompatibleError, match="histories over 30 items"):
        explain(model, other, one, [0])
