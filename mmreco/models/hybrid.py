"""Hybrids: several models behind one answer, by weight, by history length, or by reciprocal rank.

Sources: Burke, "Hybrid recommender systems: survey and experiments", 2002 (weighted and switching hybrids); Cormack,
Clarke, Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods", 2009.

The parts are anything that `Recommends`. They are asked for a list each, longer than the answer, and the lists are put
together; so a part may be a model of scores, of vectors, or a hybrid itself. Deviates from weighted hybrids of scores
in that: an item outside of a part's list gets nothing from it, and scores are stretched to 0..1 inside each list, since
those of different models have no common scale.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from mmreco.arrays import F64
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.models.base import Model, State
from mmreco.models.configuration import plain
from mmreco.models.ease import EASE
from mmreco.models.itemknn import ItemKNN
from mmreco.models.userknn import UserKNN
from mmreco.protocols import Recommends
from mmreco.splitting import Holdout

__all__ = ["Hybrid", "ReciprocalRank", "Switching", "Weighted", "fused_by_rank"]


@dataclass(kw_only=True, eq=False)
class Hybrid(Model):
    """What hybrids share: parts that are fitted, asked and saved together.

    Parameters
    ----------
    parts : 1 or more models, fitted or not

    Raises
    ------
    DataError
        There is no part, or one of them does not recommend.
    """

    parts: Sequence[Recommends] = field(default_factory=lambda: [EASE(), UserKNN()])

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.parts, Sequence) or isinstance(self.parts, str):
            given = type(self.parts).__name__
            raise DataError(f"{type(self).__name__}: parts is a {given}; expected a list of models")
        self.parts = tuple(self.parts)
        if not self.parts:
            raise DataError(f"{type(self).__name__}: no parts; expected 1 or more models")
        for number, part in enumerate(self.parts):
            if not isinstance(part, Recommends) or isinstance(part, type):
                raise DataError(f"{type(self).__name__}: part {number} is {part!r}; expected a model that recommends")

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Fit every part; not needed where all of them are fitted already.

        Raises
        ------
        DataError
            A part is not a model of this library: fit it where it comes from.
        """
        for number, part in enumerate(self.parts):
            _fittable(number, part).fit(dataset, validation=validation, progress=progress)

    def unfitted(self) -> Self:
        """Another hybrid, of unfitted parts; parts that are no models of this library are the same."""
        return self._of(lambda part: part.unfitted())

    def refit(self, dataset: Dataset, *, validation: Holdout | None = None, progress: bool = False) -> Self:
        """Another hybrid, each part refitted as it is by itself; see `Model.refit`.

        Parameters
        ----------
        dataset, validation, progress : as `Model.refit`

        Raises
        ------
        NotFittedError, DataError, IncompatibleError
            As `Model.refit` and `fit`.
        """
        self._require_fitted()
        for number, part in enumerate(self.parts):
            _fittable(number, part)
        return self._of(lambda part: part.refit(dataset, validation=validation, progress=progress))

    @property
    def closed_form(self) -> bool:
        """Whether a fit of every part is one calculation from the log."""
        return all(isinstance(part, Model) and part.closed_form for part in self.parts)

    def relearn(self, dataset: Dataset) -> Self:
        """The hybrid whose parts are learnt anew from what `dataset` has left, where they can be; see `Model.relearn`.

        Raises
        ------
        DataError
            There is nothing left to learn from.
        """
        return self._of(lambda part: part.relearn(dataset))

    def _of(self, change: Callable[[Model], Model]) -> Self:
        return replace(self, parts=[change(part) if isinstance(part, Model) else part for part in self.parts])

    def _require_items(self, histories: Interactions) -> None:
        if not any(isinstance(part, Model) for part in self.parts):
            self.items_ = histories.items  # somebody else's models check for themselves
        super()._require_items(histories)

    def _require_fitted(self) -> None:
        models = [part for part in self.parts if isinstance(part, Model)]
        try:
            for part in models:
                part._require_fitted()
        except NotFittedError as error:
            raise NotFittedError(
                f"{type(self).__name__} is not fitted; call fit(dataset) first, or make it of fitted parts ({error})"
            ) from error
        if models:
            self.items_ = models[0].items_

    # ---- saved

    def _config(self) -> dict[str, Any]:
        own = {one.name: plain(getattr(self, one.name)) for one in fields(self) if one.name != "parts"}
        return {**own, "parts": [_named(number, part) for number, part in enumerate(self.parts)]}

    def _write(self, path: Path) -> None:
        for number, part in enumerate(self._models()):
            (path / f"part-{number}").mkdir()
            part._write(path / f"part-{number}")

    @classmethod
    def _read(cls, path: Path, config: dict[str, Any]) -> Self:
        named = config.pop("parts", [])
        unknown = config.keys() - {one.name for one in fields(cls)}
        if unknown:
            raise IncompatibleError(f"{path}: {cls.__name__} has no parameter {sorted(unknown)[0]!r}; refit and save")
        parts: list[Any] = [
            _class(part)._read(path / f"part-{number}", dict(part["config"])) for number, part in enumerate(named)
        ]
        model = cls(parts=parts, **config)
        model._require_fitted()
        return model

    def _state(self) -> State:
        states = [part._state() for part in self._models()]
        return {f"{number}.{name}": array for number, state in enumerate(states) for name, array in state.items()}

    def _restore(self, state: State) -> None:
        for number, part in enumerate(self._models()):
            own = f"{number}."
            part._restore({name.removeprefix(own): array for name, array in state.items() if name.startswith(own)})

    def _models(self) -> list[Model]:
        for number, part in enumerate(self.parts):
            _named(number, part)
        return [part for part in self.parts if isinstance(part, Model)]


@final
@dataclass(kw_only=True, eq=False)
class Weighted(Hybrid):
    """The weighted sum of the parts' scores, each part's list stretched to 0..1.

    Parameters
    ----------
    parts : 1 or more models, fitted or not
    weights : one a part, 0 or more, optional
        How much each part counts; all the same when omitted.
    depth : 1 or more
        How many items each part is asked for; `k`, where that is more.

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> from mmreco.models.itemknn import ItemKNN
    >>> from mmreco.models.popular import Popular
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["coat"], ["coat"]], items=shop)
    >>> model = Weighted(parts=[ItemKNN(), Popular()], weights=[2, 1]).fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=Interactions.from_histories([["hat"]], items=shop), k=2).ids(shop)
    [['scarf', 'coat']]
    """

    weights: Sequence[float] | None = None
    depth: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weights = _weights_checked(self.weights, len(self.parts))
        _depth_checked(self.depth)

    def _recommend(self, request: Request) -> Ranking:
        wide = max(request.k, self.depth)
        lists = [part.recommend(replace(request, k=wide)) for part in self.parts]
        weights = self.weights or [1.0] * len(lists)
        return _fused(lists, [w * _stretched(one) for w, one in zip(weights, lists, strict=True)], request.k)


@final
@dataclass(kw_only=True, eq=False)
class ReciprocalRank(Hybrid):
    """Reciprocal rank fusion: the sum over the parts of `1 / (constant + rank)`, regardless of scores.

    Parameters
    ----------
    parts : 1 or more models, fitted or not
    weights : one a part, 0 or more, optional
        How much each part counts; all the same when omitted, as in the paper.
    constant : above 0
        The more, the less the first places stand out; 60 in the paper. Ranks begin at 1.
    depth : 1 or more
        How many items each part is asked for; `k`, where that is more.

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> from mmreco.models.itemknn import ItemKNN
    >>> from mmreco.models.userknn import UserKNN
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["coat"], ["coat"]], items=shop)
    >>> model = ReciprocalRank(parts=[ItemKNN(), UserKNN()]).fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=Interactions.from_histories([["hat"]], items=shop), k=2).ids(shop)
    [['scarf', 'coat']]
    """

    weights: Sequence[float] | None = None
    constant: float = 60.0
    depth: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weights = _weights_checked(self.weights, len(self.parts))
        _depth_checked(self.depth)
        if not 0 < self.constant < np.inf:
            raise DataError(f"constant={self.constant}: expected a number above 0")

    def _recommend(self, request: Request) -> Ranking:
        wide = max(request.k, self.depth)
        lists = [part.recommend(replace(request, k=wide)) for part in self.parts]
        return fused_by_rank(lists, request.k, weights=self.weights, constant=self.constant)


@final
@dataclass(kw_only=True, eq=False)
class Switching(Hybrid):
    """One part for short histories, another for long ones: each history is answered by the part for its length.

    Parameters
    ----------
    parts : 1 or more models, from those for the shortest histories to those for the longest
    at : one number less than there are parts, 1 or more, rising
        A history of fewer than `at[0]` events goes to the first part, of fewer than `at[1]` to the second ...

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> from mmreco.models.itemknn import ItemKNN
    >>> from mmreco.models.popular import Popular
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"], ["coat"], ["coat"]], items=shop)
    >>> model = Switching(parts=[Popular(), ItemKNN()], at=[1]).fit(Dataset.from_interactions(log))
    >>> model.recommend(histories=Interactions.from_histories([[], ["hat"]], items=shop), k=1).ids(shop)
    [['coat'], ['scarf']]
    """

    parts: Sequence[Recommends] = field(default_factory=lambda: [ItemKNN(), EASE()])
    at: Sequence[int] = (10,)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at = _rising(self.at, len(self.parts))

    def _recommend(self, request: Request) -> Ranking:
        turn = np.searchsorted(np.asarray(self.at, dtype=np.int64), request.histories.lengths, side="right")  # (n,)
        rows = np.full((len(request), request.k), -1, dtype=np.int64)
        scores = np.full((len(request), request.k), -np.inf, dtype=np.float32)
        for number, part in enumerate(self.parts):
            lines = np.flatnonzero(turn == number)
            if len(lines):
                answer = part.recommend(request.take(lines))
                rows[lines], scores[lines] = answer.rows, answer.scores
        return Ranking(rows, scores)


# ---- lists put together


def fused_by_rank(
    lists: Sequence[Ranking], k: int, *, weights: Sequence[float] | None = None, constant: float = 60.0
) -> Ranking:
    """The `k` items with the largest sum over the lists of `weight / (constant + rank)`, ranks from 1."""
    credits_ = [
        weight * np.broadcast_to(1 / (constant + np.arange(1, one.k + 1)), one.rows.shape)
        for weight, one in zip(weights or [1.0] * len(lists), lists, strict=True)
    ]
    return _fused(list(lists), credits_, k)


def _stretched(answer: Ranking) -> F64:
    """The scores of each line from 1, the best, to 0, the last; 1 where all are equal."""
    scores = answer.scores.astype(np.float64)
    there = answer.rows >= 0
    last = np.where(there, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)  # (n, 1)
    best = np.where(there, scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):  # lines that are empty or all equal
        stretched = (scores - last) / (best - last)
    return np.where(best > last, stretched, 1.0)


def _fused(lists: list[Ranking], credits_: list[F64], k: int) -> Ranking:
    """The `k` items of all lists with the largest sum of credits, shape `(n, wide)` a list."""
    rows = np.concatenate([one.rows for one in lists], axis=1)  # (n, m)
    credit = np.where(rows >= 0, np.concatenate(credits_, axis=1), 0)
    order = np.argsort(rows, axis=1, kind="stable")  # the same item side by side
    rows, credit = np.take_along_axis(rows, order, axis=1), np.take_along_axis(credit, order, axis=1)
    new = np.ones(rows.shape, dtype=np.int64)
    new[:, 1:] = rows[:, 1:] != rows[:, :-1]
    place = np.cumsum(new, axis=1) - 1  # (n, m), the item's place among those of its line
    n, width = rows.shape
    cells = (np.arange(n)[:, None] * width + place).ravel()
    sums = np.bincount(cells, weights=credit.ravel(), minlength=n * width).reshape(n, width)
    names = np.full((n, width), -1, dtype=np.int64)
    np.put_along_axis(names, place, rows, axis=1)
    return Ranking.from_scores(sums.astype(np.float32), k, rows=names)


# ---- parts by name


def _fittable(number: int, part: Recommends) -> Model:
    if not isinstance(part, Model):
        raise DataError(f"part {number}, a {type(part).__name__}, cannot be fitted here; give it fitted")
    return part


def _named(number: int, part: Recommends) -> dict[str, Any]:
    if not isinstance(part, Model):
        raise DataError(f"part {number}, a {type(part).__name__}, cannot be saved; save the parts by themselves")
    return {"module": type(part).__module__, "kind": type(part).__name__, "config": part._config()}


def _class(named: dict[str, Any]) -> type[Model]:
    """The class a part was of: one of this library, or one that the caller has imported."""
    module, kind = str(named["module"]), str(named["kind"])
    home = import_module(module) if module.startswith("mmreco.") else sys.modules.get(module)
    found = None if home is None else vars(home).get(kind)
    if not isinstance(found, type) or not issubclass(found, Model):
        raise IncompatibleError(f"a part is a {kind} of {module}, which is not there; import {module} first")
    return found


def _weights_checked(weights: Sequence[float] | None, n_parts: int) -> tuple[float, ...] | None:
    if weights is None:
        return None
    given = weights.tolist() if isinstance(weights, np.ndarray) else weights
    numbers = isinstance(given, Sequence) and all(isinstance(w, (int, float, np.number)) for w in given)
    if not numbers or len(given) != n_parts or not all(0 <= w < np.inf for w in given) or not any(given):
        raise DataError(f"weights={given!r}: expected {n_parts} numbers of 0 or more, not all 0")
    return tuple(float(w) for w in given)


def _rising(at: Any, n_parts: int) -> tuple[int, ...]:
    given = at.tolist() if isinstance(at, np.ndarray) else at
    whole = isinstance(given, Sequence) and all(isinstance(one, (int, np.integer)) for one in given)
    if not whole or len(given) != n_parts - 1 or not all(a < b for a, b in zip((0, *given), given, strict=False)):
        said = list(given) if whole else given
        raise DataError(f"at={said!r}: expected {n_parts - 1} rising numbers of 1 or more for {n_parts} parts")
    return tuple(int(one) for one in given)


def _depth_checked(depth: int) -> None:
    if depth < 1:
        raise DataError(f"depth={depth}: expected 1 or more")
