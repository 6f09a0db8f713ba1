"""Access: who may do what, and how often."""

import threading
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import HTTPException, Request

from mmreco.service.keys import Keys

__all__ = ["Access"]

Right = Literal["ask", "write", "erase"]
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Access:
    """Checks a request's key. Without any keys only this machine is served, under its own names.

    The names are checked because a page of a stranger's, open in a browser here, may have its own name lead here.
    """

    def __init__(self, keys: Keys | None, per_minute: int) -> None:
        self.keys, self.per_minute = keys, per_minute
        self._lock = threading.Lock()
        self._allowance: dict[str, tuple[float, float]] = {}  # by name: requests left, and when that was

    def needs(self, right: Right) -> Callable[[Request], Awaitable[str]]:
        """What refuses a request without this right: 401, 403, or 429 where the key asks too often; who asks."""

        async def check(request: Request) -> str:  # in the event's loop: a thread would take longer than it does
            name = self._name(request, right)
            self._spend(name)
            return name

        return check

    def visit(self, request: Request) -> None:
        """Refuse who may not look at the shop window: it needs no key; without any keys this machine alone looks."""
        if self.keys is None:
            _require_own_name(request)
        self._spend("the window")

    def _name(self, request: Request, right: Right) -> str:
        if self.keys is None:
            _require_own_name(request)
            return ""
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        who = self.keys.rights_of(key.strip()) if kind.lower() == "bearer" else None
        if who is None:
            raise HTTPException(
                401, "no key that is known; send Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"}
            )
        name, rights = who
        if right not in rights:
            raise HTTPException(403, f"the key of {name!r} may not {right}")
        return name

    def _spend(self, name: str) -> None:
        now, rate = time.monotonic(), self.per_minute / 60
        with self._lock:
            left, then = self._allowance.get(name, (float(self.per_minute), now))
            left = min(self.per_minute, left + (now - then) * rate)
            self._allowance[name] = (left - 1 if left >= 1 else left), now
        if left < 1:
            again = str(max(1, round((1 - left) / rate)))
            raise HTTPException(429, f"more than {self.per_minute} requests a minute", {"Retry-After": again})


def _require_own_name(request: Request) -> None:
    host = request.headers.get("host", "")
    if host.rpartition(":")[0] not in _LOOPBACK and host not in _LOOPBACK:
        raise HTTPException(403, "without keys this machine alone is served; ask localhost")
