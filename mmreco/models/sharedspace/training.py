"""How a shared space learns: the loss of a batch, what moves the weights, and what remains of them.

Source: Volkovs et al., "DropoutNet", 2017 (hiding ids in training, so that items nobody clicked are placed well by
their content). Deviates by hiding an id the more often the fewer events have taught it (see `id_dropout`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from mmreco.arrays import F32, I64
from mmreco.encoders.baskets import Baskets
from mmreco.models.sharedspace import horizon
from mmreco.nn.chance import generator
from mmreco.nn.losses import sampled_softmax
from mmreco.nn.negatives import Negatives
from mmreco.nn.towers import ItemContent, Towers

__all__ = ["batch_loss", "compiled", "id_dropout", "averaging", "id_dropout_rate", "optimiser"]

_BETAS = (0.9, 0.98)
_TAUGHT = 12.0  # events with which an item's id is hidden e times less often than with none
_FADING = 0.2  # weight decay of attributes' vectors: what brings nothing goes, as most words of the titles of films do
_AVERAGED = 2.6  # passes over which the weights that remain are averaged
_COMPILED_ON, _COMPILER = "cuda", "inductor"
_WORTH_COMPILING = 500_000  # steps of a pass from which compiling, about a minute, pays; a guess, not yet measured


def averaging(steps: int) -> float:
    """The share of the running average of the weights that a step keeps, for so many steps a pass (see `nn.loop`)."""
    return 1 - 1 / max(2.0, _AVERAGED * steps)


def id_dropout_rate(counts: I64) -> F32:
    """How little the ids of items of so many events say, shape `(n,)`: `exp(-c / 12)`, 1 with none."""
    little: F32 = np.exp(-counts / _TAUGHT).astype(np.float32)
    return little


def id_dropout(known: ItemContent, counts: I64) -> Tensor | None:
    """The share of the batches in which each item's id is hidden, shape `(n,)`; None where no item has content.

    An item hides it the more the less it says (`id_dropout_rate`), and never where nothing else is known of it. So
    content is learnt from items that few know, which new ones are like, and nothing is lost of ids that many
    events have taught.
    """
    if not known.described.any():
        return None
    return known.described * torch.from_numpy(id_dropout_rate(counts)).to(known.identity.device)


def batch_loss(
    towers: Towers,
    known: ItemContent,
    baskets: Baskets,
    cut: I64,
    negatives: Negatives,
    hidden: Tensor | None,
    rng: np.random.Generator,
    reach: I64 | None = None,
) -> Tensor:
    """The loss of foretelling what follows each basket of these windows, `(b, 2)`; a scalar. On a GPU in bfloat16.

    `hidden` is as `id_dropout` gives it; an id is hidden in the whole batch or not at all. With `reach`, the last
    basket within the horizon of each, what comes until there is foretold as well, by the second user vector.
    """
    device = known.identity.device
    starts, lengths = cut[:, 0], cut[:, 1] - 1  # the last basket of a window is only a target
    names = len(baskets.event_names)
    asked = None if baskets.times is None else baskets.times[starts + lengths]
    batch = baskets.steps(starts, lengths, np.arange(1, 1 + names), 1 + names, asked=asked).to(device)
    inside = np.arange(batch.minutes.shape[1]) < lengths[:, None]
    read_at = (starts[:, None] + np.arange(inside.shape[1]))[inside]  # (t,)
    taught = [horizon.drawn_next(baskets, read_at, rng)]
    if reach is not None:
        taught.append(horizon.drawn_later(baskets, read_at, reach[read_at], rng))
    wanted = [torch.from_numpy(one.items).to(device) for one in taught]
    drawn, log_expected = negatives.draw()
    rows, place = torch.unique(torch.cat([batch.rows, *wanted, drawn]), return_inverse=True)
    read, *right, wrong = place.split([len(batch.rows), *(len(one) for one in wanted), len(drawn)])
    seen = known.of(rows)
    if hidden is not None:
        seen = seen.without_ids(torch.rand(len(rows), generator=generator(), device=device) < hidden[rows])
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        places = towers.item_places(seen)  # (r, dim), each item once
        steps = (batch.pooled(places[read]), batch.kinds, batch.minutes, batch.waits)
        states = towers.users(*steps)[batch.real]  # (t, dim)
        users = [towers.directions(states)]
        if reach is not None and towers.users.later is not None:
            users.append(towers.directions(towers.users.later(states)))
    losses = [
        sampled_softmax(
            of,
            places[mine],
            places[wrong],
            targets=target,
            drawn=drawn,
            log_expected=log_expected,
            weights=torch.from_numpy(one.weights).to(device),
            asked=torch.from_numpy(one.steps).to(device),
        )
        for of, one, mine, target in zip(users, taught, right, wanted, strict=True)
        if len(target)
    ]
    return torch.stack(losses).mean() if losses else places.sum() * 0


def optimiser(towers: Towers, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW over all weights; the vectors of attributes fade, all others stay as they are."""
    facts = towers.items.facts.weight
    rest = [weight for weight in towers.parameters() if weight is not facts]
    groups = [{"params": rest, "weight_decay": 0.0}, {"params": [facts], "weight_decay": _FADING}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=_BETAS, fused=True)


@contextmanager
def compiled(towers: Towers, steps: int) -> Iterator[None]:
    """On a GPU, where a pass has enough `steps`, torch compiles the towers meanwhile; what it cannot runs as it is."""
    both = (towers.items, towers.users)
    if next(towers.parameters()).device.type != _COMPILED_ON or steps < _WORTH_COMPILING:
        yield
        return
    with torch._dynamo.config.patch(suppress_errors=True):
        for tower in both:
            tower.compile(dynamic=True, backend=_COMPILER)
        try:
            yield
        finally:
            for tower in both:
                tower._compiled_call_impl = None
