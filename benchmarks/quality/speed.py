"""Seconds a pass over the training events, beside the loop people write, at what validation says of either.

    python benchmarks/quality/speed.py --data DATA --dims 64,128 --passes 12

The same towers are trained on Beauty's ids in two ways. Plain: batches of 128 histories padded to 50, and 256 uniform
negatives gathered for every step that is not padding. Ours: `SharedSpace.fit`, histories of like length together, only
the real steps in the loss, items placed once a batch, 2,048 negatives shared by a batch and corrected for how they were
drawn, scores held a block at a time. One thread, one after the other, each in a process of its own. The last line is
one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from protocol import SETS, line, read
from torch import Tensor

from mmreco import Attributes, Dataset, Interactions, SharedSpace, Training, VectorIndex, leave_last_out, metrics
from mmreco.encoders.baskets import Baskets
from mmreco.models.sharedspace.content import item_content, placed
from mmreco.nn.batching import windows
from mmreco.nn.towers import Towers
from mmreco.nn.training_loop import train as train_loop
from mmreco.splitting import Holdout

HISTORIES, MAX_LENGTH, NEGATIVES, RATE = 128, 50, 256, 0.001


class Plain:
    """The loop people write, around the towers of a space."""

    def __init__(self, train: Interactions, *, dim: int, seed: int) -> None:
        self.train, self.space = train, SharedSpace(dim=dim, max_length=MAX_LENGTH)
        torch.manual_seed(seed)
        nothing = Attributes.from_lists(train.items, {})
        self.space._widths, self.space._horizon, self.space.vocabulary_ = {}, None, nothing.take([])
        self.space.event_names_ = train.event_names
        self.towers: Towers = self.space._network(len(train.items))
        self.known = item_content(train.items, np.arange(len(train.items)), {}, None, self.towers)
        self.baskets = Baskets.of(train)
        self.cut = windows(self.baskets.user_starts, MAX_LENGTH)
        self.seed = seed
        self.space.items_, self.space.network_, self.space.answers_ = train.items, self.towers, None

    def losses(self, number: int) -> Iterator[Tensor]:
        """One pass."""
        order = np.random.default_rng([self.seed, number]).permutation(len(self.cut))
        for start in range(0, len(order), HISTORIES):
            starts, lengths = self.cut[order[start : start + HISTORIES]].T
            lengths = lengths - 1
            inside = np.arange(MAX_LENGTH) < lengths[:, None]  # (b, 50)
            at = np.where(inside, starts[:, None] + np.arange(MAX_LENGTH), 0)
            rows = torch.from_numpy(self.train.items_flat[at])  # (b, 50)
            targets = torch.from_numpy(self.train.items_flat[np.where(inside, at + 1, 0)])
            names = len(self.train.event_names)
            batch = self.baskets.steps(starts, lengths, np.arange(1, 1 + names), 1 + names)
            pad = MAX_LENGTH - batch.minutes.shape[1]
            inputs = self.towers.item_places(self.known.of(rows.flatten())).view(*rows.shape, -1)
            minutes, waits = (F.pad(times, (0, pad), value=-1.0) for times in (batch.minutes, batch.waits))
            states = self.towers.users(inputs, F.pad(batch.kinds, (0, 0, 0, pad)), minutes, waits)
            users = self.towers.directions(states.flatten(0, 1)).view_as(inputs)  # (b, 50, dim)
            table = self.towers.item_places(self.known)  # (n_items, dim)
            real = torch.from_numpy(inside)
            users, targets = users[real], targets[real]  # (t, dim), (t,)
            drawn = torch.randint(len(self.train.items), (len(targets), NEGATIVES))  # (t, 256)
            right = (users * table[targets]).sum(dim=-1, keepdim=True)  # (t, 1)
            wrong = torch.einsum("tnd,td->tn", F.embedding(drawn, table), users)  # (t, 256)
            wrong = wrong.masked_fill(drawn == targets.unsqueeze(-1), float("-inf"))
            scores = torch.cat([right, wrong], dim=-1)  # (t, 257)
            yield F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))

    def fit(self, passes: int, validation: Holdout) -> tuple[list[float], list[float]]:
        """Seconds of each pass, and NDCG@10 on validation after it."""
        seconds: list[float] = []

        def timed(number: int) -> Iterator[Tensor]:
            began = perf_counter()
            yield from self.losses(number)
            seconds.append(perf_counter() - began)

        def ndcg() -> float:
            self.space._take_places(placed(self.towers, self.known), np.zeros(self.space.dim, dtype=np.float32))
            users = self.space.behaviour().encode(validation.histories)
            ranking = VectorIndex(self.space.embeddings_).search(users, 10, exclude=validation.histories)
            return float(np.nanmean(metrics.ndcg(ranking, validation.targets)))

        optimiser = torch.optim.Adam(self.towers.parameters(), lr=RATE)
        outcome = train_loop(
            self.towers, optimiser, batches=timed, validate=ndcg, epochs=passes, patience=None, seed=self.seed
        )
        return seconds, outcome.scores


def ours(train: Dataset, validation: Holdout, *, dim: int, passes: int, seed: int) -> tuple[list[float], list[float]]:
    """The same of `SharedSpace.fit`: seconds are those of the passes, without validation."""
    seconds: list[float] = []
    losses = SharedSpace._losses

    def timed(self: SharedSpace, *given: Any) -> Iterator[Tensor]:
        began = perf_counter()
        yield from losses(self, *given)
        seconds.append(perf_counter() - began)

    SharedSpace._losses = timed  # type: ignore[method-assign]
    try:
        training = Training(epochs=passes, patience=passes, seed=seed)
        space = SharedSpace(dim=dim, max_length=MAX_LENGTH, training=training).fit(train, validation=validation)
    finally:
        SharedSpace._losses = losses  # type: ignore[method-assign]
    return seconds, list(space.scores_)


def measured(way: str, sequences: Path, dim: int, passes: int, seed: int) -> dict[str, Any]:
    """What training one way takes, what validation says after each pass, and the most memory the process held."""
    torch.set_num_threads(1)
    split = leave_last_out(leave_last_out(read("beauty", sequences, None, None, work=Path()).dataset).train)
    train, validation = split.train.interactions, split.test
    if way == "ours":
        seconds, scores = ours(split.train, validation, dim=dim, passes=passes, seed=seed)
    else:
        seconds, scores = Plain(train, dim=dim, seed=seed).fit(passes, validation)
    cut = windows(train.starts, MAX_LENGTH)
    a_pass = float(np.median(seconds))
    return {
        "seconds_a_pass": round(a_pass, 2),
        "targets_a_second": round(int((cut[:, 1] - 1).sum()) / a_pass),
        "best_validation_ndcg@10": round(max(scores), 4),
        "at_pass": 1 + int(np.argmax(scores)),
        "peak_mebibytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "validation_ndcg@10": [round(score, 4) for score in scores],
    }


def main() -> None:
    """Train both ways, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", default=os.environ.get("MMRECO_DATA"), help="folder of the data sets (or MMRECO_DATA)"
    )
    parser.add_argument("--dims", default="64,128")
    parser.add_argument("--passes", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a folder for the JSON object too")
    asked = parser.parse_args()
    if asked.data is None:
        parser.error("say where the data is: --data FOLDER, or set MMRECO_DATA")
    sequences = Path(asked.data) / SETS["beauty"][0]
    figures: dict[str, Any] = {}
    for dim in map(int, asked.dims.split(",")):
        found: dict[str, Any] = {}
        for way in ("ours", "plain"):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found[way] = pool.apply(measured, (way, sequences, dim, asked.passes, asked.seed))
            print(json.dumps({f"dim {dim}, {way}": found[way]}), flush=True)
        times = found["plain"]["seconds_a_pass"] / found["ours"]["seconds_a_pass"]
        figures[f"dim {dim}"] = {**found, "times": round(times, 2)}
    said = json.dumps(line(speed=figures, seed=asked.seed))
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "speed.json").write_text(said + "\n", encoding="utf-8")
    print(said)


if __name__ == "__main__":
    main()
