"""Holding out what came last: of each user, or from a moment on."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np

from mmreco.arguments import require_share, require_whole
from mmreco.arrays import I64, Bool
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.moment import moment_ms
from mmreco.errors import DataError
from mmreco.splitting.held_events import last_baskets
from mmreco.splitting.parting import events_of, holdout_of, parted, times_of
from mmreco.splitting.split import Split

__all__ = [
    "by_time",
    "leave_last_out",
    "rolling",
]


def leave_last_out(dataset: Dataset, *, n: int = 1) -> Split:
    """Training on all but each user's last `n` events, which are the targets.

    What a user did at one time is a set, e.g. the lines of an invoice, and counts as one: the last basket is held out
    as a whole. Events of weight 0 or below (a dislike, a return) are no targets: they stay in the history where they
    come before the targets, and are in neither part where they do not. A user with `n` events or fewer stays wholly in
    training and is not tested. Used once more on the training part it gives the validation set.

    Parameters
    ----------
    dataset : the shop, with a log
    n : 1 or more
        Targets a user, or baskets where several events have one time.

    Raises
    ------
    DataError
        `n` is below 1.

    Notes
    -----
    "Last" is by time and, where times are unknown, by the order of the log. Training may hold
    events of other users that are later than a target: use `by_time` where that matters.

    Each user is asked when the target came (`Holdout.at`), as in published comparisons of models that read times. A
    shop knows that moment when a page is opened, but not when a letter is written: `by_time` asks all at one moment.

    Examples
    --------
    >>> from mmreco import IdMap, Interactions
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> events = Interactions.from_histories([["hat", "coat", "scarf"], ["hat"]], items=shop)
    >>> leave_last_out(Dataset.from_interactions(events))
    Split(Dataset(3 items, 2 users, 3 events), Holdout(1 users, 1 targets))
    """
    events = events_of(dataset, "leave_last_out")
    n = require_whole("n", n)
    held, after = last_baskets(events, n)
    return parted(dataset, ~held & ~after, holdout_of(events.keep(held | ~after), held[held | ~after]))


def by_time(dataset: Dataset, at: datetime | str | float) -> Split:
    """Training on what happened before a moment; the targets are what the same users did from then on.

    Users first seen from `at` on are neither in training nor tested.

    Parameters
    ----------
    dataset : the shop, with a log that has times
    at : datetime, ISO text, int or float
        The moment: a datetime or ISO 8601 text (without a zone, it is UTC), a whole number of milliseconds since 1970
        UTC, or a share strictly between 0 and 1: the moment before which that share of the events lies (or
        slightly less, so that events of one moment stay together). All are asked then (`Holdout.at`).

    Raises
    ------
    DataError
        The events carry no times, `at` is not one of the three, or no event lies before or from `at` on.
    """
    events = events_of(dataset, "by_time")
    times = times_of(events, "by_time")
    moment = _moment(times, at)
    held: Bool = times >= moment
    if not held.any() or held.all():
        raise DataError(
            f"by_time: at={at!r} leaves {int((~held).sum())} events before and {int(held.sum())} from it on; "
            f"times span {_span(times)}"
        )
    return parted(dataset, ~held, holdout_of(events, held, at=moment), before=moment)


def rolling(dataset: Dataset, *, folds: int = 3, share: float = 0.1) -> Iterator[Split]:
    """Splits at several moments, oldest first: each is tested on the `share` of all events that comes next.

    Training grows from fold to fold, and no event of a later fold is in it. The last fold ends with the log.

    Parameters
    ----------
    dataset : the shop, with a log that has times
    folds : 1 or more
    share : above 0
        The share of the events that each fold is tested on; `folds * share` is below 1.

    Raises
    ------
    DataError
        A parameter is outside its range, the events carry no times, or a fold has nothing to learn or to ask.
    """
    events = events_of(dataset, "rolling")
    times = times_of(events, "rolling")
    folds = require_whole("folds", folds)
    if not 0 < require_share("share", share) * folds < 1:
        raise DataError(f"rolling: folds={folds}, share={share}; expected folds of 1 or more, folds * share below 1")
    return _rolled(dataset, events, times, folds, share)


def _rolled(dataset: Dataset, events: Interactions, times: I64, folds: int, share: float) -> Iterator[Split]:
    for fold in range(folds):
        begin = _moment(times, 1 - share * (folds - fold))
        end = None if fold == folds - 1 else _moment(times, 1 - share * (folds - fold - 1))
        so_far = events if end is None else events.keep(times < end)
        yield by_time(dataset.with_interactions(so_far), begin)


def _moment(times: I64, at: datetime | str | float) -> int:
    if isinstance(at, (float, np.floating)) and 0 < at < 1 and times.size:
        return int(np.partition(times, int(at * len(times)))[int(at * len(times))])
    if isinstance(at, (float, np.floating)):
        raise DataError(f"by_time: at={at!r}; expected a datetime, whole milliseconds, or a share between 0 and 1")
    return moment_ms(at)


def _span(times: I64) -> str:
    if not times.size:
        return "nothing"
    first, last = (np.datetime64(int(t), "ms") for t in (times.min(), times.max()))
    return f"{first} to {last} UTC ({int(times.min())} to {int(times.max())} ms)"
