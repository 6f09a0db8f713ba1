from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models.ncf import NCF, Kind
from mmreco.models.training import Training

N = 12
ITEMS = IdMap.of([f"i{row}" for row in range(N)])
KINDS: list[Kind] = ["gmf", "mlp", "neumf"]


def shelves(n_users: int = 80) -> Interactions:
    """Every user takes three of the four items of one shelf: 0-3, 4-7 or 8-11."""
    rng = np.random.default_rng(0)
    return Interactions.from_histories(
        [[f"i{4 * (u % 3) + i}" for i in rng.permutation(4)[:3]] for u in range(n_users)], items=ITEMS
    )


def slow_logit(model: NCF, others: list[int], item: int) -> float:
    """The network, a user and an item at a time; `others` is the history."""
    w = {name: weight.detach().double().numpy() for name, weight in model.network_.state_dict().items()}
    user = sum((w["users.weight"][other] for other in others), np.zeros(w["users.weight"].shape[1])) / max(
        1, len(others)
    )
    thing, logit = w["items.weight"][item], w["bias.weight"][item, 0]
    if model.kind != "mlp":
        logit += (user[: model.dim] * thing[: model.dim]) @ w["common"]
    if model.kind != "gmf":
        both = np.concatenate([user[-model.dim :], thing[-model.dim :]])
        first = np.maximum(np.hstack([w["of_user.weight"], w["of_item.weight"]]) @ both + w["of_user.bias"], 0)
        second = np.maximum(w["second.weight"] @ first + w["second.bias"], 0)
        logit += w["third.weight"][0] @ second
    return float(logit)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_equal_the_slow_twin(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmreco.models.ncf._CELLS", 60)  # a user at a time
    model = NCF(kind=kind, dim=4, training=Training(epochs=2, learning_rate=0.05)).fit(
        Dataset.from_interactions(shelves())
    )
    asked = Interactions.from_histories([["i1", "i5", "i1"], [], ["i9"]], items=ITEMS)
    expected = [[slow_logit(model, others, item) for item in range(N)] for others in ([1, 5], [], [9])]
    np.testing.assert_allclose(model.score(asked), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_leaves_an_item_out_of_its_own_user(kind: Kind) -> None:
    model = NCF(kind=kind, dim=4, training=Training(epochs=1), dropout=0.0).fit(Dataset.from_interactions(shelves()))
    histories = [[0, 2, 3], [5, 7]]
    seen = sp.csr_array(np.array([[item in history for item in range(N)] for history in histories], dtype=np.float32))
    drawn = np.random.default_rng(1).integers(N, size=(5, 4))  # what the loss will draw
    losses, line = [], 0
    for history in histories:
        for item in history:
            others = [other for other in history if other != item]
            losses.append(np.log1p(np.exp(-slow_logit(model, others, item))))
            losses += [np.log1p(np.exp(slow_logit(model, others, d))) for d in drawn[line] if d not in history]
            line += 1
    assert len(losses) < 25  # some of the drawn were his own
    assert model._loss(seen, np.random.default_rng(1)).item() == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_strangers_get_the_rest_of_the_shelf(kind: Kind) -> None:
    model = NCF(kind=kind, dim=16, training=Training(epochs=60, learning_rate=0.02)).fit(
        Dataset.from_interactions(shelves())
    )
    asked = Interactions.from_histories([[f"i{4 * s}", f"i{4 * s + 2}"] for s in range(3)], items=ITEMS)
    found = model.recommend(histories=asked, k=2).rows
    assert [set(line.tolist()) for line in found] == [{4 * s + 1, 4 * s + 3} for s in range(3)]


def test_an_empty_history_gets_what_is_popular() -> None:
    log = Interactions.from_histories([["i0", "i1", f"i{2 + u % 10}"] for u in range(60)], items=ITEMS)
    model = NCF(dim=4, training=Training(epochs=25, learning_rate=0.02)).fit(Dataset.from_interactions(log))
    nobody = Interactions.from_histories([[]], items=ITEMS)
    assert set(model.recommend(histories=nobody, k=2).rows[0].tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "gru"}, r"kind='gru': expected one of \('gmf', 'mlp', 'neumf'\)"),
        ({"dim": 0}, "dim=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
    ],
)
def test_parameters_are_checked_on_construction(options: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        NCF(**options)  # type: ignore[arg-type]


def test_unfitted_has_no_scores() -> None:
    with pytest.raises(NotFittedError, match="NCF is not fitted"):
        NCF().score(shelves())


def test_logs_of_one_item_teach_nothing() -> None:
    for items in (IdMap.of(["i1"]), ITEMS):
        log = Interactions.from_histories([["i1", "i1", "i1"]] * 20, items=items)
        with pytest.raises(DataError, match=r"nobody in .* has two different items"):
            NCF(dim=4, training=Training(epochs=1)).fit(Dataset.from_interactions(log))


def test_the_loss_is_the_slow_twin_s_with_weights_of_either_sign() -> None:
    log = Interactions.from_histories([["i0", "i1", "i2"], ["i4", "i5"]], items=ITEMS)
    log = replace(log, weights=np.array([1, 2, -0.5, 1, 3], dtype=np.float32))
    model = NCF(kind="gmf", dim=4, dropout=0.0, training=Training(epochs=1)).fit(Dataset.from_interactions(shelves()))
    w = {name: weight.detach().double().numpy() for name, weight in model.network_.state_dict().items()}
    drawn = np.random.default_rng(5).integers(N, size=(5, 4))
    total, counted = 0.0, 0.0
    place = 0
    for own in ({0: 1.0, 1: 2.0, 2: -0.5}, {4: 1.0, 5: 3.0}):
        for item, weight in own.items():
            others = [other for other, heavy in own.items() if heavy > 0 and other != item]
            user = np.mean([w["users.weight"][other] for other in others], axis=0) * w["common"]
            rows = [(item, weight > 0)] + [(j, False) for j in drawn[place] if j not in own and weight > 0]
            place += 1
            for row, wanted in rows:
                logit = user @ w["items.weight"][row] + w["bias.weight"][row, 0]
                total += abs(weight) * np.log1p(np.exp(-logit if wanted else logit))
                counted += abs(weight)
    found = model._loss(log.mean_weights(), np.random.default_rng(5)).item()
    assert found == pytest.approx(total / counted, rel=1e-5)
