"""Softmax over items, whole or sampled, in memory that does not grow with the batch.

Sources: Bengio & Senecal, "Adaptive importance sampling to accelerate training of a neural probabilistic
language model", 2008 (the sampled estimate, corrected by the logarithm of the expected counts); Yi et al.,
"Sampling-bias-corrected neural modeling for large corpus item recommendations", 2019; Wijmans et al., "Cut your
losses in large-vocabulary language models", 2025 (gradients made with the loss, a block of scores at a time, so that
the whole matrix of scores never exists); Welleck et al., "Neural text generation with unlikelihood training", 2020
(what is not wanted is pushed away by `-log(1 - p)`).
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["sampled_softmax"]

_CELLS = {"cpu": 1 << 18, "cuda": 1 << 26}  # scores held at a time: what a CPU's cache holds, or enough for a GPU
_LEAST = 1e-30  # what is divided by, where nothing is left


def sampled_softmax(
    users: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    targets: Tensor,
    drawn: Tensor,
    log_expected: Tensor,
    weights: Tensor | None = None,
    asked: Tensor | None = None,
) -> Tensor:
    """The weighted mean cross-entropy of each positive against itself and the shared negatives, a scalar.

    A row of negative weight `-w` counts as `w` times `-log(1 - p)`, `p` being the chance of its item: pushed away.

    The normaliser is an unbiased estimate of the softmax over the whole catalogue. A negative that is the row's own
    positive is left out.

    Parameters
    ----------
    users : shape `(s, dim)`
        User vectors, already multiplied by the inverse temperature.
    positives : shape `(t, dim)`
        The items they took.
    negatives : shape `(m, dim)`
        Items drawn for the whole batch.
    targets : shape `(t,)`, int64
        The rows of the positives.
    drawn : shape `(m,)`, int64
        The rows of the negatives; repeats are welcome.
    log_expected : shape `(m,)`
        Logarithm of how often each negative is expected in the draw (m times its probability).
    weights : shape `(t,)`, optional
        How much each row counts, below 0 against its item; all alike when omitted.
    asked : shape `(t,)`, int64, rising, optional
        The row of `users` that took each positive; user by user, one each, when omitted. Several positives of a user
        take hardly longer than one.

    Notes
    -----
    Scores are float32 or better, also under autocast: divided by a temperature they would lose in bfloat16.
    """
    exact = torch.promote_types(users.dtype, torch.float32)
    given = (vectors.to(exact) for vectors in (users, positives, negatives))
    with torch.autocast(users.device.type, enabled=False):
        counted = users.new_ones(len(targets), dtype=exact) if weights is None else weights.to(exact)
        whose = torch.arange(len(targets), device=targets.device) if asked is None else asked
        loss: Tensor = _SampledSoftmax.apply(*given, targets, drawn, log_expected.to(exact), counted, whose)
    return loss


class _SampledSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        users: Tensor,
        positives: Tensor,
        negatives: Tensor,
        targets: Tensor,
        drawn: Tensor,
        expected: Tensor,
        counted: Tensor,
        asked: Tensor,
    ) -> Tensor:
        s, m = len(users), len(negatives)
        step = max(1, _CELLS.get(users.device.type, 1 << 18) // max(1, m))
        least = torch.finfo(users.dtype).eps
        right = (users[asked] * positives).sum(dim=1)  # (t,)
        by_user, by_right = torch.empty_like(users), torch.empty_like(right)
        by_negative = torch.zeros_like(negatives)
        total = users.new_zeros(())
        rows, columns = _met(targets, drawn)  # (p,) each, rows rising
        cuts = torch.searchsorted(asked, torch.arange(0, s + step, step, device=asked.device))
        ends, met = cuts.tolist(), torch.searchsorted(rows, cuts).tolist()
        for number, start in enumerate(range(0, s, step)):
            part = slice(start, start + step)
            taken, pairs = slice(ends[number], ends[number + 1]), slice(met[number], met[number + 1])
            whose, own_rows = asked[taken] - start, rows[pairs] - ends[number]  # (r,), (q,)
            cells = whose[own_rows], columns[pairs]
            scores = torch.addmm(-expected, users[part], negatives.T)  # (b, m)
            most = scores.amax(dim=1).scatter_reduce(0, whose, right[taken], "amax")  # (b,)
            weights = scores.sub_(most[:, None]).exp_()  # (b, m)
            own = (right[taken] - most[whose]).exp()  # (r,)
            mine = weights[cells]  # (q,): the positives among the negatives, which are left out
            sums = weights.sum(dim=1)[whose]  # (r,)
            others = sums.index_add(0, own_rows, mine, alpha=-1)
            others = torch.maximum(others, least * sums).clamp(min=_LEAST)  # the only item there is cannot be unlikely
            mass = others + own
            liked, heavy = counted[taken] > 0, counted[taken].abs()
            missed = torch.where(liked, mass.log() - (right[taken] - most[whose]), (mass / others).log())
            total += (heavy * missed).sum()
            pull = heavy * torch.where(liked, 1 / mass, -own / (mass * others))  # (r,)
            by_right[taken] = heavy * torch.where(liked, own / mass - 1, own / mass)
            weights.mul_(weights.new_zeros(len(weights)).index_add(0, whose, pull)[:, None])
            weights.index_put_(cells, -pull[own_rows] * mine, accumulate=True)
            torch.mm(weights, negatives, out=by_user[part])
            by_negative.addmm_(weights.T, users[part])
        by_user.index_add_(0, asked, by_right[:, None] * positives)
        ctx.save_for_backward(by_user, by_right[:, None] * users[asked], by_negative)
        ctx.count = counted.abs().sum().clamp(min=_LEAST)
        mean: Tensor = total / ctx.count
        return mean

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        share = gradients[0] / ctx.count
        users, positives, negatives = (share * each for each in ctx.saved_tensors)
        return users, positives, negatives, None, None, None, None, None


def _met(targets: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Where a negative is the row's own positive: rows of `targets`, rising, and places in `drawn`, `(p,)` each."""
    order = drawn.argsort()
    ordered = drawn[order]
    first = torch.searchsorted(ordered, targets)
    times = torch.searchsorted(ordered, targets, right=True) - first  # (t,)
    rows = torch.repeat_interleave(times)  # (p,)
    before = times.cumsum(0) - times
    return rows, order[first[rows] + torch.arange(len(rows), device=rows.device) - before[rows]]
