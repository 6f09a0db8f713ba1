"""The application: a recommender behind HTTP.

It takes bytes, never addresses: nothing in a request names a file or a host that the service would open.
"""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from mmreco.errors import DataError
from mmreco.service.access import Access
from mmreco.service.experiments.running import Experiment
from mmreco.service.gate import Gate
from mmreco.service.keys import Keys
from mmreco.service.limits import Limits
from mmreco.service.live_shop import LiveShop
from mmreco.service.measures import Measures
from mmreco.service.page_routes import paging
from mmreco.service.pictures import Pictures
from mmreco.service.problems import add_handlers
from mmreco.service.routes import asking, health, writing
from mmreco.service.window import shop_window

__all__ = ["create_app", "run"]


def create_app(
    shop: LiveShop,
    *,
    keys: Keys | None = None,
    limits: Limits | None = None,
    experiment: Experiment | None = None,
    window: bool = False,
) -> FastAPI:
    """An ASGI application that answers from `shop`, and keeps it up to date while it runs.

    Parameters
    ----------
    shop : what answers
    keys : who may do what, optional
        Without any, requests to this machine's own names alone are answered, and may do everything.
    limits : optional
    experiment : over `shop`, optional
    window : optional
        Whether the shop window stands at `/`, open to everybody who reaches this address.

    Examples
    --------
    >>> app = create_app(LiveShop("artefact/", EventStore.open("events.db")))  # doctest: +SKIP
    """
    limits = Limits() if limits is None else limits
    measures, access, pictures = Measures(shop), Access(keys, limits.per_minute), Pictures()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        shop.start()
        if experiment is not None:
            experiment.start()
        yield
        if experiment is not None:
            experiment.stop()
        shop.stop()

    app = FastAPI(title="mmreco", lifespan=lifespan, docs_url=None, redoc_url=None)
    for routes in (asking, writing):
        app.include_router(routes(shop, measures, access, experiment))
    app.include_router(health(shop, measures, access))
    app.include_router(paging(shop, pictures, access))
    if window:
        app.mount("/", shop_window(shop, pictures, access, experiment))
    add_handlers(app)
    app.add_middleware(Gate, limits=limits, measures=measures)
    return app


def run(app: FastAPI, *, host: str, port: int, has_keys: bool) -> None:
    """Serve `app` until the process is told to end; requests at work are finished first.

    Raises
    ------
    DataError
        `host` is reached from other machines and there are no keys.
    """
    if not has_keys and not _is_loopback(host):
        raise DataError(f"serve: {host!r} is reached from other machines; give --keys, or serve 127.0.0.1")
    uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False, timeout_graceful_shutdown=30)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
