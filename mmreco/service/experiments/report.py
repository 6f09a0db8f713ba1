"""What an experiment says: each variant's figures with intervals, whether the split is right, who won the drafts.

Users are what is drawn by chance, so users are what is counted: the share of users with a click has Wilson's interval,
clicks a user the percentile bootstrap over users, and a variant's difference from the first Newcombe's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from mmreco.arrays import F64
from mmreco.errors import DataError
from mmreco.evaluation.interleaving import Credit, credit
from mmreco.evaluation.proportions import Interval, difference, sample_ratio, wilson
from mmreco.evaluation.significance import bootstrap
from mmreco.service.events import EventStore
from mmreco.service.experiments.exposures import names, read_exposures
from mmreco.service.experiments.outcomes import Outcomes, outcomes

__all__ = ["ExperimentReport", "Figures", "MISMATCH", "VariantReport", "experiment_report"]

MISMATCH = 0.001  # below this chance the split is not the one that was asked for


@dataclass(frozen=True)
class Figures:
    """Of one kind of event: the share of users with one, how many a user, and the share less that of the first."""

    users: Interval
    rate: Interval
    difference: Interval | None


@dataclass(frozen=True)
class VariantReport:
    """One variant: users that were shown something, lists they were shown, and figures by kind of event."""

    name: str
    share: float
    users: int
    exposures: int
    figures: Mapping[str, Figures]


@dataclass(frozen=True)
class ExperimentReport:
    """An experiment's figures.

    Parameters
    ----------
    name : of the experiment
    level : share of intervals that hold the truth
    variants : in the order of the settings
    sample_ratio : the chance of such a split, if users are assigned by the shares; 1 for what is interleaved
    crossed : users who were shown two variants: shares were changed meanwhile
    drafts : who won, by kind of event, counted by users; empty unless interleaved
    """

    name: str
    level: float
    variants: Sequence[VariantReport]
    sample_ratio: float
    crossed: int
    drafts: Mapping[str, Credit]

    @property
    def mismatch(self) -> bool:
        """Whether the split cannot be right, so that no figure counts."""
        return self.sample_ratio < MISMATCH

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, intervals as `value`, `low` and `high`."""
        plain: dict[str, Any] = _plain(self)
        return {**plain, "mismatch": self.mismatch}

    def __str__(self) -> str:
        lines = [f"experiment {self.name}, {self.level:.0%} intervals"]
        for one in self.variants:
            lines.append(f"{one.name}: {one.users} users, {one.exposures} lists and pages shown")
            for kind, figures in one.figures.items():
                words = f"  users with a {kind} {_shown(figures.users)}, {kind}s a user {_shown(figures.rate)}"
                lines.append(words if figures.difference is None else f"{words}, {_verdict(figures.difference)}")
        for kind, won in self.drafts.items():
            lines.append(
                f"users whose {kind}s went to the first: {won.first}, to the second: {won.second}, to both alike: "
                f"{won.ties}; share of the second {_shown(won.share)}"
            )
        if self.mismatch:
            lines.append(f"SAMPLE RATIO MISMATCH: p={self.sample_ratio:.2g}; the split is wrong, and no figure counts")
        else:
            lines.append(f"sample ratio: p={self.sample_ratio:.2g}, as it should be")
        if self.crossed:
            lines.append(f"{self.crossed} users were shown two variants; were shares changed?")
        return "\n".join(lines)


def experiment_report(
    store: EventStore, name: str | None = None, *, kinds: Sequence[str] = ("click", "purchase"), level: float = 0.95
) -> ExperimentReport:
    """The figures of an experiment.

    Parameters
    ----------
    store : what was shown, and what came of it
    name : optional where the store knows one experiment alone
    kinds : of events that count
    level : between 0 and 1
        Of the intervals.

    Raises
    ------
    DataError
        There is no such experiment, or several and no name.
    """
    chosen = chosen_name(store, name)
    joined = outcomes(store, read_exposures(store, chosen), kinds)
    return report_of(chosen, joined, level=level)


def report_of(name: str, joined: Outcomes, *, level: float = 0.95) -> ExperimentReport:
    """The figures of exposures that were joined with their outcomes."""
    placed = sorted({(one.place, one.variant): one.share for one in joined.exposures}.items())
    order = list({variant: share for (_, variant), share in placed}.items())
    n_users = int(joined.users.max(initial=-1)) + 1
    of_variant: dict[str, F64] = {}
    counts: dict[str, dict[str, F64]] = {kind: {} for kind in joined.earned}
    for variant, _ in order:
        own = np.array([one.variant == variant for one in joined.exposures], dtype=bool)
        of_variant[variant] = np.bincount(joined.users[own], minlength=n_users).astype(np.float64)
        for kind, earned in joined.earned.items():
            sums = np.array([sum(line) for line in earned], dtype=np.float64)
            counts[kind][variant] = np.bincount(joined.users[own], weights=sums[own], minlength=n_users).astype(
                np.float64
            )
    reports: list[VariantReport] = []
    for variant, share in order:
        there = of_variant[variant] > 0
        figures = {}
        for kind in joined.earned:
            mine = counts[kind][variant][there]
            base = counts[kind][order[0][0]][of_variant[order[0][0]] > 0]
            hits, base_hits = int((mine > 0).sum()), int((base > 0).sum())
            low, high = bootstrap(mine[None], level=level)[0].tolist()
            apart = difference(hits, len(mine), base_hits, len(base), level=level)
            figures[kind] = Figures(
                wilson(hits, len(mine), level=level),
                Interval(float(mine.mean()), low, high),
                None if variant == order[0][0] else apart,
            )
        reports.append(VariantReport(variant, share, int(there.sum()), int(of_variant[variant].sum()), figures))
    crossed = int(((np.stack(list(of_variant.values())) > 0).sum(axis=0) > 1).sum())
    unseen = [1 - sum(one.share for one in reports)]  # of variants that nobody was shown
    unseen = unseen if unseen[0] > 1e-9 else []
    seen = [one.users for one in reports] + [0] * len(unseen)
    ratio = sample_ratio(seen, [one.share for one in reports] + unseen)
    drafts = {kind: _draft(joined, earned, n_users, level) for kind, earned in joined.earned.items()}
    return ExperimentReport(
        name, level, reports, ratio, crossed, {kind: won for kind, won in drafts.items() if won is not None}
    )


def chosen_name(store: EventStore, name: str | None) -> str:
    """The experiment of this name, or the one there is.

    Raises
    ------
    DataError
        There is no such experiment, or several and no name.
    """
    there = names(store)
    if name is None and len(there) == 1:
        return there[0]
    if name is None or name not in there:
        known = ", ".join(map(repr, there)) or "none"
        raise DataError(f"experiment {name!r}: the store knows {known}; give the name of one that has run")
    return name


def _draft(joined: Outcomes, earned: Sequence[Sequence[int]], n_users: int, level: float) -> Credit | None:
    """Who won, a line a user: what the items of each team earned."""
    by_team = np.zeros((n_users, 2), dtype=np.int64)
    drafted = False
    for user, one, line in zip(joined.users, joined.exposures, earned, strict=True):
        for team, got in zip(one.teams or (), line, strict=False):
            drafted = True
            if team >= 0:
                by_team[user, team] += got
    return credit(np.tile([0, 1], (n_users, 1)), by_team, level=level) if drafted else None


def _shown(one: Interval) -> str:
    return f"{one.value:.4f} [{one.low:.4f}, {one.high:.4f}]"


def _verdict(one: Interval) -> str:
    word = "more" if one.low > 0 else "fewer" if one.high < 0 else "no difference shown"
    return f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}] to the first: {word}"


def _plain(given: Any) -> Any:
    if isinstance(given, (Interval, Credit)):
        return {name: _plain(one) for name, one in given._asdict().items()}
    if is_dataclass(given):
        return {field.name: _plain(getattr(given, field.name)) for field in fields(given)}
    if isinstance(given, Mapping):
        return {name: _plain(one) for name, one in given.items()}
    return [_plain(one) for one in given] if isinstance(given, (list, tuple)) else given
