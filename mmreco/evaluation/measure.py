"""How well a model foretells what users did next: `evaluate(model, test, k)` gives a `Report`."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from mmreco import metrics
from mmreco.arguments import require_whole, require_width
from mmreco.arrays import F64, I64, Bool
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.errors import DataError
from mmreco.evaluation.context import EvaluationContext, require_context
from mmreco.evaluation.report import Report
from mmreco.evaluation.sampling import drawn
from mmreco.metrics.beyond_accuracy import inequality
from mmreco.metrics.relevance import item_exposure, relevance
from mmreco.progress import progress as shown_progress
from mmreco.protocols import Recommends
from mmreco.splitting import Holdout, Split

__all__ = ["evaluate"]

_SAMPLES = 0  # the seed of sampled items: every model meets the same
_CELLS = 1 << 21  # of the masks that say what is sampled for whom: 2 MB at a time


def evaluate(
    model: Recommends,
    test: Split | Holdout,
    k: int | Sequence[int] = 10,
    *,
    exclude_seen: bool = True,
    candidates: Bool | None = None,
    context: EvaluationContext | None = None,
    sampled: int | None = None,
    batch_size: int = 1_024,
    progress: bool = False,
) -> Report:
    """The metrics of a model on the test set of a split: a `Report`.

    The ranking is always over the full catalogue, unless `sampled` asks otherwise, and then every metric's name says
    so. Users without targets are not counted, and `Report.skipped` says how many.

    Parameters
    ----------
    model : anything that recommends
    test : a split, whose test and candidates are taken; or histories with what each of these users did next
        `Holdout.of` makes one of plain lists.
    k : 1 or more, or several
        Cut-offs; the model is asked once, for the largest. Where that is the number of items or more, `auc` is
        measured as well.
    exclude_seen : optional
        Whether items of the history are left out of the answer. Targets among them can then never be hit.
    candidates : shape `(n_items,)` of bool, optional
        Items that may be answered, e.g. those on sale at the time; those of the split when omitted.
    context : optional
        What the measures beyond accuracy, and those by segment, need.
    sampled : 1 or more, optional
        Rank each user's targets among this many items drawn evenly from those they have not had, the same for every
        model. The names become e.g. "ndcg@10 (100 sampled)". Such figures are no estimate of the real ones, and may
        put models in another order; they serve to compare with papers that have nothing else.
    batch_size : optional
        Users asked at a time, at most.
    progress : optional
        Whether to show a bar.

    Returns
    -------
    Report
        `ndcg`, `recall`, `precision`, `f1`, `hit_rate`, `mrr`, `map` (means over users), `novelty` (bits, by the
        popularity in `context.train`, or else in the histories), `coverage` and `gini` (over the catalogue), each
        `@k`. With `context` also `popularity` (mean share of trained users that have an answer), `popularity_lift`
        (against the user's own history), `serendipity` (hits beyond the most popular), and where they can be told
        `diversity` (by vectors), `category_diversity`, `miscalibration`; and `Report.segments`. With `sampled` only the
        first seven.

    Raises
    ------
    DataError
        A cut-off, `sampled` or `batch_size` is below 1, no user has a target, or a user has fewer than `sampled` items
        to draw from.
    IncompatibleError
        `context` is of other items than the test.

    Notes
    -----
    Source: Krichene, Rendle, "On sampled metrics for item recommendation", 2020.
    """
    if isinstance(test, Split):
        candidates = test.candidates if candidates is None else candidates
        test = test.test
    if not isinstance(test, Holdout):
        raise DataError(
            f"evaluate: the test is a {type(test).__name__}; expected a Split, e.g. leave_last_out(dataset), "
            "or a Holdout"
        )
    if not isinstance(model, Recommends) or isinstance(model, type):
        raise DataError(f"evaluate: {model!r} does not recommend; expected a fitted model")
    n_items = len(test.targets.items)
    given = np.atleast_1d(k).tolist() if isinstance(k, np.ndarray) else k
    given = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    cutoffs = sorted({require_width(cutoff, n_items) for cutoff in given})
    if not cutoffs:
        raise DataError(f"k={k!r}: expected a cut-off of 1 or more, or several")
    batch_size = require_whole("batch_size", batch_size)
    sampled = None if sampled is None else require_whole("sampled", sampled)
    counted = np.flatnonzero(test.targets.lengths > 0)
    if not len(counted):
        raise DataError(f"test: none of {len(test.targets)} users has a target; there is nothing to measure")
    if context is not None:
        require_context(context)
        context.require_items(test.targets.items)
    measured = _Measured(test.histories, context, cutoffs, sampled)
    rng = np.random.default_rng(_SAMPLES)
    seconds = 0.0
    if sampled is not None:
        batch_size = max(1, min(batch_size, _CELLS // max(1, n_items)))
    batches = range(0, len(counted), batch_size)
    for start in shown_progress(batches, description=type(model).__name__, shown=progress):
        batch = test.take(counted[start : start + batch_size])
        among = candidates
        if sampled is not None:
            among = drawn(batch.histories, batch.targets, sampled, rng, where=candidates)
        request = Request(batch.histories, k=cutoffs[-1], exclude_seen=exclude_seen, candidates=among, at=batch.at)
        began = time.perf_counter()
        ranking = model.recommend(request)
        seconds += time.perf_counter() - began
        if not isinstance(ranking, Ranking) or ranking.rows.shape != (len(batch), cutoffs[-1]):
            raise DataError(
                f"evaluate: {type(model).__name__} answered {ranking!r} to {len(batch)} questions; expected a Ranking "
                f"of {len(batch)} lines, {cutoffs[-1]} wide"
            )
        measured.take(ranking, batch, exclude_seen, candidates)
    users = test.targets.users.take(counted)
    arrays = {name: np.concatenate(parts) for name, parts in measured.parts.items()}
    figures = {name: _mean(array) for name, array in arrays.items()}
    for cutoff, counts in measured.counts.items():
        figures[f"coverage@{cutoff}"] = float(np.count_nonzero(counts) / n_items)
        figures[f"gini@{cutoff}"] = inequality(counts)
    if "auc" in figures:  # last in the table
        figures["auc"] = figures.pop("auc")
    segments = measured.segments(test.histories.take(counted), arrays)
    return Report(type(model).__name__, figures, arrays, users, len(test.targets) - len(counted), seconds, segments)


class _Measured:
    """What is measured, a batch at a time, so that no ranking of all users is ever held."""

    def __init__(
        self, seen: Interactions, context: EvaluationContext | None, cutoffs: Sequence[int], sampled: int | None
    ) -> None:
        self.context, self.cutoffs, self.sampled = context, cutoffs, sampled
        self.n_items = len(seen.items)
        self.bits = context.bits if context is not None else metrics.self_information(seen)
        self.parts: dict[str, list[F64]] = {}
        self.by_item: dict[str, dict[str, list[F64]]] = {}
        self.counts: dict[int, I64] = {}  # how often each item was answered, by cut-off
        if sampled is None:
            self.counts = {cutoff: np.zeros(self.n_items, dtype=np.int64) for cutoff in cutoffs}

    def take(self, ranking: Ranking, batch: Holdout, exclude_seen: bool, where: Bool | None) -> None:
        """Measure one batch."""
        named = "" if self.sampled is None else f" ({self.sampled} sampled)"
        _accuracy(self.parts, ranking, batch.targets, self.cutoffs, named)
        if self.sampled is not None:
            return
        if ranking.k >= self.n_items:
            there = _candidates(batch, exclude_seen, where)
            self.parts.setdefault("auc", []).append(metrics.auc(ranking, batch.targets, there))
        plain = (
            None
            if self.context is None
            else metrics.most_popular_unseen(batch.histories, self.context.counts, self.cutoffs[-1])
        )
        for cutoff in self.cutoffs:
            top = ranking.top(cutoff)
            self.counts[cutoff] += item_exposure(top, self.n_items)
            self._add("novelty", cutoff, metrics.mean_value(top, self.bits))
            if self.context is not None and plain is not None:
                self._beyond(self.context, top, plain.top(cutoff), batch)
        if self.context is not None:
            for name, mask in self.context.segments.items():
                wanted = batch.targets.keep(mask[batch.targets.items_flat])
                _accuracy(self.by_item.setdefault(name, {}), ranking, wanted, self.cutoffs, "")

    def _beyond(self, context: EvaluationContext, top: Ranking, plain: Ranking, batch: Holdout) -> None:
        cutoff = top.k
        self._add("popularity", cutoff, metrics.mean_value(top, context.shares))
        self._add("popularity_lift", cutoff, metrics.popularity_lift(top, batch.histories, context.shares))
        self._add("serendipity", cutoff, metrics.serendipity(top, batch.targets, plain))
        if context.aligned is not None:
            self._add("diversity", cutoff, metrics.diversity(top, context.aligned))
        if context.bags is not None:
            self._add("category_diversity", cutoff, metrics.diversity(top, context.bags))
            self._add("miscalibration", cutoff, metrics.miscalibration(top, batch.histories, context.bags))

    def _add(self, name: str, cutoff: int, values: F64) -> None:
        self.parts.setdefault(f"{name}@{cutoff}", []).append(values)

    def segments(self, histories: Interactions, arrays: Mapping[str, F64]) -> dict[str, dict[str, float]]:
        """Accuracy by segment; the empty ones are left out."""
        if self.context is None or self.sampled is not None:
            return {}
        names = [f"{name}@{cutoff}" for cutoff in self.cutoffs for name in metrics.PER_USER]
        by_segment = {
            segment: {name: arrays[name][mask] for name in names}
            for segment, mask in metrics.user_segments(histories).items()
        }
        for segment, parts in self.by_item.items():
            by_segment[segment] = {name: np.concatenate(parts[name]) for name in names}
        counted = {segment: int(np.isfinite(of[names[0]]).sum()) for segment, of in by_segment.items()}
        return {
            segment: {"users": counted[segment], **{name: _mean(array) for name, array in of.items()}}
            for segment, of in by_segment.items()
            if counted[segment]
        }


def _accuracy(
    parts: dict[str, list[F64]], ranking: Ranking, targets: Interactions, cutoffs: Sequence[int], named: str
) -> None:
    """Add every per-user metric at every cut-off; what is right is looked up once."""
    hits, wanted = relevance(ranking, targets)
    for cutoff in cutoffs:
        for name, metric in metrics.PER_USER.items():
            parts.setdefault(f"{name}@{cutoff}{named}", []).append(metric(hits[:, :cutoff], wanted))


def _candidates(batch: Holdout, exclude_seen: bool, where: Bool | None) -> I64:
    """How many items could have been answered to each user, shape `(n,)`; targets count even where they could not."""
    n, n_items = len(batch), len(batch.targets.items)
    could = np.ones((n, n_items), dtype=np.bool_)
    if where is not None:
        could &= where
    if exclude_seen:
        could[batch.histories.users_flat, batch.histories.items_flat] = False
    could[batch.targets.users_flat, batch.targets.items_flat] = True
    return np.asarray(could.sum(axis=1), dtype=np.int64)


def _mean(values: F64) -> float:
    there = values[~np.isnan(values)]  # a user without any answer has no novelty
    return float(there.mean()) if len(there) else 0.0
