"""The server: one process or several, each with an application of its own over the same artefact and event store."""

import copy
import ipaddress
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG
from uvicorn.supervisors.multiprocess import Multiprocess

from mmreco.arguments import require_whole
from mmreco.errors import DataError
from mmreco.service.app import create_app
from mmreco.service.database import open_engine
from mmreco.service.events import EventStore
from mmreco.service.experiments.running import Experiment
from mmreco.service.experiments.settings import ExperimentSettings
from mmreco.service.keys import Keys
from mmreco.service.limits import Limits
from mmreco.service.live_shop import LiveShop
from mmreco.service.milvus import in_milvus
from mmreco.service.opening import Opening
from mmreco.service.pseudonyms import Pseudonyms
from mmreco.storage.artefact import open_artefact

__all__ = ["Settings", "serve"]

_GRACE_SECONDS = 30  # for requests at work when the process is told to end
_SILENT_SECONDS = 60  # after which a worker that does not answer its parent is replaced


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a worker needs to build its application; sent to other processes.

    Parameters
    ----------
    artefact : the folder that `Recommender.save` or `mmreco fit` wrote
    events : the event store, a path or a URL as `EventStore.open` takes it
    keys, limits : as `create_app` takes them
    keep_days, popular_from, names : as `LiveShop` takes them
    experiment : what variants there are, optional
    window : as `create_app` takes it
    milvus : where the items' vectors are searched, as `in_milvus` takes it; in this process if omitted
    """

    artefact: Path
    events: str = field(repr=False)  # may hold a password
    keys: Keys | None = None
    limits: Limits = field(default_factory=Limits)
    keep_days: int | None = None
    popular_from: int = 10
    names: Pseudonyms | None = None
    experiment: ExperimentSettings | None = None
    window: bool = False
    milvus: str | None = None

    def open(self) -> FastAPI:
        """The application, ready: the event store is opened, and the artefact loaded.

        Raises
        ------
        DataError, IncompatibleError
            The artefact cannot be loaded, or the URL not be read.
        DBAPIError
            The database is away.
        """
        shop = LiveShop(
            self.artefact,
            EventStore.open(self.events),
            keep_days=self.keep_days,
            popular_from=self.popular_from,
            names=self.names,
            index=None if self.milvus is None else in_milvus(self.milvus),
        )
        experiment = None if self.experiment is None else Experiment(self.experiment, shop)
        return create_app(shop, keys=self.keys, limits=self.limits, experiment=experiment, window=self.window)

    def __call__(self) -> Opening:
        """The application, which answers at once and becomes ready by itself."""
        return Opening(self.open)


def serve(settings: Settings, *, host: str = "127.0.0.1", port: int = 8000, workers: int = 1) -> None:
    """Serve until the process is asked to stop; requests in progress are finished first.

    Parameters
    ----------
    settings : what is served
    host, port : where
    workers : 1 or more processes
        Each loads the artefact, reads the store forward four times a second, and so knows what the others took in. One
        that dies is replaced. Limits hold a worker.

    Raises
    ------
    DataError
        `host` is reached from other machines and there are no keys, `workers` is not a whole number of 1 or more, or
        the artefact or the event store's URL is unusable.
    """
    require_whole("workers", workers)
    if settings.keys is None and not _is_loopback(host):
        raise DataError(f"serve: {host!r} is reached from other machines; give --keys, or serve 127.0.0.1")
    open_artefact(settings.artefact)  # mistakes are said here, and not again and again by workers
    open_engine(settings.events).dispose()
    config = uvicorn.Config(
        settings,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_level="warning",
        log_config=_logging(),
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_worker_healthcheck=_SILENT_SECONDS,
    )
    if workers == 1:
        uvicorn.Server(config).run()
        return
    with tempfile.TemporaryDirectory(prefix="mmreco-measures-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # where workers add up what they measure
        Multiprocess(config, sockets=[config.bind_socket()]).run()


def _logging() -> dict[str, Any]:
    """What uvicorn logs, and what mmreco does, on the standard error."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    config["formatters"]["default"]["fmt"] = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    config["loggers"]["mmreco"] = {"handlers": ["default"], "level": "INFO", "propagate": False}
    return config


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
