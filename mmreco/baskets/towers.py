"""Two towers a relation: the item that is looked at, and the item that goes with it or replaces it.

Sources: Wang et al., "A path-constrained framework for discriminating substitutable and complementary products in
e-commerce", 2018, for one space a relation; Yi et al., "Sampling-bias-corrected neural modeling for large corpus item
recommendations", 2019, for two towers with a softmax over a batch. Deviates: negatives are drawn evenly besides those
of the batch, and no frequency is corrected.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmreco.arrays import F32, I64
from mmreco.nn.chance import generator, own_chance, seeded_globally
from mmreco.nn.dropout import Dropout
from mmreco.progress import progress as shown_progress

__all__ = ["pair_cosines", "relation_vectors"]

_DIM, _HIDDEN, _DROPOUT = 64, 256, 0.1
_BATCH, _NEGATIVES, _SHARPNESS, _RATE, _DECAY = 1024, 512, 15.0, 2e-3, 1e-5


def relation_vectors(features: F32, pairs: I64, *, epochs: int, seed: int, progress: bool = False) -> tuple[F32, F32]:
    """Vectors of every item as the first and as the second of a pair, shape `(n_items, 64)` each, of unit length.

    Parameters
    ----------
    features : shape `(n_items, d)`
    pairs : shape `(p, 2)`
        What is learnt; items without a pair get vectors by their features.
    epochs : 1 or more
        Passes over the pairs.
    seed : 0 or more
        Of first weights and draws.
    progress : optional
        Whether to show a bar, a step a pass.
    """
    known = torch.tensor(features)
    with seeded_globally(seed):  # initial weights draw from nothing else
        towers = nn.ModuleList([_tower(known.shape[1]) for _ in range(2)])
    if len(pairs):
        with own_chance(towers) as reseed:
            reseed(seed)
            _train(towers, known, torch.tensor(pairs), epochs, progress)
    with torch.inference_mode():
        first, second = (functional.normalize(tower.eval()(known), dim=1).numpy() for tower in towers)
    return first, second


def _tower(width: int) -> nn.Sequential:
    return nn.Sequential(Dropout(_DROPOUT), nn.Linear(width, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _DIM))


def _train(towers: nn.ModuleList, known: Tensor, pairs: Tensor, epochs: int, progress: bool) -> None:
    optimiser = torch.optim.Adam(towers.parameters(), lr=_RATE, weight_decay=_DECAY)
    met = torch.unique(pairs)  # items whose pairs are unknown are nobody's negatives
    for _ in shown_progress(range(epochs), description="relations", shown=progress):
        for batch in torch.split(torch.randperm(len(pairs), generator=generator()), _BATCH):
            sources, targets = pairs[batch].T
            drawn = met[torch.randint(len(met), (_NEGATIVES,), generator=generator())]
            candidates = torch.cat([targets, drawn])  # (batch + negatives,)
            first = functional.normalize(towers[0](known[sources]), dim=1)
            second = functional.normalize(towers[1](known[candidates]), dim=1)
            logits = _SHARPNESS * first @ second.T
            same = candidates[None, :] == targets[:, None]
            places = torch.arange(len(targets))
            same[places, places] = False
            loss = functional.cross_entropy(logits.masked_fill(same, -torch.inf), places)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()


def pair_cosines(vectors: tuple[F32, F32], sources: I64, targets: I64) -> F32:
    """The cosine of each pair under a relation, shape `(p,)`."""
    cosines: F32 = np.einsum("pd,pd->p", vectors[0][sources], vectors[1][targets])
    return cosines
