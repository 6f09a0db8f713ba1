"""The readers of histories against slow twins in numpy, and on a chain where one item always leads to the next."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, NotFittedError
from mmreco.models.bert4rec import BERT4Rec
from mmreco.models.caser import Caser
from mmreco.models.gru4rec import GRU4Rec
from mmreco.models.sasrec import SASRec
from mmreco.models.sequence import SequenceModel
from mmreco.models.training import Training
from mmreco.models.twotower import TwoTower

F64 = npt.NDArray[np.float64]
N = 12
ITEMS = IdMap.of([f"i{row}" for row in range(N)])
ASKED = Interactions.from_histories([["i3", "i4", "i5"], ["i7"], ["i0", "i1", "i1", "i2", "i9"]], items=ITEMS)
SIZE = {"dim": 4, "training": Training(epochs=1, learning_rate=0.05)}
TAUGHT = {"dim": 16, "training": Training(epochs=25, learning_rate=0.02)}

MODELS: dict[str, Callable[..., SequenceModel]] = {  # type: ignore[type-arg]
    "SASRec": SASRec,
    "GRU4Rec": GRU4Rec,
    "LSTM": lambda **options: GRU4Rec(cell="lstm", **options),
    "Caser": Caser,
    "BERT4Rec": BERT4Rec,
    "TwoTower": TwoTower,
}


def chain(n_users: int = 60, length: int = 6) -> Interactions:
    """Whoever took item `i` takes item `i + 1`; where a user begins says nothing."""
    starts = np.random.default_rng(0).integers(N, size=n_users)
    return Interactions.from_histories([[f"i{(u + s) % N}" for s in range(length)] for u in starts], items=ITEMS)


def weights(model: SequenceModel) -> dict[str, F64]:  # type: ignore[type-arg]
    return {name: w.detach().double().numpy() for name, w in model.network_.state_dict().items()}


# ---- direction


@pytest.mark.parametrize("name", MODELS)
def test_strangers_get_the_next_link_of_the_chain(name: str) -> None:
    options = TAUGHT | ({"training": Training(epochs=100, learning_rate=0.02)} if name == "BERT4Rec" else {})
    model = MODELS[name](**options).fit(Dataset.from_interactions(chain()))
    asked = Interactions.from_histories([[f"i{(u - s) % N}" for s in (3, 2, 1, 0)] for u in range(N)], items=ITEMS)
    assert model.recommend(histories=asked, k=1).rows[:, 0].tolist() == [(u + 1) % N for u in range(N)]


def test_a_large_catalogue_is_learnt_from_a_sample() -> None:
    model = SASRec(**TAUGHT, negatives=4).fit(Dataset.from_interactions(chain()))  # 12 items are more than twice 4
    asked = Interactions.from_histories([[f"i{u}"] for u in range(N)], items=ITEMS)
    assert model.recommend(histories=asked, k=1).rows[:, 0].tolist() == [(u + 1) % N for u in range(N)]


# ---- slow twins of the networks


def norm(x: F64, w: dict[str, F64], name: str) -> F64:
    scaled = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(x: F64, w: dict[str, F64], name: str) -> F64:
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", np.zeros(1))


def sigmoid(x: F64) -> F64:
    return 1 / (1 + np.exp(-x))


def gelu(x: F64) -> F64:
    return np.asarray(torch.nn.functional.gelu(torch.from_numpy(x)).numpy())


def turned(x: F64, heads: int) -> F64:
    """Each head's pairs turned by their place, as complex numbers."""
    parts = []
    for part in np.split(x, heads, axis=1):
        half = part.shape[1] // 2
        angles = np.arange(len(part))[:, None] * 10_000.0 ** (-np.arange(half) / half)
        whole = (part[:, :half] + 1j * part[:, half : 2 * half]) * np.exp(1j * angles)
        parts += [whole.real, whole.imag, part[:, 2 * half :]]
    return np.concatenate(parts, axis=1)


def block(x: F64, w: dict[str, F64], name: str, heads: int, *, causal: bool, rotary: bool) -> F64:
    queries, keys, values = np.split(
        linear(norm(x, w, f"{name}.before_attention"), w, f"{name}.queries_keys_values"), 3, 1
    )
    if rotary:
        queries, keys = turned(queries, heads), turned(keys, heads)
    met, width = np.zeros_like(x), x.shape[1] // heads
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        for step in range(len(x)):
            seen = slice(0, step + 1) if causal else slice(None)
            attention = np.exp(keys[seen, part] @ queries[step, part] / np.sqrt(width))
            met[step, part] = attention @ values[seen, part] / attention.sum()
    x = x + linear(met, w, f"{name}.mix")
    return x + linear(gelu(linear(norm(x, w, f"{name}.before_wide"), w, f"{name}.wide")), w, f"{name}.narrow")


def slow_sasrec(model: SASRec, history: list[int]) -> F64:
    w = weights(model)
    x = w["items.weight"][history] * 2 + w["read.positions"][: len(history)]  # 2 is the root of dim
    for number in range(model.depth):
        x = block(x, w, f"read.blocks.{number}", model.heads, causal=True, rotary=False)
    return norm(x, w, "norm")[-1]


def slow_bert4rec(model: BERT4Rec, history: list[int]) -> F64:
    w = weights(model)
    x = w["items.weight"][[*history, N]] * 2
    for number in range(model.depth):
        x = block(x, w, f"read.blocks.{number}", model.heads, causal=False, rotary=True)
    return norm(x, w, "norm")[-1]


def slow_gru4rec(model: GRU4Rec, history: list[int]) -> F64:
    w = {name.removeprefix("read.cells."): value for name, value in weights(model).items()}
    h, c = np.zeros(4), np.zeros(4)
    steps = w["items.weight"][history] * 2
    for x in steps:
        given, kept = w["weight_ih_l0"] @ x + w["bias_ih_l0"], w["weight_hh_l0"] @ h + w["bias_hh_l0"]
        if model.cell == "gru":
            (r, z, n), (kr, kz, kn) = np.split(given, 3), np.split(kept, 3)
            r, z = sigmoid(r + kr), sigmoid(z + kz)
            h = (1 - z) * np.tanh(n + r * kn) + z * h
        else:
            i, f, g, o = np.split(given + kept, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
    return norm(steps[-1] + h, w, "norm")


def slow_caser(model: Caser, history: list[int]) -> F64:
    w, size = weights(model), model.window
    vectors = w["items.weight"][history] * 2
    picture = np.concatenate([np.zeros((size, 4)), vectors])[-size:]  # (window, dim)
    down = [picture[:, d] @ w["down"][:, v] for d in range(4) for v in range(4)]
    across = []
    for height in range(1, size + 1):
        filters, bias = w[f"across.{height - 1}.weight"], w[f"across.{height - 1}.bias"]  # (filters, dim, height)
        heard = [(filters * picture[at : at + height].T).sum(axis=(1, 2)) + bias for at in range(size - height + 1)]
        across.append(np.maximum(heard, 0).max(axis=0))
    recent = np.maximum(linear(np.concatenate([down, *across]), w, "dense"), 0)
    return np.concatenate([recent, vectors.mean(axis=0)])


def slow_twotower(model: TwoTower, history: list[int]) -> F64:
    w = weights(model)
    vectors = w["items.weight"][history]
    heard = np.concatenate([vectors.mean(axis=0), vectors[-1]])
    user = heard[:4] + heard[4:] + linear(np.maximum(linear(heard, w, "user_tower.1"), 0), w, "user_tower.4")
    return user / np.linalg.norm(user) / model.temperature


TWINS: dict[str, Callable[..., F64]] = {
    "SASRec": slow_sasrec,
    "GRU4Rec": slow_gru4rec,
    "LSTM": slow_gru4rec,
    "Caser": slow_caser,
    "BERT4Rec": slow_bert4rec,
    "TwoTower": slow_twotower,
}


@pytest.mark.parametrize("name", MODELS)
def test_user_vectors_equal_the_slow_twin(name: str) -> None:
    model = MODELS[name](**SIZE).fit(Dataset.from_interactions(chain()))
    expected = [TWINS[name](model, ASKED.history(line).tolist()) for line in range(len(ASKED))]
    np.testing.assert_allclose(model.user_vectors(ASKED), expected, rtol=1e-4, atol=1e-5)


def test_two_tower_items_equal_the_slow_twin() -> None:
    model = TwoTower(**SIZE).fit(Dataset.from_interactions(chain()))
    w = weights(model)
    read = w["items.weight"]
    places = read + linear(np.maximum(linear(read, w, "item_tower.0"), 0), w, "item_tower.2")
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    np.testing.assert_allclose(model.item_embeddings().vectors, places, rtol=1e-4, atol=1e-5)


# ---- slow twins of the losses


def slow_cross_entropy(users: F64, places: F64, targets: list[int]) -> float:
    scores = users @ places.T
    return float(np.mean([np.log(np.exp(line).sum()) - line[t] for line, t in zip(scores, targets, strict=True)]))


@pytest.mark.parametrize("name", ["SASRec", "GRU4Rec", "Caser"])
def test_every_step_foretells_the_next_event(name: str) -> None:
    model = MODELS[name](**SIZE).fit(Dataset.from_interactions(chain()))
    rows, real = torch.tensor([[1, 2, 3], [5, 9, 0]]), torch.tensor([[True, True, True], [True, True, False]])
    users = np.stack([TWINS[name](model, history) for history in ([1], [1, 2], [5])])
    expected = slow_cross_entropy(users, model.item_embeddings().vectors.astype(np.float64), [2, 3, 9])
    assert model._loss(rows, real, real.float()).item() == pytest.approx(expected, rel=1e-4)


def test_bert4rec_foretells_what_it_does_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    model = BERT4Rec(**SIZE, hidden=0.5).fit(Dataset.from_interactions(chain()))
    draws = iter([torch.tensor([[0.9, 0.1, 0.9], [0.1, 0.9, 0.1]]), torch.tensor([0.9, 0.1])])
    monkeypatch.setattr(torch, "rand", lambda *_, **__: next(draws))
    rows, real = torch.tensor([[1, 2, 3], [5, 9, 0]]), torch.tensor([[True, True, True], [True, True, False]])
    read: list[tuple[torch.Tensor, torch.Tensor]] = []
    states = model.network_.states
    monkeypatch.setattr(model.network_, "states", lambda *given: read.append(given) or states(*given))
    loss = model._loss(rows, real, real.float()).item()
    assert read[0][0][real].tolist() == [1, N, 3, 5, N]  # the second history has its gap at the end alone
    with torch.no_grad():
        users = states(*read[0])[torch.tensor([0, 1]), torch.tensor([1, 1])].double().numpy()
    expected = slow_cross_entropy(users, model.item_embeddings().vectors.astype(np.float64), [2, 9])
    assert loss == pytest.approx(expected, rel=1e-4)


def test_two_tower_corrects_for_how_often_an_item_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    model = TwoTower(**SIZE, negatives=2).fit(Dataset.from_interactions(chain()))
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.tensor([0, 7]))
    shares = np.random.default_rng(0).dirichlet(np.ones(N))
    model._shares = torch.from_numpy(shares).float()
    users, targets, places = np.eye(3, 4), [2, 7, 2], model.item_embeddings().vectors.astype(np.float64)
    losses = []
    for user, target in zip(users, targets, strict=True):
        others = [row for row in [*targets, 0, 7] if row != target]
        wrong = [np.exp(user @ places[row]) / (3 * shares[row] + 2 / N) for row in others]
        right = np.exp(user @ places[target])
        losses.append(np.log(right + sum(wrong)) - np.log(right))
    found = model._contrast(torch.from_numpy(users).float(), torch.tensor(targets), torch.ones(3)).item()
    assert found == pytest.approx(np.mean(losses), rel=1e-4)


# ---- answering


def test_only_the_latest_events_are_read() -> None:
    model = SASRec(**SIZE, max_length=2).fit(Dataset.from_interactions(chain()))
    long, short = (Interactions.from_histories([h], items=ITEMS) for h in (["i1", "i8", "i2", "i3"], ["i2", "i3"]))
    np.testing.assert_array_equal(model.user_vectors(long), model.user_vectors(short))


def test_an_empty_history_lies_amid_those_trained_on() -> None:
    train = chain()
    model = GRU4Rec(**SIZE).fit(Dataset.from_interactions(train))
    nobody = Interactions.from_histories([[]], items=ITEMS)
    np.testing.assert_allclose(model.user_vectors(nobody)[0], model.user_vectors(train).mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (SASRec, {"depth": 0}, "depth=0"),
        (SASRec, {"dim": 6, "heads": 4}, "heads=4: expected a divisor of dim=6"),
        (GRU4Rec, {"cell": "rnn"}, r"cell='rnn': expected one of \('gru', 'lstm'\)"),
        (GRU4Rec, {"depth": 0}, "depth=0"),
        (Caser, {"window": 0}, "window=0"),
        (Caser, {"filters": 0}, "filters=0"),
        (BERT4Rec, {"hidden": 1.0}, "hidden=1.0: expected between 0 and 1"),
        (BERT4Rec, {"depth": 0}, "depth=0"),
        (BERT4Rec, {"dim": 6, "heads": 4}, "heads=4"),
        (TwoTower, {"temperature": 0.0}, "temperature=0.0"),
    ],
)
def test_parameters_are_checked_on_construction(
    make: Callable[..., SequenceModel],  # type: ignore[type-arg]
    options: dict[str, object],
    said: str,
) -> None:
    with pytest.raises(DataError, match=said):
        make(**options)


def test_unfitted_has_no_vectors() -> None:
    with pytest.raises(NotFittedError, match="SASRec is not fitted"):
        SASRec().item_embeddings()
    with pytest.raises(NotFittedError, match="SASRec is not fitted"):
        SASRec().user_vectors(ASKED)
