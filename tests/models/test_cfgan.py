import numpy as np
import pytest
import torch

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models.cfgan import CFGAN, _Discriminator
from mmreco.models.training import Training

N = 12
ITEMS = IdMap.of([f"i{row}" for row in range(N)])


def shelves(n_users: int = 90) -> Interactions:
    """Every user takes three of the four items of one shelf: 0-3, 4-7 or 8-11."""
    rng = np.random.default_rng(0)
    return Interactions.from_histories(
        [[f"i{4 * (u % 3) + i}" for i in rng.permutation(4)[:3]] for u in range(n_users)], items=ITEMS
    )


def slow_scores(model: CFGAN, history: list[int]) -> np.ndarray:
    w = {name: weight.detach().double().numpy() for name, weight in model.network_.state_dict().items()}
    seen = np.zeros(N)
    seen[history] = 1 / np.sqrt(max(1, len(history)))
    return w["write.weight"] @ np.tanh(w["read.weight"] @ seen + w["read.bias"]) + w["write.bias"]


def test_scores_equal_the_slow_twin() -> None:
    model = CFGAN(hidden=5, training=Training(epochs=2)).fit(Dataset.from_interactions(shelves()))
    asked = Interactions.from_histories([["i1", "i5", "i1"], [], ["i9"]], items=ITEMS)
    expected = [slow_scores(model, history) for history in ([1, 5], [], [9])]
    np.testing.assert_allclose(model.score(asked), expected, rtol=1e-4, atol=1e-6)


def test_the_generator_s_loss_equals_the_slow_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CFGAN(hidden=5, training=Training(epochs=2), masked=0.5, zeroed=0.3, reconstruction=0.2).fit(
        Dataset.from_interactions(shelves())
    )
    model._judge = _Discriminator(N, 5)
    model._teach = torch.optim.SGD(model._judge.parameters(), lr=0.0)  # it learns nothing here
    w = {name: weight.detach().double().numpy() for name, weight in model._judge.state_dict().items()}
    rng = np.random.default_rng(0)
    shown_at, zeroed_at = rng.random((2, N)), rng.random((2, N))
    draws = iter([torch.from_numpy(shown_at).float(), torch.from_numpy(zeroed_at).float()])
    monkeypatch.setattr(torch, "rand", lambda *_, **__: next(draws))
    losses = []
    for u, history in enumerate(([1, 5], [9])):
        own = np.isin(np.arange(N), history)
        written = 1 / (1 + np.exp(-slow_scores(model, history)))
        read = written / np.sqrt(len(history))
        bought = [read[i] if own[i] else 0 for i in range(N)]
        left = [read[i] if not own[i] and shown_at[u, i] < 0.5 else 0 for i in range(N)]
        hidden = np.maximum(w["read.weight"] @ np.concatenate([bought, left]) + w["read.bias"], 0)
        verdict = (w["judge.weight"] @ hidden + w["judge.bias"])[0]
        pushed = sum(written[i] ** 2 for i in range(N) if not own[i] and zeroed_at[u, i] < 0.3)
        losses.append((verdict - 1) ** 2 + 0.2 * pushed)
    rows = torch.zeros(2, N)
    rows[0, [1, 5]] = rows[1, 9] = 1
    assert model._round(rows).item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_the_discriminator_learns_to_tell() -> None:
    model = CFGAN(hidden=8, training=Training(epochs=1)).fit(Dataset.from_interactions(shelves()))
    model._judge = _Discriminator(N, 8)
    model._teach = torch.optim.Adam(model._judge.parameters(), lr=0.02)
    rows = torch.from_numpy(shelves().matrix().toarray())
    for _ in range(60):
        model._round(rows)
    written = torch.sigmoid(model.network_(rows)).detach()
    assert (model._judge(rows, rows) > 0.5).float().mean() > 0.9
    assert (model._judge(written, rows) < 0.5).float().mean() > 0.9


def test_strangers_get_the_rest_of_the_shelf() -> None:
    model = CFGAN(hidden=16, training=Training(epochs=60, learning_rate=0.01)).fit(Dataset.from_interactions(shelves()))
    asked = Interactions.from_histories([[f"i{4 * s}", f"i{4 * s + 2}"] for s in range(3)], items=ITEMS)
    found = model.recommend(histories=asked, k=2).rows
    assert [set(line.tolist()) for line in found] == [{4 * s + 1, 4 * s + 3} for s in range(3)]


def test_the_discriminator_is_gone_after_fit() -> None:
    model = CFGAN(hidden=4, training=Training(epochs=1)).fit(Dataset.from_interactions(shelves()))
    assert not {"_judge", "_teach"} & vars(model).keys()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": 0}, "hidden=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"masked": 1.5}, "masked=1.5: expected from 0 to 1"),
        ({"zeroed": -0.5}, "zeroed=-0.5: expected from 0 to 1"),
        ({"reconstruction": -1.0}, "reconstruction=-1.0"),
    ],
)
def test_parameters_are_checked_on_construction(options: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        CFGAN(**options)  # type: ignore[arg-type]


def test_unfitted_has_no_scores() -> None:
    with pytest.raises(NotFittedError, match="CFGAN is not fitted"):
        CFGAN().score(shelves())
