"""RefitProcess: a refit in a process of its own, so that questions are answered as fast meanwhile."""

import logging
import multiprocessing
import os
import threading
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from mmreco.errors import MMRecoError
from mmreco.service.events import EventStore
from mmreco.service.live_shop import LiveShop
from mmreco.service.refitting import refit

__all__ = ["RefitProcess"]

_NICENESS = 10  # whoever asks comes first
_log = logging.getLogger(__name__)


class RefitProcess:
    """At most one refit of a shop at a time. Its figures reach every service over the store by the store itself."""

    def __init__(self, shop: LiveShop) -> None:
        self._shop = shop
        self._process: BaseProcess | None = None
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether one is at work."""
        return self._process is not None and self._process.is_alive()

    def start(self) -> bool:
        """Begin one; False where one is at work."""
        with self._lock:
            if self.running:
                return False
            url = self._shop.store.engine.url.render_as_string(hide_password=False)
            self._process = multiprocessing.get_context("spawn").Process(
                target=_work, args=(self._shop.artefact, url), name="mmreco-refit"
            )
            self._process.start()
            return True

    def stop(self) -> None:
        """End the one that is at work; what answers stays as it is."""
        if self._process is not None:
            self._process.terminate()
            self._process.join()


def _work(artefact: Path, url: str) -> None:
    os.nice(_NICENESS)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        with closing(EventStore.open(url)) as store:
            refit(artefact, store)
    except (MMRecoError, SQLAlchemyError, OSError) as error:
        _log.error("refit of %s failed: %s", artefact, str(error).splitlines()[0])
        raise SystemExit(1) from error
