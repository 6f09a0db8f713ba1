"""What the promises are asked of. A new model in `MODELS` is asked on its own; others are a line below."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mmreco.arrays import I64
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.encoders.text.static import StaticEncoder
from mmreco.index.device import Place, TorchScan
from mmreco.index.exact.scan import Scan
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.vector import VectorIndex
from mmreco.models import MODELS
from mmreco.models.base import ScoreModel, VectorModel
from mmreco.models.contentknn import ContentKNN
from mmreco.models.hybrid import Hybrid, ReciprocalRank, Switching, Weighted
from mmreco.models.itemknn import ItemKNN
from mmreco.models.popular import Popular
from mmreco.models.puresvd import PureSVD
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.userknn import UserKNN
from mmreco.protocols import Encoder

Model = ScoreModel | VectorModel | Hybrid

# ---- models


def _with_content(model: ContentKNN) -> ContentKNN:
    """The model, given vectors by which even items are alike and odd ones are; all but one have some."""
    names = [f"{shop}-{row}" for shop in ("item", "other") for row in range(21)]
    vectors = np.array([[row % 2, 1 - row % 2] for _ in ("item", "other") for row in range(21)], dtype=np.float32)
    model.fit = partial(model.fit, content=Embeddings(IdMap.of(names), vectors))  # type: ignore[method-assign]
    return model


_SMALL: dict[str, dict[str, object]] = {  # what learns by gradient, just long enough to know the right answer
    "NCF": {"dim": 8, "epochs": 20},
    "TwoTower": {"dim": 16, "epochs": 25},
    "MultVAE": {"dim": 8, "hidden": 16, "epochs": 40},
    "CFGAN": {"hidden": 16, "epochs": 40},
    "SequenceGAN": {"dim": 16, "epochs": 40, "rounds": 3},
    "Caser": {"dim": 16, "epochs": 20, "dropout": 0.5, "window": 3, "filters": 4},
    "GRU4Rec": {"dim": 16, "epochs": 25},
    "SASRec": {"dim": 16, "epochs": 25, "depth": 1},
    "BERT4Rec": {"dim": 16, "epochs": 40},
}

CASES: dict[str, Callable[[], Model]] = {
    **MODELS,
    **{name: partial(MODELS[name], learning_rate=0.01, device="cpu", **_SMALL[name]) for name in _SMALL},
    "PureSVD": lambda: PureSVD(factors=2),  # as many as the items would give back what was seen
    "Weighted": lambda: Weighted(parts=[ItemKNN(), UserKNN()], weights=[2, 1]),
    "Switching": lambda: Switching(parts=[Popular(), ItemKNN()], at=[1]),
    "ReciprocalRank": lambda: ReciprocalRank(parts=[ItemKNN(), UserKNN()], depth=5),
    "ContentKNN": lambda: _with_content(ContentKNN()),
    "SharedSpace": lambda: SharedSpace(dim=32, epochs=40, patience=None, device="cpu"),
}

IMPERSONAL = {"LogisticProfile", "Popular", "Random", "Repeat"}  # cannot know the right answer, and is not asked for it

N_ITEMS = 20
UNCLICKED = 2  # more items, that nobody clicked


def checkerboard(n_users: int = 40) -> Interactions:
    """Even users click even items, odd users odd ones: all of them but one each, which is the right answer."""
    items = IdMap.of([f"item-{row}" for row in range(N_ITEMS + UNCLICKED)])
    users = IdMap.of([f"user-{row}" for row in range(n_users)])
    pairs = [(u, i) for u in range(n_users) for i in range(N_ITEMS) if (u - i) % 2 == 0 and i != right_answer(u)]
    user_rows, item_rows = np.random.default_rng(0).permutation(pairs).T  # the order says nothing
    times = 1_700_000_000_000 + 60_000 * np.arange(len(pairs))
    return Interactions.from_events(users, items, user_rows, item_rows, times=times)


def right_answer(user: int) -> int:
    return (user % 2) + 2 * ((user // 2) % (N_ITEMS // 2))


@pytest.fixture(scope="session")
def train() -> Interactions:
    return checkerboard()


@pytest.fixture(params=CASES)
def make(request: pytest.FixtureRequest) -> Callable[[], Model]:
    """A new model, not fitted, by each name."""
    return CASES[request.param]


@pytest.fixture(scope="session")
def _fitted_by_name() -> dict[str, Model]:
    return {}


@pytest.fixture
def model(make: Callable[[], Model], train: Interactions, _fitted_by_name: dict[str, Model]) -> Model:
    """A fitted model; shared, since answering must not change it."""
    fresh = make()
    name = repr(fresh)
    if name not in _fitted_by_name:
        _fitted_by_name[name] = fresh.fit(train)
    return _fitted_by_name[name]


@pytest.fixture
def right_answers(model: Model, train: Interactions) -> I64 | None:
    """The one right answer of each user; None of a model that cannot know it."""
    if type(model).__name__ in IMPERSONAL:
        return None
    return np.array([right_answer(user) for user in range(len(train))])


# ---- indexes


def _exact(embeddings: Embeddings) -> VectorIndex:
    return VectorIndex(embeddings, device="cpu")


def _exact_without_faiss(embeddings: Embeddings) -> VectorIndex:
    index = VectorIndex(embeddings, device="cpu")
    index._items = ItemVectors(Scan(embeddings.vectors))
    return index


def _exact_by_torch(embeddings: Embeddings) -> VectorIndex:
    index = VectorIndex(embeddings, device="cpu")
    index._items = ItemVectors(TorchScan(embeddings.vectors, Place(("cpu",))))  # what a GPU runs, here
    return index


def _graph(embeddings: Embeddings) -> VectorIndex:
    index = VectorIndex(embeddings, quality="high", device="cpu")
    assert index.report()["kind"] == "graph"
    return index


INDEXES = {"exact": _exact, "matrix": _exact_without_faiss, "torch": _exact_by_torch, "graph": _graph}


@pytest.fixture(scope="session", params=INDEXES)
def index(request: pytest.FixtureRequest) -> VectorIndex:
    """10,000 items on a circle, in order, so that the nearest of any point are known."""
    angles = np.linspace(0, 2 * np.pi, 10_000, endpoint=False)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return INDEXES[request.param](Embeddings(IdMap.of([f"item-{row}" for row in range(10_000)]), vectors))


# ---- encoders

TEXTS = ["red dress", "a blue cotton shirt for men", "红色连衣裙", "red dress", "shirt", "a long red silk dress"] * 4


def _lexical(folder: Path) -> Encoder[str]:
    return LexicalEncoder(dim=8).fit(TEXTS)


def _bert(folder: Path) -> Encoder[str]:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *["red", "dress", "a", "blue", "cotton", "shirt", "for", "men", "long", "红", "色", "裙"],
    ]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=32, initializer_range=0.5, **shape)
    BertModel(config).eval().save_pretrained(folder)
    return TextEncoder(folder, device="cpu")


def _static(folder: Path) -> Encoder[str]:
    teacher = _bert(folder)
    assert isinstance(teacher, TextEncoder)
    colours, things = ("red", "blue", "long"), ("dress", "shirt", "men", "cotton", "裙")
    return StaticEncoder.distil(teacher, [*TEXTS, *(f"a {colour} {thing}" for colour in colours for thing in things)])


ENCODERS = {
    "LexicalEncoder": (_lexical, TEXTS),
    "StaticEncoder": (_static, TEXTS),
    "TextEncoder": (_bert, TEXTS),
}


@pytest.fixture(scope="session", params=ENCODERS)
def encoder_and_contents(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Encoder[str], list[str]]:
    build, contents = ENCODERS[request.param]
    return build(tmp_path_factory.mktemp("encoder") / "weights"), contents
