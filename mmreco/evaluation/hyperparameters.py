"""Hyper-parameters by search on a validation split, within a budget: `tune(...)` gives a `TuningResult`."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mmreco.arguments import require_whole, require_width
from mmreco.errors import DataError, MissingExtraError, MMRecoError
from mmreco.evaluation.measure import evaluate
from mmreco.models.base import Model, seeded
from mmreco.progress import progress as shown_progress
from mmreco.splitting import Split

if TYPE_CHECKING:
    import optuna

__all__ = ["Range", "TuningResult", "tune"]


@dataclass(frozen=True)
class Range:
    """A range of numbers to search: whole ones where both ends are, else any between.

    Parameters
    ----------
    low, high : both ends included
    log : optional
        Whether to search by factors rather than by differences; for rates and strengths.

    Raises
    ------
    DataError
        An end is no finite number, `low` is not below `high`, or `log` is asked of an end that is not above 0.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        ends = (self.low, self.high)
        if any(isinstance(end, bool) or not isinstance(end, (int, float, np.number)) for end in ends):
            raise DataError(f"{self!r}: expected two numbers, low below high")
        for name, end in zip(("low", "high"), ends, strict=True):  # numpy's numbers are Python's
            object.__setattr__(self, name, end.item() if isinstance(end, np.number) else end)
        if not np.isfinite(ends).all():
            raise DataError(f"{self!r}: expected two finite numbers")
        if not self.low < self.high or (self.log and self.low <= 0):
            above = " and low above 0, since log is asked" if self.log else ""
            raise DataError(f"{self!r}: expected low below high{above}")


@dataclass(frozen=True, eq=False)
class TuningResult:
    """The outcome of a search for hyper-parameters.

    Parameters
    ----------
    model : with the best hyper-parameters, not fitted
        Fit it on all of training, validation included, and ask it about the test once.
    best : these hyper-parameters
    score : its figure on validation
    trials : what was tried, in order: hyper-parameters, figure (NaN where the model failed) and seconds
    """

    model: Model
    best: Mapping[str, Any]
    score: float
    trials: Sequence[tuple[Mapping[str, Any], float, float]]


def tune(
    model: type[Model],
    space: Mapping[str, Sequence[Any] | Range],
    split: Split,
    *,
    k: int = 10,
    trials: int = 30,
    seconds: float | None = None,
    seed: int = 0,
    progress: bool = False,
) -> TuningResult:
    """The best hyper-parameters found within a budget, by NDCG@k on validation.

    The models are fitted on the split's training set and measured on its test. So give it a split of what may be learnt
    from, `leave_last_out(split.train)`, never the split whose figures you will report. The class's own
    defaults are tried first where they lie in `space`. A trial that fails counts against the budget and stands in
    `trials`.

    Parameters
    ----------
    model : a class of `MODELS`
    space : by the name of a hyper-parameter
        A list of values to choose from, or a `Range`; the names of `Training` are taken as well. All others keep their
        defaults; `seed` is handed on where the model draws.
    split : training and validation
    k : 1 or more
    trials : 1 or more
        Models fitted at most.
    seconds : above 0, optional
        No trial begins after so long.
    seed : of the search
    progress : optional
        Whether to show a bar.

    Raises
    ------
    MissingExtraError
        optuna is not installed.
    DataError
        `space` is empty or names what the model has not, the budget is nothing, or every trial failed.

    Notes
    -----
    The tree-structured Parzen estimator of optuna. Source: Bergstra et al., "Algorithms for hyper-parameter
    optimization", 2011; Akiba et al., "Optuna", 2019.
    """
    if not isinstance(split, Split):
        raise DataError(f"tune: the split is a {type(split).__name__}; expected a Split, e.g. leave_last_out(train)")
    own = _defaults(model)
    if isinstance(space, Mapping):
        space = {name: of.tolist() if isinstance(of, np.ndarray) and of.ndim == 1 else of for name, of in space.items()}
    k, trials = require_width(k, len(split.train.items)), require_whole("tune: trials", trials)
    seed = require_whole("seed", seed, least=0)
    _check(model, own, space, seconds)
    if not len(split.test):
        raise DataError("tune: nobody in the validation; expected users with two events or more")
    study = _study(seed)
    first = {name: own[name] for name in space if own[name] is not MISSING}
    if len(first) == len(space) and all(_inside(first[name], of) for name, of in space.items()):
        study.enqueue_trial(first)
    tried: list[tuple[dict[str, Any], float, float]] = []
    failure = ""
    began = time.perf_counter()
    for _ in shown_progress(range(trials), description=f"tune {model.__name__}", shown=progress):
        if seconds is not None and time.perf_counter() - began >= seconds:
            break
        trial = study.ask()
        chosen = {name: _suggested(trial, name, of) for name, of in space.items()}
        start = time.perf_counter()
        try:
            score = evaluate(_made(model, chosen, seed).fit(split.train), split, k)[f"ndcg@{k}"]
        except (MMRecoError, ArithmeticError, MemoryError, ValueError, RuntimeError) as error:
            study.tell(trial, state=_failed())
            failure, score = f"{type(error).__name__}: {error}", float("nan")
        else:
            study.tell(trial, score)
        tried.append((chosen, score, time.perf_counter() - start))
    figures = np.array([score for _, score, _ in tried])
    if np.isnan(figures).all():
        raise DataError(
            f"tune: none of {len(tried)} trials of {model.__name__} came to an end; the last said: {failure}"
        )
    best = tried[int(np.nanargmax(figures))]
    return TuningResult(_made(model, best[0], seed), best[0], best[1], tried)


def _defaults(model: type[Model]) -> dict[str, Any]:
    """Each hyper-parameter and its default, those of `Training` among them."""
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise DataError(f"tune: {model!r}; expected a class of MODELS, e.g. MODELS['EASE']")
    own = {one.name: one.default for one in fields(model) if one.init}  # type: ignore[arg-type]
    if "training" in own:
        del own["training"]
        training = model().training  # type: ignore[attr-defined]
        own |= {one.name: getattr(training, one.name) for one in fields(training)}
    return own


def _made(model: type[Model], chosen: Mapping[str, Any], seed: int) -> Model:
    """A model with these hyper-parameters; where it draws, with this seed unless they name another."""
    fresh = seeded(model(), seed)
    training = getattr(fresh, "training", None)
    if training is None:
        return replace(fresh, **chosen)  # type: ignore[no-any-return]
    names = {one.name for one in fields(training)}
    inner = {name: value for name, value in chosen.items() if name in names}
    outer = {name: value for name, value in chosen.items() if name not in names}
    return replace(fresh, **outer, training=replace(training, **inner))  # type: ignore[no-any-return]


def _check(model: type[Model], own: Mapping[str, Any], space: Mapping[str, Any], seconds: float | None) -> None:
    if not isinstance(space, Mapping):
        raise DataError(
            f"tune: the space is a {type(space).__name__}; expected a mapping, e.g. {{'l2': Range(1, 100)}}"
        )
    unknown = [name for name in space if name not in own]
    if not space or unknown:
        given = f"no parameter {unknown[0]!r}" if unknown else "an empty space"
        raise DataError(f"tune: {given}; {model.__name__} has {', '.join(own) or 'no parameters'}")
    empty = [
        name
        for name, of in space.items()
        if not isinstance(of, Range) and (isinstance(of, str) or not isinstance(of, Sequence) or not of)
    ]
    if empty:
        raise DataError(f"tune: {empty[0]} has no values to choose from; expected a list of some, or Range(low, high)")
    if seconds is not None and not (isinstance(seconds, (int, float, np.number)) and seconds > 0):
        raise DataError(f"tune: seconds={seconds!r}; expected time above 0")


def _study(seed: int) -> "optuna.Study":
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("tune needs optuna: pip install 'mmreco[tune]'") from error
    # Its constructor announces each study on standard error; built from parts, it is silent, and no level is changed.
    storage = optuna.storages.InMemoryStorage()
    name = "mmreco"
    storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], name)
    return optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.TPESampler(seed=seed))


def _failed() -> "optuna.trial.TrialState":
    import optuna

    return optuna.trial.TrialState.FAIL


def _suggested(trial: "optuna.Trial", name: str, of: Sequence[Any] | Range) -> Any:
    if not isinstance(of, Range):
        return of[trial.suggest_int(name, 0, len(of) - 1)] if not _plain(of) else trial.suggest_categorical(name, of)
    if isinstance(of.low, int) and isinstance(of.high, int):
        return trial.suggest_int(name, of.low, of.high, log=of.log)
    return trial.suggest_float(name, of.low, of.high, log=of.log)


def _plain(values: Sequence[Any]) -> bool:
    return all(value is None or isinstance(value, (bool, int, float, str)) for value in values)


def _inside(value: Any, of: Sequence[Any] | Range) -> bool:
    if isinstance(of, Range):
        return isinstance(value, (int, float)) and of.low <= value <= of.high
    return _plain(of) and value in of
