"""Opening: an application that answers from its first moment on, and says that it is not ready until it is."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from mmreco.errors import MMRecoError
from mmreco.service.problems import problem

__all__ = ["Opening"]

_AGAIN_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Opening:
    """What `make` makes, once it is made; until then `/healthz` answers, and everything else is 503.

    Parameters
    ----------
    make : opens the event store, loads the artefact, and makes the application of them
        Runs in a thread. Where the store is away or the artefact cannot be loaded it is called again, once a second.
    """

    def __init__(self, make: Callable[[], FastAPI]) -> None:
        self._make = make
        self._app: FastAPI | None = None
        self._running: AbstractAsyncContextManager[object] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or say that it is too early."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/healthz":
            await JSONResponse({"status": "alive"})(scope, receive, send)
        elif scope["type"] == "http":
            words = "the artefact and the event store are being opened; try again"
            await problem(503, words, "", headers={"Retry-After": "1"})(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        message: Message = await receive()
        opening = asyncio.create_task(self._open())
        await send({"type": "lifespan.startup.complete"})
        while message["type"] != "lifespan.shutdown":
            message = await receive()
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        if self._running is not None:
            await self._running.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> None:
        said = ""
        while True:
            try:
                app = await asyncio.to_thread(self._make)
                break
            except (SQLAlchemyError, MMRecoError, OSError) as error:
                words = str(error).splitlines()[0]
                if words != said:
                    _log.error("not ready, and tried again until it is: %s", words)
                said = words
            await asyncio.sleep(_AGAIN_SECONDS)
        running = app.router.lifespan_context(app)
        await running.__aenter__()
        self._running, self._app = running, app
        _log.info("ready")
