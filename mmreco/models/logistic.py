"""LogisticProfile: how probably this shopper turns to this item next, from plain facts about both.

Sources: McMahan et al., "Ad click prediction: a view from the trenches", 2013, for the job and the yardstick; King,
Zeng, "Logistic regression in rare events data", 2001, for learning from a sample of what did not happen and correcting
the offset; Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", 2015, for the
calibration error. A logistic regression on the facts of `mmreco.models.pair_features`: how popular an item is and was
lately, what reviews say of it, how much more than others the shopper turns to its category and brand, how near its
price is to theirs, and whether they had it.

Deviates in what is predicted: not a click on a showing, which a log of events does not hold, but which of all items
comes next. So the probabilities of all items for one history add up to about 1.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmreco.arrays import F32, F64, I64, Bool, frozen
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError
from mmreco.models.base import ScoreModel, State
from mmreco.models.pair_features import PairFeatures
from mmreco.models.time_decay import half_life_checked
from mmreco.splitting import Holdout

__all__ = ["LogisticProfile", "calibration_error"]

_USERS = 5_000  # learnt from at most; a dozen weights need no more
_HELD = 0.2  # share of them that calibration is measured on
_CELLS = 1 << 22  # pairs of history and item processed together


@final
@dataclass(kw_only=True, eq=False)
class LogisticProfile(ScoreModel):
    """A logistic regression on counts, recency, reviews, price, category and brand; answers with probabilities.

    Of the catalogue it reads `category`, `brand` and `price`, and `sentiment`, a number an item that says how well it
    is spoken of (`Sentiment.item_sentiment`), those there are; of reviews how many there are, and their stars.
    A recommender by itself, and a re-ranker of what others found. After `fit`, `weights()` says what each fact counts
    for, and `ece_` how far its probabilities are off.

    Parameters
    ----------
    target : optional
        The kind of event that is predicted, e.g. "purchase". None: any event.
    negatives : 1 or more
        Items drawn that did not come next, for each one that did.
    half_life_days : above 0
        What lies so many days back counts half, where a fact is about what is recent.
    l2 : above 0
        The penalty on the squared weights, facts being scaled to one spread.
    seed : 0 or more

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco.datasets.synthetic import synthetic_shop
    >>> shop = synthetic_shop(n_items=100, n_users=60)
    >>> model = LogisticProfile().fit(shop.dataset)
    >>> model.weights()["category"] > 0
    True
    """

    _CLOSED_FORM: ClassVar[bool] = True

    target: str | None = None
    negatives: int = 20
    half_life_days: float = 30.0
    l2: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.negatives < 1:
            raise DataError(f"negatives={self.negatives}: expected 1 or more")
        half_life_checked(self.half_life_days)
        if not 0 < self.l2 < np.inf:
            raise DataError(f"l2={self.l2}: expected a number above 0")
        if self.seed < 0:
            raise DataError(f"seed={self.seed}: expected 0 or more")

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Learn what favours an item from what each user's last event was, given those before it.

        Raises
        ------
        DataError
            There is no event of the kind `target` with another before it, no other item it could have been, or a
            price or a sentiment is not a number.
        """
        train = dataset.interactions
        known = {"catalogue": dataset.catalogue, "reviews": dataset.reviews, "sentiment": _sentiment(dataset.catalogue)}
        rng = np.random.default_rng(self.seed)
        histories, targets = _split(train, self.target)
        facts = PairFeatures.of(histories, self.half_life_days, **known)  # type: ignore[arg-type]
        drawn = rng.permutation(len(targets))[:_USERS]
        candidates = _candidates(targets[drawn], len(train.items), self.negatives, rng)  # (u, 1 + negatives)
        pairs = _pairs(facts, histories.take(drawn), candidates)  # (u, 1 + negatives, facts)
        there = candidates >= 0
        held = np.arange(len(drawn)) < round(_HELD * len(drawn))
        if 0 < held.sum() < len(drawn):
            weights, offset = self._learnt(pairs[~held][there[~held]], _first(there[~held]))
            foretold = _logistic(pairs[held][there[held]] @ weights + offset)
            self.ece_ = calibration_error(foretold, _first(there[held]))
        else:
            self.ece_ = float("nan")
        weights, offset = self._learnt(pairs[there], _first(there))
        self.weights_ = frozen(weights, np.float64)
        # Of all the items that did not come next, only some were drawn.
        self.offset_ = offset + np.log(self.negatives / max(1, len(train.items) - 1))
        self.facts_ = PairFeatures.of(train, self.half_life_days, **known)  # type: ignore[arg-type]

    def score(self, histories: Interactions) -> F32:
        """The log-odds that each item comes next in each of `histories`, shape `(n, n_items)`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        scores = np.full((len(histories), len(self.items_)), self.offset_)
        for weight, fact in zip(self.weights_, self.facts_.between(histories), strict=True):
            scores += weight * fact
        return scores.astype(np.float32)

    def probabilities(self, histories: Interactions, rows: I64) -> F32:
        """How probably each of these items comes next, shape `(n, c)`.

        Parameters
        ----------
        histories : `n` users
        rows : shape `(n, c)`
            Item rows asked about, for each history; 0 for row -1.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            `rows` is not `(n, c)`, or a row is outside the items.
        IncompatibleError
            `histories` are over other items than the model was fitted on.
        """
        self._require_fitted()
        if histories.items != self.items_:
            raise IncompatibleError(
                f"histories over {len(histories.items)} items, fitted on {len(self.items_)}; expected the same items"
            )
        asked = np.asarray(rows, dtype=np.int64)
        n_items = len(self.items_)
        if asked.ndim != 2 or len(asked) != len(histories):
            raise DataError(f"rows of shape {asked.shape} for {len(histories)} histories; expected (n, c)")
        if asked.size and (asked.min() < -1 or asked.max() >= n_items):
            raise DataError(f"rows {int(asked.min())}..{int(asked.max())}: expected item rows 0..{n_items - 1}, or -1")
        found = np.zeros(asked.shape, dtype=np.float32)
        for lines in _batches(len(histories), n_items):
            scores = self.score(histories.take(lines)).astype(np.float64)
            odds = np.take_along_axis(scores, np.maximum(asked[lines], 0), axis=1)
            found[lines] = np.where(asked[lines] >= 0, _logistic(odds), 0)
        return found

    def rerank(self, histories: Interactions, ranking: Ranking) -> Ranking:
        """The items of `ranking` in the order of their probabilities after `histories`, which are the scores; as wide.

        Raises
        ------
        NotFittedError, DataError, IncompatibleError
            As `probabilities`.
        """
        return Ranking.from_scores(self.probabilities(histories, ranking.rows), ranking.k, rows=ranking.rows)

    def weights(self) -> dict[str, float]:
        """What a unit of each fact adds to the log-odds, by name.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        return dict(zip(self.facts_.names, self.weights_.tolist(), strict=True))

    def _learnt(self, pairs: F64, came: Bool) -> tuple[F64, float]:
        if came.all():
            raise DataError(
                "LogisticProfile: nothing was left that did not come next; expected a catalogue of two items or more"
            )
        from sklearn.linear_model import LogisticRegression  # heavy

        spread = pairs.std(axis=0)
        spread[spread < 1e-9] = 1
        middle = pairs.mean(axis=0)
        rule = LogisticRegression(C=1 / self.l2, max_iter=1000).fit((pairs - middle) / spread, came)
        weights = rule.coef_[0] / spread
        return weights, float(rule.intercept_[0] - weights @ middle)

    def _state(self) -> State:
        numbers = np.array([self.offset_, self.ece_])
        return {"weights": self.weights_, "numbers": numbers, **self.facts_._state()}

    def _restore(self, state: State) -> None:
        self.weights_ = state["weights"]
        self.offset_, self.ece_ = (float(number) for number in state["numbers"])
        self.facts_ = PairFeatures._restored(state, self.half_life_days, len(self.items_))


def calibration_error(probabilities: npt.ArrayLike, outcomes: npt.ArrayLike, *, bins: int = 10) -> float:
    """The expected calibration error: how far probabilities are from what came true, on average.

    Parameters
    ----------
    probabilities : shape `(n,)`
        0 to 1.
    outcomes : shape `(n,)`
        Whether it came true.
    bins : 1 or more
        Groups of about as many probabilities each, from the lowest to the highest; equal ones stay together.

    Returns
    -------
    float
        The mean over the groups, by size, of the distance between the mean probability and the share that came true.

    Raises
    ------
    DataError
        The shapes differ, there are none, a probability is outside of 0..1, or `bins` is below 1.

    Notes
    -----
    Source: Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", 2015.

    Examples
    --------
    >>> calibration_error([0.25, 0.25, 0.25, 0.25], [True, False, False, False])
    0.0
    """
    said, came = np.asarray(probabilities, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    if said.ndim != 1 or said.shape != came.shape or not said.size:
        raise DataError(f"probabilities {said.shape} and outcomes {came.shape}; expected the same (n,), n of 1 or more")
    if not ((said >= 0) & (said <= 1)).all():
        raise DataError("probabilities: expected numbers from 0 to 1")
    if bins < 1:
        raise DataError(f"bins={bins}: expected 1 or more")
    edges = np.quantile(said, np.arange(1, bins) / bins)
    groups = np.searchsorted(edges, said, side="right")  # (n,)
    return float(np.abs(np.bincount(groups, weights=said - came, minlength=bins)).sum() / len(said))


def _sentiment(catalogue: Catalogue) -> F32 | None:
    """How well each item is spoken of, shape `(n_items,)`; unknown counts as neither well nor badly."""
    if not catalogue.has("sentiment"):
        return None
    column = catalogue.table["sentiment"]
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise DataError(f"column 'sentiment' holds {column.type}; expected numbers")
    return np.nan_to_num(np.asarray(column.to_numpy(), dtype=np.float32), nan=0.0)


def _split(train: Interactions, target: str | None) -> tuple[Interactions, I64]:
    """What came before each user's last event of the kind predicted, and the item of that event, shape `(n,)`."""
    if target is not None and target not in train.event_names:
        raise DataError(f"target={target!r}: expected one of {', '.join(train.event_names)}, the events of this log")
    place = np.arange(train.n_events) - train.starts[train.users_flat]  # (e,)
    fitting = place > 0
    if target is not None:
        fitting &= train.event_types == train.event_names.index(target)
    lasts = np.full(len(train), -1, dtype=np.int64)
    np.maximum.at(lasts, train.users_flat[fitting], np.flatnonzero(fitting))
    users = np.flatnonzero(lasts >= 0)
    if not len(users):
        said = "event" if target is None else f"event {target!r}"
        raise DataError(f"LogisticProfile: no user has an {said} with another before it; nothing can be learnt")
    before = train.keep(np.arange(train.n_events) < np.where(lasts < 0, train.starts[1:], lasts)[train.users_flat])
    return before.take(users), train.items_flat[lasts[users]]


def _candidates(targets: I64, n_items: int, negatives: int, rng: np.random.Generator) -> I64:
    """The item that came next, then others drawn evenly, shape `(u, 1 + negatives)`; -1 where the same was drawn."""
    drawn = rng.integers(n_items, size=(len(targets), negatives))
    drawn[drawn == targets[:, None]] = -1
    return np.concatenate([targets[:, None], drawn], axis=1)


def _pairs(facts: PairFeatures, histories: Interactions, candidates: I64) -> F64:
    """The facts between each history and its candidates, shape `(u, c, facts)`."""
    out = np.zeros((*candidates.shape, len(facts.names)))
    rows = np.maximum(candidates, 0)
    for lines in _batches(len(histories), len(histories.items)):
        shape = (len(lines), len(histories.items))
        for number, fact in enumerate(facts.between(histories.take(lines))):
            out[lines, :, number] = np.take_along_axis(np.broadcast_to(fact, shape), rows[lines], axis=1)
    return out


def _first(there: Bool) -> Bool:
    """Which of the candidates there are came next: those of the first column."""
    came = np.zeros(there.shape, dtype=np.bool_)
    came[:, 0] = True
    return came[there]


def _batches(n: int, n_items: int) -> list[I64]:
    step = max(1, _CELLS // max(1, n_items))
    return [np.arange(start, min(start + step, n)) for start in range(0, n, step)]


def _logistic(x: F64) -> F64:
    odds: F64 = 0.5 * (1 + np.tanh(x / 2))  # never overflowing
    return odds
