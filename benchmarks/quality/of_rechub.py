"""What Torch-RecHub's YoutubeDNN scores on a split of ours, after so many passes.

    pip install --no-deps torch-rechub

Torch-RecHub (Datawhale, 2022) brings the network, the loss, the optimiser and the loop; samples are the caller's. Here
they are each event of a history but the first, told from the events before it and from the last of these, beside
negatives drawn evenly, anew in each pass.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmreco import Interactions

Scores = np.ndarray  # (n users of training, n_items)
Batch = tuple[dict[str, Tensor], Tensor]

_SAMPLES = 256  # a batch
_NOBODY = 0  # pads histories; items count from 1


def passes(
    train: Interactions,
    seed: int,
    epochs: int,
    every: int,
    *,
    dim: int,
    dropout: float,
    temperature: float,
    negatives: int,
    max_length: int,
    learning_rate: float = 0.001,
) -> Iterator[Scores]:
    """Scores `(n, n_items)` after each `every` passes of a user tower as wide as ours over the items' vectors."""
    from torch_rechub.basic.features import SequenceFeature, SparseFeature
    from torch_rechub.models.matching import YoutubeDNN
    from torch_rechub.trainers import MatchTrainer

    torch.manual_seed(seed)
    n = len(train.items)
    like = {"vocab_size": n + 1, "embed_dim": dim, "padding_idx": _NOBODY}
    model = YoutubeDNN(
        [
            SequenceFeature("history", pooling="mean", shared_with="item", **like),
            SparseFeature("last", shared_with="item", **like),
        ],
        [SparseFeature("item", **like)],
        [SequenceFeature("others", pooling="concat", shared_with="item", **like)],
        user_params={"dims": [2 * dim, dim], "activation": "prelu", "dropout": dropout},
        temperature=temperature,
    )
    trainer = MatchTrainer(
        model, mode=2, optimizer_params={"lr": learning_rate, "weight_decay": 1e-5}, n_epoch=epochs, device="cpu"
    )
    before, told = _samples(train, max_length)
    rng = np.random.default_rng(seed)
    for epoch in range(1, epochs + 1):
        trainer.train_one_epoch(_Batches(before, told, n, negatives, rng))
        if epoch % every == 0:
            yield _scores(model, train, max_length)


class _Batches:
    """The samples of a pass, mixed."""

    def __init__(self, before: Tensor, told: Tensor, n_items: int, negatives: int, rng: np.random.Generator) -> None:
        self.order = torch.from_numpy(rng.permutation(len(told)))
        self.before, self.told, self.n_items, self.negatives = before, told, n_items, negatives

    def __len__(self) -> int:
        return len(self.told) // _SAMPLES

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self) * _SAMPLES, _SAMPLES):
            rows = self.order[start : start + _SAMPLES]
            others = torch.randint(1, self.n_items + 1, (len(rows), self.negatives))
            given = {**_given(self.before[rows]), "item": self.told[rows], "others": others}
            yield given, torch.zeros(len(rows), dtype=torch.long)


def _given(before: Tensor) -> dict[str, Tensor]:
    return {"history": before, "last": before[:, -1]}


def _samples(train: Interactions, longest: int) -> tuple[Tensor, Tensor]:
    """What lies before each event `(n, longest)`, the latest last, and the event `(n,)`; items count from 1."""
    before, told = [], []
    for user in range(len(train)):
        history = train.history(user) + 1
        for place in range(1, len(history)):
            before.append(_padded(history[:place], longest))
            told.append(history[place])
    return torch.from_numpy(np.stack(before)), torch.from_numpy(np.array(told))


def _padded(history: np.ndarray, longest: int) -> np.ndarray:
    last = history[-longest:]
    return np.concatenate([np.full(longest - len(last), _NOBODY, dtype=np.int64), last])


@torch.no_grad()
def _scores(model: torch.nn.Module, train: Interactions, longest: int) -> Scores:
    model.eval()
    asked = torch.from_numpy(np.stack([_padded(train.history(user) + 1, longest) for user in range(len(train))]))
    model.mode = "user"
    users = model(_given(asked))  # (n, dim)
    model.mode = "item"
    items = model({"item": torch.arange(1, len(train.items) + 1)})  # (n_items, dim)
    model.mode = None
    scores: Scores = (users @ items.T).numpy()
    return scores
