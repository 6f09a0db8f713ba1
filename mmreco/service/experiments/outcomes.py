"""What became of what was shown: each event of a shopper counts for the newest list that showed its item.

An event counts for a list shown at most 24 hours before, of the experiments' clock: when the service received both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmreco.arrays import I64
from mmreco.service.events import Entry, EventStore
from mmreco.service.experiments.exposures import Exposure

__all__ = ["Outcomes", "outcomes"]

_WITHIN = 24 * 3_600_000  # milliseconds


class Outcomes(NamedTuple):
    """Exposures, the number of each one's user, and by kind of event how often each place earned one.

    Parameters
    ----------
    exposures : `n` in the order of time
    users : shape `(n,)`, int64
        The same number for the same user, from 0.
    earned : by kind of event, as many lists as exposures, as wide as what was shown
    """

    exposures: Sequence[Exposure]
    users: I64
    earned: dict[str, list[list[int]]]


def outcomes(store: EventStore, exposures: Sequence[Exposure], kinds: Sequence[str]) -> Outcomes:
    """Join what was shown with the events of these kinds."""
    number: dict[str, int] = {}
    users = np.array([number.setdefault(one.user_id, len(number)) for one in exposures], dtype=np.int64)
    earned = {kind: [[0] * len(one.items) for one in exposures] for kind in kinds}
    shown: dict[tuple[str, str], list[tuple[int, int, int]]] = {}  # by user and item: when, which list, which place
    for line, one in enumerate(exposures):
        for place, item in enumerate(one.items):
            shown.setdefault((one.user_id, item), []).append((one.received, line, place))
    for event in _events(store):
        if event.event not in earned or (event.weight or 0) <= 0:
            continue
        before = [one for one in shown.get((str(event.user_id), str(event.item_id)), ()) if one[0] <= event.received]
        if before and event.received - before[-1][0] <= _WITHIN:
            earned[str(event.event)][before[-1][1]][before[-1][2]] += 1
    return Outcomes(exposures, users, earned)


def _events(store: EventStore) -> "list[Entry]":
    found: list[Entry] = []
    last = 0
    while entries := store.after(last):
        found += [entry for entry in entries if entry.kind == "event"]
        last = entries[-1].sequence
    return found
