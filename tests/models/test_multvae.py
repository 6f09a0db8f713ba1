import numpy as np
import pytest
import torch

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models.multvae import MultVAE, elbo
from mmreco.models.training import Training

N = 12
ITEMS = IdMap.of([f"i{row}" for row in range(N)])
TAUGHT = {"dim": 4, "hidden": 16, "training": Training(epochs=60, learning_rate=0.02)}


def shelves(n_users: int = 90) -> Interactions:
    """Every user takes three of the four items of one shelf: 0-3, 4-7 or 8-11."""
    rng = np.random.default_rng(0)
    return Interactions.from_histories(
        [[f"i{4 * (u % 3) + i}" for i in rng.permutation(4)[:3]] for u in range(n_users)], items=ITEMS
    )


def test_scores_equal_the_slow_twin() -> None:
    model = MultVAE(dim=3, hidden=5, training=Training(epochs=2)).fit(Dataset.from_interactions(shelves()))
    w = {name: weight.detach().double().numpy() for name, weight in model.network_.state_dict().items()}
    expected = []
    for history in ([1, 5], [], [9]):
        seen = np.zeros(N)
        seen[history] = 1 / np.sqrt(max(1, len(history)))
        mean = (w["code.weight"] @ np.tanh(w["read.weight"] @ seen + w["read.bias"]) + w["code.bias"])[:3]
        expected.append(w["tell.weight"] @ np.tanh(w["widen.weight"] @ mean + w["widen.bias"]) + w["tell.bias"])
    asked = Interactions.from_histories([["i1", "i5", "i1"], [], ["i9"]], items=ITEMS)
    np.testing.assert_allclose(model.score(asked), expected, rtol=1e-4, atol=1e-6)


def test_the_bound_equals_the_slow_twin() -> None:
    rng = np.random.default_rng(0)
    seen, logits = rng.integers(2, size=(3, N)).astype(float), rng.normal(size=(3, N))
    mean, log_variance = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    losses = []
    for u in range(3):
        told = sum(logits[u, i] - np.log(np.exp(logits[u]).sum()) for i in range(N) if seen[u, i])
        variance = np.exp(log_variance[u])
        kl = sum((variance[d] + mean[u, d] ** 2 - 1 - np.log(variance[d])) / 2 for d in range(4))
        losses.append(0.3 * kl - told)
    given = (torch.from_numpy(x) for x in (seen, logits, mean, log_variance))
    assert elbo(*given, 0.3).item() == pytest.approx(np.mean(losses))


def test_the_weight_of_the_code_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    weights: list[float] = []

    def noted(*given: torch.Tensor | float) -> torch.Tensor:
        weights.append(float(given[-1]))
        return elbo(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("mmreco.models.multvae.elbo", noted)
    MultVAE(dim=2, hidden=4, training=Training(epochs=9, patience=None), beta=0.6).fit(
        Dataset.from_interactions(shelves(16))
    )
    assert weights == pytest.approx([0.2, 0.4, *[0.6] * 7])


def test_strangers_get_the_rest_of_the_shelf() -> None:
    model = MultVAE(**TAUGHT).fit(Dataset.from_interactions(shelves()))  # type: ignore[arg-type]
    asked = Interactions.from_histories([[f"i{4 * s}", f"i{4 * s + 2}"] for s in range(3)], items=ITEMS)
    found = model.recommend(histories=asked, k=2).rows
    assert [set(line.tolist()) for line in found] == [{4 * s + 1, 4 * s + 3} for s in range(3)]


def test_a_sample_is_like_the_history_it_comes_from() -> None:
    model = MultVAE(**TAUGHT).fit(Dataset.from_interactions(shelves()))  # type: ignore[arg-type]
    asked = Interactions.from_histories([["i0", "i1", "i2"], [], *[["i4", "i5", "i7"]] * 40, ["i9"]], items=ITEMS)
    drawn = model.sample(asked, seed=1)
    assert drawn.users == asked.users
    assert drawn.lengths.tolist() == asked.lengths.tolist()
    assert all(len(set(drawn.history(u).tolist())) == drawn.lengths[u] for u in range(len(drawn)))
    shelf = np.concatenate([drawn.history(u) for u in range(2, 42)]) // 4
    assert (shelf == 1).mean() > 0.8
    assert len({tuple(sorted(drawn.history(u).tolist())) for u in range(2, 42)}) > 3  # not the same for all
    again, other = model.sample(asked, seed=1), model.sample(asked, seed=2)
    assert again.items_flat.tolist() == drawn.items_flat.tolist() != other.items_flat.tolist()


def test_nobody_has_no_sample() -> None:
    model = MultVAE(dim=2, hidden=4, training=Training(epochs=1)).fit(Dataset.from_interactions(shelves()))
    assert len(model.sample(Interactions.from_histories([], items=ITEMS))) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dim": 0}, "dim=0"),
        ({"hidden": 0}, "hidden=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"beta": -1.0}, "beta=-1"),
    ],
)
def test_parameters_are_checked_on_construction(options: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        MultVAE(**options)  # type: ignore[arg-type]


def test_unfitted_has_no_scores() -> None:
    with pytest.raises(NotFittedError, match="MultVAE is not fitted"):
        MultVAE().score(shelves())
    with pytest.raises(NotFittedError, match="MultVAE is not fitted"):
        MultVAE().sample(shelves())
