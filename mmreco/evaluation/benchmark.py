"""Several models on one split, side by side: `compare(models, split)` gives a `Comparison`."""

import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from mmreco.arguments import require_whole, require_width, strings, takes
from mmreco.data.dataset import Dataset
from mmreco.data.request import Request
from mmreco.errors import DataError, MMRecoError
from mmreco.evaluation.comparison import Comparison, Result
from mmreco.evaluation.context import EvaluationContext, require_context
from mmreco.evaluation.cost import Watch
from mmreco.evaluation.measure import evaluate
from mmreco.evaluation.results_store import ResultsStore, mark
from mmreco.models import MODELS
from mmreco.models.base import Model, seeded
from mmreco.models.hybrid import Hybrid
from mmreco.progress import progress as shown_progress
from mmreco.protocols import Recommends
from mmreco.splitting import Split

__all__ = ["compare"]

_logger = logging.getLogger(__name__)

_CUTS = (1, 2, 5, 10, 20)  # measured beside k
_SHOWN = 6  # shoppers whose answers are kept

Fit = Callable[[Dataset], Recommends]

# What a model of this library fails with where its data or the machine do not suit it. Anything else is a fault in its
# code, and is raised.
_FAILURES = (MMRecoError, ArithmeticError, MemoryError)


def compare(
    models: Mapping[str, Model | type[Model] | Fit],
    split: Split,
    *,
    k: int = 10,
    baseline: str | None = "Random",
    context: EvaluationContext | None = None,
    folder: str | Path | None = None,
    seed: int = 0,
    jobs: int = 1,
    progress: bool = False,
) -> Comparison:
    """Several models fitted and measured on one split: figures, intervals, paired tests, times and memory.

    One after another, or `jobs` at a time; each is let go once it is measured. A model that fails is reported
    (`Comparison.failed`), and the others go on.

    Parameters
    ----------
    models : by name
        A model not fitted yet; or a model's class, which gets `seed` where it draws; or a callable that takes the
        training set and gives a fitted model, e.g. `lambda train: EASE(l2=1).fit(train)`.
    split : as the splitters of `mmreco.splitting` answer
    k : 1 or more
        The cut-off that is tested, as NDCG@k; 1, 2, 5, 10 and 20 are measured as well.
    baseline : the name of the model that all are compared with, or None
        One of `MODELS` is added where `models` has it not.
    context : optional
        What `evaluate` may know beside the split; `EvaluationContext.of(split.train)` when omitted.
    folder : where results are kept, optional
        The same call takes them up again after an interruption; models that failed are tried again. A model whose
        hyper-parameters changed is measured anew; a callable is known by its name alone.
    seed : of the classes among `models`, and of the draws of intervals and tests
    jobs : 1 or more
        How many models are fitted and measured at a time, those that stand first in `models` first. More than one
        are put in processes of their own (joblib's), which share the processors: less time in all, though each
        model's own seconds are those of a busy machine.
    progress : optional
        Whether to show bars.

    Raises
    ------
    DataError
        There is no model, none that could be fitted, no user with a target, or no `baseline` of that name; or `k` or
        `jobs` is below 1.
    IncompatibleError
        `context` is of other items than the split, or `folder` belongs to another comparison.

    Examples
    --------
    >>> from mmreco.datasets.synthetic import synthetic_shop
    >>> from mmreco.splitting import leave_last_out
    >>> from mmreco.models import MODELS
    >>> split = leave_last_out(synthetic_shop(n_items=96, n_users=60).dataset)
    >>> chosen = {name: MODELS[name] for name in ("Popular", "ItemKNN")}
    >>> compare(chosen, split, baseline=None).names
    ['ItemKNN', 'Popular']
    """
    if not isinstance(split, Split):
        raise DataError(
            f"compare: the split is a {type(split).__name__}; expected a Split, e.g. leave_last_out(dataset)"
        )
    k, jobs = require_width(k, len(split.train.items)), require_whole("jobs", jobs)
    seed = require_whole("seed", seed, least=0)
    entrants = _with_baseline(models, baseline)
    test = split.test.take(np.flatnonzero(split.test.targets.lengths > 0))
    if not len(test):
        raise DataError("test: no user has a target; there is nothing to measure")
    context = EvaluationContext.of(split.train) if context is None else context
    require_context(context)
    context.require_items(split.train.items)
    split = replace(split, test=test)
    shown = _spread(len(test), _SHOWN)
    store = None if folder is None else ResultsStore(Path(folder), _mark(split, k, context, seed))
    fresh = {name: _fresh(model, seed) for name, model in entrants.items()}
    descriptions = {name: repr(model) if isinstance(model, Model) else "callable" for name, model in fresh.items()}
    results: dict[str, Result] = {}
    for name, description in descriptions.items():
        earlier = None if store is None else store.load(name, description, test.targets.users)
        if earlier is not None:
            results[name] = earlier
    failed: dict[str, str] = {}
    left = {name: fresh[name] for name in entrants if name not in results}
    outcomes = _outcomes(left, (split, k, context, shown, progress and jobs == 1), jobs)
    for name, outcome in shown_progress(outcomes, description="models", total=len(left), shown=progress):
        if isinstance(outcome, str):
            failed[name] = outcome
            continue
        results[name] = outcome
        if store is not None:
            store.save(name, descriptions[name], outcome)
    results = {name: results[name] for name in entrants if name in results}
    return Comparison(results, failed, test, f"ndcg@{k}", baseline, seed, shown)


def _outcomes(
    models: Mapping[str, Model | Fit], given: tuple[Any, ...], jobs: int
) -> Iterator[tuple[str, Result | str]]:
    """Each model by name with what it did, or with why it failed, as they come to their ends."""
    if jobs == 1 or not models:
        yield from (_tried(name, model, *given) for name, model in models.items())
        return
    # A single model too: its share of the threads, and so its figures and seconds, are those it has among others.
    run = Parallel(n_jobs=jobs, return_as="generator_unordered", max_nbytes=None, pre_dispatch="all")
    yield from run(delayed(_tried)(name, model, *given) for name, model in models.items())


def _tried(
    name: str,
    model: Model | Fit,
    split: Split,
    k: int,
    context: EvaluationContext,
    shown: np.ndarray,
    progress: bool,
) -> tuple[str, Result | str]:
    try:
        return name, _measured(model, split, k, context, shown, progress)
    except _FAILURES as error:
        _logger.warning("compare: %s failed", name, exc_info=True)
        return name, f"{type(error).__name__}: {' '.join(str(error).split())}"


def _measured(
    model: Model | Fit,
    split: Split,
    k: int,
    context: EvaluationContext,
    shown: np.ndarray,
    progress: bool,
) -> Result:
    gc.collect()  # what the model before held is not this one's
    with Watch() as cost:
        fitted: Recommends = model.fit(split.train) if isinstance(model, Model) else model(split.train)
    report = evaluate(fitted, split, sorted({*_CUTS, k}), context=context, progress=progress)
    rows = fitted.recommend(Request(split.test.histories.take(shown), k=k, candidates=split.candidates)).rows
    return Result(report, cost.seconds, cost.memory_mb, np.array(rows))


def _with_baseline(
    models: Mapping[str, Model | type[Model] | Fit], baseline: str | None
) -> dict[str, Model | type[Model] | Fit]:
    if not isinstance(models, Mapping):
        raise DataError(f"compare: models is a {type(models).__name__}; expected a mapping from name to model")
    if not models:
        raise DataError("compare: no models; expected a mapping from name to model")
    strings("compare: names of models", list(models))
    if baseline is None or baseline in models:
        return dict(models)
    if baseline not in MODELS:
        raise DataError(f"baseline {baseline!r}: expected None, one of {', '.join(models)}, or of {', '.join(MODELS)}")
    return {baseline: MODELS[baseline], **models}


def _fresh(model: Model | type[Model] | Fit, seed: int) -> Model | Fit:
    """A model of our own, not fitted yet; or the callable."""
    if isinstance(model, Hybrid):
        parts: list[Any] = [_fresh(part, seed) if isinstance(part, Model) else part for part in model.parts]
        return replace(model, parts=parts)
    if isinstance(model, Model):
        return replace(model)  # type: ignore[type-var]  # every final model is a dataclass
    if isinstance(model, type):
        fresh: Model = seeded(model(), seed)
        return fresh
    if not takes(model, 1):
        raise DataError(
            f"compare: {model!r} is not a model; expected a model, its class, or a function of the training set, "
            "e.g. EASE(l2=100), EASE or lambda train: EASE(l2=100).fit(train)"
        )
    return model


def _spread(n: int, many: int) -> np.ndarray:
    """`many` of the rows `0..n-1` at even distances; all when there are no more."""
    chosen = ((np.arange(many) + 0.5) * n / many).astype(np.int64)
    return np.unique(chosen)


def _mark(split: Split, k: int, context: EvaluationContext, seed: int) -> str:
    categories, test = context.categories, split.test
    facts = () if categories is None else (categories.names, categories.starts, categories.flat)
    vectors = () if context.vectors is None else (context.vectors.ids.checksum, context.vectors.vectors)
    content = [part for vectors in split.train.content.values() for part in (vectors.ids.checksum, vectors.vectors)]
    log, candidates = split.train.interactions, split.candidates
    return mark((log, test.histories, test.targets, candidates, k, seed, context.train, *facts, *vectors, *content))
