"""JobProcess: work on an artefact and its event store in a process of its own, so that questions come first."""

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from mmreco.errors import MMRecoError
from mmreco.service.events import EventStore

__all__ = ["Job", "JobProcess"]

Job = Callable[[Path, EventStore], object]  # what it answers is lost; it can be pickled

_NICENESS = 10  # whoever asks comes first
_log = logging.getLogger(__name__)


class JobProcess:
    """At most one job at a time. Its outcome reaches every service by the artefact's files and by the store.

    Parameters
    ----------
    name : what the job is, for the log
    artefact : the folder it works on
    store : of events, which the process opens for itself
    """

    def __init__(self, name: str, artefact: Path, store: EventStore) -> None:
        self._name, self._artefact = name, artefact
        self._url = store.engine.url.render_as_string(hide_password=False)
        self._process: BaseProcess | None = None
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether one is at work."""
        return self._process is not None and self._process.is_alive()

    def start(self, job: Job) -> bool:
        """Begin `job`; False where one is at work."""
        with self._lock:
            if self.running:
                return False
            self._process = multiprocessing.get_context("spawn").Process(
                target=_work, args=(self._name, job, self._artefact, self._url), name=f"mmreco-{self._name}"
            )
            self._process.start()
            return True

    def finish(self) -> bool:
        """Wait for the one that is at work; whether it came to its end."""
        if self._process is None:
            return False
        self._process.join()
        return self._process.exitcode == 0

    def stop(self) -> None:
        """End the one that is at work; the artefact's files stay as they are."""
        if self._process is not None:
            self._process.terminate()
            self._process.join()


def _work(name: str, job: Job, artefact: Path, url: str) -> None:
    os.nice(_NICENESS)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        with closing(EventStore.open(url)) as store:
            job(artefact, store)
    except (MMRecoError, SQLAlchemyError, OSError) as error:
        _log.error("%s of %s failed: %s", name, artefact, str(error).splitlines()[0])
        raise SystemExit(1) from error
