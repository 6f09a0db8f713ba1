"""What RecBole's models score on a split of ours, after so many passes.

    pip install --no-deps recbole && pip install colorlog colorama tabulate texttable thop tensorboard plotly pandas

RecBole (Zhao et al., "RecBole: towards a unified, comprehensive and efficient framework for recommendation
algorithms", 2021) reads the events from a file, cuts the histories and trains by its own code, on every event it is
given; only the asking is ours, as its own evaluation cannot be handed a split.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from mmreco import Interactions

Scores = np.ndarray  # (n users of training, n_items)

_EVENTS = "given"
_BLOCK = 512  # users asked at a time


def passes(name: str, train: Interactions, seed: int, epochs: int, every: int, **settings: Any) -> Iterator[Scores]:
    """Scores `(n, n_items)` after each `every` passes of RecBole's model of this name."""
    with tempfile.TemporaryDirectory() as folder:
        _write(train, Path(folder))
        with _its_numpy():
            config, data, loader = _prepared(name, Path(folder), seed, settings)
            from recbole.utils import get_model, get_trainer

            model = get_model(name)(config, data).to(config["device"])
            trainer = get_trainer(config["MODEL_TYPE"], name)(config, model)
            for epoch in range(epochs):
                trainer._train_epoch(loader, epoch)
                if (epoch + 1) % every == 0:
                    yield _scores(model, data, train)


def _write(train: Interactions, folder: Path) -> None:
    """The events as RecBole reads them; the place in a history stands for the time."""
    (folder / _EVENTS).mkdir()
    users = np.repeat(np.arange(len(train)), train.lengths)
    rows = zip(users.tolist(), train.items_flat.tolist(), range(len(users)), strict=True)
    lines = [f"{user}\t{item}\t{time}" for user, item, time in rows]
    text = "\n".join(["user_id:token\titem_id:token\ttimestamp:float", *lines])
    (folder / _EVENTS / f"{_EVENTS}.inter").write_text(text, encoding="utf-8")


def _prepared(name: str, folder: Path, seed: int, settings: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Its configuration, its training events, and its batches of them."""
    from recbole.config import Config
    from recbole.data import create_dataset
    from recbole.data.utils import create_samplers, get_dataloader
    from recbole.utils import init_seed

    given = {
        "data_path": str(folder),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "TO", "group_by": "user", "mode": "full"},
        "checkpoint_dir": str(folder / "saved"),
        "use_gpu": False,
        "seed": seed,
        "state": "ERROR",
        **settings,
    }
    config = Config(model=name, dataset=_EVENTS, config_dict=given, config_file_list=[])
    logging.getLogger().setLevel(logging.ERROR)
    init_seed(seed, True)
    dataset = create_dataset(config)
    built = dataset.build()
    sampler, *_ = create_samplers(config, dataset, built)
    return config, dataset, get_dataloader(config, "train")(config, built[0], sampler, shuffle=True)


@torch.no_grad()
def _scores(model: Any, data: Any, train: Interactions) -> Scores:
    from recbole.data.interaction import Interaction

    model.eval()
    columns = torch.as_tensor([int(data.token2id("item_id", str(item))) for item in np.unique(train.items_flat)])
    longest = getattr(model, "max_seq_length", 1)
    found = np.full((len(train), len(train.items)), -1e9, dtype=np.float32)  # what nobody clicked comes last
    for start in range(0, len(train), _BLOCK):
        users = np.arange(start, min(start + _BLOCK, len(train)))
        ids = torch.as_tensor([int(data.token2id("user_id", str(user))) for user in users])
        histories = torch.zeros((len(users), longest), dtype=torch.long)
        lengths = torch.zeros(len(users), dtype=torch.long)
        for place, user in enumerate(users):
            last = [str(item) for item in train.history(int(user))[-longest:]]
            lengths[place] = len(last)
            histories[place, : len(last)] = torch.as_tensor([int(data.token2id("item_id", item)) for item in last])
        asked = {"user_id": ids, "item_id_list": histories, "item_length": lengths}
        try:
            scores = model.full_sort_predict(Interaction(asked)).view(len(users), -1)[:, columns]
        except NotImplementedError:  # it scores pairs alone
            pairs = {"user_id": ids.repeat_interleave(len(columns)), "item_id": columns.repeat(len(users))}
            scores = model.predict(Interaction(pairs)).view(len(users), -1)
        found[users[:, None], np.unique(train.items_flat)] = scores.numpy()
    return found


def _its_numpy() -> ExitStack:
    """The names of NumPy 1 that RecBole 1.2.1 asks for, for as long as it runs."""
    shift_towards = ExitStack()
    for name, meant in (("float_", np.float64), ("complex_", np.complex128), ("unicode_", np.str_)):
        shift_towards.enter_context(patch.object(np, name, meant, create=True))
    return shift_towards
