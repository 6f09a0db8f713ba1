"""Hyper-parameters by search on a validation split, within a budget: `tune(...)` gives a `TuningResult`."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, MissingExtraError, MMRecoError
from mmreco.evaluation.measure import evaluate
from mmreco.models.base import ScoreModel, VectorModel
from mmreco.progress import progress as shown_progress
from mmreco.splitting import Holdout, leave_last_out

if TYPE_CHECKING:
    import optuna

__all__ = ["Range", "TuningResult", "tune"]

Model = ScoreModel | VectorModel


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
        `low` is not below `high`, or `log` is asked of an end that is not above 0.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            above = " and low above 0, since log is asked" if self.log else ""
            raise DataError(f"{self!r}: expected low below high{above}")


@dataclass(frozen=True, eq=False)
class TuningResult:
    """What a search found.

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
    train: Interactions,
    *,
    validation: Holdout | None = None,
    k: int = 10,
    trials: int = 30,
    seconds: float | None = None,
    seed: int = 0,
    progress: bool = False,
) -> TuningResult:
    """The hyper-parameters of the highest NDCG@k on validation that a budget found.

    Only `train` is looked at: its users' last events are the validation, and the models are fitted on the rest. The
    class's own defaults are tried first where they lie in `space`. A trial that fails counts against the budget and
    is told in `trials`.

    Parameters
    ----------
    model : a class of `MODELS`
    space : by the name of a hyper-parameter
        A list of values to choose from, or a `Range`. All others keep their defaults; `seed` is handed on where the
        model draws and the space does not name it.
    train : what the models may learn from, without the test
    validation : optional
        Another validation than the last events; `train` must then be without it.
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
    own = {field.name: field for field in fields(model) if field.init}  # type: ignore[arg-type]
    _check(model, own, space, trials, seconds)
    if validation is None:
        train, validation = leave_last_out(train)
    if not len(validation):
        raise DataError("tune: nobody in the validation; expected users with two events or more in train")
    study = _study(seed)
    first = {name: own[name].default for name in space if own[name].default is not MISSING}
    if len(first) == len(space) and all(_inside(first[name], of) for name, of in space.items()):
        study.enqueue_trial(first)
    drawn = {"seed": seed} if "seed" in own and "seed" not in space else {}
    tried: list[tuple[dict[str, Any], float, float]] = []
    said = ""
    began = time.perf_counter()
    for _ in shown_progress(range(trials), description=f"tune {model.__name__}", shown=progress):
        if seconds is not None and time.perf_counter() - began >= seconds:
            break
        trial = study.ask()
        chosen = {name: _suggested(trial, name, of) for name, of in space.items()}
        start = time.perf_counter()
        try:
            score = evaluate(model(**chosen, **drawn).fit(train), validation, k)[f"ndcg@{k}"]
        except (MMRecoError, ArithmeticError, MemoryError, ValueError, RuntimeError) as error:
            study.tell(trial, state=_failed())
            said, score = f"{type(error).__name__}: {error}", float("nan")
        else:
            study.tell(trial, score)
        tried.append((chosen, score, time.perf_counter() - start))
    figures = np.array([score for _, score, _ in tried])
    if np.isnan(figures).all():
        raise DataError(f"tune: none of {len(tried)} trials of {model.__name__} came to an end; the last said: {said}")
    best = tried[int(np.nanargmax(figures))]
    return TuningResult(model(**best[0], **drawn), best[0], best[1], tried)


def _check(
    model: type[Model], own: Mapping[str, Any], space: Mapping[str, Any], trials: int, seconds: float | None
) -> None:
    unknown = [name for name in space if name not in own]
    if not space or unknown:
        given = f"no parameter {unknown[0]!r}" if unknown else "an empty space"
        raise DataError(f"tune: {given}; {model.__name__} has {', '.join(own) or 'no parameters'}")
    empty = [name for name, of in space.items() if not isinstance(of, Range) and not len(of)]
    if empty:
        raise DataError(f"tune: {empty[0]} has no values to choose from; expected a list of some, or Range(low, high)")
    if trials < 1 or (seconds is not None and seconds <= 0):
        raise DataError(f"tune: trials={trials}, seconds={seconds}; expected 1 trial or more, and time above 0")


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
