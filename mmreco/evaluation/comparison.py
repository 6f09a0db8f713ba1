"""Comparison: several models on one split, with how sure each difference is."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from mmreco.arrays import F64, I64
from mmreco.errors import DataError
from mmreco.evaluation.report import Report
from mmreco.evaluation.significance import bootstrap, holm, paired
from mmreco.splitting import Holdout

__all__ = ["Comparison", "Result"]

LEVEL = 0.05  # below this a difference is taken to be real


@dataclass(frozen=True, eq=False)
class Result:
    """What one model did.

    Parameters
    ----------
    report : its figures
    fit_seconds : how long it took to be fitted
    memory_mb : how far memory rose meanwhile, in MiB; NaN where that cannot be told
    rows : shape `(s, k)`
        What it answered to the shoppers shown side by side, -1 where nothing.
    """

    report: Report
    fit_seconds: float
    memory_mb: float
    rows: I64

    @property
    def users_per_second(self) -> float:
        """Users answered a second, batches as `evaluate` makes them."""
        return self.report.n / max(self.report.seconds, 1e-9)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Several models on one split: figures, intervals, tests, costs, and which differences are noise.

    Made by `compare`.

    Parameters
    ----------
    results : by model's name, best first by `metric`
    failed : the models that could not be fitted or asked, with what they said
    test : what they were asked
    metric : the figure that is tested, e.g. "ndcg@10"
    baseline : the model that all are compared with, or None
    seed : of the draws of intervals and tests
    shown : shape `(s,)`
        The lines of `test` whose answers are kept, to be looked at.

    Raises
    ------
    DataError
        No model is left to compare.
    """

    results: Mapping[str, Result]
    failed: Mapping[str, str]
    test: Holdout
    metric: str
    baseline: str | None
    seed: int
    shown: I64

    def __post_init__(self) -> None:
        if not self.results:
            reasons = "; ".join(f"{name}: {why}" for name, why in self.failed.items())
            raise DataError(f"compare: no model is left to compare ({reasons or 'none was given'})")
        best = sorted(self.results, key=lambda name: -self.results[name].report[self.metric])
        object.__setattr__(self, "results", MappingProxyType({name: self.results[name] for name in best}))
        object.__setattr__(self, "failed", MappingProxyType(dict(self.failed)))

    @property
    def names(self) -> list[str]:
        """The models, best first."""
        return list(self.results)

    @property
    def reports(self) -> dict[str, Report]:
        """The figures of each model, best first."""
        return {name: result.report for name, result in self.results.items()}

    def intervals(self, metric: str | None = None) -> dict[str, tuple[float, float]]:
        """The 95 % bootstrap interval of each model's mean over users.

        Parameters
        ----------
        metric : one with a figure a user, e.g. "recall@10", optional
            The tested one when omitted.

        Raises
        ------
        DataError
            There is no such metric, or it has no figure a user.
        """
        if metric is None or metric == self.metric:
            return self._intervals
        return self._drawn(metric)

    @cached_property
    def p_baseline(self) -> dict[str, float]:
        """How likely chance sets each model as far from the baseline, Holm-corrected; the baseline is not in it.

        Of both sides: a model significantly below the baseline has a small value too.
        """
        if self.baseline is None or self.baseline not in self.results:
            return {}
        own = self.names.index(self.baseline)
        others = [n for n in range(len(self.names)) if n != own]
        corrected = holm(self._raw[own, others])
        return {self.names[n]: float(p) for n, p in zip(others, corrected, strict=True)}

    @cached_property
    def p_pairs(self) -> F64:
        """How likely chance sets each two models as far apart, shape `(m, m)` in the order of `names`.

        Holm-corrected over all pairs; 1 on the diagonal.
        """
        upper = np.triu_indices(len(self.names), k=1)
        out = np.ones((len(self.names), len(self.names)))
        out[upper] = holm(self._raw[upper])
        out.T[upper] = out[upper]
        return out

    def verdict(self) -> list[str]:
        """What the tests say, in sentences: which models are above the baseline, and which differences are noise."""
        sentences = []
        if self.baseline is not None and self.baseline in self.results:
            sentences += self._against(self.baseline, self.results[self.baseline].report[self.metric])
        best, *others = self.names
        alike = [n for n in range(1, len(self.names)) if self.p_pairs[0, n] >= LEVEL]
        of = f"{best} has the highest {self.metric}, {self._figure(best)}"
        if not others:
            sentences.append(f"{of}; there is nothing to hold it against.")
        elif not alike:
            worst = float(self.p_pairs[0, 1:].max())
            rest = others[0] if len(others) == 1 else "every other model"
            sentences.append(f"{of}, and its lead on {rest} is real ({_p(worst)}{' at most' if others[1:] else ''}).")
        else:
            named = [f"{self.names[n]} ({_p(float(self.p_pairs[0, n]))})" for n in alike]
            names = " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
            sentences.append(
                f"{of}, but its lead on {names} is noise: other users of the same kind could reverse the order."
            )
        for upper, lower in zip(range(1, len(self.names)), range(2, len(self.names)), strict=False):
            p = float(self.p_pairs[upper, lower])
            above, below = self.names[upper], self.names[lower]
            if self.baseline in (above, below):
                continue  # said already, in a family of fewer tests
            gap = self.results[above].report[self.metric] - self.results[below].report[self.metric]
            word = "is noise" if p >= LEVEL else "is real"
            sentences.append(f"{above} before {below}, by {gap:.4f}, {word} ({_p(p)}).")
        sentences += [f"{name} failed: {why}" for name, why in self.failed.items()]
        return sentences

    def table(self) -> str:
        """Plain text: a line a model, best first."""
        cut = self.metric.partition("@")[2]
        columns = [f"{name}@{cut}" for name in ("recall", "mrr", "coverage", "novelty")]
        against = f"p {self.baseline}" if self.p_baseline else ""
        head = ["model", self.metric, "95 % interval", *columns, against, "fit s", "users/s", "MiB"]
        lines = [head]
        for name, result in self.results.items():
            low, high = self.intervals()[name]
            lines.append(
                [
                    name,
                    self._figure(name),
                    f"{low:.4f} to {high:.4f}",
                    *(f"{result.report[c]:.4f}" if c in result.report else "" for c in columns),
                    _bare(self.p_baseline[name]) if name in self.p_baseline else "",
                    f"{result.fit_seconds:.1f}",
                    f"{result.users_per_second:,.0f}",
                    "" if np.isnan(result.memory_mb) else f"{result.memory_mb:,.0f}",
                ]
            )
        filled = [n for n in range(len(head)) if any(line[n] for line in lines[1:])]
        width = {n: max(len(line[n]) for line in lines) for n in filled}
        rows = ["  ".join(f"{line[n]:{'>' if n else '<'}{width[n]}}" for n in filled).rstrip() for line in lines]
        return "\n".join(rows)

    def __repr__(self) -> str:
        headline = f"{len(self.names)} models, {next(iter(self.results.values())).report.n} users"
        return "\n".join([headline, self.table(), *self.verdict()])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, by model: `metric`, `interval`, `p_random` (against the baseline), times and memory.

        `p_random` is None for the baseline itself, and where there is none.
        """
        return {
            name: {
                self.metric: round(result.report[self.metric], 6),
                "interval": [round(end, 6) for end in self.intervals()[name]],
                "p_random": self.p_baseline.get(name),
                "fit_seconds": round(result.fit_seconds, 3),
                "users_per_second": round(result.users_per_second, 1),
                "memory_mb": None if np.isnan(result.memory_mb) else round(result.memory_mb, 1),
                "figures": {n: round(v, 6) for n, v in result.report.items()},
                "segments": {s: dict(part) for s, part in result.report.segments.items()},
            }
            for name, result in self.results.items()
        }

    # ---- drawn once

    @cached_property
    def _intervals(self) -> dict[str, tuple[float, float]]:
        return self._drawn(self.metric)

    @cached_property
    def _raw(self) -> F64:
        return paired(self._lines(self.metric), seed=self.seed)

    def _drawn(self, metric: str) -> dict[str, tuple[float, float]]:
        ends = bootstrap(self._lines(metric), seed=self.seed)
        return {name: (float(low), float(high)) for name, (low, high) in zip(self.names, ends, strict=True)}

    def _lines(self, metric: str) -> F64:
        """Each user's figure, shape `(m, n)`."""
        lacking = [name for name, report in self.reports.items() if metric not in report.per_user]
        if lacking:
            there = ", ".join(self.reports[lacking[0]].per_user)
            raise DataError(f"{metric!r} has no figure a user in the report of {lacking[0]}; there are {there}")
        return np.stack([report.per_user[metric] for report in self.reports.values()])

    def _figure(self, name: str) -> str:
        return f"{self.results[name].report[self.metric]:.4f}"

    def _against(self, baseline: str, level: float) -> list[str]:
        """The sentences about the baseline."""
        real = {name for name, p in self.p_baseline.items() if p < LEVEL}
        above = [name for name in real if self.results[name].report[self.metric] > level]
        below = [name for name in self.p_baseline if name in real and name not in above]
        alike = [name for name in self.p_baseline if name not in real]
        sentences = []
        if above and not below and not alike:
            sentences.append(f"Every model is above {baseline} ({_p(max(self.p_baseline.values()))} at most).")
        elif above:
            sentences.append(f"{len(above)} of {len(self.p_baseline)} models are above {baseline}.")
        if alike:
            sentences.append(f"Cannot be told from {baseline}: {', '.join(alike)}.")
        if below:
            sentences.append(f"Below {baseline}: {', '.join(below)}.")
        return sentences


def _bare(p: float) -> str:
    return f"{p:.4f}" if p >= 0.001 else f"{p:.0e}"


def _p(p: float) -> str:
    return f"p = {_bare(p)}"
