"""Refitting: a recommender is trained on what came in, and takes over only if it is no worse on what came in last.

Events that the artefact has not are parted by their arrival. On the first four fifths, and on all there was before, a
new one is trained, from the present weights. Both are then asked what each shopper of the last fifth did next, and the
new one takes over if its NDCG@10 is at least 98 % of the present one's. What takes over is what was measured: it knows
of the last fifth, as of any event that comes while it serves, and learns from it the next time.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np

from mmreco.data.interactions import Interactions
from mmreco.metrics.accuracy import ndcg
from mmreco.recommender import Recommender
from mmreco.service.events import Entry, EventStore
from mmreco.service.replay import held_until, lacking_events, replay
from mmreco.storage.generation import read_pointer
from mmreco.storage.lock import hold

__all__ = ["Verdict", "refit"]

TOLERANCE = 0.02  # of the present one's NDCG: about what two seeds of one model differ by
_HELD_OUT = 0.2  # of the new events
_FEWEST = 20  # shoppers to judge by
_MOST = 2_000
_ASKED = 200  # shoppers together
_K = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """The outcome of a refit, with its figures.

    Parameters
    ----------
    generation : the artefact that served when it began, e.g. "g-000007"
    taken : the one that takes over; None where the present one stays
    reason : in words
    events : new ones that were trained on
    held_out : new ones that both were judged by
    shoppers : of the held-out events, who had a history before them
    ndcg_before, ndcg_after : NDCG@10 of the present and of the new one; None where they were not judged
    seconds : how long it took
    """

    generation: str
    taken: str | None
    reason: str
    events: int = 0
    held_out: int = 0
    shoppers: int = 0
    ndcg_before: float | None = None
    ndcg_after: float | None = None
    seconds: float = 0.0


def refit(artefact: str | Path, store: EventStore, *, from_scratch: bool = False, progress: bool = False) -> Verdict:
    """Train on new events and publish the result to `artefact` if it is no worse; the verdict.

    The verdict is written to the store, where every service over it reads the figures.

    Parameters
    ----------
    artefact : the folder that `Recommender.save` or `mmreco fit` wrote
    store : of events
    from_scratch : optional
        Whether nothing of the present weights is kept, so that they hold no trace of who was forgotten.
    progress : optional
        Whether to show bars.

    Raises
    ------
    DataError
        The artefact cannot be loaded, another writer is at work on it, or its model is none of the library's.
    DBAPIError
        The store is away.
    """
    folder, start = Path(artefact), perf_counter()
    with hold(folder):  # nobody else publishes meanwhile
        verdict, last = _judged(folder, store, from_scratch, progress)
        verdict = replace(verdict, seconds=round(perf_counter() - start, 3))
        store.note_refit({**asdict(verdict), "manifest": read_pointer(folder)[1], "until": last})
    _log.info("refit of %s: %s", folder, json.dumps(asdict(verdict)))
    return verdict


def _judged(folder: Path, store: EventStore, from_scratch: bool, progress: bool) -> tuple[Verdict, int]:
    """The verdict, and up to which entry the artefact holds everything then."""
    pointed, manifest = read_pointer(folder)
    held = held_until(store, manifest)
    present = Recommender.load(folder)
    new = lacking_events(present, store, since=held)
    cut = len(new) - int(len(new) * _HELD_OUT)
    trained, newest = new[:cut], new[cut:]
    if not newest:
        return Verdict(pointed.name, None, f"{len(new)} new events; too few to part", len(new)), held
    until = newest[0].sequence - 1
    candidate = Recommender.load(folder)
    for one in (present, candidate):
        replay(one, store, since=held, until=until)
    wanted = _wanted(present, newest)
    counts = {"events": len(trained), "held_out": len(newest), "shoppers": len(wanted)}
    if len(wanted) < _FEWEST:
        words = f"{len(wanted)} shoppers with a history to judge by; expected {_FEWEST} or more"
        return Verdict(pointed.name, None, words, **counts), held
    candidate.refit(from_scratch=from_scratch, progress=progress)
    before, after = _quality(present, wanted), _quality(candidate, wanted)
    least = (1 - TOLERANCE) * before
    words = f"NDCG@{_K} {after:.4f} on the newest events, the present one's {before:.4f}, at least {least:.4f} expected"
    verdict = Verdict(pointed.name, None, words, **counts, ndcg_before=round(before, 6), ndcg_after=round(after, 6))
    if after < least:
        return verdict, held
    last = replay(candidate, store, since=until)
    candidate.save(folder)
    return replace(verdict, taken=read_pointer(folder)[0].name), last


def _wanted(recommender: Recommender, newest: Sequence[Entry]) -> list[tuple[str, list[str]]]:
    """Who did something lately and had a history before, with what they turned to; the last of them."""
    turned_to: dict[str, list[str]] = {}
    for event in newest:
        if event.weight is not None and event.weight > 0:
            turned_to.setdefault(str(event.user_id), []).append(str(event.item_id))
    log, items = recommender.dataset.interactions, recommender.catalogue.items
    users = list(turned_to)
    rows = log.users.rows(users, missing="mark") if users else np.zeros(0, dtype=np.int64)
    known = [user for user, row in zip(users, rows.tolist(), strict=True) if row >= 0 and len(log.history(row))]
    there = [(user, [i for i in turned_to[user] if items.rows([i], missing="mark")[0] >= 0]) for user in known]
    return [(user, found) for user, found in there if found][-_MOST:]


def _quality(recommender: Recommender, wanted: Sequence[tuple[str, list[str]]]) -> float:
    """NDCG@10 as the shop answers: by the model where it knows the shopper, without what they had where it says so."""
    values = []
    for first in range(0, len(wanted), _ASKED):
        some = wanted[first : first + _ASKED]
        answer = recommender.recommend([user for user, _ in some], k=_K)
        targets = Interactions.from_histories([found for _, found in some], items=answer.catalogue.items)
        values.append(ndcg(answer.ranking, targets))
    return float(np.nanmean(np.concatenate(values)))
