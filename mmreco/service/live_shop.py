"""LiveShop: the newest artefact, with every event of the store in it, swapped for the next one without a pause."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from mmreco.data.embeddings import Embeddings
from mmreco.errors import DataError, MMRecoError
from mmreco.models.base import Model
from mmreco.protocols import Searches
from mmreco.recommender import Recommender
from mmreco.service.erasure import cleanse
from mmreco.service.events import Entry, EventStore, NewEvent
from mmreco.service.items import is_known, item_of
from mmreco.service.job_process import JobProcess
from mmreco.service.pseudonyms import Pseudonyms
from mmreco.service.replay import apply, forget_again, held_until, replay_entries
from mmreco.storage.artefact import current
from mmreco.storage.generation import read_pointer
from mmreco.storage.lock import hold

__all__ = ["LiveShop", "Serving"]

_LOOK_SECONDS = 0.25  # between two looks at the store and at the artefact
_EXPIRE_SECONDS = 86_400.0
_PATIENT_SECONDS = 2.0  # an erasure waits so long for the artefact's files; training takes longer
_DAY = 86_400_000  # milliseconds
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serving:
    """What answers: a recommender and the name of the generation it was loaded from, e.g. "g-000007".

    Parameters
    ----------
    recommender : what answers
    generation : the name of what it was loaded from, e.g. "g-000007"
    """

    recommender: Recommender
    generation: str


class LiveShop:
    """A recommender kept up to date from the event store: its own events and those of other processes.

    Questions are asked of `serving`, which is read once a question. `start` looks at the store and at the artefact four
    times a second until `stop`.

    Parameters
    ----------
    artefact : the folder that `Recommender.save` or `mmreco fit` wrote
    store : of events
    keep_days : 1 or more, optional
        Events earlier than this are erased at the start and once a day: from the store, from what answers, and from the
        artefact's files.
    popular_from : 1 or more
        Distinct people from whom on an item is answered as popular.
    names : optional
        Makes pseudonyms of users' ids at the door. Everything below `known_as` deals in pseudonyms.
    index : as `Recommender.load` takes it, optional

    Raises
    ------
    DataError, IncompatibleError
        The artefact cannot be loaded.
    """

    def __init__(
        self,
        artefact: str | Path,
        store: EventStore,
        *,
        keep_days: int | None = None,
        popular_from: int = 10,
        names: Pseudonyms | None = None,
        index: Callable[[str, Embeddings], Searches] | None = None,
    ) -> None:
        self.artefact, self.store, self.keep_days = Path(artefact), store, keep_days
        self.popular_from, self.names, self._index = popular_from, names, index
        self.beside: list[LiveShop] = []  # other artefacts over the same store, erased from with this one
        self._lock = threading.Lock()
        self._cleaning, self._said = threading.Lock(), False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._refused: str | None = None  # a generation that cannot be loaded
        self.newest_event: int | None = None  # when the newest event was received, ms since 1970 UTC
        self.store_is_there = True
        self._unclean = False  # whether the artefact's files may hold what is to be erased
        self._at_work = False  # whether they are being written without it
        self._eraser = JobProcess("erasure", self.artefact, store)
        self._expired = time.monotonic()
        self.last_refit: dict[str, Any] | None = None  # its figures, see `Verdict`
        if keep_days is not None:
            store.expire(keep_days)
        self.serving, self._last = self._load()

    def known_as(self, user_id: str) -> str:
        """What a user is called inside: the pseudonym of `user_id`, which came with a request, or that id itself."""
        return user_id if self.names is None else self.names.of(user_id)

    # ---- written

    def observe(self, events: Sequence[NewEvent]) -> int:
        """Write `events` down and take them in: they are in the next answer. Their last sequence number.

        Raises
        ------
        DBAPIError
            They could not be written.
        """
        number = self.store.append(events)
        self.catch_up()
        return number

    def put_item(self, item_id: str, columns: dict[str, Any]) -> bool:
        """Write down and take in `columns`, what is to be known of the item `item_id`; whether it is new.

        Raises
        ------
        DataError
            A column is unknown, or a value not of its type.
        """
        catalogue = self.serving.recommender.catalogue
        item_of(catalogue, item_id, columns)  # refused before it is written
        new = not is_known(self.serving.recommender, item_id)
        self.store.put_item(item_id, columns)
        self.catch_up()
        return new

    def remove_item(self, item_id: str) -> bool:
        """Write down that the item `item_id` is gone, and answer it no more; whether it was there."""
        if not is_known(self.serving.recommender, item_id):
            return False
        self.store.remove_item(item_id)
        self.catch_up()
        return True

    def forget(self, user_id: str) -> int:
        """Erase `user_id` from the store, from what answers, and from the artefact's files; how many rows there were.

        The model is learnt anew without them, in the files, which are loaded then (see `Model.relearn`). What takes
        longer than two seconds goes on by itself, training in a process of its own, and so does what has to wait while
        somebody else writes the files: `is_clean` says when it is done.
        """
        gone = self.store.forget(user_id)
        self.erase()
        return gone

    @property
    def is_clean(self) -> bool:
        """Whether the artefact's files hold nothing that was to be erased, as far as this process knows."""
        return not self._unclean and not self._at_work and all(other.is_clean for other in self.beside)

    def erase(self) -> bool:
        """Take out of what answers and of the artefact's files whom the store has forgotten; whether that is done."""
        self.catch_up()
        self._unclean = True
        done = [self._cleaned(_PATIENT_SECONDS), *(other.erase() for other in self.beside)]
        return all(done)

    def clean(self) -> bool:
        """Erase from the artefact's files whoever was forgotten and what is too old; whether that is done.

        A file that cannot be written is said in the log once, and tried again.
        """
        with self._cleaning:
            if not self._unclean:
                return True
            self._at_work, self._unclean = True, False  # what is forgotten from here on sets it again
            try:
                self._cleanse()
            except (SQLAlchemyError, MMRecoError, OSError) as error:
                self._unclean = True
                if not self._said:
                    _log.error("what was erased is still in the artefact's files, tried again: %s", error)
                self._said = True
                return False
            finally:
                self._at_work = False
            self._said = False
            return True

    def _cleanse(self) -> None:
        model, job = self.serving.recommender.model, partial(cleanse, before=self._oldest())
        if not isinstance(model, Model) or model.closed_form:
            job(self.artefact, self.store)
            return
        with hold(self.artefact):
            pass  # no process is made in vain while somebody else writes
        if not (self._eraser.start(job) and self._eraser.finish()):
            raise DataError("the process that erases has not come to its end; its own line says why")

    def _cleaned(self, seconds: float) -> bool:
        """Begin to clean, in a thread of its own, and wait so long for it; whether that is done."""
        thread = threading.Thread(target=self.clean, name="mmreco-clean", daemon=True)
        thread.start()
        thread.join(seconds)
        return not self._unclean and not self._at_work

    # ---- kept up to date

    def catch_up(self) -> None:
        """Take in what the store has and this process has not."""
        with self._lock:
            self._last = self._caught_up(self.serving.recommender, self._last)

    def look(self) -> None:
        """Take in what is new in the store, and load the artefact if there is a newer generation."""
        self.catch_up()
        pointed = current(self.artefact)
        if pointed is None or pointed.name in (self.serving.generation, self._refused):
            return
        try:
            serving, last = self._load()
        except MMRecoError as error:
            self._refused = pointed.name
            _log.error("%s cannot be loaded, %s goes on: %s", pointed, self.serving.generation, error)
            return
        with self._lock:
            self._last = self._caught_up(serving.recommender, last)
            self.serving = serving
        _log.info("%s answers from now on", serving.generation)

    def expire(self) -> None:
        """Erase what is older than is to be kept, from the store, from what answers and from the artefact's files."""
        if self.keep_days is None:
            return
        self._expired = time.monotonic()
        self.store.expire(self.keep_days)
        self.serving.recommender.expire(self._oldest() or 0)
        self._unclean = True
        self._cleaned(_PATIENT_SECONDS)

    def start(self) -> None:
        """Begin to look, in a thread of its own."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._watch, name="mmreco-live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._eraser.stop()
        if self._thread is not None:
            self._thread.join()

    # ---- parts

    def _load(self) -> tuple[Serving, int]:
        while True:
            pointed, manifest = read_pointer(self.artefact)
            recommender = Recommender.load(self.artefact, popular_from=self.popular_from, index=self._index)
            if read_pointer(self.artefact)[1] == manifest:  # else it may be the next one that was loaded
                break
        gone = forget_again(recommender, self.store.forgotten(), self.store, relearn=False)
        last = replay_entries(recommender, self.store, since=held_until(self.store, manifest))
        self._note(self.store.refits(most=1))
        oldest = self._oldest()
        gone += 0 if oldest is None else recommender.expire(oldest)
        self._unclean = self._unclean or gone > 0
        _warm(recommender)
        return Serving(recommender, pointed.name), last

    def _note(self, refits: Sequence[Entry]) -> None:
        for entry in refits:
            if entry.columns != self.last_refit:
                self.last_refit = entry.columns
                _log.info("refit: %s", entry.body)

    def _caught_up(self, recommender: Recommender, last: int) -> int:
        for entries in self.store.pages(last):
            apply(recommender, self.store, entries)
            last = entries[-1].sequence
            self._note([entry for entry in entries if entry.kind == "refit"])
            self.newest_event = max(
                (entry.received for entry in entries if entry.kind == "event"), default=self.newest_event
            )
        return last

    def _oldest(self) -> int | None:
        """The moment before which events are too old, in milliseconds."""
        return None if self.keep_days is None else int(time.time() * 1000) - self.keep_days * _DAY

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                self.look()
                if self._unclean and not self._at_work:
                    self._cleaned(0)
                if time.monotonic() - self._expired >= _EXPIRE_SECONDS:
                    self.expire()
                if not self.store_is_there:
                    _log.info("the event store is back")
                self.store_is_there = True
            except (SQLAlchemyError, MMRecoError, OSError) as error:
                if self.store_is_there:
                    _log.error("the event store or the artefact cannot be read, and is tried again: %s", error)
                self.store_is_there = False


def _warm(recommender: Recommender) -> None:
    """Ask what is asked most, so that nobody waits for what is made on first use."""
    users, items = recommender.dataset.interactions.users, recommender.catalogue.items
    recommender.recommend(users.ids(range(min(1, len(users)))), k=1)
    recommender.recommend(history=[[]], k=1)
    recommender.similar(items.ids(range(min(1, len(items)))), k=1)
    with suppress(DataError):  # a shop without words
        recommender.search(text=["warm 热"], k=1)
