"""How a shared space learns: windows of histories, batches of like length, one loss a batch."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmreco.arrays import I64
from mmreco.data.interactions import Interactions
from mmreco.data.split import Holdout, leave_last_out
from mmreco.encoders.behaviour import buckets, steps
from mmreco.nn.losses import sampled_softmax
from mmreco.nn.negatives import Negatives
from mmreco.nn.towers import ItemContent, Towers

__all__ = ["MEMORY", "batch_loss", "batches", "held_out", "mark", "optimiser", "windows"]

_BATCHES = 128  # a pass, about: large sets take large batches
_SMALLEST, _LARGEST = 64, 8_192  # events a batch, padding included
_SHUFFLED = 16  # batches whose windows are sorted by length together: little padding, yet a fresh mix each pass
_VALIDATORS = 10_000  # users validated on at most
_ENOUGH = 50  # users that validation needs to tell passes apart
_BETAS = (0.9, 0.98)
MEMORY = 0.997  # the weights that remain are averaged over about two and a half passes


def held_out(train: Interactions, seed: int) -> tuple[Interactions, Holdout | None]:
    """`train` without the last event of every tenth user, and those events; all of it and None where too few."""
    able = np.flatnonzero(train.lengths > 2)  # whoever is held out still has two events to learn from
    count = min(_VALIDATORS, len(able) // 10)
    if count < _ENOUGH:
        return train, None
    chosen = np.sort(np.random.default_rng(seed).choice(able, count, replace=False))
    last = np.zeros(train.n_events, dtype=np.bool_)
    last[train.starts[chosen + 1] - 1] = True
    return train.keep(~last), leave_last_out(train.take(chosen))[1]


def windows(train: Interactions, max_length: int) -> I64:
    """Start and length of every window of two to `max_length + 1` events, shape `(w, 2)`.

    A long history is cut from its end, windows overlapping by one event, so that each event but a user's
    first is a target once.
    """
    starts, lengths = [], []
    begin, left = train.starts[:-1], train.lengths
    while (left > 1).any():
        begin, left = begin[left > 1], left[left > 1]
        taken = np.minimum(left, max_length + 1)
        starts.append(begin + left - taken)
        lengths.append(taken)
        left = left - taken + 1
    if not starts:
        return np.zeros((0, 2), dtype=np.int64)
    return np.stack([np.concatenate(starts), np.concatenate(lengths)], axis=1)


def batches(cut: I64, rng: np.random.Generator) -> list[I64]:
    """The windows in random order, in groups of like length that hold about as many events each."""
    size = int(np.clip(cut[:, 1].sum() // _BATCHES, _SMALLEST, _LARGEST))
    order = rng.permutation(len(cut))
    part_of = np.cumsum(cut[order, 1]) // (size * _SHUFFLED)  # windows of one part are sorted together
    groups: list[I64] = []
    for part in np.split(order, np.flatnonzero(np.diff(part_of)) + 1):
        groups += [part[group] for group in buckets(cut[part, 1] - 1, size)]
    return [groups[g] for g in rng.permutation(len(groups))]


def batch_loss(towers: Towers, known: ItemContent, train: Interactions, cut: I64, negatives: Negatives) -> Tensor:
    """The loss of foretelling each next event in these windows, shape `(b, 2)`; a scalar."""
    device = known.identity.device
    starts, lengths = cut[:, 0], cut[:, 1] - 1  # the last event of a window is only a target
    batch = steps(train, starts, lengths, np.arange(1, 1 + len(train.event_names))).to(device)
    inside = np.arange(batch.rows.shape[1]) < lengths[:, None]  # (b, length)
    real = torch.from_numpy(inside).to(device)
    targets = torch.from_numpy(train.items_flat[(starts[:, None] + 1 + np.arange(inside.shape[1]))[inside]]).to(device)
    drawn, log_expected = negatives.draw()
    rows, place = torch.unique(torch.cat([batch.rows[real], targets, drawn]), return_inverse=True)
    places = towers.item_places(known.of(rows))  # (r, dim), each item once
    read, right, wrong = place.split([len(targets), len(targets), len(drawn)])
    inputs = places.new_zeros(*real.shape, places.shape[1])
    inputs[real] = places[read]
    users = towers.user_directions(inputs, batch.events, batch.minutes, real)  # (t, dim)
    hits = targets[:, None] == drawn  # (t, m)
    return sampled_softmax(users, places[right], places[wrong], hits=hits, log_expected=log_expected)


def optimiser(towers: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW over all weights."""
    return torch.optim.AdamW(towers.parameters(), lr=learning_rate, betas=_BETAS, weight_decay=0.0)


def mark(config: Mapping[str, Any], train: Interactions, known: ItemContent, validation: Holdout | None) -> str:
    """SHA-256 over all that makes one training differ from another."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode() + train.items.checksum.encode())
    parts = [train.starts, train.items_flat, train.events, known.attributes.cpu().numpy()]
    parts += [values.cpu().numpy() for pair in known.contents.values() for values in pair]
    parts += [] if train.times is None else [train.times]
    parts += [] if validation is None else [validation.targets.items_flat, validation.histories.items_flat]
    for array in parts:
        digest.update(repr(array.shape).encode() + array.tobytes())
    return digest.hexdigest()
