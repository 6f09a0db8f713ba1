"""Holding out what a model must not see: by last event, by time, by chance, by user, by item, by modality.

Every split answers `(train, holdout)`. Two rules hold for all of them: `train.items` is the whole item map,
so that rows mean the same on both sides; and `train` keeps only users with at least one training event, so
that nobody trains on an empty history by accident. A user is tested only with something to go by: whoever
would have an empty history is left out of the holdout (count them as `len(events) - len(holdout)`), but for
`cold_users` asked with nothing shown.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from mmreco.arrays import I64, Bool, frozen
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError

__all__ = [
    "Holdout",
    "by_time",
    "by_user",
    "cold_items",
    "cold_users",
    "leave_last_out",
    "missing_modality",
    "random_events",
]


@dataclass(frozen=True, eq=False, repr=False)
class Holdout:
    """What is asked of a model and what it should have answered, a user a line.

    Parameters
    ----------
    histories : `n` users
        What the model may know of each user.
    targets : the same `n` users in the same order
        What the user turned to.

    Raises
    ------
    IncompatibleError
        The two do not speak of the same users in the same order, or not of the same items.
    """

    histories: Interactions
    targets: Interactions

    def __post_init__(self) -> None:
        if self.histories.users != self.targets.users:
            raise IncompatibleError(
                f"holdout: histories of {len(self.histories)} users and targets of {len(self.targets)} users differ; "
                "expected the same users in the same order (take the same rows of both)"
            )
        if self.histories.items != self.targets.items:
            raise IncompatibleError(
                f"holdout: histories over {len(self.histories.items)} items, targets over "
                f"{len(self.targets.items)}; expected the same items"
            )

    def __len__(self) -> int:
        """The number of users asked about."""
        return len(self.histories)

    def __repr__(self) -> str:
        return f"Holdout({len(self)} users, {self.targets.n_events} targets)"

    def take(self, rows: npt.ArrayLike) -> "Holdout":
        """The users at these rows, in this order; on both sides."""
        asked = np.asarray(rows, dtype=np.int64)
        return Holdout(self.histories.take(asked), self.targets.take(asked))


def leave_last_out(events: Interactions, *, n: int = 1) -> tuple[Interactions, Holdout]:
    """Training on all but each user's last `n` events, which are the targets.

    A user with `n` events or fewer stays wholly in training and is not tested. Used once more on the
    training part it gives the validation set.

    Parameters
    ----------
    n : 1 or more
        Targets a user.

    Raises
    ------
    DataError
        `n` is below 1.

    Notes
    -----
    "Last" is by time and, where times are equal or unknown, by the order of the log. Training may hold
    events of other users that are later than a target: use `by_time` where that matters.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> events = Interactions.from_histories([["hat", "coat", "scarf"], ["hat"]], items=shop)
    >>> train, test = leave_last_out(events)
    >>> train, test
    (Interactions(2 users, 3 events, 3 items), Holdout(1 users, 1 targets))
    """
    if n < 1:
        raise DataError(f"n={n}: expected 1 or more targets a user")
    held = last_events(events, n) & (events.lengths > n)[events.users_flat]
    return _trained(events.keep(~held)), _asked(events, held)


def by_time(events: Interactions, at: datetime | float) -> tuple[Interactions, Holdout]:
    """Training on what happened before a moment; the targets are what the same users did from then on.

    Users first seen from `at` on are neither in training nor tested.

    Parameters
    ----------
    at : datetime, int or float
        The moment: a datetime (without a zone, it is UTC), a whole number of milliseconds since 1970 UTC,
        or a share strictly between 0 and 1: the moment before which that share of the events lies (or
        slightly less, so that events of one moment stay together).

    Raises
    ------
    DataError
        The events carry no times, `at` is none of the three, or no event lies before or from `at` on.
    """
    if events.times is None:
        raise DataError("by_time: these events carry no times; expected a column timestamp in their log")
    moment = _moment(events.times, at)
    held: Bool = events.times >= moment
    if not held.any() or held.all():
        raise DataError(
            f"by_time: at={at!r} leaves {int((~held).sum())} events before and {int(held.sum())} from it on; "
            f"times span {_span(events.times)}"
        )
    return _trained(events.keep(~held)), _asked(events, held)


def by_user(events: Interactions, *, share: float = 0.1, seed: int = 0) -> tuple[Interactions, Holdout]:
    """Training without a share of the users; these strangers are asked about, and their last event is the target.

    Drawn among users with 2 events or more; the number is rounded, and at least 1.

    Parameters
    ----------
    share : between 0 and 1, exclusive
        How many of those users are held out.

    Raises
    ------
    DataError
        `share` is not between 0 and 1, or there are fewer than 2 users with 2 events.
    """
    drawn = _drawn("by_user", np.flatnonzero(events.lengths > 1), "users with 2 events or more", share, seed)
    rest = np.setdiff1d(np.arange(len(events)), drawn)
    strangers = events.take(drawn)
    return _trained(events.take(rest)), _asked(strangers, last_events(strangers, 1))


def cold_items(events: Interactions, *, share: float = 0.1, seed: int = 0) -> tuple[Interactions, Holdout, Bool]:
    """Training without any event on a share of the items, and what came before a user's last event on one of them.

    A tested user's target is his last event on a cold item, his history what he did with other items before it; what he
    did later is nowhere, as it would tell training what suited him then. Users with nothing before it are left out.

    Parameters
    ----------
    share : between 0 and 1, exclusive
        How many of the items that have events turn cold; the number is rounded, and at least 1.

    Returns
    -------
    train, holdout, cold
        `cold`, shape `(n_items,)`, says which items were held out; it serves as `where=` to rank the cold
        items among themselves. Items without events were cold already and are False in it.

    Raises
    ------
    DataError
        `share` is not between 0 and 1, or there are fewer than 2 items with events.
    """
    drawn = _drawn("cold_items", np.flatnonzero(events.counts()), "items with events", share, seed)
    cold = np.zeros(len(events.items), dtype=np.bool_)
    cold[drawn] = True
    held, place = cold[events.items_flat], np.arange(events.n_events)
    asked = np.full(len(events), -1)  # each user's last event on a cold item
    np.maximum.at(asked, events.users_flat[held], place[held])
    since = place - asked[events.users_flat]  # (e,), 0 at the event asked for
    before = ~held & (since < 0)
    tested = np.bincount(events.users_flat[before], minlength=len(events)) > 0
    holdout = Holdout(events.keep(before), events.keep(since == 0)).take(np.flatnonzero(tested))
    mask: Bool = frozen(cold, np.bool_)
    return _trained(events.keep(before | (~held & ~tested[events.users_flat]))), holdout, mask


def random_events(events: Interactions, *, share: float = 0.2, seed: int = 0) -> tuple[Interactions, Holdout]:
    """Training without a random share of each user's events, which are the targets, whenever they happened.

    Parameters
    ----------
    share : between 0 and 1, exclusive
        How many of a user's events are held out; the number is rounded, and at least 1. A user with one event
        stays wholly in training and is not tested, and everybody keeps at least one.

    Raises
    ------
    DataError
        `share` is not between 0 and 1.

    Notes
    -----
    The usual split of the collaborative filtering literature. It tells the model what happened after its targets, so
    its figures are rosier than those of `by_time`. An item that a user met twice can be on both sides.
    """
    if not 0 < share < 1:
        raise DataError(f"random_events: share={share!r}; expected a number between 0 and 1")
    chosen = drawn_events(events, share, seed)
    return _trained(events.keep(~chosen)), _asked(events, chosen)


def cold_users(
    events: Interactions, *, share: float = 0.1, shown: int = 0, seed: int = 0
) -> tuple[Interactions, Holdout]:
    """Training without a share of the users, of whom the first `shown` events are told and the next is the target.

    Where `by_user` tells all but the last event of a stranger, this asks about him when he has just come.

    Parameters
    ----------
    share : between 0 and 1, exclusive
        How many of the users with more than `shown` events are held out; the number is rounded, and at least 1.
    shown : 0 or more
        Events of their history; with 0 it is empty, and nothing is known of them at all.

    Raises
    ------
    DataError
        `share` is not between 0 and 1, `shown` is below 0, or there are fewer than 2 users with more than `shown`
        events.
    """
    if shown < 0:
        raise DataError(f"cold_users: shown={shown}; expected 0 or more events that are told")
    able = np.flatnonzero(events.lengths > shown)
    drawn = _drawn("cold_users", able, f"users with more than {shown} events", share, seed)
    rest = np.setdiff1d(np.arange(len(events)), drawn)
    strangers = events.take(drawn)
    place = np.arange(strangers.n_events) - strangers.starts[strangers.users_flat]
    asked = Holdout(strangers.keep(place < shown), strangers.keep(place == shown))
    return _trained(events.take(rest)), asked


def missing_modality(content: Embeddings, *, share: float = 0.5, seed: int = 0) -> Embeddings:
    """The vectors without a random share of them, as if those items had no picture, or no text.

    What a model loses when its content is full of holes: fit it on this instead, on the same split.

    Parameters
    ----------
    share : between 0 and 1, exclusive
        How many vectors are taken away; the number is rounded, at least 1, and at least one stays.

    Raises
    ------
    DataError
        `share` is not between 0 and 1, or there are fewer than 2 vectors.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> pictures = Embeddings(IdMap.of(["a", "b", "c", "d"]), np.eye(4, dtype=np.float32))
    >>> missing_modality(pictures, share=0.5)
    Embeddings(2 x 4)
    """
    lost = _drawn("missing_modality", np.arange(len(content)), "vectors", share, seed)
    kept = np.setdiff1d(np.arange(len(content)), lost)
    return Embeddings(content.ids.take(kept), content.vectors[kept], content.fingerprint)


def last_events(events: Interactions, n: int) -> Bool:
    """Which events are among their user's last `n`, shape `(e,)`."""
    last: Bool = np.repeat(events.starts[1:], events.lengths) - np.arange(events.n_events) <= n  # (e,)
    return last


def drawn_events(events: Interactions, share: float, seed: int) -> Bool:
    """A random `share` of each user's events, at least one and never all, shape `(e,)`."""
    held = np.minimum(np.maximum(np.rint(share * events.lengths), 1), events.lengths - 1)  # (n,)
    luck = np.random.default_rng(seed).random(events.n_events)
    order = np.lexsort((luck, events.users_flat))
    place = np.empty(events.n_events, dtype=np.int64)  # of each event among its user's, by luck
    place[order] = np.arange(events.n_events) - events.starts[events.users_flat]
    chosen: Bool = place < held[events.users_flat]
    return chosen


def _trained(events: Interactions) -> Interactions:
    """`events` without the users who have none."""
    known = events.lengths > 0
    return events if known.all() else events.take(np.flatnonzero(known))


def _asked(events: Interactions, held: Bool) -> Holdout:
    """The users with events on both sides of `held`, shape `(e,)`."""
    targets, histories = events.keep(held), events.keep(~held)
    both = np.flatnonzero((targets.lengths > 0) & (histories.lengths > 0))
    return Holdout(histories.take(both), targets.take(both))


def _drawn(split: str, rows: I64, what: str, share: float, seed: int) -> I64:
    if not 0 < share < 1:
        raise DataError(f"{split}: share={share!r}; expected a number between 0 and 1")
    if len(rows) < 2:
        raise DataError(f"{split}: {len(rows)} {what}; expected 2 or more")
    count = min(max(1, round(share * len(rows))), len(rows) - 1)
    return np.sort(np.random.default_rng(seed).choice(rows, size=count, replace=False))


def _moment(times: I64, at: datetime | float) -> int:
    if isinstance(at, datetime):
        aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return int((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    if isinstance(at, (int, np.integer)) and not isinstance(at, bool):
        return int(at)
    if isinstance(at, (float, np.floating)) and 0 < at < 1 and times.size:
        return int(np.partition(times, int(at * len(times)))[int(at * len(times))])
    raise DataError(f"by_time: at={at!r}; expected a datetime, whole milliseconds, or a share between 0 and 1")


def _span(times: I64) -> str:
    if not times.size:
        return "nothing"
    first, last = (np.datetime64(int(t), "ms") for t in (times.min(), times.max()))
    return f"{first} to {last} UTC ({int(times.min())} to {int(times.max())} ms)"
