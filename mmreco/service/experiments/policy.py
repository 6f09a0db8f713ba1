"""What an artefact that never ran would have earned, from what an experiment showed: IPS, SNIPS and doubly robust.

Of each list that was shown with known chances, and of no page, the artefact is asked what it would have put at each
place, given what the shopper had done by then. A place counts where both agree, by how unlikely the log was to show it:
the item-position estimator of Li et al., 2018, which takes a click to depend on the item and its place alone. Users are
drawn together.

The doubly robust estimate foretells a click by the item's rate at the place, drawn towards the place's own, from the
other half of the users. Where the log could never have shown what the artefact wants, nothing can be told: `support` is
the mean weight, about 1 where it always could, and the estimates are too low by as much as it is below.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmreco.arrays import F64, I64
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.request import Request
from mmreco.errors import DataError
from mmreco.evaluation.off_policy import OffPolicyEstimate, doubly_robust, ips, snips
from mmreco.recommender import Recommender
from mmreco.service.events import EventStore
from mmreco.service.experiments.exposures import Exposure, read_exposures
from mmreco.service.experiments.outcomes import Outcomes, outcomes
from mmreco.service.experiments.report import chosen_name
from mmreco.service.replay import replay

__all__ = ["PolicyValue", "policy_value"]

_BATCH = 100  # lists asked together
_PRIOR = 10.0  # showings that an item's rate at a place is drawn towards the place's own by


@dataclass(frozen=True)
class PolicyValue:
    """Events of one kind per place shown.

    Parameters
    ----------
    kind : of event
    lists : shown with known chances
    logged : what the lists that were shown earned
    support : the mean weight
    ips, snips, doubly_robust : what the artefact would have earned
    learnt : lists shown before the newest event the artefact was trained on: it may know their outcome
    """

    kind: str
    lists: int
    logged: float
    support: float
    ips: OffPolicyEstimate
    snips: OffPolicyEstimate
    doubly_robust: OffPolicyEstimate
    learnt: int

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        three = {"ips": self.ips, "snips": self.snips, "doubly robust": self.doubly_robust}
        shown = ", ".join(f"{name} {one.value:.4f} [{one.low:.4f}, {one.high:.4f}]" for name, one in three.items())
        words = f"{self.kind}s a place: {self.logged:.4f} as shown; of the artefact {shown}; support {self.support:.2f}"
        return words + (f"; it was trained on events after {self.learnt} of {self.lists} lists" if self.learnt else "")


def policy_value(
    recommender: Recommender, store: EventStore, name: str | None = None, *, kind: str = "click"
) -> PolicyValue:
    """What a recommender would have earned.

    Parameters
    ----------
    recommender : as it was loaded; what the store holds is taken in
    store : what was shown, and what came of it
    name : of the experiment, optional where there is one alone
    kind : of events

    Raises
    ------
    DataError
        There is no such experiment, none of its lists has known chances, or the artefact would have shown nothing of
        what was shown.
    """
    chosen = chosen_name(store, name)
    shown = [one for one in read_exposures(store, chosen) if one.page is None]  # a page is no list of one model's
    usable = [one for one in shown if None not in one.propensities]
    if not usable:
        raise DataError(f"experiment {chosen!r}: no list with known chances; give a variant explore = 0.05, say")
    trained = recommender.dataset.interactions.times
    newest = -1 if trained is None else int(trained.max(initial=-1))
    joined = outcomes(store, usable, [kind])
    replay(recommender, store)
    return value_of(joined, wanted(recommender, usable), kind, learnt=sum(one.received < newest for one in usable))


def wanted(recommender: Recommender, exposures: Sequence[Exposure]) -> list[list[str]]:
    """What the recommender would have put at the places of each list, given what came before it was shown."""
    model = recommender.as_model()
    log = model.state.log.merged(model.state.items)
    rows = log.users.rows([one.user_id for one in exposures], missing="mark")
    lists: list[list[str]] = []
    for start in range(0, len(exposures), _BATCH):
        some = exposures[start : start + _BATCH]
        histories = _before(log, rows[start : start + _BATCH], [one.received for one in some])
        width = max(len(one.items) for one in some)
        found = model.recommend(Request(histories, k=width, exclude_seen=not model.state.repeats)).ids(log.items)
        lists += [ids[: len(one.items)] for one, ids in zip(some, found, strict=True)]
    return lists


def _before(log: Interactions, rows: I64, moments: Sequence[int]) -> Interactions:
    """The histories at these rows, -1 for nobody, each up to its moment; a line each, also where users are the same."""
    places, lengths = [np.zeros(0, dtype=np.int64)], []
    for row, moment in zip(rows.tolist(), moments, strict=True):
        own = np.arange(log.starts[row], log.starts[row + 1]) if row >= 0 else np.zeros(0, dtype=np.int64)
        own = own if log.times is None else own[log.times[own] < moment]
        places.append(own)
        lengths.append(len(own))
    flat = np.concatenate(places)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return log.regrouped(IdMap.of([str(line) for line in range(len(rows))]), starts, flat)


def value_of(joined: Outcomes, lists: Sequence[Sequence[str]], kind: str, *, learnt: int = 0) -> PolicyValue:
    """The estimates of what would have put `lists` where the exposures put theirs."""
    exposures = joined.exposures
    items: dict[str, int] = {}
    shown, target = (
        [items.setdefault(i, len(items)) for one in every for i in one]
        for every in (
            [one.items for one in exposures],
            [
                [*one[: len(e.items)], *[""] * (len(e.items) - len(one))]
                for e, one in zip(exposures, lists, strict=True)
            ],
        )
    )
    at = np.array([place for one in exposures for place in range(len(one.items))], dtype=np.int64)
    users = np.repeat(joined.users, [len(one.items) for one in exposures])
    rewards = np.array([got for line in joined.earned[kind] for got in line], dtype=np.float64)
    logged = np.array([chance for one in exposures for chance in one.propensities], dtype=np.float64)
    did, would = np.array(shown, dtype=np.int64), np.array(target, dtype=np.int64)
    agreed = (did == would).astype(np.float64)
    predicted, expected = _foretold(rewards, did, would, at, users % 2, len(items))
    expected = np.where(would == items.get("", -1), 0.0, expected)
    return PolicyValue(
        kind,
        len(exposures),
        float(rewards.mean()),
        float((agreed / logged).mean()),
        ips(rewards, logged, agreed, groups=users),
        snips(rewards, logged, agreed, groups=users),
        doubly_robust(rewards, logged, agreed, predicted=predicted, expected=expected, groups=users),
        learnt,
    )


def _foretold(rewards: F64, did: I64, would: I64, at: I64, half: I64, n_items: int) -> tuple[F64, F64]:
    """Of what was shown and of what is wanted, the rate in the other half of the users."""
    width = int(at.max(initial=0)) + 1
    predicted, expected = np.zeros(len(rewards)), np.zeros(len(rewards))
    for own in (0, 1):
        other, mine = half != own, half == own
        cell = did[other] * width + at[other]
        seen = np.bincount(cell, minlength=n_items * width)
        got = np.bincount(cell, weights=rewards[other], minlength=n_items * width)
        times = np.bincount(at[other], minlength=width)
        by_place = np.bincount(at[other], weights=rewards[other], minlength=width) / np.maximum(times, 1)
        rates = (got + _PRIOR * np.tile(by_place, n_items)) / (seen + _PRIOR)
        predicted[mine], expected[mine] = rates[did[mine] * width + at[mine]], rates[would[mine] * width + at[mine]]
    return predicted, expected
