"""Holding out by chance: users, items, events, vectors."""

import numpy as np

from mmreco.arguments import require_share, require_whole
from mmreco.arrays import I64
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.errors import DataError
from mmreco.splitting.held_events import asked_when_wanted, drawn_events, last_events
from mmreco.splitting.parting import among, events_of, holdout_of, parted
from mmreco.splitting.split import Split

__all__ = [
    "by_user",
    "cold_items",
    "cold_users",
    "missing_modality",
    "random_events",
]


def by_user(dataset: Dataset, *, share: float = 0.1, seed: int = 0) -> Split:
    """Training without a share of the users; their last event is the target, given the events before it.

    Drawn among users with 2 events or more; the number is rounded, and at least 1.

    Parameters
    ----------
    dataset : the shop, with a log
    share : between 0 and 1, exclusive
        How many of those users are held out.
    seed : 0 or more

    Raises
    ------
    DataError
        `share` is not between 0 and 1, or there are fewer than 2 users with 2 events.
    """
    events = events_of(dataset, "by_user")
    drawn = _drawn("by_user", np.flatnonzero(events.lengths > 1), "users with 2 events or more", share, seed)
    strangers = events.take(drawn)
    strangers = strangers.keep(strangers.weights > 0) if (strangers.weights <= 0).any() else strangers
    return parted(dataset, ~among(events, drawn), holdout_of(strangers, last_events(strangers, 1)))


def cold_items(dataset: Dataset, *, share: float = 0.1, seed: int = 0) -> Split:
    """Training without any event on a share of the items, and what came before a user's last event on one of them.

    A tested user's target is the last event on a cold item, the history what the user did with other items before it;
    what came later is nowhere, as it would tell training what suited the user then. Users with nothing before it are
    left out. `candidates` are the cold items, so that they are ranked among themselves; items without events were cold
    already and are not in it. `dataclasses.replace(split, candidates=None)` ranks them among all.

    Parameters
    ----------
    dataset : the shop, with a log
    share : between 0 and 1, exclusive
        How many of the items that have events turn cold; the number is rounded, and at least 1.
    seed : 0 or more

    Raises
    ------
    DataError
        `share` is not between 0 and 1, or there are fewer than 2 items with events.
    """
    events = events_of(dataset, "cold_items")
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
    return parted(dataset, before | (~held & ~tested[events.users_flat]), holdout, candidates=cold)


def random_events(dataset: Dataset, *, share: float = 0.2, seed: int = 0) -> Split:
    """Training without a random share of each user's events, which are the targets, whenever they happened.

    Parameters
    ----------
    dataset : the shop, with a log
    share : between 0 and 1, exclusive
        How many of a user's events are held out; the number is rounded, and at least 1. A user with one event
        stays wholly in training and is not tested, and everybody keeps at least one.
    seed : 0 or more

    Raises
    ------
    DataError
        `share` is not between 0 and 1.

    Notes
    -----
    The usual split of the collaborative filtering literature. It tells the model what happened after its targets, so
    its figures are rosier than those of `by_time`. An item that a user met twice can be on both sides.
    """
    events = events_of(dataset, "random_events")
    held = drawn_events(events, require_share("random_events: share", share), require_whole("seed", seed, least=0))
    return parted(dataset, ~held, holdout_of(events, held))


def cold_users(dataset: Dataset, *, share: float = 0.1, shown: int = 0, seed: int = 0) -> Split:
    """Training without a share of the users; their event after the first `shown` is the target, given those.

    Where `by_user` gives all but the last event of an unseen user, this gives only the first few.

    Parameters
    ----------
    dataset : the shop, with a log
    share : between 0 and 1, exclusive
        How many of the users with more than `shown` events are held out; the number is rounded, and at least 1.
    shown : 0 or more
        Events of their history; with 0 it is empty, and nothing is known of their behaviour.
    seed : 0 or more

    Raises
    ------
    DataError
        `share` is not between 0 and 1, `shown` is below 0, or there are fewer than 2 users with more than `shown`
        events.
    """
    events = events_of(dataset, "cold_users")
    shown = require_whole("cold_users: shown", shown, least=0)
    able = np.flatnonzero(events.lengths > shown)
    drawn = _drawn("cold_users", able, f"users with more than {shown} events", share, seed)
    strangers = events.take(drawn)
    place = np.arange(strangers.n_events) - strangers.starts[strangers.users_flat]
    return parted(
        dataset,
        ~among(events, drawn),
        asked_when_wanted(strangers.keep(place < shown), strangers.keep(place == shown)),
    )


def missing_modality(content: Embeddings, *, share: float = 0.5, seed: int = 0) -> Embeddings:
    """The vectors without a random share of them, as if those items had no picture, or no text.

    What a model loses when its content is full of holes: fit it on this instead, on the same split.

    Parameters
    ----------
    content : vectors of one kind, e.g. `dataset.content["image"]`
    share : between 0 and 1, exclusive
        How many vectors are taken away; the number is rounded, at least 1, and at least one stays.
    seed : 0 or more

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


def _drawn(split: str, rows: I64, what: str, share: float, seed: int) -> I64:
    share, seed = require_share(f"{split}: share", share), require_whole("seed", seed, least=0)
    if len(rows) < 2:
        raise DataError(f"{split}: {len(rows)} {what}; expected 2 or more")
    count = min(max(1, round(share * len(rows))), len(rows) - 1)
    return np.sort(np.random.default_rng(seed).choice(rows, size=count, replace=False))
