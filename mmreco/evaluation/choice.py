"""The model that foretells a shop's own last weeks best: `choose(dataset)` measures the quick ones and the space.

What is asked is what the shop will ask: where the log has dates, all that its users did in the latest stretch of it,
told what came before; else each one's last basket. Half of those users tell the space when to stop and what counts, and
all models are measured on the other half. The best model is kept; another is blended in by reciprocal ranks where that
gains more than its standard error and a hundredth. What is kept is then fitted on the whole log.

Source of the blend: Cormack, Clarke, Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank
learning methods", 2009.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mmreco import metrics
from mmreco.arrays import F64
from mmreco.data.dataset import Dataset
from mmreco.data.moment import newest
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.errors import DataError
from mmreco.models import (
    EASE,
    ItemKNN,
    Popular,
    ReciprocalRank,
    Repeat,
    SharedSpace,
    Training,
    TransitionGraph,
    UserKNN,
)
from mmreco.models.base import Model
from mmreco.models.hybrid import fused_by_rank
from mmreco.models.sharedspace.horizon import horizon_of
from mmreco.progress import progress as shown_progress
from mmreco.splitting import Holdout, Split, by_time, leave_last_out

__all__ = ["Choice", "choose"]

_LOG = logging.getLogger(__name__)
_K = 10
_DEPTH = 100  # items of each list that are blended
_ENOUGH, _MOST = 50, 2_000  # users asked
_GAIN = 0.01  # relative, and a standard error
_PARTS = 3  # models blended at most
_SHARES = (0.25, 0.5, 1.0)  # weights of a further model; the first has 1
_QUICK, _TRIAL = 0.3, 0.4  # of the time: for the quick models, and of what is left for the space's trial


@dataclass(frozen=True)
class Choice:
    """A model, and what it was chosen by.

    Parameters
    ----------
    model : fitted on the whole log
    scores : NDCG@10 of each model on what was held out of the log, best first; what is kept is in it as well
        Empty where too few users could be asked, and the space stands without having been measured.
    parts : what is kept: the name of one model, or of those that are blended
    left_out : models that were not measured, and why
    users : how many users were asked
    seconds : how long all of it took
    """

    model: Model
    scores: Mapping[str, float]
    parts: tuple[str, ...]
    left_out: Mapping[str, str]
    users: int
    seconds: float

    @property
    def said(self) -> str:
        """The choice in one sentence."""
        kept = " and ".join(self.parts)
        if not self.scores:
            return f"model='auto': {kept}, unmeasured, as too few users can be asked about this log's end"
        name = _blend(self.parts) if len(self.parts) > 1 else self.parts[0]
        rest = ", ".join(f"{other} {score:.3f}" for other, score in self.scores.items() if other != name)
        one = f"{kept}{' blended' if len(self.parts) > 1 else ''}"
        return f"model='auto': {one}, NDCG@10 {self.scores[name]:.3f} on the log's own end ({self.users} users; {rest})"


def choose(
    dataset: Dataset,
    *,
    minutes: float = 30.0,
    exclude_seen: bool = True,
    training: Training | None = None,
    progress: bool = False,
) -> Choice:
    """The best of the quick models and the space on this log's own end, or a blend of them; fitted on all of it.

    The quick ones are `Popular`, also of the last weeks, `ItemKNN`, `UserKNN`, `EASE`, `TransitionGraph` and, where
    what was had is answered, `Repeat`.

    Parameters
    ----------
    dataset : the shop, with a log
    minutes : above 0
        How long all of it takes, about. A model is not begun when its time is over; one that was begun is ended.
    exclude_seen : optional
        Whether what a user had already is left out of the answers.
    training : how the space is trained, optional
        Its `seed` decides who is asked.
    progress : optional
        Whether bars are shown.

    Raises
    ------
    DataError
        `minutes` is not above 0, or there is nothing to learn from: nobody has two events.

    Examples
    --------
    >>> from mmreco.datasets.synthetic import synthetic_shop
    >>> shop = synthetic_shop(n_items=64, n_users=120).dataset
    >>> choose(shop, training=Training(epochs=1)).parts  # doctest: +SKIP
    ('EASE',)
    """
    if not 0 < minutes < np.inf:
        raise DataError(f"minutes={minutes}: expected a number above 0")
    if not (dataset.interactions.lengths > 1).any():
        raise DataError(f"{dataset.interactions!r}: nobody has two events; expected histories to learn from")
    begun, training = time.perf_counter(), training or Training()

    def left() -> float:
        return minutes - (time.perf_counter() - begun) / 60

    found = _own_end(dataset, training.seed)
    if found is None:
        space: Model = SharedSpace(training=_within(training, left())).fit(dataset, progress=progress)
        return Choice(space, {}, ("SharedSpace",), {}, 0, time.perf_counter() - begun)
    train, told, asked = found
    makers = _quick(train, exclude_seen)
    quick_until = minutes * (1 - _QUICK)
    lists: dict[str, Ranking] = {}
    left_out: dict[str, str] = {}
    width = min(_DEPTH, len(dataset.items))
    request = Request(asked.histories, k=width, exclude_seen=exclude_seen, at=asked.at)
    for name in shown_progress(list(makers), description="quick models", shown=progress):
        if left() < quick_until and lists:
            left_out[name] = "no time was left"
            continue
        try:
            lists[name] = makers[name]().fit(train).recommend(request)
        except DataError as error:  # e.g. more items than it can hold
            left_out[name] = str(error)
    if left() > 0:
        trial = SharedSpace(training=_within(training, _TRIAL * left()))
        lists["SharedSpace"] = trial.fit(train, validation=told, progress=progress).recommend(request)
    else:
        left_out["SharedSpace"] = "no time was left"
    scores = {name: _ndcg(one, asked) for name, one in lists.items()}
    parts, shares, of_parts = _kept(lists, scores, asked)
    means = {name: float(score.mean()) for name, score in scores.items()}
    if len(parts) > 1:
        means[_blend(parts)] = float(of_parts.mean())
    makers["SharedSpace"] = lambda: SharedSpace(training=_within(training, left()))
    models = [makers[name]() for name in parts]
    model = models[0] if len(parts) == 1 else ReciprocalRank(parts=models, weights=shares, depth=_DEPTH)
    model.fit(dataset, progress=progress)
    best_first = dict(sorted(means.items(), key=lambda one: -one[1]))
    choice = Choice(model, best_first, parts, left_out, len(asked), time.perf_counter() - begun)
    _LOG.info("%s; %.0f s", choice.said, choice.seconds)
    return choice


def _own_end(dataset: Dataset, seed: int) -> tuple[Dataset, Holdout, Holdout] | None:
    """What is learnt from, and two halves of the users there are to ask; None where these are too few."""
    log = dataset.interactions
    horizon = horizon_of(log, "auto")
    split: Split = leave_last_out(dataset)
    if horizon is not None and log.times is not None:
        split = by_time(dataset, newest(log.times) - horizon + 1)
    able = np.flatnonzero(split.test.targets.lengths > 0)
    if len(able) < 2 * _ENOUGH:
        return None
    drawn = np.random.default_rng(seed).permutation(able)[: 2 * _MOST]
    told, asked = (split.test.take(np.sort(half)) for half in np.array_split(drawn, 2))
    return split.train, told, asked


def _quick(train: Dataset, exclude_seen: bool) -> dict[str, Callable[[], Model]]:
    makers: dict[str, Callable[[], Model]] = {
        "Popular": Popular,
        "ItemKNN": ItemKNN,
        "TransitionGraph": TransitionGraph,
        "UserKNN": UserKNN,
        "EASE": EASE,
    }
    horizon = horizon_of(train.interactions, "auto")
    if horizon is not None:
        days = max(1, round(horizon / 2 / 86_400_000))
        makers["Popular of late"] = lambda: Popular(half_life_days=days)
    if not exclude_seen:
        makers["Repeat"] = lambda: Repeat(by="frequency")
    return makers


def _kept(
    lists: Mapping[str, Ranking], scores: Mapping[str, F64], asked: Holdout
) -> tuple[tuple[str, ...], list[float], F64]:
    """The best model, and what gains blended with it: names, weights, and NDCG@10 of each user."""
    order = sorted(lists, key=lambda name: -float(scores[name].mean()))
    parts, shares, best = [order[0]], [1.0], scores[order[0]]
    while len(parts) < min(_PARTS, len(order)):
        tried = []
        for name in order:
            if name in parts:
                continue
            for share in _SHARES:
                several = [lists[part] for part in (*parts, name)]
                score = _ndcg(fused_by_rank(several, _K, weights=[*shares, share]), asked)
                tried.append((float(score.mean()), name, share, score))
        mean, name, share, score = max(tried, key=lambda one: one[0])
        gain = score - best
        error = float(gain.std(ddof=1)) / len(gain) ** 0.5
        if mean - float(best.mean()) <= max(error, _GAIN * float(best.mean())):
            break
        parts, shares, best = [*parts, name], [*shares, share], score
    return tuple(parts), shares, best


def _ndcg(ranking: Ranking, asked: Holdout) -> F64:
    return metrics.ndcg(ranking.top(min(_K, ranking.k)), asked.targets)


def _blend(parts: tuple[str, ...]) -> str:
    return " + ".join(parts)


def _within(training: Training, minutes: float) -> Training:
    own = training.minutes
    return replace(training, minutes=max(0.1, minutes if own is None else min(own, minutes)))
