"""Holding out what a model must not see: by last event, by time, by chance, by user, by item, by modality.

Every splitter answers a `Split`. Three rules hold for all of them. `train` has the whole catalogue, so that rows mean
the same on both sides. `train` keeps only users with at least one training event, so that nobody trains on an empty
history by accident. And what was written about a held-out event is not in `train.reviews`. A user is tested only with
something to go by: a user who would have an empty history is left out of the test, but for `cold_users` asked with
nothing shown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from mmreco.arguments import listed, require_share, require_whole
from mmreco.arrays import I64, Bool, frozen
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.users import Users
from mmreco.errors import DataError, IncompatibleError

__all__ = [
    "Holdout",
    "Split",
    "by_time",
    "by_user",
    "cold_items",
    "cold_users",
    "leave_last_out",
    "missing_modality",
    "moment_ms",
    "random_events",
    "rolling",
]


@dataclass(frozen=True, eq=False, repr=False)
class Holdout:
    """Histories to recommend for, and what each of these users did next, a user a line.

    Parameters
    ----------
    histories : `n` users
        What the model may know of each user.
    targets : the same `n` users in the same order
        What the user turned to; events of weight 0 or below, e.g. a dislike or a return, are left out.
    at : shape `(n,)`, milliseconds since 1970 UTC, optional
        When each is asked; for models that read it (see `Request.at`).

    Raises
    ------
    IncompatibleError
        The two do not speak of the same users in the same order, or not of the same items.
    DataError
        `at` is not one whole number a user.
    """

    histories: Interactions
    targets: Interactions
    at: I64 | None = None

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
        if self.at is not None:
            given = np.asarray(self.at)
            if given.dtype.kind not in "iu" or given.shape != (len(self.histories),):
                raise DataError(
                    f"holdout: at is {given.dtype} of shape {given.shape}; expected whole milliseconds since 1970 UTC, "
                    f"shape ({len(self.histories)},)"
                )
            object.__setattr__(self, "at", frozen(given, np.int64))
        wanted = self.targets.weights > 0
        if not wanted.all():
            object.__setattr__(self, "targets", self.targets.keep(wanted))

    @classmethod
    def of(cls, histories: Sequence[Sequence[str]], targets: Sequence[Sequence[str]], *, items: IdMap) -> "Holdout":
        """The holdout of plain lists of item ids, one history and one list of targets a user.

        Raises
        ------
        DataError
            There are not as many lists of targets as histories, or a list is a string.
        """
        histories, targets = listed("histories", histories), listed("targets", targets)
        if len(histories) != len(targets):
            raise DataError(f"holdout: {len(targets)} lists of targets for {len(histories)} histories")
        both = [Interactions.from_histories(lists, items=items) for lists in (histories, targets)]
        return cls(both[0], both[1])

    def __len__(self) -> int:
        """The number of users asked about."""
        return len(self.histories)

    def __repr__(self) -> str:
        return f"Holdout({len(self)} users, {self.targets.n_events} targets)"

    def take(self, rows: Sequence[int] | I64) -> "Holdout":
        """The users at these rows, in this order; on both sides.

        Raises
        ------
        DataError
            `rows` are no whole numbers, e.g. a mask, or one is outside the users.
        """
        histories, targets = self.histories.take(rows), self.targets.take(rows)
        return Holdout(histories, targets, None if self.at is None else self.at[np.asarray(rows, dtype=np.int64)])


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """A training set, a test set, and the items that may be answered.

    Parameters
    ----------
    train : what is learnt from
    test : histories, and what each of these users turned to
    candidates : shape `(n_items,)` of bool, optional
        Items that may be answered; all when None.

    Raises
    ------
    IncompatibleError
        `test` is over other items than `train`.
    DataError
        `candidates` is not a mask over the items.
    """

    train: Dataset
    test: Holdout
    candidates: Bool | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.train, Dataset) or not isinstance(self.test, Holdout):
            raise DataError(
                f"split: a {type(self.train).__name__} and a {type(self.test).__name__}; expected a Dataset "
                "to learn from and a Holdout to ask"
            )
        n_items = len(self.train.items)
        if self.test.histories.items != self.train.items:
            raise IncompatibleError(
                f"split: train has {n_items} items, the test is over {len(self.test.histories.items)}, and not the same"
            )
        if self.candidates is not None:
            given = np.asarray(self.candidates)
            if given.dtype != np.bool_ or given.shape != (n_items,):
                raise DataError(
                    f"candidates: {given.dtype} of shape {given.shape}; expected bool of shape ({n_items},)"
                )
            object.__setattr__(self, "candidates", frozen(given, np.bool_))

    def __repr__(self) -> str:
        among = "" if self.candidates is None else f", {int(self.candidates.sum())} candidates"
        return f"Split({self.train!r}, {self.test!r}{among})"


def leave_last_out(dataset: Dataset, *, n: int = 1) -> Split:
    """Training on all but each user's last `n` events, which are the targets.

    What a user did at one time is a set, e.g. the lines of an invoice, and counts as one: the last basket is held out
    as a whole. Events of weight 0 or below (a dislike, a return) are no targets: they stay in the history where they
    come before the targets, and are in neither part where they do not. A user with `n` events or fewer stays wholly in
    training and is not tested. Used once more on the training part it gives the validation set.

    Parameters
    ----------
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
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> events = Interactions.from_histories([["hat", "coat", "scarf"], ["hat"]], items=shop)
    >>> leave_last_out(Dataset.from_interactions(events))
    Split(Dataset(3 items, 2 users, 3 events), Holdout(1 users, 1 targets))
    """
    events = _events(dataset, "leave_last_out")
    n = require_whole("n", n)
    held, after = last_baskets(events, n)
    return _split(dataset, ~held & ~after, _test(events.keep(held | ~after), held[held | ~after]))


def by_time(dataset: Dataset, at: datetime | str | float) -> Split:
    """Training on what happened before a moment; the targets are what the same users did from then on.

    Users first seen from `at` on are neither in training nor tested.

    Parameters
    ----------
    at : datetime, ISO text, int or float
        The moment: a datetime or ISO 8601 text (without a zone, it is UTC), a whole number of milliseconds since 1970
        UTC, or a share strictly between 0 and 1: the moment before which that share of the events lies (or
        slightly less, so that events of one moment stay together). All are asked then (`Holdout.at`).

    Raises
    ------
    DataError
        The events carry no times, `at` is not one of the three, or no event lies before or from `at` on.
    """
    events = _events(dataset, "by_time")
    times = _times(events, "by_time")
    moment = _moment(times, at)
    held: Bool = times >= moment
    if not held.any() or held.all():
        raise DataError(
            f"by_time: at={at!r} leaves {int((~held).sum())} events before and {int(held.sum())} from it on; "
            f"times span {_span(times)}"
        )
    return _split(dataset, ~held, _test(events, held, at=moment), before=moment)


def rolling(dataset: Dataset, *, folds: int = 3, share: float = 0.1) -> Iterator[Split]:
    """Splits at several moments, oldest first: each is tested on the `share` of all events that comes next.

    Training grows from fold to fold, and no event of a later fold is in it. The last fold ends with the log.

    Parameters
    ----------
    folds : 1 or more
    share : above 0
        The share of the events that each fold is tested on; `folds * share` is below 1.

    Raises
    ------
    DataError
        A parameter is outside its range, the events carry no times, or a fold has nothing to learn or to ask.
    """
    events = _events(dataset, "rolling")
    times = _times(events, "rolling")
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


def by_user(dataset: Dataset, *, share: float = 0.1, seed: int = 0) -> Split:
    """Training without a share of the users; their last event is the target, given the events before it.

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
    events = _events(dataset, "by_user")
    drawn = _drawn("by_user", np.flatnonzero(events.lengths > 1), "users with 2 events or more", share, seed)
    strangers = events.take(drawn)
    strangers = strangers.keep(strangers.weights > 0) if (strangers.weights <= 0).any() else strangers
    return _split(dataset, ~_among(events, drawn), _test(strangers, last_events(strangers, 1)))


def cold_items(dataset: Dataset, *, share: float = 0.1, seed: int = 0) -> Split:
    """Training without any event on a share of the items, and what came before a user's last event on one of them.

    A tested user's target is the last event on a cold item, the history what the user did with other items before it;
    what came later is nowhere, as it would tell training what suited the user then. Users with nothing before it are
    left out. `candidates` are the cold items, so that they are ranked among themselves; items without events were cold
    already and are not in it. `dataclasses.replace(split, candidates=None)` ranks them among all.

    Parameters
    ----------
    share : between 0 and 1, exclusive
        How many of the items that have events turn cold; the number is rounded, and at least 1.

    Raises
    ------
    DataError
        `share` is not between 0 and 1, or there are fewer than 2 items with events.
    """
    events = _events(dataset, "cold_items")
    drawn = _drawn("cold_items", np.flatnonzero(events.counts()), "items with events", share, seed)
    cold = np.zeros(len(events.items), dtype=np.bool_)
    cold[drawn] = True
    held, place = cold[events.items_flat], np.arange(events.n_events)
    last = np.full(len(events), -1)  # each user's last event on a cold item
    np.maximum.at(last, events.users_flat[held], place[held])
    since = place - last[events.users_flat]  # (e,), 0 at the target
    before = ~held & (since < 0)
    tested = np.bincount(events.users_flat[before], minlength=len(events)) > 0
    rows = np.flatnonzero(tested)
    holdout = asked_when_wanted(events.keep(before).take(rows), events.keep(since == 0).take(rows))
    return _split(dataset, before | (~held & ~tested[events.users_flat]), holdout, candidates=cold)


def random_events(dataset: Dataset, *, share: float = 0.2, seed: int = 0) -> Split:
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
    events = _events(dataset, "random_events")
    held = drawn_events(events, require_share("random_events: share", share), require_whole("seed", seed, least=0))
    return _split(dataset, ~held, _test(events, held))


def cold_users(dataset: Dataset, *, share: float = 0.1, shown: int = 0, seed: int = 0) -> Split:
    """Training without a share of the users; their event after the first `shown` is the target, given those.

    Where `by_user` gives all but the last event of an unseen user, this gives only the first few.

    Parameters
    ----------
    share : between 0 and 1, exclusive
        How many of the users with more than `shown` events are held out; the number is rounded, and at least 1.
    shown : 0 or more
        Events of their history; with 0 it is empty, and nothing is known of their behaviour.

    Raises
    ------
    DataError
        `share` is not between 0 and 1, `shown` is below 0, or there are fewer than 2 users with more than `shown`
        events.
    """
    events = _events(dataset, "cold_users")
    shown = require_whole("cold_users: shown", shown, least=0)
    able = np.flatnonzero(events.lengths > shown)
    drawn = _drawn("cold_users", able, f"users with more than {shown} events", share, seed)
    strangers = events.take(drawn)
    place = np.arange(strangers.n_events) - strangers.starts[strangers.users_flat]
    return _split(
        dataset,
        ~_among(events, drawn),
        asked_when_wanted(strangers.keep(place < shown), strangers.keep(place == shown)),
    )


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
    last: Bool = np.repeat(events.starts[1:], events.lengths) - np.arange(events.n_events) <= n
    return last


def baskets_left(events: Interactions) -> I64:
    """How many baskets of its user each event is from the end, shape `(e,)`; 1 for all events of the last moment.

    Without times every event is a basket of its own.
    """
    if events.times is None or not events.n_events:
        return np.repeat(events.starts[1:], events.lengths) - np.arange(events.n_events)
    users = events.users_flat
    number = np.cumsum(events.begins_moment)
    latest = np.zeros(len(events), dtype=np.int64)
    np.maximum.at(latest, users, number)
    return latest[users] - number + 1


def last_baskets(events: Interactions, n: int) -> tuple[Bool, Bool]:
    """Which events are of their user's last `n` baskets, and which others come no earlier than those, `(e,)` each.

    Baskets are of events of a weight above 0; of a user who has no more than `n` of them none is held.
    """
    wanted = events.weights > 0
    left = np.zeros(events.n_events, dtype=np.int64)
    left[wanted] = baskets_left(events.keep(wanted))
    baskets = np.zeros(len(events), dtype=np.int64)
    np.maximum.at(baskets, events.users_flat, left)
    held: Bool = wanted & (left <= n) & (baskets > n)[events.users_flat]
    moments = np.cumsum(events.begins_moment)
    first = np.full(len(events), np.iinfo(np.int64).max)
    np.minimum.at(first, events.users_flat[held], moments[held])
    after: Bool = ~held & (moments >= first[events.users_flat])
    return held, after


def drawn_events(events: Interactions, share: float, seed: int) -> Bool:
    """A random `share` of each user's events, at least one and never all, shape `(e,)`."""
    held = np.minimum(np.maximum(np.rint(share * events.lengths), 1), events.lengths - 1)  # (n,)
    luck = np.random.default_rng(seed).random(events.n_events)
    order = np.lexsort((luck, events.users_flat))
    place = np.empty(events.n_events, dtype=np.int64)  # of each event among its user's, by luck
    place[order] = np.arange(events.n_events) - events.starts[events.users_flat]
    chosen: Bool = place < held[events.users_flat]
    return chosen


def _events(dataset: Dataset, splitter: str) -> Interactions:
    if not isinstance(dataset, Dataset):
        raise DataError(
            f"{splitter}: given a {type(dataset).__name__}; expected a Dataset, e.g. Dataset.from_interactions(log)"
        )
    return dataset.interactions


def _times(events: Interactions, splitter: str) -> I64:
    if events.times is None:
        raise DataError(f"{splitter}: these events carry no times; expected a column timestamp in their log")
    return events.times


def _split(
    dataset: Dataset, trained: Bool, test: Holdout, *, before: int | None = None, candidates: Bool | None = None
) -> Split:
    """Training on the events `trained`, shape `(e,)`, of users that have any; reviews of the others go."""
    events = dataset.interactions
    train = events.keep(trained)
    users = np.flatnonzero(train.lengths > 0)
    train = train if len(users) == len(train) else train.take(users)
    reviews = dataset.reviews
    if reviews is not None:
        reviews = reviews.keep(_told_before(dataset, events.keep(~trained), before))
    split = replace(dataset, interactions=train, reviews=reviews, users=_facts(dataset, train))
    return Split(split, test, candidates)


def _facts(dataset: Dataset, train: Interactions) -> Users | None:
    return None if dataset.users is None else dataset.users.aligned(train.users)


def _told_before(dataset: Dataset, held: Interactions, before: int | None) -> Bool:
    """Which reviews tell nothing of the held-out events, shape `(r,)`: older ones, or those of other pairs.

    Where neither their times nor their writers are known, none does.
    """
    reviews = dataset.reviews
    nothing = np.zeros(0 if reviews is None else len(reviews), dtype=np.bool_)
    if reviews is None:
        return nothing
    if before is not None:
        return nothing if reviews.times is None else reviews.times < before
    if reviews.users is None or reviews.users_flat is None:
        return nothing
    writers = held.users.rows(reviews.users.array, missing="mark")[reviews.users_flat]
    n_items = len(held.items)
    pairs = np.where(writers >= 0, writers * n_items + reviews.items_flat, -1)
    return ~np.isin(pairs, held.users_flat * n_items + held.items_flat)


def _test(events: Interactions, held: Bool, *, at: int | None = None) -> Holdout:
    """The users with events on both sides of `held`, shape `(e,)`, asked at that moment, or when their targets came."""
    targets, histories = events.keep(held & (events.weights > 0)), events.keep(~held)
    both = np.flatnonzero((targets.lengths > 0) & (histories.lengths > 0))
    return asked_when_wanted(histories.take(both), targets.take(both), at=at)


def asked_when_wanted(histories: Interactions, targets: Interactions, *, at: int | None = None) -> Holdout:
    """These users asked at one moment, or each when the first of the targets came, where that is known."""
    if at is not None:
        return Holdout(histories, targets, np.full(len(targets), at, dtype=np.int64))
    if targets.times is None or not (targets.lengths > 0).all():
        return Holdout(histories, targets)
    return Holdout(histories, targets, targets.times[targets.starts[:-1]])


def _among(events: Interactions, users: I64) -> Bool:
    """Which events are of these users, shape `(e,)`."""
    chosen = np.zeros(len(events), dtype=np.bool_)
    chosen[users] = True
    of_them: Bool = chosen[events.users_flat]
    return of_them


def _drawn(split: str, rows: I64, what: str, share: float, seed: int) -> I64:
    share, seed = require_share(f"{split}: share", share), require_whole("seed", seed, least=0)
    if len(rows) < 2:
        raise DataError(f"{split}: {len(rows)} {what}; expected 2 or more")
    count = min(max(1, round(share * len(rows))), len(rows) - 1)
    return np.sort(np.random.default_rng(seed).choice(rows, size=count, replace=False))


def moment_ms(at: datetime | str | int) -> int:
    """A moment as milliseconds since 1970 UTC, rounded up: the first that is not before it.

    Parameters
    ----------
    at : a datetime or ISO 8601 text (without a zone, it is UTC), or whole milliseconds

    Raises
    ------
    DataError
        `at` is none of these.
    """
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError as error:
            raise DataError(f"at={at!r}: expected ISO 8601 text, e.g. '2026-12-01'") from error
    if isinstance(at, datetime):
        aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return -((datetime(1970, 1, 1, tzinfo=UTC) - aware) // timedelta(milliseconds=1))
    if isinstance(at, (int, np.integer)) and not isinstance(at, bool):
        return int(at)
    raise DataError(f"at={at!r}: expected a datetime, ISO 8601 text, or whole milliseconds since 1970 UTC")


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
