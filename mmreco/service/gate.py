"""Gate: what every request passes first: an id, a place in the queue, a limit on its body, a clock."""

import re
import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmreco.service.limits import Limits
from mmreco.service.measures import Measures
from mmreco.service.problems import problem

__all__ = ["Gate"]

_OWN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_ALWAYS = ("/healthz", "/readyz", "/metrics")  # are answered however long the queue is
_PICTURES = ("/v1/search/picture", "/photo")


class Gate:
    """Refuses what is too large (413) or too much (503 with Retry-After) before the application sees it."""

    def __init__(self, app: ASGIApp, *, limits: Limits, measures: Measures) -> None:
        self.app, self.limits, self.measures = app, limits, measures
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _OWN_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        if scope["path"] in _ALWAYS:
            await self._timed(scope, receive, send, request_id)
            return
        if self._waiting >= self.limits.waiting:
            self.measures.refused.inc()
            words = f"{self._waiting} requests are waiting already; try again"
            await problem(503, words, request_id, headers={"Retry-After": "1", "X-Request-ID": request_id})(
                scope, receive, send
            )
            return
        self._waiting += 1
        self.measures.waiting.set(self._waiting)
        try:
            await self._limited(scope, receive, send, request_id, headers)
        finally:
            self._waiting -= 1
            self.measures.waiting.set(self._waiting)

    async def _limited(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, headers: dict[bytes, bytes]
    ) -> None:
        most = self.limits.picture if scope["path"] in _PICTURES else self.limits.body
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or len(declared) > 18 or int(declared) > most:
            await self._too_large(most, request_id)(scope, receive, send)
            return
        body = bytearray()
        while True:  # read whole, so that nobody works on what turns out too large
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > most:
                await self._too_large(most, request_id)(scope, receive, send)
                return
            if not message.get("more_body", False):
                break
        await self._timed(scope, _replayed(bytes(body), receive), send, request_id)

    async def _timed(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        start, status = time.perf_counter(), 500

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, named)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self.measures.seconds.labels(route, str(status)).observe(time.perf_counter() - start)

    def _too_large(self, most: int, request_id: str) -> Any:
        words = f"the body is larger than {most:,} bytes"
        return problem(413, words, request_id, headers={"Connection": "close", "X-Request-ID": request_id})


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once
