"""What all models that learn by gradient share, asked of one of them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError
from mmreco.models.base import Model
from mmreco.models.cfgan import CFGAN
from mmreco.models.gru4rec import GRU4Rec
from mmreco.models.sasrec import SASRec
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.training import Training
from mmreco.splitting import leave_last_out

N = 12
ITEMS = IdMap.of([f"i{row}" for row in range(N)])


def chain(n_users: int = 60, length: int = 5) -> Interactions:
    return Interactions.from_histories(
        [[f"i{(u + s) % N}" for s in range(length)] for u in range(n_users)], items=ITEMS
    )


def small(**options: object) -> GRU4Rec:
    names = {one.name for one in fields(Training)}
    inner = {"epochs": 3, "learning_rate": 0.02, **{name: options.pop(name) for name in names & options.keys()}}
    return GRU4Rec(**{"dim": 4, "training": Training(**inner), **options})  # type: ignore[arg-type]


def test_validation_tells_when_to_stop() -> None:
    split = leave_last_out(Dataset.from_interactions(chain()))
    model = small(epochs=40, patience=2, learning_rate=1e-9).fit(
        split.train, validation=split.test
    )  # it learns nothing
    assert len(model.scores_) == 3
    assert model.epochs_ == 1


def test_without_patience_all_passes_are_made_and_nothing_is_held_out() -> None:
    model = small(patience=None).fit(Dataset.from_interactions(chain()))
    assert (model.scores_, model.epochs_) == ((), 3)


def test_the_best_pass_is_what_validation_says() -> None:
    model = small(epochs=8, learning_rate=0.002).fit(Dataset.from_interactions(chain(n_users=600)))
    assert model.epochs_ == 1 + int(np.argmax(model.scores_))
    assert model.scores_[-1] > model.scores_[0]  # it learns


def test_another_seed_another_model() -> None:
    first, second = (
        small(seed=seed, patience=None).fit(Dataset.from_interactions(chain())).item_embeddings().vectors
        for seed in (0, 1)
    )
    assert not np.allclose(first, second)


def test_validation_over_other_items_is_refused() -> None:
    other = Interactions.from_histories([["a", "b"]], items=IdMap.of(["a", "b"]))
    with pytest.raises(IncompatibleError, match="validation is over other items than the dataset"):
        small().fit(
            Dataset.from_interactions(chain()), validation=leave_last_out(Dataset.from_interactions(other)).test
        )


def test_nobody_with_two_events_is_refused() -> None:
    with pytest.raises(DataError, match="nobody has two events"):
        small().fit(Dataset.from_interactions(Interactions.from_histories([["i1"], [], ["i2"]], items=ITEMS)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epochs": 0}, "epochs=0: expected 1 or more"),
        ({"patience": 0}, "patience=0: expected 1 or more, or None"),
        ({"learning_rate": 0.0}, "learning_rate=0.0: expected above 0"),
        ({"device": "tpu"}, "device='tpu'"),
        ({"dim": 0}, "dim=0"),
        ({"max_length": 0}, "max_length=0"),
        ({"negatives": 0}, "negatives=0"),
        ({"dropout": 1.0}, "dropout=1.0: expected from 0 to below 1"),
    ],
)
def test_parameters_are_checked_on_construction(options: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        small(**options)


def test_weights_of_another_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small(epochs=1).fit(Dataset.from_interactions(chain()))
    state = model._state()
    state["network.norm.weight"] = np.ones(3, dtype=np.float32)
    monkeypatch.setattr(model, "_state", lambda: state)
    model.save(tmp_path / "model")
    with pytest.raises(IncompatibleError, match="weights of another version of GRU4Rec"):
        GRU4Rec.load(tmp_path / "model")


def test_what_was_learnt_comes_back(tmp_path: Path) -> None:
    model = small(epochs=2).fit(Dataset.from_interactions(chain(n_users=600)))
    model.save(tmp_path / "model")
    loaded = GRU4Rec.load(tmp_path / "model")
    assert (loaded.scores_, loaded.epochs_) == (model.scores_, model.epochs_)
    assert model.seconds_ > 0
    assert np.isnan(loaded.seconds_)


def test_a_long_log_is_looked_at_within_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    log = chain()
    monkeypatch.setattr("mmreco.models.trained.validations_per_epoch", lambda _: 3)
    seen: list[list[str]] = []

    def remembered(self: GRU4Rec, train: Interactions, rng: np.random.Generator, done: float) -> Iterator[Tensor]:
        seen.append(train.users.array.to_pylist())
        return losses(self, train, rng, done)

    losses = GRU4Rec._losses
    monkeypatch.setattr(GRU4Rec, "_losses", remembered)
    model = small(patience=None, epochs=2).fit(Dataset.from_interactions(log))
    assert model.epochs_ == 2
    everyone = sorted(log.users.array.to_pylist())
    for first in (0, 3):
        assert sorted(user for part in seen[first : first + 3] for user in part) == everyone  # each once a pass
    assert seen[0] != seen[3]  # mixed anew


def test_time_that_is_up_ends_training_after_a_look() -> None:
    model = small(epochs=50, patience=50, minutes=1e-9).fit(Dataset.from_interactions(chain(n_users=600)))
    assert (len(model.scores_), model.epochs_) == (1, 1)
    with pytest.raises(DataError, match="minutes=0: expected above 0, or None"):
        small(minutes=0)


# ---- threads


def makers() -> list[Callable[[], Model]]:
    """Models that draw in all the ways there are: dropout, negatives, masks, layers of torch's that draw themselves."""
    short = [Training(epochs=4, learning_rate=0.02, seed=seed, patience=None) for seed in range(5)]
    return [
        lambda: GRU4Rec(dim=8, training=short[0]),
        lambda: GRU4Rec(dim=8, depth=2, training=short[1]),  # torch's own dropout between its layers
        lambda: SASRec(dim=8, negatives=4, training=short[2]),
        lambda: CFGAN(hidden=8, masked=0.5, training=short[3]),
        lambda: SharedSpace(dim=8, training=short[4]),
    ]


def weights(model: Model) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in model._state().items()}


def test_fits_in_threads_are_those_one_after_another_and_leave_torch_s_generator() -> None:
    dataset = Dataset.from_interactions(chain())
    alone = [weights(make().fit(dataset)) for make in makers()]
    torch.manual_seed(11)
    before = torch.get_rng_state()
    with ThreadPoolExecutor(5) as pool:
        together = list(pool.map(lambda make: weights(make().fit(dataset)), makers()))
    assert together == alone
    assert torch.equal(torch.get_rng_state(), before)


def test_a_fit_is_not_disturbed_by_whoever_draws_meanwhile() -> None:
    dataset = Dataset.from_interactions(chain())
    alone = weights(makers()[2]().fit(dataset))
    drawing = threading.Event()
    noise = threading.Thread(target=lambda: [torch.rand(1) for _ in iter(drawing.is_set, True)])
    training = Training(epochs=4, learning_rate=0.02, seed=2, patience=None)
    model = SASRec(dim=8, negatives=4, training=training)
    losses, begun = model._losses, []

    def after_the_weights(*given: Any) -> Iterator[Tensor]:  # initial weights come from the global generator
        if not begun:
            begun.append(noise.start())
        return losses(*given)

    model._losses = after_the_weights  # type: ignore[method-assign]
    try:
        assert weights(model.fit(dataset)) == alone
    finally:
        drawing.set()
        noise.join()
