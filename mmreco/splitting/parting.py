"""What all splitters do: training on what is not held out, and the users who can be asked."""

from dataclasses import replace

import numpy as np

from mmreco.arrays import I64, Bool
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.users import Users
from mmreco.errors import DataError
from mmreco.splitting.held_events import asked_when_wanted
from mmreco.splitting.split import Holdout, Split

__all__ = [
    "among",
    "events_of",
    "parted",
    "holdout_of",
    "times_of",
]


def events_of(dataset: Dataset, splitter: str) -> Interactions:
    """The log of what is surely a dataset; DataError names the splitter."""
    if not isinstance(dataset, Dataset):
        raise DataError(
            f"{splitter}: given a {type(dataset).__name__}; expected a Dataset, e.g. Dataset.from_interactions(log)"
        )
    return dataset.interactions


def times_of(events: Interactions, splitter: str) -> I64:
    """When each event was, shape `(e,)`; DataError where that is not known."""
    if events.times is None:
        raise DataError(f"{splitter}: these events carry no times; expected a column timestamp in their log")
    return events.times


def parted(
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


def holdout_of(events: Interactions, held: Bool, *, at: int | None = None) -> Holdout:
    """The users with events on both sides of `held`, shape `(e,)`, asked at that moment, or when their targets came."""
    targets, histories = events.keep(held & (events.weights > 0)), events.keep(~held)
    both = np.flatnonzero((targets.lengths > 0) & (histories.lengths > 0))
    return asked_when_wanted(histories.take(both), targets.take(both), at=at)


def among(events: Interactions, users: I64) -> Bool:
    """Which events are of these users, shape `(e,)`."""
    chosen = np.zeros(len(events), dtype=np.bool_)
    chosen[users] = True
    of_them: Bool = chosen[events.users_flat]
    return of_them
