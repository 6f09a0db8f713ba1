"""Every model keeps the contract. A new one in `MODELS` is asked on its own; a size for the test is a line below."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

from mmreco.models import MODELS
from mmreco.models.base import Model
from mmreco.models.training import Training
from mmreco.testing import ModelContract


def quick(name: str, epochs: int, **options: object) -> Callable[[], Model]:
    """What learns by gradient, just long enough to know the right answer."""
    return partial(MODELS[name], training=Training(epochs=epochs, learning_rate=0.01, device="cpu"), **options)


CASES: dict[str, Callable[[], Model]] = {
    **MODELS,
    "PureSVD": partial(MODELS["PureSVD"], dim=2),  # as many as the items would give back what was seen
    "PrivateSVD": partial(MODELS["PrivateSVD"], dim=2, epsilon=100.0, seed=0),  # 40 users need little noise
    "ReciprocalRank": partial(MODELS["ReciprocalRank"], depth=5),
    "NCF": quick("NCF", 20, dim=8),
    "TwoTower": quick("TwoTower", 25, dim=16),
    "MultVAE": quick("MultVAE", 40, dim=8, hidden=16),
    "CFGAN": quick("CFGAN", 40, hidden=16),
    "SequenceGAN": quick("SequenceGAN", 40, dim=16, rounds=3),
    "Caser": quick("Caser", 20, dim=16, dropout=0.5, window=3, filters=4),
    "GRU4Rec": quick("GRU4Rec", 25, dim=16),
    "SASRec": quick("SASRec", 25, dim=16, depth=1),
    "BERT4Rec": quick("BERT4Rec", 40, dim=16),
    "SharedSpace": quick("SharedSpace", 40, dim=32),
}

if find_spec("opacus") is None:  # the extra `dp`
    del CASES["PrivateSVD"]

IMPERSONAL = {
    "LogisticProfile",
    "Popular",
    "Random",
    "Repeat",
}  # cannot know the right answer, and are not asked for it

WEIGHTLESS = {
    "CFGAN",  # what a user had, as a row of ones
    "ContentKNN",  # learns nothing from events
    "ItemKNN",  # a cosine, which an item's own scale does not change
    "LogisticProfile",  # reads weights as facts of a user, not of an event
    "PrivateSVD",  # what a user had, as a row of ones
    "Random",
    "Repeat",
    "SequenceGAN",  # taught by a judge of whole histories
}


def contract(name: str) -> type[ModelContract]:
    made = CASES[name]
    return type(
        f"Test{name}",
        (ModelContract,),
        {"make": lambda self: made(), "personal": name not in IMPERSONAL, "weighs": name not in WEIGHTLESS},
    )


globals().update({f"Test{name}": contract(name) for name in CASES})


def test_every_model_is_the_library_s_own() -> None:
    assert all(model.__module__.startswith("mmreco.") for model in MODELS.values())
