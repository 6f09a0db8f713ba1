"""The application: a recommender behind HTTP.

It takes bytes, never addresses: nothing in a request names a file or a host that the service would open.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from mmreco.service.access import Access
from mmreco.service.experiments.running import Experiment
from mmreco.service.gate import Gate
from mmreco.service.job_process import JobProcess
from mmreco.service.keys import Keys
from mmreco.service.limits import Limits
from mmreco.service.live_shop import LiveShop
from mmreco.service.measures import Measures
from mmreco.service.page_routes import paging
from mmreco.service.pictures import Pictures
from mmreco.service.problems import add_handlers
from mmreco.service.routes import asking, health, refitting, writing
from mmreco.service.window import shop_window

__all__ = ["create_app"]


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
    process = JobProcess("refit", shop.artefact, shop.store)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        shop.start()
        if experiment is not None:
            experiment.start()
        yield
        if experiment is not None:
            experiment.stop()
        process.stop()
        shop.stop()
        shop.store.close()

    app = FastAPI(title="mmreco", lifespan=lifespan, docs_url=None, redoc_url=None)
    for router in (
        asking(shop, measures, access, experiment),
        writing(shop, measures, access),
        health(shop, measures, access),
        paging(shop, pictures, access, experiment),
        refitting(shop, process, access),
    ):
        app.router.routes.extend(router.routes)  # `include_router` would match every request's path twice
    if window:
        app.mount("/", shop_window(shop, pictures, access, experiment))
    add_handlers(app)
    app.add_middleware(Gate, limits=limits, measures=measures)
    return app
